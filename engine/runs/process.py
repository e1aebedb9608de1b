"""What surrounds a run's work in its process: signals, signs of life, and a recorded end. It knows no stage."""

import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import JudgeStudioError, StopRequested, WorkspaceError
from engine.workspace.files import free_bytes
from engine.workspace.folders import RunFolder
from engine.workspace.progress import Progress
from engine.workspace.state import RunState, append_event

_LEAST_FREE_BYTES = 200_000_000
"""A run does not start with less room: the parts of one iteration and an adapter fit."""
_BEAT_SECONDS = 5.0
"""The page calls a heartbeat old after 15 s."""


def check_room(run: RunFolder) -> None:
    """Raises `WorkspaceError` if the disk is too full to start."""
    free = free_bytes(run.folder)
    if free < _LEAST_FREE_BYTES:
        raise WorkspaceError(
            f"{run.folder}: only {free // 1_000_000} MB are free, a run needs at least "
            f"{_LEAST_FREE_BYTES // 1_000_000} MB. Free some space, then resume."
        )


@contextmanager
def signals(progress: Progress) -> Iterator[None]:
    """SIGTERM, SIGHUP and Ctrl-C ask for a stop after the batch; a second Ctrl-C interrupts at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, _frame: object) -> None:
        if progress.stop and number == signal.SIGINT:
            raise KeyboardInterrupt
        progress.stop = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def heartbeat(progress: Progress) -> Iterator[None]:
    """A sign of life even while a model loads or a long batch computes."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(_BEAT_SECONDS):
            progress.beat()

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def outcome(progress: Progress) -> Iterator[None]:
    """Record how the work ended, whatever ends it."""
    try:
        yield
    except StopRequested:
        progress.update(state="stopped", message="Stopped; finished parts are kept", pid=None)
        append_event(progress.run, "stopped")
    except KeyboardInterrupt:
        progress.update(state="stopped", message="Interrupted; finished parts are kept", pid=None)
        raise
    except Exception as error:
        expected = isinstance(error, JudgeStudioError)
        sentence = str(error) if expected else f"{type(error).__name__}: {error}. See {progress.run.log.name}."
        if not expected:
            traceback.print_exc()
        _record_failure(progress, sentence)
        raise
    else:
        progress.update(state="done", stage=None, message=_last_words(progress.state), pid=None, stage_left=None)
        append_event(progress.run, "done", best=progress.state.best)


def _record_failure(progress: Progress, sentence: str) -> None:
    """A full disk must not hide the failure it caused."""
    try:
        append_event(progress.run, "failed", error=sentence)
        progress.update(state="failed", error=sentence, pid=None)
    except (OSError, WorkspaceError):
        return  # the lock is released on exit, so readers will recognise the run as dead


def _last_words(state: RunState) -> str:
    return f"{state.message}. The best version is {state.best}." if state.best else state.message
