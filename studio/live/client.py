"""The web server's end of Live judge: one child process for all visitors, started on first need, and who is next.

It imports no model library and knows no page: questions in, events out. See `studio.live.worker` for the events.
"""

import atexit
import contextlib
import itertools
import json
import os
import queue
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import BackendError
from engine.workspace.folders import Workspace
from engine.workspace.locks import device_holder
from studio.jobs import child
from studio.live.worker import HOLDER, IDLE_SECONDS

Event = Mapping[str, Any]

_LAST = ("end", "cancelled", "died")
_TRIES = 2
"""A question whose process ended before it began is given to a new process, but not for ever."""
_LOOK_SECONDS = 1.0
"""How often somebody who waits is told where the question stands."""
_DIED = (
    "the live judge's process ended unexpectedly (exit code {code}); its log is {log}, and {log}.1 once it was "
    "restarted. Judge again to restart it."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveQuestion:
    """One comparison for one or more judge versions."""

    judges: tuple[str, ...]
    """Names of `engine.judging.judges.resolve_judge`, in the order they are to answer."""
    images: tuple[Path, ...]
    """Of the question, which calls several <image 1>, <image 2>, …"""
    question: str
    a: str
    b: str
    wait: bool = False
    """Where a run has the GPU: wait for it. Else the CPU is used."""


class Call:
    """One question on its way. Nobody need wait for it: ask for `news` now and then."""

    def __init__(self, judge: "LiveJudge", key: str, line: str) -> None:
        self.key = key
        self.line = line
        self.has_started = False
        self.is_over = False
        self.sent_to: subprocess.Popen[str] | None = None
        self.tries = 0
        self._judge = judge
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()

    def put(self, event: dict[str, Any]) -> None:
        """What the process said; called by the thread that listens to it."""
        self.has_started = True
        self._events.put(event)

    def news(self, *, wait: float = 0.0) -> list[Event]:
        """Events since the last time, at most `wait` seconds later. The last one is end, cancelled or died."""
        found: list[Event] = []
        try:
            found.append(self._events.get(timeout=wait) if wait else self._events.get_nowait())
            while True:
                found.append(self._events.get_nowait())
        except queue.Empty:
            self.is_over = self.is_over or any(event["event"] in _LAST for event in found)
            return found

    def before(self) -> int:
        """How many questions are answered first."""
        return 0 if self.has_started else self._judge.before(self)

    def close(self) -> None:
        """Cancel it, unless it is over. To be called at the end in any case."""
        self._judge.forget(self)


class LiveJudge:
    """Shared by all visitors of one web server."""

    def __init__(self, workspace: Workspace, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self.workspace = workspace
        self.log = workspace.root / "live.log"
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._calls: dict[str, Call] = {}
        self._numbers = itertools.count(1)
        self._is_closed = False
        self._listener = threading.current_thread()
        atexit.register(self.close)

    @property
    def is_running(self) -> bool:
        """Whether the process is there; it need not have a model loaded yet."""
        process = self._child
        return process is not None and process.poll() is None

    @property
    def waiting(self) -> int:
        """Questions on their way, the one being answered included."""
        return len(self._calls)

    def submit(self, question: LiveQuestion) -> Call:
        """Put a question at the end of the queue. Raises `BackendError` if the process cannot be started."""
        key = str(next(self._numbers))
        line = json.dumps(
            {
                "id": key,
                "do": "judge",
                "judges": list(question.judges),
                "images": [str(image) for image in question.images],
                "question": question.question,
                "a": question.a,
                "b": question.b,
                "busy": "wait" if question.wait else "now",
            }
        )
        call = Call(self, key, line)
        with self._lock:
            self._calls[key] = call
            try:
                self._send(call)
            except BackendError:
                del self._calls[key]
                raise
        return call

    def ask(self, question: LiveQuestion) -> Iterator[Event]:
        """All events of one question as they come, for callers that can wait. Closing the iterator cancels it.

        Raises `BackendError` if the process cannot be started, or ends in the middle.
        """
        call = self.submit(question)
        try:
            while not call.is_over:
                for event in call.news(wait=_LOOK_SECONDS):
                    if event["event"] == "died":
                        raise BackendError(str(event["error"]))
                    yield event
        finally:
            call.close()

    def before(self, call: Call) -> int:
        """How many questions are before this one."""
        with self._lock:
            return list(self._calls).index(call.key) if call.key in self._calls else 0

    def forget(self, call: Call) -> None:
        """Nobody wants the answer any more, or it is there."""
        with self._lock:
            known, process = self._calls.pop(call.key, None), self._child
            if known is None or call.is_over or process is None or process.poll() is not None or process.stdin is None:
                return
            try:
                process.stdin.write(json.dumps({"id": call.key, "do": "cancel"}) + "\n")
                process.stdin.flush()
            except OSError:
                return  # it ended: nothing to cancel

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._is_closed = True
            process, self._child = self._child, None
        if process is not None:
            child.end(process)
            self._listener.join()
        atexit.unregister(self.close)

    # --- the process -----------------------------------------------------------------------------------------

    def _send(self, call: Call) -> None:
        """Give a question to the process, starting it if need be. Call it with the lock held."""
        call.tries += 1
        for last in (False, True):
            if self._child is None or self._child.poll() is not None:
                self._child = self._start()
            assert self._child.stdin is not None
            try:
                self._child.stdin.write(call.line + "\n")
                self._child.stdin.flush()
                call.sent_to = self._child
                return
            except OSError as error:  # it ended this instant, e.g. because it was idle
                if last:
                    raise BackendError(f"the live judge does not start: {error}. See {self.log}.") from error
                self._child.wait()

    def _start(self) -> "subprocess.Popen[str]":
        words = ["--workspace", str(self.workspace.root), "--idle-seconds", str(self._idle_seconds)]
        try:
            with contextlib.suppress(FileNotFoundError):
                os.replace(self.log, f"{self.log}.1")  # why the process before this one ended can still be read
            process = child.start_talking("studio.live.worker", words, log=self.log)
        except OSError as error:
            raise BackendError(f"the live judge does not start: {error}. Check {self.workspace.root}.") from error
        self._listener = threading.Thread(target=self._listen, args=(process,), name="live judge", daemon=True)
        self._listener.start()
        return process

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        """Hand events to those who asked, until the process ends; then say so, and give the rest to a new one."""
        assert process.stdout is not None
        for line in process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            with self._lock:
                call = self._calls.get(str(event.get("id")))
            if call is not None:
                call.put(event)
        code = process.wait()
        with self._lock:
            if self._child is process:
                self._child = None
            _close_pipes(process)
            calls = [call for call in self._calls.values() if call.sent_to is process]
        for call in calls:
            self._after_death(call, code)

    def _after_death(self, call: Call, code: int) -> None:
        """The one that was being answered may be what ended it, so it is not asked again by itself."""
        sentence = _DIED.format(code=code, log=self.log)
        if call.has_started or call.tries >= _TRIES or self._is_closed:
            call.put({"event": "died", "error": sentence})
            return
        with self._lock:
            try:
                self._send(call)
            except BackendError as error:
                call.put({"event": "died", "error": str(error)})


def _close_pipes(process: "subprocess.Popen[str]") -> None:
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):  # a last line that nobody took
            if pipe is not None:
                pipe.close()


def busy_devices() -> dict[str, str]:
    """Devices that something else works on: {"cpu": "run shapes-02"}. Not this judge itself."""
    found = {device: device_holder(device) for device in ("cuda", "cpu")}
    return {device: holder for device, holder in found.items() if holder and holder != HOLDER}


_judges: dict[Path, LiveJudge] = {}
_opening = threading.Lock()


def live_judge(workspace: Workspace) -> LiveJudge:
    """The one live judge of a workspace in this web server. Nothing is started yet."""
    with _opening:
        if workspace.root not in _judges:
            _judges[workspace.root] = LiveJudge(workspace)
        return _judges[workspace.root]
