"""The ledger of a run: one row per iteration, one cell per stage. Plain values, no Gradio."""

from engine.config import Settings
from engine.records import version_name
from engine.workspace.conclusions import Conclusion, Gathered, Judged, Measured, Selected, Synthesized, Trained
from engine.workspace.folders import STAGES
from studio.look import words
from studio.look.cards import NO_STAGE, LedgerRow, StageCell
from studio.look.cards.progress import StageState
from studio.run.view import RunView, counted

_SLOWEST_SHOWN = 0.05
"""Units per second below which a rate reads 0.0: while a model loads, nothing is promised from it."""


def ledger(view: RunView) -> list[LedgerRow]:
    """The iteration at work first, then the earlier ones, newest first, the baseline last."""
    last = max([view.state.iteration, *(number for number, _ in view.conclusions)], default=0)
    rows = [_row(view, number, current=number == last) for number in range(last, -1, -1)]
    return [row for row in rows if row is not None]


def _row(view: RunView, number: int, *, current: bool) -> LedgerRow | None:
    cells = stage_cells(view, number)
    judge = version_name(max(number - 1, 0))
    chosen = view.concluded(number, Selected) or Selected()
    measured = view.concluded(number, Measured)
    accuracy = words.decimal(measured.accuracy if measured else None, missing="")
    line = [
        f"{words.number(chosen.kept)} kept" if chosen.kept is not None else "",
        f"{version_name(number)} {accuracy}" if accuracy else "",
    ]
    if number == 0 and not current and measured is None:
        return None
    return LedgerRow(
        title=f"Iteration {number}" if number else "Baseline",
        note=(f"now, with {judge}" if view.is_active else f"with {judge}") if current and number else "",
        cells=cells,
        line=", ".join(part for part in line if part) or "not finished",
        current=current,
    )


def stage_cells(view: RunView, number: int) -> list[StageCell]:
    """The five stages of an iteration; of the baseline, those it has."""
    return [_cell(view, number, stage) if _has(view, number, stage) else NO_STAGE for stage in STAGES]


def _has(view: RunView, number: int, stage: str) -> bool:
    """The baseline measures the base model; it makes pairs only where some are held out."""
    if number or stage == "evaluate" or (number, stage) in view.conclusions or _is_at(view, number, stage):
        return True
    return stage == "synthesize" and _holds_out(view.settings)


def _cell(view: RunView, number: int, stage: str) -> StageCell:
    ended = view.conclusions.get((number, stage))
    if ended is not None:
        count, detail = _outcome(number, ended)
        took = view.times.get((number, stage))
        time_taken = words.duration(took.seconds) if took and took.seconds >= 0.05 else ""
        return StageCell(state="done", count=count, detail=", ".join(p for p in (time_taken, detail) if p))
    if _is_at(view, number, stage):
        return _current_cell(view)
    return StageCell(state="waiting", count="Waiting", detail=_expected(view, number, stage))


def _is_at(view: RunView, number: int, stage: str) -> bool:
    if view.state.state == "done" or number != view.state.iteration:
        return False
    shown = {"intake": "synthesize", "benchmark": "evaluate"}.get(view.state.stage or "", view.state.stage)
    return stage == shown


def _current_cell(view: RunView) -> StageCell:
    state = view.state
    share = state.done / state.total if state.total else None
    rate = f"{words.decimal(state.rate, 1)} per s" if state.rate and state.rate >= _SLOWEST_SHOWN else ""
    left = f"{words.about(state.stage_left)} left" if state.stage_left and rate else ""
    detail = ", ".join(part for part in (rate, left) if part) if view.is_active else "finished parts are kept"
    kind: StageState = "running" if view.is_active else "failed" if state.state == "failed" else "stopped"
    count = ("taking in " if state.stage == "intake" else "") + counted(state)
    return StageCell(state=kind, count=count.capitalize() if count else "", detail=detail, done_share=share)


def _outcome(number: int, ended: Conclusion) -> tuple[str, str]:
    """What a finished stage says of itself, in two short lines."""
    match ended:
        case Synthesized():
            lost = sum(ended.dropped.values())
            return _units(ended.pairs, "pair"), f"{words.number(lost)} dropped" if lost else ""
        case Judged():
            invalid = ended.verdicts.get("invalid")
            return _units(ended.traces, "trace"), f"{words.number(invalid)} invalid" if invalid else ""
        case Selected():
            share = words.percent(ended.kept_share, missing="")
            return f"{words.number(ended.kept)} kept" if ended.kept is not None else "Done", share
        case Trained():
            return _units(ended.steps, "step"), f"{words.plural(ended.trained_on, 'trace')}" if ended.trained_on else ""
        case Measured():
            accuracy = words.decimal(ended.accuracy, missing="")
            gained = ended.gain is not None and ended.parent
            against = f"{words.signed(ended.gain)} on {ended.parent}" if gained else ""
            return f"{accuracy} {version_name(number)}" if accuracy else "Done", against
        case Gathered():
            return _units(sum(ended.items.values()), "item"), ""


def _units(count: int | None, noun: str) -> str:
    return words.plural(count, noun) if count is not None else "Done"


def _expected(view: RunView, number: int, stage: str) -> str:
    """What a waiting stage will do: its rule, its size, or how long it took last time."""
    before = view.times.get((number - 1, stage))
    took = f"about {words.about(before.seconds)}" if before and before.finished and before.seconds >= 1 else ""
    if view.settings is None:
        return took
    if stage == "select":
        return f"{view.settings.select.rule} rule"
    if stage == "evaluate":
        return took or f"{words.plural(view.settings.evaluate.items, 'item')} at most, both orders"
    if stage == "judge":
        return took or f"both orders, {words.plural(view.settings.judge.traces_per_order, 'trace')} each"
    return took


def _holds_out(settings: Settings | None) -> bool:
    return settings is None or "held-out" in settings.evaluate.benchmarks
