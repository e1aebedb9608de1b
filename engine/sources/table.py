"""A parquet, jsonl or JSON array file with a column of images, read row by row."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.errors import SourceError
from engine.records import Skipped
from engine.sources.columns import Columns, check_columns, entry_of, finder
from engine.sources.entry import Entry, Source, readable_name
from engine.sources.json_array import array_elements, is_array
from engine.sources.labels import class_names_of_parquet, named
from engine.sources.lfs import check_pointer
from engine.sources.pictures.upright import Limits

_BATCH = 16
"""Rows decoded from parquet at a time: they may hold an image of many megabytes each."""


def open_table(path: Path, columns: Columns, limits: Limits) -> Source:
    """The rows of a table. Image paths in it are relative to its folder and must stay inside.

    Raises `SourceError` if it is missing, of another kind, or lacks a column that was asked for.
    """
    label = f"table {readable_name(path.name)}"
    if path.is_dir() or (not path.exists() and "*" in path.name):
        raise SourceError(
            f"source.path: {path}: is several files, not one table. Use source.kind=dataset and the folder for parquet "
            "in parts, source.kind=folder for images, or name one file."
        )
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise SourceError(
            f"source.path: {path}: cannot be read: {error.strerror or error}. Name an existing parquet or jsonl file."
        ) from error
    check_pointer(path)
    if head.startswith(b"PAR1"):
        return _open_parquet(path, label, columns, limits)
    if path.suffix.lower() in (".jsonl", ".ndjson", ".json"):
        if _is_one_object(head):
            raise SourceError(
                f"source.path: {path}: is one JSON object over several lines, not rows. Write the rows as "
                f"a JSON array, "
                "or one object a line."
            )
        rows = _array_rows if is_array(head) else _jsonl_rows
        _check_present(rows(path, limits), path, columns)
        return Source(label=label, total=None, entries=_json_entries(rows(path, limits), path, columns, limits))
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
    labels = class_names_of_parquet(file.schema_arrow.metadata)
    with file:
        try:
            for batch in file.iter_batches(batch_size=_BATCH, columns=columns.wanted):
                for values in batch.to_pylist(maps_as_pydicts="lossy"):
                    yield entry_of(named(values, labels), f"{readable_name(path.name)} row {row}", columns, find)
                    row += 1
        except (OSError, pa.ArrowException) as error:
            yield Skipped(name=f"{path.name} from row {row}", reason=f"the file is damaged from here on: {error}")


def _is_one_object(head: bytes) -> bool:
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")[0].strip()
    return first == b"{" or (
        first.startswith(b"{") and first.endswith((b"[", b"{", b",")) and not first.endswith(b"},")
    )


def _json_entries(
    rows: Iterator[tuple[str, Any]], path: Path, columns: Columns, limits: Limits
) -> Iterator[Entry | Skipped]:
    find = finder(path.parent, limits)
    for place, values in rows:
        name = f"{readable_name(path.name)} {place}"
        if isinstance(values, Skipped):
            yield values
        elif isinstance(values, dict):
            yield entry_of(values, name, columns, find)
        else:
            yield Skipped(name=name, reason=f"the {place.split()[0]} is not a JSON object")


def _check_present(rows: Iterator[tuple[str, Any]], path: Path, columns: Columns) -> None:
    """Raise `SourceError` if a column that was asked for is in no row. Rows may lack one that others have, so it is
    read on until each was seen: mostly one row, the whole file where the name is wrong."""
    present: dict[str, None] = {}
    for _, values in rows:
        if isinstance(values, dict):
            present.update(dict.fromkeys(values))
            if all(name in present for name in columns.wanted):
                return
    if present:
        check_columns(columns, list(present), f"source.path: {path}")


def _jsonl_rows(path: Path, limits: Limits) -> Iterator[tuple[str, Any]]:
    """(where, the row) of every line that is not blank; `Skipped` for a row that is no JSON."""
    longest = _longest_row(limits)
    for number, line in _lines(path, longest):
        name = f"{readable_name(path.name)} line {number}"
        if line is None:
            yield f"line {number}", Skipped(name=name, reason=f"the line is longer than {longest:,} bytes")
            continue
        try:
            yield f"line {number}", json.loads(line.rstrip().removesuffix(b","))
        except (ValueError, RecursionError) as error:
            yield f"line {number}", Skipped(name=name, reason=f"the line is not JSON: {error}")


def _array_rows(path: Path, limits: Limits) -> Iterator[tuple[str, Any]]:
    """(where, the row) of every element of a file that is one JSON array."""
    number = 0
    try:
        for number, values in enumerate(array_elements(path, _longest_row(limits)), start=1):
            yield f"element {number}", values
    except ValueError as error:
        name = f"{readable_name(path.name)} from element {number + 1}"
        yield name, Skipped(name=name, reason=f"the file is not a JSON array from here on: {error}")


def _longest_row(limits: Limits) -> int:
    """Bytes. base64 needs 4 for 3; the rest is room for the question and its options."""
    return limits.max_bytes * 4 // 3 + 1_000_000


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
