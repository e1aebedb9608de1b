"""Tables of a known shape: runs, versions, versions compared, items whose ruling changed."""

from collections.abc import Sequence
from dataclasses import dataclass

from studio.look import words
from studio.look.cards.glossary import asks
from studio.look.cards.images import picture
from studio.look.cards.lean import sparkline
from studio.look.cards.marks import chip, chips, fate, state_chip
from studio.look.cards.markup import EMPTY, Html, element, esc, press, ready


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Head of one column."""

    name: str
    is_number: bool = False
    is_optional: bool = False
    """Leaves on a phone."""
    is_far: bool = False
    """Leaves already below 1000 px."""


def table(columns: Sequence[Column], rows: Sequence[Html], *, caption: str) -> Html:
    """A table inside its scrolling frame; `caption` is read out, not shown. Rows are `<tr>` elements."""
    head = element(
        "tr", *(element("th", esc(c.name), class_=_cell_class(c), scope="col", **asks(c.name)) for c in columns)
    )
    body = element(
        "table",
        element("caption", esc(caption), class_="st-sr"),
        element("thead", head),
        element("tbody", *rows),
        class_="st-table",
    )
    return element("div", body, class_="st-scroll")


def _cell_class(column: Column) -> str | None:
    parts = ["st-num"] * column.is_number + ["is-opt"] * column.is_optional + ["is-far"] * column.is_far
    return " ".join(parts) or None


def row(columns: Sequence[Column], cells: Sequence[Html], *, selected: bool = False, part: int = 0) -> Html:
    """One row whose cells take the classes of their columns. `part`: see `ready`."""
    tds = [element("td", cell, class_=_cell_class(c)) for c, cell in zip(columns, cells, strict=True)]
    return element("tr", *tds, aria_current="true" if selected else None, **ready("is-on" if selected else "", part))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run of the workspace."""

    run: str
    state: str
    base_model: str
    source: str
    iteration: int
    """Iterations finished or under way."""
    iterations: int | None
    accuracies: Sequence[float | None]
    """Strict accuracy of judge-v0, judge-v1, …"""
    best: str | None
    best_accuracy: float | None
    kept_share: float | None
    seconds: float | None
    bytes: int | None
    url: str | None = None
    """Link that chooses this run; None = a click arrives as act "open"."""
    measured_as: str = "accuracy"
    """What the shares are called."""
    deletable: bool = True
    """False while it is active."""


_RUN_COLUMNS = (
    Column(name="Run"),
    Column(name="State"),
    Column(name="Base model", is_far=True),
    Column(name="Source", is_far=True),
    Column(name="Iterations", is_optional=True),
    Column(name="Right, strict"),
    Column(name="Best version", is_far=True),
    Column(name="Best", is_number=True),
    Column(name="Kept", is_number=True, is_optional=True),
    Column(name="Time", is_number=True, is_optional=True),
    Column(name="Disk", is_number=True, is_far=True),
    Column(name="", is_number=True),
)


def runs_table(runs: Sequence[RunRow], *, selected: str | None = None) -> Html:
    """All runs. Acts: "open" on the name, "delete" on the last column, `id` the run's name."""
    rows = [row(_RUN_COLUMNS, _run_cells(run), selected=run.run == selected) for run in runs]
    return table(_RUN_COLUMNS, rows, caption="Runs of this workspace")


def _best(run: RunRow) -> Html:
    """The best version's share, with its name below where that is not accuracy."""
    share = esc(words.decimal(run.best_accuracy, missing="–"))
    if run.best_accuracy is None or run.measured_as == "accuracy":
        return share
    return element("span", share, element("small", esc("self-made labels")), class_="st-two", title=run.measured_as)


def _run_cells(run: RunRow) -> list[Html]:
    name = press(esc(run.run, limit=80), act="open", key=run.run, url=run.url, class_="st-linkish")
    of = f" of {run.iterations}" if run.iterations is not None else ""
    delete = element(
        "button",
        Html("✕"),
        type="button",
        class_="st-btn is-small is-bare is-quiet",
        data_act="delete",
        data_id=run.run,
        aria_label=f"Delete run {run.run}",
        title="Delete",
    )
    places = None if run.iterations is None else run.iterations + 1
    return [
        name,
        state_chip(run.state),
        element("span", esc(run.base_model, limit=60), title=run.base_model[:300]),
        element("span", esc(run.source, limit=60), class_="st-dim"),
        esc(f"{run.iteration}{of}"),
        sparkline(run.accuracies, places=places),
        esc(run.best or "–"),
        _best(run),
        esc(words.percent(run.kept_share, missing="–")),
        esc(words.duration(run.seconds, missing="–")),
        esc(words.size(run.bytes, missing="–")),
        delete if run.deletable else EMPTY,
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """An accuracy with its 95 % interval."""

    accuracy: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRow:
    """Two versions on one slice of one benchmark."""

    name: str
    """ "overall" or a dimension."""
    n: int
    """Items."""
    older: Score | None
    newer: Score | None
    gain: float | None
    """Paired difference newer minus older."""
    gain_low: float | None
    gain_high: float | None
    p: float | None = None


def comparison_table(rows: Sequence[ComparedRow], *, older: str, newer: str) -> Html:
    """Per dimension: n, both accuracies with intervals, paired gain. Bold: interval and test both exclude 0."""
    columns = (
        Column(name="Dimension"),
        Column(name="Items", is_number=True, is_optional=True),
        Column(name=older, is_number=True),
        Column(name=newer, is_number=True),
        Column(name="Gain, paired", is_number=True),
    )
    body = [
        row(
            columns,
            [
                element("b", esc(line.name)) if place == 0 else esc(line.name, limit=60),
                esc(words.number(line.n)),
                score_cell(line.older),
                score_cell(line.newer),
                gain_cell(line.gain, line.gain_low, line.gain_high, line.p),
            ],
        )
        for place, line in enumerate(rows)
    ]
    return table(columns, body, caption=f"{newer} compared with {older}, accuracy by dimension")


def score_cell(score: Score | None) -> Html:
    """An accuracy over its interval."""
    if score is None:
        return element("span", Html("not measured"), class_="st-dim")
    span = element("small", esc(words.interval(score.low, score.high)))
    return element("span", esc(words.decimal(score.accuracy)), span, class_="st-two")


def gain_cell(gain: float | None, low: float | None, high: float | None, p: float | None) -> Html:
    """A paired gain over its interval and test; bold where both exclude zero."""
    if gain is None:
        return element("span", Html("–"), class_="st-dim")
    is_clear = low is not None and high is not None and (low > 0 or high < 0) and (p is None or p < 0.05)
    number = element("b" if is_clear else "span", esc(words.signed(gain)), class_="st-gain")
    tail = f", {words.p_value(p)}" if p is not None else ""
    span = element("small", esc(words.interval(low, high, sign=True) + tail))
    return element("span", number, span, class_="st-two")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageRow:
    """One judge version and where it came from."""

    judge: str
    parent: str | None
    trained_on: int | None
    """Kept traces."""
    steps: int | None
    accuracy: Score | None
    is_best: bool = False
    is_promoted: bool = False
    url: str | None = None
    note: str = ""
    """E.g. the loss it ended with, or why it was not trained."""


_LINEAGE_COLUMNS = (
    Column(name="Version"),
    Column(name="Parent"),
    Column(name="Trained on", is_number=True),
    Column(name="Steps", is_number=True, is_optional=True),
    Column(name="Right, strict", is_number=True),
    Column(name="", is_optional=True),
)


def lineage_table(versions: Sequence[LineageRow], *, selected: str | None = None) -> Html:
    """Judge versions with parent, training set and accuracy. Act "version" on the name, `id` the version."""
    rows = [
        row(
            _LINEAGE_COLUMNS,
            [
                element(
                    "span",
                    press(esc(version.judge), act="version", key=version.judge, url=version.url, class_="st-linkish"),
                    chip("best", "accent") if version.is_best else EMPTY,
                    chip("promoted") if version.is_promoted else EMPTY,
                    class_="st-row is-tight",
                ),
                esc(version.parent or "base model"),
                esc(words.plural(version.trained_on, "trace") if version.trained_on is not None else "–"),
                esc(words.number(version.steps, missing="–")),
                score_cell(version.accuracy),
                element("span", esc(version.note, limit=200), class_="st-dim"),
            ],
            selected=version.judge == selected,
        )
        for version in versions
    ]
    return table(_LINEAGE_COLUMNS, rows, caption="Judge versions of this run")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedItem:
    """A benchmark item on which two versions differ."""

    item_id: str
    src: str | None
    width: int | None = None
    question: str
    dimension: str
    older: str
    """ "right", "wrong", "order-flip", "invalid" or "tie" of the older version."""
    newer: str
    url: str | None = None
    """Link to the item; None = a click arrives as act "item"."""


def changed_list(items: Sequence[ChangedItem], *, older: str, newer: str) -> Html:
    """Items that differ, regressions first as given. Act "item", `id` the item's id."""
    rows = [_changed(item, older, newer) for item in items]
    return element("ul", *rows, class_="st-flips")


def _changed(item: ChangedItem, older: str, newer: str) -> Html:
    opener = press(esc(item.question, limit=240), act="item", key=item.item_id, url=item.url, class_="st-opener")
    change = element(
        "div",
        element("span", esc(older)),
        fate(item.older),
        element("span", esc(newer)),
        fate(item.newer),
        class_="chg",
    )
    text = element("div", element("p", opener, dir="auto"), chips(item.dimension), class_="st-stack is-close")
    shown = picture(item.src, "Image of the item", width=item.width)
    return element("li", shown, text, change, data_id=item.item_id)
