"""The process that holds the model of Live judge. Requests come in as lines of JSON, events go out as lines.

    python -m studio.live.worker --workspace DIR [--idle-seconds 600]

in   {"id": "7", "do": "judge", "judges": ["shapes-01/judge-v2"], "images": ["/…/3f.png"], "question": "…",
      "a": "…", "b": "…", "busy": "wait"}            {"id": "7", "do": "cancel"}
out  {"id": "7", "event": "start"} loading … order … piece … said … ruling … failed … end

One request at a time, in the order they came. It is the only module of the studio that opens a model, and ends by
itself when nobody asked for a while, when a waiting run needs the GPU, or when the studio is gone.
"""

import argparse
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.backends.base import Backend, Completion, Request
from engine.backends.served.announced import Announced, announced
from engine.config import ModelSettings, Settings
from engine.errors import BackendError, JudgeStudioError
from engine.judging.asking import stored_text, verdict_of
from engine.judging.judges import JudgeRef, resolve_judge
from engine.judging.ruling import OrderRuling, ask, ask_chance, order_ruling, whole_ruling
from engine.prompts import PromptPack, load_pack
from engine.records import ORDERS, Comparison, Order
from engine.runs.models import device_of
from engine.workspace.folders import Workspace, open_workspace
from engine.workspace.locks import device_holder, device_lock
from engine.workspace.provenance import model_folder
from engine.workspace.state import read_state

IDLE_SECONDS = 600.0
"""Without a request for so long, the process ends and gives its memory back."""
GPU_IDLE_SECONDS = 60.0
"""On a GPU memory is what runs wait for, so it is given back sooner."""
HOLDER = "the live judge"
"""What others read who wait for the device."""
_LOOK_SECONDS = 1.0
"""While a GPU is held: how often it looks whether a run waits for it."""

Send = Callable[[Mapping[str, Any]], None]
Opener = Callable[[ModelSettings, Path, int], Backend]


class Cancelled(Exception):
    """Whoever asked has left."""


def open_model(settings: ModelSettings, workspace: Path, rank: int) -> Backend:
    """The backend that the settings name, for adapters up to `rank`."""
    from engine.backends import open_backend

    return open_backend(settings, workspace=workspace, rank=rank)


def server_of_a_run(settings: ModelSettings, rank: int) -> Announced | None:
    """The vLLM that a run on this machine has started for the same model, if it is up."""
    if settings.backend != "vllm" or settings.url is not None:
        return None
    return announced(settings, base=str(model_folder(settings.base) or settings.base), rank=rank)


class Models:
    """The one model that is loaded, with judge versions of it, and the lock of its device if that is a GPU."""

    def __init__(
        self,
        workspace: Workspace,
        opener: Opener = open_model,
        device: Any = device_of,
        find: Callable[[ModelSettings, int], Announced | None] = server_of_a_run,
    ) -> None:
        self._workspace = workspace
        self._find = find
        self._opener = opener
        self._device_of = device
        self._backend: Backend | None = None
        self._settings: ModelSettings | None = None
        self._rank = 0
        """Largest LoRA rank that the backend was opened for."""
        self._stamps: dict[str, int] = {}
        self._held = ExitStack()
        self.holds_gpu = False

    def use(self, judge: JudgeRef, *, waiting: Callable[[str], None], may_wait: bool, loading: Any) -> Backend:
        """The backend with this judge loaded. `waiting(holder)` is called about every second while a run has the GPU,
        and may raise to give up; without `may_wait` the CPU is used instead. `loading()` is called before a model is
        read, which takes seconds or minutes.
        """
        stamp = _stamp(judge.adapter)
        if self._stamps.get(judge.label, stamp) != stamp:
            self.close()  # a run of that name was deleted and made again: the old weights must not answer
        rank = judge.settings.train.rank
        settings = self._place(judge.settings, rank, may_wait)
        if self._backend is None or self._settings != settings or self._rank < rank:
            self.close()
            self._take_device(settings, judge.settings, waiting)
            loading()
            try:
                self._backend = self._opener(settings, self._workspace.root, rank)
            except BaseException:
                self.close()
                raise
            self._settings, self._rank = settings, rank
        judge.load_into(self._backend)
        self._stamps[judge.label] = stamp
        return self._backend

    def close(self) -> None:
        """Give the memory and the device back."""
        if self._backend is not None:
            self._backend.close()
        self._backend = self._settings = None
        self._stamps.clear()
        self._held.close()
        self.holds_gpu = False

    def _place(self, settings: Settings, rank: int, may_wait: bool) -> ModelSettings:
        """The settings of the model: behind the server that a run has started, if there is one; on the CPU where a run
        has the GPU and nobody wants to wait, in this process then, as a server that is started would take the GPU all
        the same."""
        model = settings.model
        if self._backend is not None and self._settings == model and self._rank >= rank:
            return model  # which may be a server of our own
        shared = self._find(model, rank)
        if shared is not None:
            return model.model_copy(
                update={"backend": "openai", "url": shared.url, "served_name": shared.model, "adapters_folder": None}
            )
        is_free = self.holds_gpu or self._device_of(settings) != "cuda" or device_holder("cuda") is None
        here = {"device": "cpu", "backend": "transformers"}
        return model if is_free or may_wait else model.model_copy(update=here)

    def _take_device(self, model: ModelSettings, settings: Settings, waiting: Callable[[str], None]) -> None:
        """A GPU is had alone. A CPU is shared with a run: both are slower, and the page says so."""
        if self._device_of(settings.model_copy(update={"model": model})) == "cuda":
            self._held.enter_context(device_lock("cuda", HOLDER, waiting=waiting))
            self.holds_gpu = True


def _stamp(adapter: Path | None) -> int:
    if adapter is None:
        return 0
    try:
        return (adapter / "adapter_model.safetensors").stat().st_mtime_ns
    except OSError:
        return 0


class Worker:
    """Answers requests one after another."""

    def __init__(self, workspace: Workspace, send: Send, models: Models) -> None:
        self.workspace = workspace
        self.models = models
        self._send = send
        self._inbox: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._cancelled: set[str] = set()

    def receive(self, lines: Iterable[str]) -> None:
        """Read requests until there are no more. Runs beside `work`."""
        for line in lines:
            request = json.loads(line)
            if request["do"] == "cancel":
                self._cancelled.add(str(request["id"]))
            else:
                self._inbox.put(request)
        self._inbox.put(None)

    def work(self, *, idle_seconds: float = IDLE_SECONDS) -> str:
        """Answer until nobody asks any more; why it ended."""
        last = time.monotonic()
        while True:
            patience = min(idle_seconds, GPU_IDLE_SECONDS) if self.models.holds_gpu else idle_seconds
            left = last + patience - time.monotonic()
            try:
                request = self._inbox.get(timeout=max(0.0, min(left, _LOOK_SECONDS if self.models.holds_gpu else left)))
            except queue.Empty:
                if self.models.holds_gpu and waiting_run(self.workspace) is not None:
                    return "a run needs the device"
                if time.monotonic() - last >= patience:
                    return "idle"
                continue
            if request is None:
                return "the studio is gone"
            self.answer(request)
            last = time.monotonic()

    def answer(self, request: Mapping[str, Any]) -> None:
        """One request from start to end. A judge that cannot rule is said so; the others still do."""
        key = str(request["id"])

        def tell(event: str, **values: Any) -> None:
            self._send({"id": key, "event": event, **values})

        def check() -> None:
            if key in self._cancelled:
                raise Cancelled

        try:
            check()
            tell("start")
            for name in request["judges"]:
                check()
                self._rule(str(name), request, tell, check)
            tell("end")
        except Cancelled:
            tell("cancelled")
        finally:
            self._cancelled.discard(key)

    def _rule(self, name: str, request: Mapping[str, Any], tell: Any, check: Callable[[], None]) -> None:
        def waiting(holder: str) -> None:
            check()
            tell("waiting", judge=name, holder=holder)

        try:
            judge = resolve_judge(name, self.workspace)
            backend = self.models.use(
                judge,
                waiting=waiting,
                may_wait=request.get("busy") == "wait",
                loading=lambda: tell("loading", judge=name, model=judge.settings.model.base),
            )
            pack = load_pack(judge.settings.prompt_pack)
            orders = [
                self._stream(backend, pack, _comparison(request), order, judge, name, tell, check) for order in ORDERS
            ]
            ruling = whole_ruling("one", name, orders)
            tell("ruling", judge=name, verdict=ruling.verdict, confidence=ruling.confidence)
        except JudgeStudioError as error:
            tell("failed", judge=name, error=str(error))
        except (RuntimeError, MemoryError, OSError, ValueError) as error:  # a model can fail in its own ways
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            self.models.close()
            sentence = BackendError(f"judge {name}: {type(error).__name__}: {error}. Try again, or another version.")
            tell("failed", judge=name, error=str(sentence))

    def _stream(
        self,
        backend: Backend,
        pack: PromptPack,
        comparison: Comparison,
        order: Order,
        judge: JudgeRef,
        name: str,
        tell: Any,
        check: Callable[[], None],
    ) -> OrderRuling:
        """One order: the reply piece by piece, then how sure it was."""
        wanted = ask(
            pack, comparison, order, key="one", judge=judge.loaded_name, max_tokens=judge.settings.judge.max_tokens
        )
        tell("order", judge=name, order=order)
        started, first, reply = time.monotonic(), None, None
        for piece in backend.stream(wanted):
            check()
            first = first or time.monotonic() - started
            if isinstance(piece, Completion):
                reply = piece
            else:
                tell("piece", judge=name, order=order, text=piece)
        assert reply is not None, "a stream ends with its completion"
        ruling = read_ruling(backend, wanted, order, reply)
        said = {key: value for key, value in asdict(ruling).items() if key != "order"}
        tell("said", judge=name, order=order, first=first, seconds=time.monotonic() - started, **said)
        return ruling


def read_ruling(backend: Backend, asked: Request, order: Order, reply: Completion) -> OrderRuling:
    """What one order's reply decided, and how sure it was: read as the command line reads it."""
    verdict = verdict_of(reply)
    more = ask_chance(asked, reply.text) if backend.continues and verdict in ("A", "B") else None
    odds = () if more is None else next(iter(backend.generate([more]))).choice_probabilities
    return order_ruling(order, verdict, stored_text(reply), chance_first=odds[0] if odds else None, tokens=reply.tokens)


def _comparison(request: Mapping[str, Any]) -> Comparison:
    images = [Path(str(image)) for image in request.get("images", ())]
    return Comparison(
        image=images[0] if images else None,
        question=str(request["question"]),
        preferred=str(request["a"]),
        degraded=str(request["b"]),
        more_images=tuple(images[1:]),
    )


def waiting_run(workspace: Workspace) -> str | None:
    """A run of this workspace that waits for a device."""
    for run in workspace.runs():
        try:
            if read_state(run).state == "queued":
                return run.name
        except (JudgeStudioError, TypeError):
            continue  # a damaged state.json waits for nothing
    return None


def main() -> int:
    """Serve the studio that started this process, until it is gone or asks no more."""
    parser = argparse.ArgumentParser(prog="python -m studio.live.worker")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--idle-seconds", type=float, default=IDLE_SECONDS)
    options = parser.parse_args()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not mix with the events
    writing = threading.Lock()

    def send(event: Mapping[str, Any]) -> None:
        with writing:
            out.write(json.dumps(event, ensure_ascii=False) + "\n")
            out.flush()

    workspace = open_workspace(options.workspace, create=False)
    worker = Worker(workspace, send, Models(workspace))

    def receive() -> None:
        worker.receive(sys.stdin)
        os._exit(0)  # the studio is gone: nobody reads what a long reply or a loading model would still give

    threading.Thread(target=receive, name="requests", daemon=True).start()
    print(f"ends: {worker.work(idle_seconds=options.idle_seconds)}", file=sys.stderr, flush=True)
    worker.models.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
