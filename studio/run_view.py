"""One run as the page shows it: cells of the ledger, numbers of the strip, its next action. From files, no Gradio."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.config import Settings, SourceSettings
from engine.errors import JudgeStudioError
from engine.run_record import run_settings
from engine.state import ALIVE, RunState, device_holder, read_events, read_state, stop_requested
from engine.timing import StageTime, times_of
from engine.workspace import STAGES, RunFolder, read_json
from studio import cards, words
from studio.cards import Action, LedgerRow, LogLine, RunRow, StageCell, Stat
from studio.cards.progress import StageState
from studio.jobs import is_starting
from studio.page import link

LATE_SECONDS = 15.0
"""A heartbeat older than this is shown hollow; a run beats every 5 s."""

Summary = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """What is known of a run at one moment."""

    folder: RunFolder
    state: RunState
    shown_state: str
    """The state's name, with "stopping" where a stop was asked for, and "starting" before the first sign of life."""
    settings: Settings | None
    """None if config.yaml cannot be read; `fault` says why."""
    fault: str | None
    summaries: Mapping[tuple[int, str], Summary]
    """(iteration, stage) → what done.json says."""
    times: Mapping[tuple[int, str], StageTime]
    events: Sequence[Mapping[str, Any]]

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def is_active(self) -> bool:
        return self.shown_state in (*ALIVE, "starting")


def view_of(run: RunFolder, *, with_events: bool = True) -> RunView:
    """Read a run. A damaged file becomes `fault`, so that one run cannot hide the others.

    The table of all runs needs no events, which are the longest file.
    """
    settings, fault = None, None
    summaries: dict[tuple[int, str], Summary] = {}
    state = RunState(run=run.name, state="failed")
    try:
        state = read_state(run)
        settings = _settings(run.config, run.config.stat().st_mtime_ns)
        summaries = _summaries(run)
    except (JudgeStudioError, OSError, TypeError, ValueError) as error:
        fault = str(error)
    events = read_events(run) if with_events else []
    return RunView(
        folder=run,
        state=state,
        shown_state=_shown_state(run, state),
        settings=settings,
        fault=fault,
        summaries=summaries,
        times=times_of(events),
        events=events,
    )


def _shown_state(run: RunFolder, state: RunState) -> str:
    if state.state in ALIVE:
        return "stopping" if stop_requested(run) else state.state
    return "starting" if is_starting(run) else state.state


def _summaries(run: RunFolder) -> dict[tuple[int, str], Summary]:
    found: dict[tuple[int, str], Summary] = {}
    number = 0
    while number == 0 or (run.folder / f"iteration-{number:02d}").is_dir():
        for stage in STAGES:
            path = run.stage(number, stage).folder / "done.json"
            try:
                found[number, stage] = _summary(path, path.stat().st_mtime_ns)
            except FileNotFoundError:
                continue
        number += 1
    return found


@lru_cache(maxsize=256)
def _settings(config: Path, _changed: int) -> Settings:
    """Parsing YAML takes 10 ms; the page asks for every run every two seconds."""
    return run_settings(RunFolder(config.parent))


@lru_cache(maxsize=4096)
def _summary(path: Path, _changed: int) -> Summary:
    return read_json(path) or {}


# --- words about it --------------------------------------------------------------------------------------------


def base_name(settings: Settings | None) -> str:
    """The base model without its folder or owner."""
    return settings.model.base.rstrip("/").rsplit("/", 1)[-1] if settings else "not known"


def source_words(source: SourceSettings) -> str:
    """A source in a few words: "drawn scenes", "folder photos"."""
    if source.kind == "drawn":
        return "drawn scenes"
    name = (source.path or "not named").rstrip("/").rsplit("/", 1)[-1]
    return f"{source.kind} {name}"


def accuracies(view: RunView) -> list[float | None]:
    """Strict accuracy of judge-v0, judge-v1, … on the deciding benchmark; [] before the first measurement."""
    last = max((number for number, stage in view.summaries if stage == "evaluate"), default=-1)
    return [_number(view.summaries.get((n, "evaluate"), {}).get("accuracy")) for n in range(last + 1)]


def best_accuracy(view: RunView) -> float | None:
    """Of the version the statistics name."""
    known = accuracies(view)
    number = (view.state.best or "judge-v0").removeprefix("judge-v")
    return known[int(number)] if number.isdigit() and int(number) < len(known) else None


def kept_share(view: RunView) -> float | None:
    """Kept traces among all traces of the last selection; None before the first."""
    last = max((number for number, stage in view.summaries if stage == "select"), default=None)
    if last is None:
        return None
    summary = view.summaries[last, "select"]
    kept, traces = _number(summary.get("kept")), _number(summary.get("traces"))
    return kept / traces if kept is not None and traces else None


def run_row(view: RunView, bytes_: int | None) -> RunRow:
    """The run in the table of all runs."""
    return RunRow(
        run=view.name,
        state=view.shown_state,
        base_model=base_name(view.settings),
        source=source_words(view.settings.source) if view.settings else "not known",
        iteration=view.state.iteration,
        iterations=view.state.iterations or None,
        accuracies=accuracies(view),
        best=view.state.best or ("judge-v0" if accuracies(view) else None),
        best_accuracy=best_accuracy(view),
        kept_share=kept_share(view),
        seconds=view.state.seconds or None,
        bytes=bytes_,
        deletable=not view.is_active,
    )


def sentence(view: RunView) -> str:
    """What is going on, in one sentence."""
    if view.fault:
        return view.fault
    if view.shown_state == "starting":
        return "Starting: the process is loading its libraries."
    if view.shown_state == "stopping":
        return "Stopping after the batch that is under way. Everything finished is kept."
    if view.state.state == "failed":
        return view.state.error or "It failed without a word. Finished parts are kept."
    if view.state.state == "stopped" and view.state.stage:
        at = f"iteration {view.state.iteration}" if view.state.iteration else "the baseline"
        done = _counted(view.state)
        return f"Stopped in {at}, {view.state.stage}{': ' + done if done else ''}. Everything finished is kept."
    text = view.state.message or view.state.state.capitalize()
    return text if text.endswith(".") else f"{text}."


def kept_words(view: RunView) -> str:
    """What a stop keeps and what it repeats, for the words under Stop and Resume."""
    unit = {"train": "training goes on from its last saved step", "judge": "only missing traces are asked for"}
    return f"Everything finished is kept; {unit.get(view.state.stage or '', 'only what is missing is done again')}."


def heartbeat(view: RunView, now: float | None = None) -> cards.Html:
    """Age of the last sign of life of an active run; empty for others."""
    if view.state.state not in ALIVE:
        return cards.EMPTY
    age = max(0.0, (time.time() if now is None else now) - view.state.heartbeat)
    if age > LATE_SECONDS:
        return cards.heartbeat(f"No update for {words.duration(int(age))}", pulse="late")
    return cards.heartbeat(f"Last update {words.ago(age)}", pulse="live")


def device_words(view: RunView) -> str:
    """Who has the device the run uses or would use; "" where nobody has said."""
    device = view.state.device
    if device is None:
        return ""
    holder = device_holder(device)
    if holder == f"run {view.name}":
        return f"{device} is held by this run"
    return f"{device} is held by {holder}" if holder else f"{device} is free"


def main_action(view: RunView) -> Action:
    """The one next thing to do (LOOK.md, "One main button")."""
    if view.shown_state in ("running", "stopping"):
        has_traces = (max(view.state.iteration, 1), "synthesize") in view.summaries
        target = ("traces", "See the traces so far") if has_traces else ("pairs", "See the pairs so far")
        return Action(label=target[1], url=link(target[0], view.name), kind="main")
    if view.shown_state in ("queued", "starting"):
        return Action(label="Open Launch", url=link("launch", view.name, {"launch.view": "run"}), kind="main")
    if view.shown_state == "stopped":
        return Action(label="Resume", act="resume", key=view.name, kind="main")
    if view.shown_state == "failed":
        return Action(label="Show the error", url=link("launch", view.name, {"launch.view": "run"}), kind="main")
    best = view.state.best
    values = {"versions.old": "judge-v0", "versions.new": best} if best and best != "judge-v0" else {}
    label = f"Compare judge-v0 with {best}" if values else "Compare the versions"
    return Action(label=label, url=link("versions", view.name, values), kind="main")


def recent_events(view: RunView, count: int) -> list[LogLine]:
    """The last events, newest first."""
    return [
        LogLine(
            time=time.strftime("%H:%M:%S", time.localtime(float(event.get("time") or 0))),
            text=said_by(event),
            bad=event.get("event") == "failed",
        )
        for event in reversed(view.events[-count:])
    ]


def said_by(event: Mapping[str, Any]) -> str:
    """One event of events.jsonl as a line of the log."""
    name = str(event.get("event", "?"))
    values = {key: value for key, value in event.items() if key not in ("time", "event", "stage", "iteration")}
    if name == "begin":
        total, done = _number(values.get("total")), _number(values.get("done"))
        counts = [f"{words.number(total)} to do"] if total is not None else []
        counts += [f"{words.number(done)} there already"] if done else []
        return f"{event.get('stage')} begins" + (f": {', '.join(counts)}" if counts else "")
    if name == "failed":
        return f"failed: {values.get('error')}"
    if name == "iteration":
        return f"iteration {event.get('iteration')} finished in {words.duration(_number(values.get('seconds')))}"
    told = ", ".join(f"{key} {_told(value)}" for key, value in values.items() if value is not None)
    return f"{name}: {told}" if told else name


def _told(value: Any) -> str:
    if isinstance(value, float):
        return words.decimal(value, 3 if abs(value) < 10 else 0)
    return f"{value:,}" if isinstance(value, int) else str(value)


# --- the ledger ------------------------------------------------------------------------------------------------


def ledger(view: RunView) -> list[LedgerRow]:
    """The iteration at work first, then the earlier ones, newest first, the baseline last."""
    last = max([view.state.iteration, *(number for number, _ in view.summaries)], default=0)
    rows = [_row(view, number, current=number == last) for number in range(last, -1, -1)]
    return [row for row in rows if row is not None]


def _row(view: RunView, number: int, *, current: bool) -> LedgerRow | None:
    cells = stage_cells(view, number)
    judge = f"judge-v{max(number - 1, 0)}"
    select = view.summaries.get((number, "select"), {})
    evaluate = view.summaries.get((number, "evaluate"), {})
    accuracy = words.decimal(_number(evaluate.get("accuracy")), missing="")
    line = [
        f"{words.number(_number(select.get('kept')))} kept" if select.get("kept") is not None else "",
        f"judge-v{number} {accuracy}" if accuracy else "",
    ]
    if number == 0 and not current and not evaluate:
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
    return [_cell(view, number, stage) for stage in STAGES]


def _cell(view: RunView, number: int, stage: str) -> StageCell:
    summary = view.summaries.get((number, stage))
    if summary is not None:
        count, detail = _outcome(stage, number, summary)
        took = view.times.get((number, stage))
        time_taken = words.duration(took.seconds) if took and took.seconds >= 0.05 else ""
        return StageCell(state="done", count=count, detail=", ".join(p for p in (time_taken, detail) if p))
    if _is_at(view, number, stage):
        return _current_cell(view)
    if number == 0 and stage in ("judge", "select", "train"):
        return StageCell(state="waiting", count="–", detail="not in the baseline")
    if number == 0 and stage == "synthesize" and not _holds_out(view.settings):
        return StageCell(state="waiting", count="–", detail="the benchmark brings its items")
    return StageCell(state="waiting", count="Waiting", detail=_expected(view, number, stage))


def _is_at(view: RunView, number: int, stage: str) -> bool:
    if view.state.state == "done" or number != view.state.iteration:
        return False
    shown = {"intake": "synthesize", "benchmark": "evaluate"}.get(view.state.stage or "", view.state.stage)
    return stage == shown


def _current_cell(view: RunView) -> StageCell:
    state = view.state
    share = state.done / state.total if state.total else None
    rate = f"{words.decimal(state.rate, 1)} per s" if state.rate else ""
    left = f"{words.duration(state.stage_left)} left" if state.stage_left is not None else ""
    detail = ", ".join(part for part in (rate, left) if part) if view.is_active else "finished parts are kept"
    kind: StageState = "running" if view.is_active else "failed" if state.state == "failed" else "stopped"
    count = ("taking in " if state.stage == "intake" else "") + _counted(state)
    return StageCell(state=kind, count=count.capitalize() if count else "", detail=detail, done_share=share)


def _counted(state: RunState) -> str:
    if not state.unit:
        return ""
    of = f" of {words.number(state.total)}" if state.total is not None else ""
    return f"{words.number(state.done)}{of} {state.unit}"


def _outcome(stage: str, number: int, summary: Summary) -> tuple[str, str]:
    """What a finished stage says of itself, in two short lines."""
    if stage == "synthesize":
        dropped = summary.get("dropped")
        lost = sum(dropped.values()) if isinstance(dropped, Mapping) else 0
        return _units(summary.get("pairs"), "pair"), f"{words.number(lost)} dropped" if lost else ""
    if stage == "judge":
        verdicts = summary.get("verdicts")
        invalid = verdicts.get("invalid", 0) if isinstance(verdicts, Mapping) else 0
        return _units(summary.get("traces"), "trace"), f"{words.number(invalid)} invalid" if invalid else ""
    if stage == "select":
        share = words.percent(_number(summary.get("kept_share")), missing="")
        kept = _number(summary.get("kept"))
        return f"{words.number(kept)} kept" if kept is not None else "Done", share
    if stage == "train":
        loss = words.decimal(_number(summary.get("loss", summary.get("last_loss"))), missing="")
        return _units(summary.get("steps"), "step"), f"loss {loss}" if loss else ""
    accuracy = words.decimal(_number(summary.get("accuracy")), missing="")
    gain = _number(summary.get("gain"))
    parent = summary.get("parent")
    against = f"{words.signed(gain)} on {parent}" if gain is not None and parent else ""
    return f"{accuracy} judge-v{number}" if accuracy else "Done", against


def _units(count: object, noun: str) -> str:
    number = _number(count)
    return words.plural(int(number), noun) if number is not None else "Done"


def _expected(view: RunView, number: int, stage: str) -> str:
    """What a waiting stage will do: its rule, its size, or how long it took last time."""
    before = view.times.get((number - 1, stage))
    took = f"about {words.duration(before.seconds)}" if before and before.finished and before.seconds >= 1 else ""
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


# --- the strip -------------------------------------------------------------------------------------------------


def stats(view: RunView) -> list[Stat]:
    """Six numbers: of the stage at work while it runs, of the whole run else."""
    return [*(_working(view) if view.state.state in ALIVE else _rested(view)), _invalid(view), _best(view)]


def _working(view: RunView) -> list[Stat]:
    state = view.state
    share = words.percent(state.done / state.total) + " done" if state.total else "total not known"
    of = f"of {words.number(state.total)}" if state.total is not None else ""
    left, unit = words.rough_duration(state.stage_left)
    run_left, run_unit = words.rough_duration(_run_left(view))
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
        Stat(label="Stage left", value=left, unit=unit, context=f"then {after}" if after else "the last stage"),
        Stat(
            label="Run left",
            value=run_left,
            unit=f"{run_unit} at most" if run_unit else "",
            context=f"{words.plural(more, 'more iteration')} after this" if more else "the last iteration",
        ),
    ]


def _rested(view: RunView) -> list[Stat]:
    known = [value for value in accuracies(view) if value is not None]
    finished = max((number for number, stage in view.summaries if stage == "evaluate"), default=0)
    time_value, time_unit = words.rough_duration(view.state.seconds or None)
    last = max((number for number, stage in view.summaries if stage == "train"), default=None)
    trained = view.summaries.get((last, "select"), {}).get("kept") if last is not None else None
    return [
        Stat(
            label="Iterations",
            value=words.number(finished),
            unit=f"of {words.number(view.state.iterations)}" if view.state.iterations else "",
            context="finished",
        ),
        Stat(label="Time", value=time_value, unit=time_unit, context="of work, all starts"),
        Stat(label="Kept", value=words.percent(kept_share(view)), context="of the last iteration's traces"),
        Stat(
            label="Trained on",
            value=words.number(_number(trained)),
            unit="traces" if trained is not None else "",
            context=f"judge-v{last}" if last is not None and known else "",
        ),
    ]


def _invalid(view: RunView) -> Stat:
    last = max((number for number, stage in view.summaries if stage == "judge"), default=None)
    summary = view.summaries[last, "judge"] if last is not None else {}
    verdicts, traces = summary.get("verdicts"), _number(summary.get("traces"))
    invalid = _number(verdicts.get("invalid")) if isinstance(verdicts, Mapping) else None
    share = invalid / traces if invalid is not None and traces else None
    context = f"iteration {last}, {words.number(invalid)} without one verdict" if share is not None else ""
    return Stat(label="Invalid", value=words.percent(share, 1), context=context)


def _best(view: RunView) -> Stat:
    accuracy = best_accuracy(view)
    best = view.state.best or "judge-v0"
    label = "Best so far" if view.is_active else "Best"
    return Stat(label=label, value=words.decimal(accuracy), context=f"{best}, strict" if accuracy is not None else "")


def _run_left(view: RunView) -> float | None:
    """The upper bound the loop wrote when this iteration began, less what was worked since."""
    if view.state.run_left is None:
        return None
    worked = sum(entry.seconds for (number, _), entry in view.times.items() if number == view.state.iteration)
    begins = [event for event in view.events if event.get("event") == "begin"]
    current = time.time() - float(begins[-1].get("time") or 0) if begins and view.is_active else 0.0
    return max(0.0, view.state.run_left - worked - max(0.0, current))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
