"""How a stage tells the world how far it is, and how the world tells a stage to stop."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from engine.errors import StopRequested, WorkspaceError
from engine.workspace.folders import RunFolder
from engine.workspace.state import RunState, append_event, stop_requested, write_state

_RATE_WINDOW = 30.0
"""Seconds of history the shown rate is taken from: long enough for slow batches, short enough to follow a change."""
_WRITE_EVERY = 0.5
"""Seconds between writes of state.json: the page polls every 2 s."""


class Progress:
    """One run's progress. Stages call `begin`, `advance` and `check_stop`; nothing here changes results."""

    def __init__(self, run: RunFolder, state: RunState, *, watch: Callable[[RunState], None] | None = None) -> None:
        self.run = run
        self.state = state
        self.stop = False
        self._watch = watch
        self._guard = threading.RLock()
        self._written = 0.0
        self._beat = time.monotonic()
        self._history: deque[tuple[float, int]] = deque()

    def begin(self, stage: str, *, total: int | None, unit: str, message: str, done: int = 0) -> None:
        """A stage starts, `done` of `total` units being there already."""
        self._history.clear()
        self._history.append((time.monotonic(), done))
        self.update(stage=stage, done=done, total=total, unit=unit, message=message, rate=None, stage_left=None)
        append_event(self.run, "begin", stage=stage, iteration=self.state.iteration, total=total, done=done)

    def advance(self, units: int = 1, *, message: str | None = None) -> None:
        """`units` more are finished. Raises `StopRequested` if somebody asked for it."""
        done = self.state.done + units
        now = time.monotonic()
        self._history.append((now, done))
        while len(self._history) > 2 and now - self._history[0][0] > _RATE_WINDOW:
            self._history.popleft()
        elapsed = now - self._history[0][0]
        rate = (done - self._history[0][1]) / elapsed if elapsed > 0.2 else None
        left = (self.state.total - done) / rate if rate and self.state.total is not None else None
        self._set(done=done, rate=rate, stage_left=left, **({"message": message} if message else {}))
        self.check_stop()

    def event(self, event: str, **values: object) -> None:
        """Record something that happened, for the log and the charts."""
        append_event(self.run, event, iteration=self.state.iteration, **values)

    def update(self, **values: object) -> None:
        """Change the state and write it at once."""
        self._written = 0.0
        self._set(**values)

    def check_stop(self) -> None:
        """Raise `StopRequested` if a signal or `judge-studio stop` asked for it; also a sign of life."""
        self._set()
        if self.stop or stop_requested(self.run):
            raise StopRequested(f"run '{self.run.name}': stopped; finished parts are kept.")

    def beat(self) -> None:
        """A sign of life from another thread, for times when no stage reports. A full disk is the stage's to tell."""
        with contextlib.suppress(WorkspaceError):
            self._set()

    def _set(self, **values: object) -> None:
        with self._guard:
            now = time.monotonic()
            worked = 0.0 if self.state.state == "queued" else now - self._beat
            seconds = self.state.seconds + worked
            self._beat = now
            if "done" in values:
                values["counted_at"] = time.time()
            self.state = replace(self.state, heartbeat=time.time(), seconds=seconds, **values)  # type: ignore[arg-type]
            if now - self._written >= _WRITE_EVERY:
                self._written = now
                write_state(self.run, self.state)
            if self._watch is not None:
                self._watch(self.state)
