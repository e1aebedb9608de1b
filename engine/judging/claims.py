"""A large file of comparisons shared among any number of workers: each claims a part by renaming a file.

OUT/
  parts/00000000-00000512.todo                 nobody's yet
  parts/00000512-00001024.node7-4711.claimed   somebody's; its time says when a ruling was last written
  parts/00000512-00001024.rows                 what it has so far
  00001024-00001536.jsonl                      done; `cat OUT/*.jsonl` is the whole
"""

import contextlib
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.errors import WorkspaceError

_PART = 512
"""Comparisons of a part: minutes of work, so that workers end at about the same time."""
_STALE_SECONDS = 1800.0
"""A worker that wrote nothing for so long is gone; its part is somebody else's."""

RulePart = Callable[[Path, range], Iterator[int]]
"""(file of rulings, lines of the source) → rulings that are new since the last yield; it continues a started file."""


def share_out(folder: Path, total: int, rule: RulePart, *, stale_seconds: float = _STALE_SECONDS) -> Iterator[int]:
    """Rule on parts of `total` comparisons until none is left to claim; yields as `rule` does.

    A part lands in `folder` whole. Raises `WorkspaceError` if the folder cannot be written, and what `rule` raises,
    after giving its part back.
    """
    parts = folder / "parts"
    try:
        _lay_out(folder, parts, total)
        while (claim := _claim(parts, stale_seconds)) is not None:
            yield from _worked(folder, parts, claim, rule)
    except OSError as error:
        raise WorkspaceError(f"{folder}: cannot be shared ({error}). Name a folder that all workers write.") from error


def _lay_out(folder: Path, parts: Path, total: int) -> None:
    """All parts at once: the folder appears by a rename, so only the first worker's is taken."""
    if parts.is_dir():
        return
    mine = folder / f"parts.{_name()}"
    mine.mkdir(parents=True, exist_ok=True)
    for start in range(0, total, _PART):
        (mine / f"{start:08d}-{min(start + _PART, total):08d}.todo").touch()
    try:
        os.rename(mine, parts)
    except OSError:
        shutil.rmtree(mine, ignore_errors=True)
        if not parts.is_dir():
            raise


def _claim(parts: Path, stale_seconds: float) -> Path | None:
    """A part that is this worker's now; None if all are done or somebody else's."""
    for claim in parts.glob("*.claimed"):
        stem = claim.name.split(".")[0]
        try:
            if time.time() - claim.stat().st_mtime > stale_seconds:
                os.rename(claim, parts / f"{stem}.todo")
        except FileNotFoundError:
            continue  # its worker has just finished, or another one was faster
    for todo in sorted(parts.glob("*.todo")):
        claimed = parts / f"{todo.stem}.{_name()}.claimed"
        try:
            os.rename(todo, claimed)
        except FileNotFoundError:
            continue
        os.utime(claimed)
        return claimed
    return None


def _worked(folder: Path, parts: Path, claim: Path, rule: RulePart) -> Iterator[int]:
    stem = claim.name.split(".")[0]
    start, _, stop = stem.partition("-")
    rows = parts / f"{stem}.rows"
    try:
        for new in rule(rows, range(int(start), int(stop))):
            if not _still_ours(claim):
                return  # so slow that somebody took over
            yield new
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.rename(claim, parts / f"{stem}.todo")
        raise
    if _still_ours(claim):
        os.replace(rows, folder / f"{stem}.jsonl")
        claim.unlink()


def _still_ours(claim: Path) -> bool:
    """Whether nobody took the part over; also a sign of life."""
    try:
        os.utime(claim)
    except FileNotFoundError:
        return False
    return True


def _name() -> str:
    return f"{socket.gethostname().split('.')[0]}-{os.getpid()}"
