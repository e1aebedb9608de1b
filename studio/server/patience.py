"""Starting our own server on a busy machine: Gradio gives it five seconds, and then says that no port is free."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from gradio import http_server
from gradio.exceptions import ServerFailedToStartError

from engine.errors import JudgeStudioError
from studio.server.waiting import PATIENCE

_LOOK_EVERY = 0.02


class PatientServer(http_server.Server):  # type: ignore[misc]  # gradio brings no types
    """Gradio's server; it is given up only when its thread has ended, e.g. because the port was taken meanwhile."""

    def run_in_thread(self) -> None:
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        ends = time.monotonic() + PATIENCE
        while not self.started:
            if not self.thread.is_alive() or time.monotonic() > ends:
                raise ServerFailedToStartError("it did not start")
            time.sleep(_LOOK_EVERY)


@contextmanager
def patient_server(host: str) -> Iterator[None]:
    """Within this, Gradio starts a `PatientServer`, and asks this machine without any proxy.

    Raises `JudgeStudioError` if it cannot start.
    """
    before = http_server.Server
    http_server.Server = PatientServer
    reached_directly(host)
    try:
        yield
    except OSError as error:
        raise JudgeStudioError(f"{host}: the server did not start: {error}. Choose another --port.") from error
    finally:
        http_server.Server = before


def reached_directly(host: str) -> None:
    """Keep requests to this machine from going to a proxy that the environment names."""
    for variable in ("NO_PROXY", "no_proxy"):
        known = [name for name in os.environ.get(variable, "").split(",") if name]
        missing = [name for name in ("127.0.0.1", "localhost", "::1", host) if name not in known]
        os.environ[variable] = ",".join([*known, *missing])
