"""Records to Parquet and back: one table per record class, its columns read from the class itself."""

import os
import types
import typing
from collections.abc import Sequence
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import WorkspaceError
from engine.text import without_halves
from engine.workspace.files import sync_folder
from engine.workspace.table_records import TABLES

Record = TypeVar("Record")

_SCALARS = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


def _column_type(hint: Any) -> pa.DataType:
    if get_origin(hint) in (types.UnionType, typing.Union):
        hint = next(part for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is Literal:
        return pa.string()
    if get_origin(hint) is tuple:
        return pa.list_(_SCALARS[get_args(hint)[0]])
    return _SCALARS[hint]


@cache
def schema(table: str) -> pa.Schema:
    """Columns of a table, in the order of the record's fields."""
    record = TABLES[table]
    hints = get_type_hints(record)
    return pa.schema([(field.name, _column_type(hints[field.name])) for field in fields(record)])


def to_arrow(table: str, rows: Sequence[Any]) -> pa.Table:
    """Rows as an Arrow table of the table's schema."""
    columns = schema(table)
    data = {name: [getattr(row, name) for row in rows] for name in columns.names}
    try:
        return pa.table(data, schema=columns)
    except UnicodeEncodeError:  # half a character that slipped through every door
        return pa.table(without_halves(data), schema=columns)


def write_part(path: Path, table: str, rows: Sequence[Any]) -> None:
    """Write rows so that the file at `path` is whole or absent, even after a power loss.

    Raises `WorkspaceError` if the disk refuses.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            pq.write_table(to_arrow(table, rows), file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise WorkspaceError(
            f"{path}: cannot write: {error.strerror or error}. Free some space or permissions, then resume."
        ) from error


def read_parts(paths: Sequence[Path], record: type[Record]) -> list[Record]:
    """All rows of the parts, in order. Raises `WorkspaceError` naming a part that cannot be read."""
    rows: list[Record] = []
    names = [field.name for field in fields(record)]  # type: ignore[arg-type]
    lists = {name for name in names if get_origin(get_type_hints(record)[name]) is tuple}
    for path in paths:
        try:
            table = pq.read_table(path, columns=_present(path, names, record))
        except (OSError, pa.ArrowInvalid) as error:
            raise WorkspaceError(f"{path}: cannot read this part: {error}. Delete it and resume the run.") from error
        for row in table.to_pylist():
            for name in lists & row.keys():
                row[name] = tuple(row[name] or ())
            rows.append(record(**row))
    return rows


def _present(path: Path, names: Sequence[str], record: type[Any]) -> list[str]:
    """The columns to read: all but those that came later than the part, whose fields have a default."""
    later = optional_fields(record)
    there = set(pq.read_schema(path).names) if later else set()
    return [name for name in names if name in there or name not in later]


def optional_fields(record: type[Any]) -> dict[str, Any]:
    """Field → its default, of the fields that parts of older workspaces may lack."""
    return {field.name: field.default for field in fields(record) if field.default is not MISSING}
