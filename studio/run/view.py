"""One run as the page shows it: its state in words, its row among the runs, its next action. From files, no Gradio."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.config import Settings, SourceSettings
from engine.errors import JudgeStudioError
from engine.measure.benchmarks.held_out import number_on
from engine.measure.near_training import near_sentence
from engine.records import BASE_JUDGE, version_name, version_number
from engine.workspace.conclusions import (
    Against,
    Concluded,
    Conclusion,
    Judged,
    Measured,
    Selected,
    Synthesized,
    any_conclusion,
)
from engine.workspace.files import read_json
from engine.workspace.folders import STAGES, RunFolder
from engine.workspace.locks import device_holder
from engine.workspace.run_record import run_settings
from engine.workspace.state import ALIVE, RunState, read_events, read_state, stop_requested
from engine.workspace.timing import StageTime, times_of
from studio.jobs.runs import is_starting
from studio.look import cards, words
from studio.look.cards import Action, LogLine, RunRow
from studio.page.place import link

_DAY = 86_400.0
LATE_SECONDS = 15.0
"""A heartbeat older than this is shown hollow; a run beats every 5 s."""


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
    conclusions: Mapping[tuple[int, str], Conclusion]
    """(iteration, stage) → what done.json says."""
    times: Mapping[tuple[int, str], StageTime]
    events: Sequence[Mapping[str, Any]]

    @property
    def name(self) -> str:
        return self.folder.name

    def concluded(self, number: int | None, kind: type[Concluded]) -> Concluded | None:
        """What a stage of one iteration ended with, None before that: `view.concluded(2, Judged)`."""
        found = None if number is None else self.conclusions.get((number, kind.stage))
        return found if isinstance(found, kind) else None

    def last(self, kind: type[Conclusion]) -> int | None:
        """The last iteration in which that stage has ended."""
        return max((number for number, stage in self.conclusions if stage == kind.stage), default=None)

    @property
    def is_active(self) -> bool:
        return self.shown_state in (*ALIVE, "starting")


def view_of(run: RunFolder, *, with_events: bool = True) -> RunView:
    """Read a run. A damaged file becomes `fault`, so that one run cannot hide the others.

    The table of all runs needs no events, which are the longest file.
    """
    settings, fault = None, None
    conclusions: dict[tuple[int, str], Conclusion] = {}
    state = RunState(run=run.name, state="failed")
    try:
        state = read_state(run)
        settings = _settings(run.config, run.config.stat().st_mtime_ns)
        conclusions = _conclusions(run)
    except (JudgeStudioError, OSError, TypeError, ValueError) as error:
        fault = str(error)
    events = read_events(run) if with_events else []
    return RunView(
        folder=run,
        state=state,
        shown_state=_shown_state(run, state),
        settings=settings,
        fault=fault,
        conclusions=conclusions,
        times=times_of(events),
        events=events,
    )


def _shown_state(run: RunFolder, state: RunState) -> str:
    if state.state in ALIVE:
        return "stopping" if stop_requested(run) else state.state
    return "starting" if is_starting(run) else state.state


def _conclusions(run: RunFolder) -> dict[tuple[int, str], Conclusion]:
    found: dict[tuple[int, str], Conclusion] = {}
    number = 0
    while number == 0 or (run.folder / f"iteration-{number:02d}").is_dir():
        for stage in STAGES:
            path = run.stage(number, stage).folder / "done.json"
            try:
                found[number, stage] = _conclusion(path, stage, path.stat().st_mtime_ns)
            except FileNotFoundError:
                continue
        number += 1
    return found


@lru_cache(maxsize=256)
def _settings(config: Path, _changed: int) -> Settings:
    """Parsing YAML takes 10 ms; the page asks for every run every two seconds."""
    return run_settings(RunFolder(config.parent))


@lru_cache(maxsize=4096)
def _conclusion(path: Path, stage: str, _changed: int) -> Conclusion:
    return any_conclusion(read_json(path) or {}, stage, where=path)


# --- words about it --------------------------------------------------------------------------------------------


def base_name(settings: Settings | None) -> str:
    """The base model: a hub's id whole, of a folder the last part."""
    if settings is None:
        return "not known"
    base = settings.model.base.rstrip("/")
    return base if base.count("/") == 1 and not base.startswith(("/", ".", "~")) else base.rsplit("/", 1)[-1]


def source_words(source: SourceSettings) -> str:
    """A source in a few words: "drawn scenes", "folder photos"."""
    if source.kind == "drawn":
        return "drawn scenes"
    name = (source.path or "not named").rstrip("/").rsplit("/", 1)[-1]
    return f"{source.kind} {name}"


def accuracies(view: RunView) -> list[float | None]:
    """Strict accuracy of judge-v0, judge-v1, … on the deciding benchmark; [] before the first measurement."""
    last = view.last(Measured)
    measured = [view.concluded(number, Measured) for number in range(0 if last is None else last + 1)]
    return [one.accuracy if one else None for one in measured]


def measured_as(view: RunView) -> str:
    """What these shares are called: "accuracy", or "agreement with self-made labels"."""
    measured = view.concluded(0, Measured)
    return number_on((measured.benchmark if measured else None) or "")


def best_accuracy(view: RunView) -> float | None:
    """Of the version the statistics name."""
    known = accuracies(view)
    number = version_number(view.state.best or BASE_JUDGE)
    return known[number] if number is not None and number < len(known) else None


def kept_share(view: RunView) -> float | None:
    """Kept traces among all traces of the last selection; None before the first."""
    chosen = view.concluded(view.last(Selected), Selected)
    return chosen.kept / chosen.traces if chosen and chosen.kept is not None and chosen.traces else None


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
        best=view.state.best or (BASE_JUDGE if accuracies(view) else None),
        best_accuracy=best_accuracy(view),
        measured_as=measured_as(view),
        kept_share=kept_share(view),
        seconds=view.state.seconds or None,
        bytes=bytes_,
        deletable=not view.is_active and not view.folder.workspace.is_read_only,
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
        done = counted(view.state)
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
        return f"{device} is held by {'this run' if view.is_active else 'a run of this name elsewhere'}"
    return f"{device} is held by {holder}" if holder else f"{device} is free"


def still_pays(view: RunView) -> bool:
    """Whether the last iteration's paired gain excludes zero, so that one more may gain again."""
    gain = _last_gain(view)
    return gain is not None and gain.gain_low > 0


def pays_words(view: RunView) -> str:
    """Whether a finished run should go on, from its last iteration's gain and time; "" before there is a gain."""
    gain = _last_gain(view)
    if gain is None:
        return ""
    interval = words.interval(gain.gain_low, gain.gain_high, sign=True)
    told = f"The last iteration gained {words.signed(gain.gain)} ({interval})"
    if gain.gain_low <= 0:
        return f"{told}, which may be nothing: one more will hardly pay."
    took = sum(entry.seconds for (number, _), entry in view.times.items() if number == view.state.iteration)
    about = f", and would take about {words.about(took)}" if took else ""
    if view.state.best != version_name(view.last(Measured) or 0):
        return f"{told} on all items, not surely on the half that chooses the best: one more may pay{about}."
    return f"{told}, so one more still pays{about}."


def _last_gain(view: RunView) -> Against | None:
    """Over the version before; None until an iteration was measured."""
    measured = view.concluded(view.last(Measured) or None, Measured)
    return measured.over_parent if measured else None


def main_action(view: RunView) -> Action | None:
    """The one next thing to do (LOOK.md, "One main button"); None while there is nothing to see yet."""
    if view.shown_state in ("running", "stopping") and view.state.stage == "train":
        return Action(label="Watch the training", url=link("training", view.name), kind="main")
    if view.shown_state in ("running", "stopping"):
        for tab, table in (("traces", "judge/traces"), ("pairs", "synthesize/pairs")):
            if _wrote(view, table):
                return Action(label=f"See the {tab} so far", url=link(tab, view.name), kind="main")
        return None
    if view.shown_state in ("queued", "starting"):
        return Action(label="Open Launch", url=link("launch", view.name, {"launch.view": "run"}), kind="main")
    if view.shown_state in ("stopped", "failed"):
        return Action(label="Resume", act="resume", key=view.name, kind="main")
    best = view.state.best
    values = {"versions.older": BASE_JUDGE, "versions.newer": best} if best and best != BASE_JUDGE else {}
    label = f"Compare judge-v0 with {best}" if values else "Compare the versions"
    return Action(label=label, url=link("versions", view.name, values), kind="main")


def _wrote(view: RunView, table: str) -> bool:
    """Whether an iteration, not the baseline, wrote rows of "<stage>/<table>"."""
    parts = view.folder.folder.glob(f"iteration-*/{table}-*.parquet")
    return any(part.parents[1].name != "iteration-00" for part in parts)


def recent_events(view: RunView, count: int) -> list[LogLine]:
    """The last events, newest first."""
    return [
        LogLine(
            time=clock_time(as_number(event.get("time")) or 0.0),
            text=said_by(event),
            bad=event.get("event") == "failed" or event.get("leaks") is True,
        )
        for event in reversed(view.events[-count:])
    ]


def clock_time(at: float, now: float | None = None) -> str:
    """Of an event: "14:02:31" within the last day, before that "28 Nov 14:02"."""
    is_recent = abs((time.time() if now is None else now) - at) < _DAY
    return time.strftime("%H:%M:%S" if is_recent else "%d %b %H:%M", time.localtime(at))


def said_by(event: Mapping[str, Any]) -> str:
    """One event of events.jsonl as a line of the log."""
    name = str(event.get("event", "?"))
    values = {key: value for key, value in event.items() if key not in ("time", "event", "stage", "iteration")}
    if name == "begin":
        total, done = as_number(values.get("total")), as_number(values.get("done"))
        counts = [f"{words.number(total)} to do"] if total is not None else []
        counts += [f"{words.number(done)} there already"] if done else []
        return f"{event.get('stage')} begins" + (f": {', '.join(counts)}" if counts else "")
    if name == "failed":
        return f"failed: {values.get('error')}"
    if name == "iteration":
        return f"iteration {event.get('iteration')} finished in {words.duration(as_number(values.get('seconds')))}"
    if name == "control":
        return f"{'LEAK: ' if values.get('leaks') else ''}{values.get('sentence')}"
    if name == "near-training":
        return near_sentence(str(values.get("benchmark")), int(as_number(values.get("items")) or 0))
    told = ", ".join(
        words.p_value(value) if key == "p" and isinstance(value, float) else f"{key} {_told(value)}"
        for key, value in values.items()
        if value is not None
    )
    return f"{name}: {told}" if told else name


def _told(value: Any) -> str:
    if isinstance(value, float):
        return words.decimal(value, 3 if abs(value) < 10 else 0)
    return f"{value:,}" if isinstance(value, int) else str(value)


def counted(state: RunState) -> str:
    """ "210 of 400 traces"; "" before the stage has said what it counts."""
    if not state.unit:
        return ""
    of = f" of {words.number(state.total)}" if state.total is not None else ""
    return f"{words.number(state.done)}{of} {state.unit}"


def leaks_of(view: RunView) -> list[str]:
    """What the current iteration's stages, or the baseline's, said of pairs and benchmarks that leak."""
    found = [
        sentence
        for (number, _), ended in sorted(view.conclusions.items(), key=lambda entry: entry[0])
        if number in (0, view.state.iteration) and isinstance(ended, Synthesized | Judged | Measured)
        for sentence in ended.leaks
    ]
    return list(dict.fromkeys(found))


def as_number(value: object) -> float | None:
    """A number out of an event; None for anything else that a file may hold."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
