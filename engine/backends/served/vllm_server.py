"""A vLLM server that lives as long as a run needs it: started, waited for, spoken to, ended.

It may belong to another environment, since vLLM pins other versions. Everything said to it goes through `openai.py`,
by a socket in a folder that only this user may enter: vLLM's key guards /v1 alone, and its other pages answer anybody.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx

from engine.backends.served.announced import Announced, announce, listens
from engine.backends.served.http_door import UNIX
from engine.backends.served.openai import OpenAIBackend
from engine.backends.served.vllm_log import first_error, phase, plain
from engine.errors import BackendError
from engine.records import MOST_PICTURES

_GRACE = 20.0
"""Seconds between SIGTERM and SIGKILL: vLLM's workers give their memory back in less."""

_LOG_TAIL = 15
"""Lines of the server's log that an error shows where none of them names a cause."""

_POLL = 0.25
"""Seconds between two looks at whether the server is up."""

_REPORT = 1.0
"""Seconds between two reports of how the start goes; a stop that was asked for is obeyed as fast."""

GUARD = Path(__file__).with_name("process_guard.py")
"""Started with a command; it ends the command with all its children when whoever started it is gone."""

_REMOVED = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSTARTUP"}
"""Variables of this environment that would mislead another one's Python."""


class VllmServer:
    """One `vllm` process group. Use it as a context manager, or call `stop`.

    `python` has vLLM installed. `images` is the only folder it may read images from. `context` bounds prompt and reply
    together, in tokens (None: what the model was made for); `sequences` is how many it works on at once. What it writes
    is added to `log` (None: a file that goes with it). `report` is told about once a second how the start goes; what
    it raises, such as a stop that was asked for, ends the server.
    Raises `BackendError`, with the first error of the log, when it exits or is not up within `patience` seconds.
    """

    def __init__(
        self,
        model: str,
        *,
        images: Path,
        python: str | None = None,
        dtype: str = "auto",
        revision: str | None = None,
        max_rank: int = 64,
        max_judges: int = 2,
        context: int | None = None,
        sequences: int = 256,
        options: Sequence[str] = (),
        log: Path | None = None,
        patience: float = 1800.0,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.images = images
        self._folder = Path(tempfile.mkdtemp(prefix="judge-studio-"))  # which only this user may enter
        self.socket = self._folder / "vllm.sock"
        self.url = UNIX + str(self.socket)
        self._told: Path | None = None
        self._is_kept = log is not None
        self.log = log or self._folder / "vllm.log"
        command = [
            *(python or sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
            *("--model", model, "--served-model-name", model, "--dtype", dtype, "--uds", str(self.socket)),
            *("--enable-lora", "--max-lora-rank", str(max_rank), "--max-loras", str(max_judges)),
            *("--max-num-seqs", str(sequences), "--limit-mm-per-prompt", f'{{"image": {MOST_PICTURES}}}'),
            *("--allowed-local-media-path", str(images.resolve())),
            *("--generation-config", "vllm"),  # not the model's own: what a request does not say is neutral
            *(("--max-model-len", str(context)) if context else ()),
            *(("--revision", revision) if revision else ()),
            *options,  # last: a person's word outweighs ours
        ]
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            self._begin = self.log.stat().st_size if self.log.exists() else 0
            self._process = self._start(command)
        except OSError as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise BackendError(f"vllm: cannot be started ({error}). Free some space, then resume.") from error
        try:
            self._wait_until_up(patience, report)
            self._told = announce(
                Announced(model=model, revision=revision, dtype=dtype, max_rank=max_rank, socket=str(self.socket))
            )
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the whole process group; returns when nothing of it is left. Calling it again does nothing."""
        if self._told is not None:
            self._told.unlink(missing_ok=True)
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(_GRACE + 5)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, 9)
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> "VllmServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self, command: list[str]) -> "subprocess.Popen[bytes]":
        kept = {name: value for name, value in os.environ.items() if name not in _REMOVED}
        told = {
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "DO_NOT_TRACK": "1",
        }
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, str(GUARD), str(_GRACE), *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=kept | told,
                start_new_session=True,
            )

    def _wait_until_up(self, patience: float, report: Callable[[str], None]) -> None:
        started = told = time.monotonic()
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(self.socket)), trust_env=False, timeout=5.0) as client:
            while True:
                if self._process.poll() is not None:
                    raise BackendError(f"vllm: ended before it was up (exit {self._process.returncode}){self._cause()}")
                with contextlib.suppress(httpx.TransportError):
                    if listens(self.socket) and client.get("http://vllm/health").status_code == httpx.codes.OK:
                        return
                now = time.monotonic()
                if now - started > patience:
                    raise BackendError(f"vllm: not up after {patience:.0f} seconds{self._cause()}")
                if now - told >= _REPORT:
                    told = now
                    report(f"vLLM is starting, {now - started:.0f} s: {phase(self._lines())}")
                time.sleep(_POLL)

    def _cause(self) -> str:
        """What the log says of the reason, and where the whole of it lies."""
        lines = self._lines()
        error = first_error(lines)
        if error is not None:
            said = f": {error}"
        elif lines:
            said = "; it said:\n" + "\n".join(plain(line) for line in lines[-_LOG_TAIL:])
        else:
            said = "; it said nothing"
        where = f" The whole log is {self.log}." if self._is_kept else ""
        return f"{said}\nCheck model.vllm_python, model.vllm_options and the memory that is free.{where}"

    def _lines(self) -> list[str]:
        """What this server wrote, not those before it."""
        try:
            with self.log.open("rb") as log:
                log.seek(self._begin)
                text = log.read().decode("utf-8", errors="replace")
        except OSError:
            return []
        return [line.rstrip() for line in text.replace("\r", "\n").split("\n") if line.strip()]


class VllmBackend(OpenAIBackend):
    """See `Backend`. Owns its server: `close` ends it, and the GPU is free."""

    def __init__(
        self,
        server: VllmServer,
        *,
        base_name: str,
        sequences: int = 256,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self._server = server
        try:
            super().__init__(
                server.url,
                base_name=base_name,
                readable=server.images,
                sequences=sequences,
                tick=tick,
            )
        except BaseException:
            server.stop()
            raise

    def close(self) -> None:
        """See `Backend`."""
        super().close()
        self._server.stop()
