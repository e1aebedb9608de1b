"""Pictures that a run has for itself. Each picture of a workspace is stored once, whoever uses it, so before one goes
with its run, whatever else could name it is looked through: other runs, measurements, uploads, judged files, notes.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from engine.workspace.folders import RunFolder, Workspace

_COLUMNS = ("path", "image", "more_images", "preferred_images", "degraded_images")
"""Of a table, those in which pictures are named by their paths."""
_TEXTS = frozenset({".json", ".jsonl", ".sqlite", ".sqlite-wal", ".yaml", ".csv"})
_ID = re.compile("[0-9a-f]{64}")
"""A stored picture is called after the hash of its bytes."""


def own_pictures(run: RunFolder) -> list[Path]:
    """The stored pictures that nothing but this run names; none where something cannot be read, because then nobody
    knows. What other processes take in at this moment is the caller's to ask."""
    try:
        found = {name for path in run.folder.rglob("*.parquet") for name in _named_in_table(path)}
        for path in _others(run.workspace, run.folder):
            if not found:
                break
            found -= set(_named_in_table(path) if path.suffix == ".parquet" else _named_in_text(path))
    except (OSError, pa.ArrowException):
        return []
    stored = (path for name in found for path in (run.workspace.images / name[:2]).glob(f"{name}.*"))
    return sorted(stored)


def _others(workspace: Workspace, run: Path) -> Iterator[Path]:
    """Files outside the run that can name a picture."""
    for path in workspace.root.rglob("*"):
        is_apart = not path.is_relative_to(run) and not path.is_relative_to(workspace.images)
        if is_apart and (path.suffix == ".parquet" or path.suffix in _TEXTS) and path.is_file():
            yield path


def _named_in_table(path: Path) -> Iterator[str]:
    with pq.ParquetFile(path) as table:
        columns = [name for name in _COLUMNS if name in table.schema_arrow.names]
        if not columns:
            return
        for batch in table.iter_batches(columns=columns):
            for column in batch.columns:
                yield from _ID.findall(str(column.to_pylist()))


def _named_in_text(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        for line in file:
            yield from _ID.findall(line.decode("latin-1"))
