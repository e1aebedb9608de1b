"""Rows on their way to a stage folder: gathered for a while, then written as one part. It knows no table's meaning."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from engine.errors import WorkspaceError
from engine.workspace.folders import StageFolder

SECONDS = 20.0
"""The most work a power loss can cost; a part and its fsync cost a few milliseconds."""


class Parts:
    """Use it in a `with`: what was added is written on leaving, whatever the reason for leaving."""

    def __init__(self, folder: StageFolder, table: str, *, rows: int) -> None:
        self._folder = folder
        self._table = table
        self._rows = rows
        self._waiting: list[Any] = []
        self._since = time.monotonic()

    def add(self, unit: Sequence[Any]) -> None:
        """Add rows that belong together: they land in the same part."""
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.extend(unit)
        if len(self._waiting) >= self._rows or time.monotonic() - self._since >= SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what waits as one part. Raises `WorkspaceError` if the disk refuses."""
        self._folder.write(self._table, self._waiting)
        self._waiting = []

    def __enter__(self) -> "Parts":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, WorkspaceError):  # a disk that just refused would refuse again
            self.flush()
