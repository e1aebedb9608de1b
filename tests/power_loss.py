"""A machine that loses its power right after a file was written: the process writes nothing afterwards."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.workspace import folders, tables


class PowerLoss(BaseException):
    """No `except Exception` hears of it, as of a SIGKILL."""


def lost_after_every_part(monkeypatch: pytest.MonkeyPatch, work: Callable[[], Any], *, most: int = 200) -> int:
    """Call `work` until it gets to its end, each call losing its power after the first part it writes; how often it
    did."""
    whole, done = tables.write_part, folders.StageFolder.finish
    lost = False

    def write(path: Path, table: str, rows: Any) -> None:
        nonlocal lost
        if lost:
            raise PowerLoss
        whole(path, table, rows)
        lost = True
        raise PowerLoss

    def finish(folder: folders.StageFolder, summary: Any) -> None:
        if lost:
            raise PowerLoss
        done(folder, summary)

    monkeypatch.setattr(tables, "write_part", write)
    monkeypatch.setattr(folders.StageFolder, "finish", finish)
    for tries in range(most):
        lost = False
        try:
            work()
            return tries
        except PowerLoss:
            continue
    raise AssertionError(f"it did not get to its end in {most} tries")


def rows_below(folder: Path) -> dict[str, list[str]]:
    """Table of each stage → its rows as text, sorted."""
    found: dict[str, list[str]] = {}
    for part in sorted(folder.rglob("*-[0-9]*.parquet")):
        table = part.stem.rsplit("-", 1)[0]
        record = tables.TABLES[table]
        rows = map(repr, tables.read_parts([part], record))
        found.setdefault(f"{part.parent.relative_to(folder)}/{table}", []).extend(rows)
    return {name: sorted(rows) for name, rows in found.items()}
