"""A vLLM server that lives as long as a run needs it: started, waited for, spoken to, ended.

It may belong to another environment, since vLLM pins other versions. Everything said to it goes through `openai.py`.
"""

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx

from engine.backends.served.openai import OpenAIBackend
from engine.errors import BackendError

_GRACE = 20.0
"""Seconds between SIGTERM and SIGKILL: vLLM's workers give their memory back in less."""

_LOG_TAIL = 15
"""Lines of the server's log that an error shows."""

_POLL = 0.25
"""Seconds between two looks at whether the server is up."""

_GUARD = Path(__file__).with_name("process_guard.py")

_REMOVED = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSTARTUP"}
"""Variables of this environment that would mislead another one's Python."""


class VllmServer:
    """One `vllm` process group. Use it as a context manager, or call `stop`.

    `python` has vLLM installed. `images` is the only folder it may read images from. `log` keeps what it writes
    (None: a temporary file that goes with it). `report` is told about once a second how the start goes.
    Raises `BackendError`, with the end of the log, when it exits or is not up within `patience` seconds.
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
        max_judges: int = 4,
        options: Sequence[str] = (),
        log: Path | None = None,
        patience: float = 900.0,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.images = images
        self.key = secrets.token_hex(16)
        """The server answers nobody else on this machine."""
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}/v1"
        self._scratch = tempfile.TemporaryDirectory(prefix="judge-studio-vllm-")
        self._log = log or Path(self._scratch.name) / "vllm.log"
        command = [
            *(python or sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
            *("--model", model, "--served-model-name", model, "--dtype", dtype),
            *("--host", "127.0.0.1", "--port", str(port)),
            *("--enable-lora", "--max-lora-rank", str(max_rank), "--max-loras", str(max_judges)),
            *("--allowed-local-media-path", str(images.resolve())),
            *("--generation-config", "vllm"),  # not the model's own: what a request does not say is neutral
            *(("--revision", revision) if revision else ()),
            *options,
        ]
        self._process = self._start(command)
        try:
            self._wait_until_up(patience, report)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the whole process group; returns when nothing of it is left. Calling it again does nothing."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(_GRACE + 5)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, 9)
            self._process.wait()
        self._scratch.cleanup()

    def __enter__(self) -> "VllmServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self, command: list[str]) -> "subprocess.Popen[bytes]":
        kept = {name: value for name, value in os.environ.items() if name not in _REMOVED}
        told = {
            "VLLM_API_KEY": self.key,
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "DO_NOT_TRACK": "1",
        }
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, str(_GUARD), str(_GRACE), *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=kept | told,
                start_new_session=True,
            )

    def _wait_until_up(self, patience: float, report: Callable[[str], None]) -> None:
        started = told = time.monotonic()
        with httpx.Client(trust_env=False, timeout=5.0) as client:
            while True:
                if self._process.poll() is not None:
                    raise BackendError(f"vllm: ended before it was up (exit {self._process.returncode}){self._tail()}")
                with contextlib.suppress(httpx.TransportError):
                    if client.get(self.url.removesuffix("/v1") + "/health").status_code == httpx.codes.OK:
                        return
                now = time.monotonic()
                if now - started > patience:
                    raise BackendError(f"vllm: not up after {patience:.0f} seconds{self._tail()}")
                if now - told >= 1:
                    told = now
                    report(f"vllm is starting, {now - started:.0f} s: {self._last_line()}")
                time.sleep(_POLL)

    def _last_line(self) -> str:
        lines = self._lines()
        return lines[-1][:200] if lines else "nothing said yet"

    def _tail(self) -> str:
        lines = self._lines()[-_LOG_TAIL:]
        said = "; it said:\n" + "\n".join(lines) if lines else "; it said nothing"
        return f"{said}\nCheck model.vllm_python and the model's memory needs."

    def _lines(self) -> list[str]:
        try:
            text = self._log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return []
        return [line.rstrip() for line in text.splitlines() if line.strip()]


class VllmBackend(OpenAIBackend):
    """See `Backend`. Owns its server: `close` ends it, and the GPU is free."""

    def __init__(self, server: VllmServer, *, base_name: str) -> None:
        self._server = server
        try:
            super().__init__(server.url, base_name=base_name, readable=server.images, api_key=server.key)
        except BaseException:
            server.stop()
            raise

    def close(self) -> None:
        """See `Backend`."""
        super().close()
        self._server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
