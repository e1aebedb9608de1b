"""The web server's end of Live judge: one child process for all visitors, started on first need, and who is next.

It imports no model library and knows no page: questions in, events out. See `studio.live_worker` for the events.
"""

import atexit
import itertools
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import BackendError
from engine.state import device_holder
from engine.workspace import Workspace
from studio.jobs import environment
from studio.live_worker import HOLDER, IDLE_SECONDS

Event = Mapping[str, Any]

_LOOK_SECONDS = 1.0
"""How often a visitor who waits for a run is told that it still goes on."""
_DIED = "the live judge's process ended unexpectedly (exit code {code}); its log is {log}. Judge again to restart it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One comparison for one or more judge versions."""

    judges: tuple[str, ...]
    """Names of `engine.versions.resolve_judge`, in the order they are to answer."""
    image: Path | None
    question: str
    a: str
    b: str
    wait: bool = False
    """Begin only when no run has the device; else share it, or use the CPU where a run has the GPU."""


@dataclass(slots=True)
class _Call:
    """One question on its way."""

    key: str
    line: str
    events: "queue.Queue[dict[str, Any]]" = field(default_factory=queue.Queue)
    has_started: bool = False
    is_over: bool = False


class LiveJudge:
    """Shared by all visitors of one web server."""

    def __init__(self, workspace: Workspace, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self.workspace = workspace
        self.log = workspace.root / "live.log"
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._calls: dict[str, _Call] = {}
        self._numbers = itertools.count(1)
        self._is_closed = False
        atexit.register(self.close)

    @property
    def is_running(self) -> bool:
        """Whether the process is there; it need not have a model loaded yet."""
        child = self._child
        return child is not None and child.poll() is None

    @property
    def waiting(self) -> int:
        """Questions on their way, the one being answered included."""
        return len(self._calls)

    def ask(self, question: Question) -> Iterator[Event]:
        """Events of one question as they come, the first being where it stands in the queue.

        Closing the iterator cancels the question. Raises `BackendError` if the process cannot be started or ends.
        """
        while question.wait and (busy := busy_devices()):
            yield {"event": "waiting", "holder": next(iter(busy.values())), "device": next(iter(busy))}
            threading.Event().wait(_LOOK_SECONDS)
        call = self._submit(question)
        try:
            place = self._place(call)
            yield {"event": "queued", "before": place}
            while True:
                try:
                    event = call.events.get(timeout=_LOOK_SECONDS)
                except queue.Empty:
                    now = self._place(call)
                    if not call.has_started and now != place:
                        place = now
                        yield {"event": "queued", "before": place}
                    else:
                        yield {"event": "tick"}  # a chance to notice that the visitor has left
                    continue
                call.is_over = event["event"] in ("end", "cancelled", "died")
                if event["event"] == "died":
                    raise BackendError(str(event["error"]))
                yield event
                if call.is_over:
                    return
        finally:
            self._forget(call)

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._is_closed = True
            child, self._child = self._child, None
        if child is not None:
            child.terminate()
            child.wait()
            _close_pipes(child)
        atexit.unregister(self.close)

    # --- the process -----------------------------------------------------------------------------------------

    def _submit(self, question: Question) -> _Call:
        key = str(next(self._numbers))
        line = json.dumps(
            {
                "id": key,
                "do": "judge",
                "judges": list(question.judges),
                "image": str(question.image) if question.image else None,
                "question": question.question,
                "a": question.a,
                "b": question.b,
                "busy": "wait" if question.wait else "now",
            }
        )
        call = _Call(key=key, line=line)
        with self._lock:
            self._calls[key] = call
            self._send(line)
        return call

    def _send(self, line: str) -> None:
        """Give a line to the process, starting it if need be. Call it with the lock held."""
        for last in (False, True):
            if self._child is None or self._child.poll() is not None:
                self._child = self._start()
            assert self._child.stdin is not None
            try:
                self._child.stdin.write(line + "\n")
                self._child.stdin.flush()
                return
            except OSError as error:  # it ended this instant, e.g. because it was idle
                if last:
                    raise BackendError(f"the live judge does not start: {error}. See {self.log}.") from error
                self._child.wait()

    def _start(self) -> "subprocess.Popen[str]":
        words = ["--workspace", str(self.workspace.root), "--idle-seconds", str(self._idle_seconds)]
        try:
            with self.log.open("w") as log:
                child = subprocess.Popen(
                    [sys.executable, "-m", "studio.live_worker", *words],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    encoding="utf-8",
                    errors="replace",
                    start_new_session=True,
                    env=environment(),
                )
        except OSError as error:
            raise BackendError(f"the live judge does not start: {error}. Check {self.workspace.root}.") from error
        threading.Thread(target=self._listen, args=(child,), name="live judge", daemon=True).start()
        return child

    def _listen(self, child: "subprocess.Popen[str]") -> None:
        """Hand events to those who asked, until the process ends; then say so, and give the rest to a new one."""
        assert child.stdout is not None
        for line in child.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            with self._lock:
                call = self._calls.get(str(event.get("id")))
            if call is not None:
                call.has_started = True
                call.events.put(event)
        code = child.wait()
        with self._lock:
            if self._child is child:
                self._child = None
                _close_pipes(child)
            calls = [] if self._is_closed else list(self._calls.values())
        for call in calls:
            self._after_death(call, code)

    def _after_death(self, call: _Call, code: int) -> None:
        """The one that was being answered may be what ended it, so it is not asked again by itself."""
        sentence = _DIED.format(code=code, log=self.log)
        if call.has_started:
            call.events.put({"event": "died", "error": sentence})
            return
        with self._lock:
            try:
                self._send(call.line)
            except BackendError as error:
                call.events.put({"event": "died", "error": str(error)})

    def _place(self, call: _Call) -> int:
        """How many are before it."""
        with self._lock:
            return list(self._calls).index(call.key)

    def _forget(self, call: _Call) -> None:
        with self._lock:
            self._calls.pop(call.key, None)
            child = self._child
            if call.is_over or child is None or child.poll() is not None or child.stdin is None:
                return
            try:
                child.stdin.write(json.dumps({"id": call.key, "do": "cancel"}) + "\n")
                child.stdin.flush()
            except OSError:
                return  # it ended: nothing to cancel


def _close_pipes(child: "subprocess.Popen[str]") -> None:
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:
                continue  # a last line that nobody took


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
