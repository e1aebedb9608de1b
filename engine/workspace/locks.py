"""Who is at work: the lock of a run's or a stage's one writer, and that of a device that all workspaces share."""

import fcntl
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from engine.errors import LockedError
from engine.workspace.folders import RunFolder, StageFolder

_PROBE_SECONDS = 0.05
"""Between two tries while only readers look whether a run is alive."""


def is_locked(run: RunFolder) -> bool:
    """Whether a live process writes to this run."""
    try:
        with (run.folder / "lock").open("rb") as file:
            return not _try_lock(file, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


@contextmanager
def run_lock(run: RunFolder) -> Iterator[None]:
    """Be the one writer of this run. Raises `LockedError` if another process is, `WorkspaceError` where none may."""
    run.workspace.check_writable()
    run.folder.mkdir(parents=True, exist_ok=True)
    with (run.folder / "lock").open("a+b") as file:
        while not _try_lock(file, fcntl.LOCK_EX):
            if not _try_lock(file, fcntl.LOCK_SH):  # a writer; a reader's probe shares it, and is over soon
                raise LockedError(
                    f"run '{run.name}': another process is working on it. Stop it with 'judge-studio stop {run.name}'."
                )
            time.sleep(_PROBE_SECONDS)
        yield


@contextmanager
def writing_alone(folder: StageFolder) -> Iterator[None]:
    """Be the one writer of a stage folder outside a run. Raises `LockedError` if another process is."""
    with (folder.folder / "lock").open("a+b") as file:
        if not _try_lock(file, fcntl.LOCK_EX):
            raise LockedError(f"{folder.folder}: another process is measuring this. Wait for it, or stop it.")
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
