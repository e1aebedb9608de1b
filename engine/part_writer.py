"""Rows to parts as they come: what is finished reaches the disk every few seconds, and always on the way out."""

import time
from types import TracebackType
from typing import Any

from engine.workspace import StageFolder

_SECONDS = 10.0
"""Work a kill may cost. More parts would slow every reader: DuckDB opens each one."""
_ROWS = 5000
"""Rows held at most: a few MB of reasoning."""


class PartWriter:
    """Appends rows of one table to a stage folder. Use it in a `with`; leaving it writes the rest, errors included."""

    def __init__(self, folder: StageFolder, table: str, *, seconds: float = _SECONDS) -> None:
        self._folder = folder
        self._table = table
        self._seconds = seconds
        self._rows: list[Any] = []
        self._since = time.monotonic()

    def add(self, row: Any) -> None:
        """Take one row; a part is written when rows are old or many enough."""
        self._rows.append(row)
        if len(self._rows) >= _ROWS or time.monotonic() - self._since >= self._seconds:
            self.flush()

    def flush(self) -> None:
        """Write what is held as one part."""
        self._since = time.monotonic()
        rows, self._rows = self._rows, []
        self._folder.write(self._table, rows)

    def __enter__(self) -> "PartWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()
