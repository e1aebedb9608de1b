"""What a run says of itself while it works: state.json, events.jsonl, and the locks that prove it is alive.

State is a courtesy to readers. The truth of what is finished is in the stage folders.
"""

import fcntl
import json
import math
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any, Literal, get_args, get_origin, get_type_hints

from engine.errors import DamagedError, LockedError
from engine.workspace.folders import RunFolder, read_json, write_json

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


def is_locked(run: RunFolder) -> bool:
    """Whether a live process writes to this run."""
    try:
        with (run.folder / "lock").open("rb") as file:
            return not _try_lock(file, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


@contextmanager
def run_lock(run: RunFolder) -> Iterator[None]:
    """Be the one writer of this run. Raises `LockedError` if another process is."""
    run.folder.mkdir(parents=True, exist_ok=True)
    with (run.folder / "lock").open("a+b") as file:
        for _ in range(20):  # a reader's probe holds the lock for an instant
            if _try_lock(file, fcntl.LOCK_EX):
                break
            time.sleep(0.05)
        else:
            raise LockedError(
                f"run '{run.name}': another process is working on it. Stop it with 'judge-studio stop {run.name}'."
            )
        yield


def device_lock_path(device: str) -> Path:
    """One lock per machine, user and device, because memory is shared by all workspaces."""
    folder = Path(os.environ.get("JUDGE_STUDIO_LOCKS") or Path(tempfile.gettempdir()) / f"judge-studio-{os.getuid()}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / f"{re.sub(r'[^a-z0-9]+', '-', device.lower())}.lock"


def device_holder(device: str) -> str | None:
    """Who works on the device right now, in words; None if it is free."""
    path = device_lock_path(device)
    try:
        with path.open("rb") as file:
            if _try_lock(file, fcntl.LOCK_SH):
                return None
            return file.read(400).decode(errors="replace").strip() or "another process"
    except FileNotFoundError:
        return None


@contextmanager
def device_lock(device: str, holder: str, *, waiting: Any = None) -> Iterator[None]:
    """Have the device alone. `waiting(holder in words)` is called about every second until it is free;
    it may raise to give up."""
    with device_lock_path(device).open("a+b") as file:
        while not _try_lock(file, fcntl.LOCK_EX):
            if waiting is not None:
                file.seek(0)
                waiting(file.read(400).decode(errors="replace").strip() or "another process")
            time.sleep(1.0)
        _write_holder(file, holder)
        try:
            yield
        finally:
            _write_holder(file, "")


def _write_holder(file: IO[bytes], holder: str) -> None:
    file.truncate(0)
    file.write(holder.encode())
    file.flush()


def _try_lock(file: IO[bytes], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
