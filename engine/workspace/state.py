"""What a run says of itself while it works: state.json and events.jsonl.

State is a courtesy to readers. The truth of what is finished is in the stage folders.
"""

import json
import math
import os
import time
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from engine.errors import DamagedError
from engine.workspace.files import read_json, write_json
from engine.workspace.folders import RunFolder
from engine.workspace.locks import is_locked

State = Literal["queued", "running", "stopping", "stopped", "failed", "done"]
ALIVE: tuple[State, ...] = ("queued", "running", "stopping")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """One run at one moment."""

    run: str
    state: State
    stage: str | None = None
    """intake, synthesize, judge, select, train, evaluate; None before the first."""
    iteration: int = 0
    iterations: int = 0
    """Most iterations the settings allow."""
    done: int = 0
    total: int | None = None
    unit: str = ""
    """What `done` counts: instructions, traces, steps, verdicts, images."""
    rate: float | None = None
    """Units per second over the last half minute or so."""
    stage_left: float | None = None
    """Seconds."""
    run_left: float | None = None
    """Seconds; an upper bound from earlier iterations. None before there is one."""
    message: str = ""
    """One sentence on what is going on."""
    error: str | None = None
    best: str | None = None
    started_at: float = 0.0
    """Unix time of the first start."""
    heartbeat: float = 0.0
    """Unix time of the last sign of life."""
    counted_at: float = 0.0
    """Unix time at which `done`, `rate` and `stage_left` held; 0 where nobody wrote it down."""
    seconds: float = 0.0
    """Working time over all starts."""
    pid: int | None = None
    device: str | None = None


def read_state(run: RunFolder) -> RunState:
    """The run's state, with a dead process recognised as such.

    A process that is alive holds the run's lock; a state that claims life without it is a death without a word.
    """
    state = RunState(**{"run": run.name, "state": "stopped", **_stored(run)})
    if state.state in ALIVE and not is_locked(run):
        why = f"The process ended without a word after {state.message or state.stage or 'its start'}."
        return replace(state, state="failed", error=f"{why} Finished parts are kept. Resume it.", pid=None)
    return state


def _stored(run: RunFolder) -> dict[str, Any]:
    """The usable fields of state.json. It is replaced without fsync, so a power loss can leave it empty or zeroed:
    what cannot be read is as if it were missing."""
    try:
        values = read_json(run.folder / "state.json") or {}
    except DamagedError:
        return {}
    hints = get_type_hints(RunState)
    return {name: value for name, value in values.items() if name in hints and _fits(value, hints[name])}


def _fits(value: Any, hint: Any) -> bool:
    kinds = get_args(hint) or (hint,)
    if get_origin(hint) is Literal or isinstance(value, bool):
        return value in kinds or bool in kinds
    if isinstance(value, float) and not math.isfinite(value):
        return False
    return isinstance(value, (*kinds, int) if float in kinds else kinds)


def write_state(run: RunFolder, state: RunState) -> None:
    """Replace state.json. Not fsynced: losing a heartbeat loses nothing."""
    write_json(run.folder / "state.json", asdict(state), durable=False)


def append_event(run: RunFolder, event: str, **values: Any) -> None:
    """Add one line to events.jsonl."""
    line = json.dumps({"time": round(time.time(), 3), "event": event, **values}, ensure_ascii=False)
    with (run.folder / "events.jsonl").open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # a crash cut the last line off; this one must not become part of it
                file.write(b"\n")
        file.write(f"{line}\n".encode())


def read_events(run: RunFolder, *, last: int | None = None) -> list[dict[str, Any]]:
    """Events in order; a line cut off by a crash is left out."""
    try:
        lines = (run.folder / "events.jsonl").read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
    except FileNotFoundError:
        return []
    events = []
    for line in lines if last is None else lines[-last:]:
        try:
            events.append(json.loads(line))
        except ValueError:
            continue
    return events


def request_stop(run: RunFolder) -> None:
    """Ask the run's process to end after its batch. It also works if that process is on another terminal's PID."""
    (run.folder / "stop-requested").touch()


def stop_requested(run: RunFolder) -> bool:
    return (run.folder / "stop-requested").exists()


def clear_stop(run: RunFolder) -> None:
    (run.folder / "stop-requested").unlink(missing_ok=True)
