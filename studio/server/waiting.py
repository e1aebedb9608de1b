"""Starting and waiting on a busy machine, and saying what takes long. It knows no page, and needs no Gradio."""

import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from engine.errors import JudgeStudioError

PATIENCE = 600.0
"""Seconds: a start takes about ten where nothing else runs, and minutes where every core is taken several times."""
_TELL_EVERY = 10.0
"""Seconds between two words on what is being waited for."""
_LOOK_EVERY = 0.02


def wait_until_up(address: str, *, patience: float = PATIENCE) -> None:
    """Return when the page answers. Raises `JudgeStudioError` if it does not within `patience` seconds."""
    ends = time.monotonic() + patience
    with httpx.Client(trust_env=False, timeout=30.0) as client:
        while True:
            try:
                if client.head(address).status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                    return
            except httpx.TransportError:
                pass
            if time.monotonic() > ends:
                raise JudgeStudioError(
                    f"{address}: the page did not answer within {patience:.0f} s; {_load()}. End other work, or retry."
                )
            time.sleep(_LOOK_EVERY)


@contextmanager
def told_if_slow(what: str, *, every: float = _TELL_EVERY, tell: Callable[[str], None] | None = None) -> Iterator[None]:
    """Say on stderr, again and again, that `what` is being waited for and how busy the machine is."""
    over = threading.Event()
    started = time.monotonic()

    def watch() -> None:
        while not over.wait(every):
            line = f"{what} takes long: {time.monotonic() - started:.0f} s so far; {_load()}."
            (tell or _to_stderr)(line)

    thread = threading.Thread(target=watch, name="told-if-slow", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def kept_for_good() -> Iterator[None]:
    """What is made meanwhile stays until the process ends. Python would look through it for garbage again and again,
    which is a tenth of a start, and later a pause in every answer."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _load() -> str:
    """How many processes want to run, beside how many can."""
    return f"{os.getloadavg()[0]:.1f} processes want {os.cpu_count() or 1} cores"
