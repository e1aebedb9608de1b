"""The strip of a run: six numbers, of the stage at work while it runs, of the whole run else. No Gradio."""

from functools import lru_cache
from pathlib import Path

from engine.errors import JudgeStudioError
from engine.measure.metrics import ALL, STRICT
from engine.records import BASE_JUDGE, ScoreRow, version_name, version_number
from engine.workspace.conclusions import Judged, Measured, Selected, Trained
from engine.workspace.folders import STAGES
from engine.workspace.state import ALIVE
from studio.look import words
from studio.look.cards import Stat
from studio.run.view import RunView, accuracies, best_accuracy, kept_share, measured_as


def stats(view: RunView) -> list[Stat]:
    """Six numbers: of the stage at work while it runs, of the whole run else."""
    return [*(_working(view) if view.state.state in ALIVE else _rested(view)), _invalid(view), _best(view)]


def _working(view: RunView) -> list[Stat]:
    state = view.state
    share = words.percent(state.done / state.total) + " done" if state.total else "total not known"
    of = f"of {words.number(state.total)}" if state.total is not None else ""
    run_left = _run_left(view)
    stage = STAGES.index(state.stage) if state.stage in STAGES else -1
    after = ", ".join(STAGES[stage + 1 :]) if state.iteration else "iteration 1"
    more = max(0, state.iterations - state.iteration)
    return [
        Stat(
            label=f"{(state.unit or 'units').capitalize()} this stage",
            value=words.number(state.done),
            unit=of,
            context=share,
        ),
        Stat(
            label="Rate",
            value=words.decimal(state.rate, 1),
            unit="per s" if state.rate is not None else "",
            context=f"{state.unit}, last 30 s" if state.rate is not None else "",
        ),
        Stat(
            label="Stage left",
            value=words.about(state.stage_left),
            context=f"then {after}" if after else "the last stage",
        ),
        Stat(
            label="Run left",
            value=words.about(run_left),
            unit="at most" if run_left is not None else "",
            context=f"{words.plural(more, 'more iteration')} after this" if more else "the last iteration",
        ),
    ]


def _rested(view: RunView) -> list[Stat]:
    known = [value for value in accuracies(view) if value is not None]
    finished = view.last(Measured) or 0
    last = view.last(Trained)
    chosen = view.concluded(last, Selected)
    trained = chosen.kept if chosen else None
    return [
        Stat(
            label="Iterations",
            value=words.number(finished),
            unit=f"of {words.number(view.state.iterations)}" if view.state.iterations else "",
            context="finished",
        ),
        Stat(label="Time", value=words.duration(view.state.seconds or None), context="of work, all starts"),
        Stat(label="Kept", value=words.percent(kept_share(view)), context="of the last iteration's traces"),
        Stat(
            label="Trained on",
            value=words.number(trained),
            unit="traces" if trained is not None else "",
            context=version_name(last) if last is not None and known else "",
        ),
    ]


def _invalid(view: RunView) -> Stat:
    last = view.last(Judged)
    judged = view.concluded(last, Judged) or Judged()
    invalid = judged.verdicts.get("invalid")
    share = invalid / judged.traces if invalid is not None and judged.traces else None
    context = f"iteration {last}, {words.number(invalid)} without one verdict" if share is not None else ""
    return Stat(label="Invalid", value=words.percent(share, 1), context=context)


def _best(view: RunView) -> Stat:
    accuracy = best_accuracy(view)
    best = view.state.best or BASE_JUDGE
    label = "Best so far" if view.is_active else "Best"
    if accuracy is None:
        return Stat(label=label, value=words.MISSING)
    known = interval_of(view, best)
    told = [best, "strict", "" if (name := measured_as(view)) == "accuracy" else name]
    told.append(words.interval(*known) if known else "")
    return Stat(label=label, value=words.decimal(accuracy), context=", ".join(part for part in told if part))


def interval_of(view: RunView, judge: str) -> tuple[float, float] | None:
    """95 % interval of a version's strict accuracy on the deciding benchmark; None where no table says it."""
    number = version_number(judge)
    measured = view.concluded(number, Measured)
    if number is None or measured is None or measured.benchmark is None:
        return None
    parts = view.folder.stage(number, "evaluate").parts("scores")
    try:
        return _interval(tuple(parts), max(part.stat().st_mtime_ns for part in parts), judge, measured.benchmark)
    except (JudgeStudioError, OSError, ValueError):  # being written again, or damaged; Versions says which
        return None


@lru_cache(maxsize=256)
def _interval(parts: tuple[Path, ...], _changed: int, judge: str, benchmark: str) -> tuple[float, float] | None:
    """A run's tables of scores are read once: the page asks for every run every two seconds."""
    from engine.workspace.tables import read_parts  # pyarrow, which a page without a finished run need not load

    decides = (judge, benchmark, STRICT, ALL)
    for row in read_parts(parts, ScoreRow):
        if (row.judge, row.benchmark, row.protocol, row.dimension) == decides:
            return row.low, row.high
    return None


def _run_left(view: RunView) -> float | None:
    """The upper bound the loop wrote when this iteration began, less what was worked since; None once that is over.

    As of the moment that "stage left" is of: else one of two numbers beside each other would count down alone while no
    batch ends. And never less than the stage itself takes.
    """
    state = view.state
    if state.run_left is None:
        return None
    worked = sum(entry.seconds for (number, _), entry in view.times.items() if number == state.iteration)
    begins = [event for event in view.events if event.get("event") == "begin"]
    counted_at = state.counted_at or state.heartbeat
    current = counted_at - float(begins[-1].get("time") or 0) if begins and view.is_active else 0.0
    left = state.run_left - worked - max(0.0, current)
    return max(left, state.stage_left or 0.0) if left > 0 else None
