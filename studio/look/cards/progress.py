"""How far a run is: stat strip, stage ledger, list of stages, plan."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from studio.look import words
from studio.look.cards.glossary import asks
from studio.look.cards.markup import EMPTY, Html, element, esc

STAGES = ("synthesize", "judge", "select", "train", "evaluate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat:
    """One number of the strip."""

    label: str
    value: str
    unit: str = ""
    """Small, behind the number."""
    context: str = ""
    """One line below."""


def stat_strip(stats: Sequence[Stat], *, bare: bool = False) -> Html:
    """Up to six numbers in hairline tiles; `bare` without the line above, for a panel of its own."""
    tiles = [
        element(
            "div",
            element("dt", esc(stat.label), **asks(stat.label)),
            _stat_value(stat),
            element("dd", esc(stat.context), class_="st-context") if stat.context else EMPTY,
            class_="st-stat",
        )
        for stat in stats[:6]
    ]
    columns = f" is-{len(tiles)}"
    return element("dl", *tiles, class_=f"st-stats{columns}{' is-free' if bare else ''}")


def _stat_value(stat: Stat) -> Html:
    """The number and its unit; what is not known is written small, so that it does not shout."""
    if stat.value == words.MISSING:
        return element("dd", esc(stat.value), class_="is-unknown")
    return element("dd", esc(f"{stat.value} "), element("small", esc(stat.unit)) if stat.unit else EMPTY)


StageState = Literal["done", "running", "waiting", "stopped", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCell:
    """One stage of one iteration."""

    state: StageState
    count: str
    """What came out, "480 pairs", "1,171 of 1,920 traces"; empty takes the state's word."""
    detail: str = ""
    """Time, rate, what is left, or what it will do."""
    done_share: float | None = None
    """0 to 1 of a running stage; None = not known, then no bar is claimed."""


NO_STAGE = StageCell(state="waiting", count="")
"""Of a stage that an iteration does not have: the baseline trains nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """One iteration: its five stages in order."""

    title: str
    """ "Iteration 3"."""
    note: str = ""
    """ "now, with judge-v2"."""
    cells: Sequence[StageCell]
    line: str
    """The whole past iteration in one line, for a phone: "774 kept, judge-v2 0.59"."""
    current: bool = False


_STATE_WORDS: dict[str, str] = {
    "done": "Done",
    "running": "Running",
    "waiting": "Waiting",
    "stopped": "Stopped",
    "failed": "Failed",
}


def stage_ledger(rows: Sequence[LedgerRow]) -> Html:
    """Columns are the five stages, rows the iterations, newest first as given. On a phone: one list."""
    heads = [
        Html('<div class="is-h"></div>'),
        *(element("div", esc(name.capitalize()), class_="is-h") for name in STAGES),
    ]
    cells: list[Html] = []
    for row in rows:
        cells += _current_row(row) if row.current else _past_row(row)
    return element("div", *heads, *cells, class_="st-ledger")


def _current_row(row: LedgerRow) -> list[Html]:
    first = element("div", element("b", esc(row.title)), element("small", esc(row.note)), class_="is-it is-now")
    cells = zip(STAGES, row.cells, strict=False)
    return [first, *(_none("is-now") if cell is NO_STAGE else _now(name, cell) for name, cell in cells)]


def _none(row: str) -> Html:
    return element("div", class_=f"{row} is-none")


def _now(name: str, cell: StageCell) -> Html:
    return element(
        "div",
        tick_bar(cell.state, cell.done_share, label=name),
        element("i", esc(name.capitalize()), class_="lab"),
        element("b", esc(cell.count or _STATE_WORDS[cell.state])),
        element("small", esc(cell.detail)),
        class_=f"is-now is-{'wait' if cell.state == 'waiting' else cell.state}",
    )


def _past_row(row: LedgerRow) -> list[Html]:
    first = element("div", element("b", esc(row.title)), element("small", esc(row.note)), class_="is-it is-past")
    cells = [
        _none("is-past")
        if cell is NO_STAGE
        else element(
            "div",
            element("b", esc(cell.count or _STATE_WORDS[cell.state])),
            element("small", esc(cell.detail)),
            class_="is-past",
        )
        for cell in row.cells[: len(STAGES)]
    ]
    missing = [_none("is-past")] * (len(STAGES) - len(cells))
    line = element("div", element("span", esc(row.title)), element("span", esc(row.line)), class_="is-line")
    return [first, *cells, *missing, line]


def tick_bar(state: StageState, share: float | None, *, label: str) -> Html:
    """A graduated bar: done grey and full, running petrol with a cursor, waiting an empty scale."""
    percent = 100.0 if state == "done" else 100 * min(1.0, max(0.0, share or 0.0))
    kind = {"done": " is-done", "waiting": " is-wait", "stopped": " is-stopped", "failed": " is-failed"}.get(state, "")
    said = f"{label}: {_STATE_WORDS[state].lower()}" + (
        f", {words.percent(percent / 100)}" if state != "waiting" and (share is not None or state == "done") else ""
    )
    return element(
        "span",
        Html("<i></i>"),
        class_=f"st-tickbar{kind}",
        style=f"--v:{percent:.1f}",
        role="img",
        aria_label=said,
    )


def stage_list(cells: Sequence[StageCell]) -> Html:
    """The current iteration as a list of its stages' bars, for the card of a running run in Launch."""
    rows = [
        element(
            "li",
            element("b", esc(name.capitalize())),
            tick_bar(cell.state, cell.done_share, label=name),
            element("span", esc(cell.count or _STATE_WORDS[cell.state].lower())),
            class_="is-wait" if cell.state == "waiting" else None,
        )
        for name, cell in zip(STAGES, cells, strict=False)
        if cell is not NO_STAGE
    ]
    return element("ul", *rows, class_="st-plan is-bars")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """One stage of the plan."""

    stage: str
    what: str
    """What will happen, with its numbers."""
    time: str | None
    """Upper bound; None = not known yet, because there is no earlier run to estimate from."""


def plan(rows: Sequence[PlanRow]) -> Html:
    """Stage, what will happen, time."""
    items = [
        element(
            "li",
            element("b", esc(row.stage.capitalize())),
            element("span", esc(row.what)),
            element("span", esc(row.time if row.time is not None else "not known yet")),
        )
        for row in rows
    ]
    return element("ul", *items, class_="st-plan")
