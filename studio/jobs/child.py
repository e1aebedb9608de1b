"""Child processes of the studio: start one, tell whether it is still that process, stop it, read its last words.

Every child runs this Python with this code, and leads a group of its own: Ctrl-C in the server's terminal does not
reach it, and stopping it stops what it started. What a child is for is known by those who start it.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

COMMANDS = "engine.cli"
"""The module behind `judge-studio`."""
_LOG_BYTES = 64_000
"""The end of a log that is read."""
_SAME_BIRTH = 1.0
"""Seconds: the system gives a process's birth in hundredths, and may round it differently after a clock change."""
_SECOND = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A child that came to its end."""

    code: int
    said: bytes
    problem: bytes
    """What it wrote to stderr."""

    @property
    def last_words(self) -> str:
        """The sentence it ended with."""
        return last_sentence(self.problem.decode(errors="replace").splitlines())


def environment() -> dict[str, str]:
    """Paths in settings stay relative to where the studio was started, so an uninstalled checkout is found by path."""
    code = str(Path(__file__).parents[2])
    paths = [code, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}


# --- starting ----------------------------------------------------------------------------------------------------


def start(module: str, words: Sequence[str], *, log: Path) -> "subprocess.Popen[bytes]":
    """A child that goes on when the studio ends; all it prints is added to `log`."""
    with log.open("ab") as file:
        child = _spawn(module, words, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
    threading.Thread(target=child.wait, name=f"reap {log.parent.name}", daemon=True).start()
    return child


def start_talking(module: str, words: Sequence[str], *, log: Path) -> "subprocess.Popen[str]":
    """A child that reads lines and answers in lines, as text; what it says beside that is all of `log`."""
    with log.open("wb") as file:
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": file}
        return _spawn(module, words, text=True, encoding="utf-8", errors="replace", **pipes)


def until_ended(module: str, words: Sequence[str], *, seconds: float, given: bytes = b"") -> Iterator[Ended | None]:
    """None about every second while a child works, then how it ended. Raises `TimeoutError` after `seconds`.

    Closing the iterator stops the child.
    """
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    child: subprocess.Popen[bytes] = _spawn(module, words, **pipes)
    over = time.monotonic() + seconds
    waiting: bytes | None = given
    try:
        while True:
            try:
                said, problem = child.communicate(waiting, timeout=max(0.0, min(_SECOND, over - time.monotonic())))
                break
            except subprocess.TimeoutExpired:
                waiting = None
                if time.monotonic() >= over:
                    raise TimeoutError(f"it took longer than {seconds:.0f} s") from None
                yield None
        yield Ended(code=child.returncode, said=said, problem=problem)
    finally:
        if child.poll() is None:
            end(child, at_once=True)
            child.communicate()


def ended(module: str, words: Sequence[str], *, seconds: float, given: bytes = b"") -> Ended:
    """Wait for a child's end. Raises `TimeoutError` after `seconds`."""
    return next(end for end in until_ended(module, words, seconds=seconds, given=given) if end is not None)


def _spawn(module: str, words: Sequence[str], **pipes: Any) -> "subprocess.Popen[Any]":
    return subprocess.Popen([sys.executable, "-m", module, *words], start_new_session=True, env=environment(), **pipes)


# --- knowing it again --------------------------------------------------------------------------------------------


def name_of(pid: int) -> dict[str, float]:
    """What a record on disk keeps of a process, to find it again: its number, and when it was born."""
    try:
        return {"pid": pid, "born": psutil.Process(pid).create_time()}
    except psutil.Error:
        return {"pid": pid, "born": 0.0}


def still(record: Mapping[str, Any]) -> psutil.Process | None:
    """The process that a record names, if it is alive: the same number may belong to another one by now."""
    try:
        process = psutil.Process(int(record["pid"]))
        is_same = abs(process.create_time() - float(record["born"])) < _SAME_BIRTH
        return process if is_same and process.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.Error, KeyError, TypeError, ValueError):
        return None


def stop(record: Mapping[str, Any]) -> None:
    """Ask the process that a record names, and what it started, to end."""
    process = still(record)
    if process is not None:
        _signal_group(process.pid, signal.SIGTERM)


def end(child: "subprocess.Popen[Any]", *, at_once: bool = False) -> None:
    """The same for a child that is at hand; `at_once` does not ask."""
    _signal_group(child.pid, signal.SIGKILL if at_once else signal.SIGTERM)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # it ended this instant
        os.killpg(pid, number)  # it leads its own group: see _spawn


# --- last words --------------------------------------------------------------------------------------------------


def log_tail(log: Path, lines: int = 40) -> list[str]:
    """The last lines of a log; none if there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LOG_BYTES))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except OSError:
        return []


def last_sentence(lines: Sequence[str]) -> str:
    """The last line that says something, without the command's name before it; "" if none does."""
    said = [line.strip() for line in lines if line.strip()]
    return plain_sentence(said[-1]) if said else ""


def plain_sentence(sentence: str) -> str:
    """The sentence without the command's name before it."""
    head, _, tail = sentence.partition(": ")
    return tail if head.startswith("judge-studio ") and tail else sentence
