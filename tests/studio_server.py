"""The studio as people start it: `python -m studio` in a process of its own, on a free port."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.patience import seconds

ROOT = Path(__file__).parents[1]
START_SECONDS = 120.0
"""On a quiet machine; Gradio's import alone takes 5 s there."""


@dataclass(frozen=True, slots=True)
class Server:
    url: str
    process: "subprocess.Popen[str]"

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1].strip("/"))


@contextmanager
def studio_server(workspace: Path, *options: str, port: int = 0) -> Iterator[Server]:
    """Serve `workspace` until the context ends; ended by SIGTERM, as a service manager would."""
    words = ["--workspace", str(workspace), "--port", str(port), "--no-browser", *options]
    with tempfile.TemporaryFile("w+") as errors, started(words, errors) as process:
        watchdog = threading.Timer(seconds(START_SECONDS), process.kill)
        watchdog.start()
        assert process.stdout is not None
        line = process.stdout.readline()
        watchdog.cancel()
        if " at http" not in line:
            errors.seek(0)
            raise AssertionError(f"the studio did not start: {line}{errors.read()}")
        try:
            yield Server(line.rsplit(" at ", 1)[1].strip().rstrip("/"), process)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.communicate(timeout=seconds(60))


def started(words: Sequence[str], errors: object) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "studio", *words],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=errors,  # type: ignore[call-overload]
    )
