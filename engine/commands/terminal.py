"""Progress and results in a terminal: a live line where there is one, plain lines otherwise. No decisions."""

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from engine.workspace.folders import RunFolder
from engine.workspace.state import RunState
from engine.workspace.timing import about, duration

_PLAIN_EVERY = 10.0
"""Seconds between plain lines of one stage."""


def say(line: str) -> None:
    """Print a line at once. A reader that left, e.g. `head`, does not end the work: the rest is said to nobody."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(value: Any) -> None:
    """`value` as JSON that every reader takes: what is not a finite number is null, a date is its text."""
    print(json.dumps(_finite(value), indent=1, ensure_ascii=False, default=str, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name if isinstance(name, str | int | None) else str(name): _finite(one) for name, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


def progress_line(state: RunState) -> str:
    """One line on where a run is: stage, counts, rate, time left."""
    if state.stage is None or state.state == "queued":
        return state.message or state.state
    of = f" of {state.total:,}" if state.total is not None else ""
    rate = f", {state.rate:.1f} per s" if state.rate else ""
    left = f", {about(state.stage_left)} left" if state.stage_left is not None else ""
    return f"iteration {state.iteration} {state.stage}: {state.done:,}{of} {state.unit}{rate}{left}"


@contextmanager
def watcher(run: RunFolder, *, quiet: bool = False) -> Iterator[Callable[[RunState], None] | None]:
    """A function that shows each new state of the run while the context is open; None when quiet."""
    if quiet:
        yield None
    elif sys.stdout.isatty():
        with _live(run) as watch:
            yield watch
    else:
        say(f"Run {run.name} in {run.workspace.root}")
        yield _plain(run)


@contextmanager
def _live(run: RunFolder) -> Iterator[Callable[[RunState], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    console = Console()
    console.print(f"Run [bold]{run.name}[/bold] in {run.workspace.root}. Ctrl-C stops it; finished parts are kept.")
    columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=24), TaskProgressColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task("Starting", total=None)
        shown: list[Any] = [None, -1]
        line = partial(console.print, markup=False, highlight=False)

        def watch(state: RunState) -> None:
            if [state.stage, state.iteration] != shown:
                print_found(run, shown[0], shown[1], state.stage, print_line=line)
                shown[:] = [state.stage, state.iteration]
            bars.update(task, description=progress_line(state), completed=state.done, total=state.total)

        yield watch


def _plain(run: RunFolder) -> Callable[[RunState], None]:
    last: dict[str, object] = {"at": 0.0, "stage": None, "message": None}

    def watch(state: RunState) -> None:
        now = time.monotonic()
        stage = (state.iteration, state.stage)
        if stage != last["stage"]:
            if isinstance(last["stage"], tuple):
                iteration, before = last["stage"]
                print_found(run, before, iteration, state.stage, print_line=say)
            last.update(stage=stage, at=0.0)
        if now - float(str(last["at"])) >= _PLAIN_EVERY:
            last["at"] = now
            say(f"{time.strftime('%H:%M:%S')} {progress_line(state)}")

    return watch


def print_run(state: RunState) -> None:
    """One run in a few lines."""
    print(f"{state.run}: {state.state}, {duration(state.seconds)} of work, best {state.best or 'not known yet'}")
    if state.state in ("running", "stopping"):
        print(f"  {progress_line(state)}; last update {duration(max(0.0, time.time() - state.heartbeat))} ago")
    print(f"  {state.error or state.message}")


def print_runs(states: Sequence[RunState]) -> None:
    """All runs as a table."""
    if not states:
        print("No runs yet. Start one with 'judge-studio run'.")
    for state in states:
        where = f"iteration {state.iteration} of {state.iterations}"
        print(f"{state.run:<24} {state.state:<9} {where:<20} best {state.best or '–':<10} {duration(state.seconds)}")


def print_found(
    run: RunFolder, stage: str | None, iteration: int, now: str | None, *, print_line: Callable[[str], None] = print
) -> None:
    """What a stage that has just ended found: the accuracy table, or pairs that leak, before they are trained on."""
    if stage == "evaluate" != now:
        print_scores(run, print_line=print_line)
    elif stage in ("synthesize", "judge") and stage != now:
        from engine.measure.scores import stage_findings

        for found in stage_findings(run.stage(iteration, stage)):
            if found.leaks:
                print_line(f"LEAK: {found.sentence}")


def print_scores(run: RunFolder, *, print_line: Callable[[str], None] = print) -> None:
    """The accuracy table so far: strict protocol, overall and per kind, 95 % intervals, leans, controls."""
    from engine.measure.scores import scoreboard

    for line in scoreboard(run):
        print_line(line)
