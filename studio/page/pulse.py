"""The pulse: when an open tab has reason to draw itself again. It knows files and runs, and no tab by name.

A tab says what it watches, each a function from a `Moment` to texts that change with what it shows.
"""

import os
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.errors import JudgeStudioError
from engine.workspace.folders import RunFolder, Workspace
from engine.workspace.state import ALIVE, read_state
from studio.look import cards, words
from studio.page.clock import POLL_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a tab may show right now."""

    workspace: Workspace
    run: str | None
    """The chosen run."""
    active: Collection[str]
    """Runs that a live process works on, or waits to."""

    @property
    def folder(self) -> RunFolder | None:
        return self.workspace.run(self.run) if self.run else None


Watch = Callable[[Moment], Iterable[str]]
"""What changed, in texts: a few `stat` calls, no reading of tables."""


def clock(now: Moment) -> list[str]:
    """Ages and rates: passes while runs are active."""
    return [str(int(time.monotonic() / POLL_SECONDS))] if now.active else []


def all_runs(now: Moment) -> list[str]:
    """The state of every run, whoever works on it, and which version was promoted."""
    files = ("state.json", "starting.json", "promoted.json")
    return [stamp(run.folder / name) for run in now.workspace.runs() for name in files] if now.run else []


def promotion(now: Moment) -> list[str]:
    """Which version of the chosen run a person promoted."""
    return [stamp(now.folder.folder / "promoted.json")] if now.folder else []


def at_work(now: Moment) -> list[str]:
    """Whether a process works on the chosen run: it may end without a word."""
    return [str(now.run in now.active)]


def notes(now: Moment) -> list[str]:
    """Notes and flags on pairs."""
    return [stamp(now.workspace.notes)] if now.run else []


def signature(now: Moment, watches: Sequence[Watch] = ()) -> str:
    """Changes when the chosen run wrote something, or one of `watches` saw something."""
    marks = [now.run or "", stamp(now.workspace.runs_folder)]
    seen = [mark for watch in watches for mark in watch(now)]
    return " ".join([*marks, *seen, *(stage_stamps(now.folder) if now.folder else [])])


def stage_stamps(run: RunFolder) -> list[str]:
    """A new part or done.json is a rename inside its stage folder, which changes that folder's time."""
    try:
        iterations = sorted(entry.path for entry in os.scandir(run.folder) if entry.is_dir())
        return [stamp(stage.path) for iteration in iterations for stage in os.scandir(iteration) if stage.is_dir()]
    except OSError:  # deleted this instant
        return []


def stamp(path: "os.PathLike[str] | str") -> str:
    """When a file or folder was last changed; "-" where there is none."""
    try:
        return f"{os.stat(path).st_mtime_ns:x}"
    except OSError:
        return "-"


def active_runs(workspace: Workspace) -> list[str]:
    """Names of the runs that a live process works on, or waits to."""
    active = []
    for run in workspace.runs():
        try:
            if read_state(run).state in ALIVE:
                active.append(run.name)
        except (JudgeStudioError, TypeError):
            continue  # a damaged state.json; Home says so in the run's row
    return active


def show_heart(active: Sequence[str]) -> str:
    """The header's sign of life: how many runs are active."""
    if not active:
        return cards.sheet(cards.heartbeat("Idle", pulse="idle"))
    return cards.sheet(cards.heartbeat(f"{words.plural(len(active), 'run')} active", pulse="live"))


def only_changed(values: Sequence[str], before: Sequence[str]) -> list[Any]:
    """Each text, or `gr.skip()` where it is what is shown already: what a visitor selected or opened stays so."""
    known = [*before, *[""] * (len(values) - len(before))]
    return [gr.skip() if value == old else value for value, old in zip(values, known, strict=False)]
