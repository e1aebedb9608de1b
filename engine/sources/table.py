"""A parquet or jsonl file with a column of images, read row by row."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.errors import SourceError
from engine.records import Skipped
from engine.sources.columns import Columns, check_columns, entry_of, finder
from engine.sources.entry import Entry, Source, readable_name
from engine.sources.pictures.upright import Limits

_BATCH = 16
"""Rows decoded from parquet at a time: they may hold an image of many megabytes each."""


def open_table(path: Path, columns: Columns, limits: Limits) -> Source:
    """The rows of a table. Image paths in it are relative to its folder and must stay inside.

    Raises `SourceError` if it is missing, of another kind, or lacks a column that was asked for.
    """
    label = f"table {readable_name(path.name)}"
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise SourceError(
            f"source.path: {path}: cannot be read: {error.strerror or error}. Name an existing parquet or jsonl file."
        ) from error
    if head == b"PAR1":
        return _open_parquet(path, label, columns, limits)
    if path.suffix.lower() in (".jsonl", ".ndjson", ".json"):
        return Source(label=label, total=None, entries=_jsonl_entries(path, columns, limits))
    raise SourceError(
        f"source.path: {path}: neither parquet nor .jsonl. Convert it, or use source.kind=folder for images."
    )


def _open_parquet(path: Path, label: str, columns: Columns, limits: Limits) -> Source:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"source.path: {path}: damaged parquet: {error}. Make it again.") from error
    check_columns(columns, file.schema_arrow.names, f"source.path: {path}")
    entries = _parquet_entries(file, columns, finder(path.parent, limits), path)
    return Source(label=label, total=file.metadata.num_rows, entries=entries)


def _parquet_entries(file: Any, columns: Columns, find: Any, path: Path) -> Iterator[Entry | Skipped]:
    import pyarrow as pa

    row = 0
    with file:
        try:
            for batch in file.iter_batches(batch_size=_BATCH, columns=columns.wanted):
                for values in batch.to_pylist():
                    yield entry_of(values, f"{readable_name(path.name)} row {row}", columns, find)
                    row += 1
        except (OSError, pa.ArrowException) as error:
            yield Skipped(name=f"{path.name} from row {row}", reason=f"the file is damaged from here on: {error}")


def _jsonl_entries(path: Path, columns: Columns, limits: Limits) -> Iterator[Entry | Skipped]:
    # base64 needs 4 bytes for 3; the rest is room for the question and its options.
    longest = limits.max_bytes * 4 // 3 + 1_000_000
    find = finder(path.parent, limits)
    checked = False
    for number, line in _lines(path, longest):
        name = f"{readable_name(path.name)} line {number}"
        if line is None:
            yield Skipped(name=name, reason=f"the line is longer than {longest:,} bytes")
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Skipped(name=name, reason=f"the line is not JSON: {error}")
            continue
        if not isinstance(values, dict):
            yield Skipped(name=name, reason="the line is not a JSON object")
            continue
        if not checked:  # the first row shows what the columns are called
            check_columns(columns, list(values), f"source.path: {path}")
            checked = True
        yield entry_of(values, name, columns, find)


def _lines(path: Path, longest: int) -> Iterator[tuple[int, bytes | None]]:
    """Non-blank lines with their 1-based numbers; None for one that is too long to be read."""
    number = 0
    with path.open("rb") as file:
        while line := file.readline(longest + 1):
            number += 1
            if len(line) > longest:
                while line and not line.endswith(b"\n"):
                    line = file.readline(longest + 1)
                yield number, None
            elif line.strip():
                yield number, line
