"""The columns of every view and the SQL that makes it from Parquet parts. It opens no database and no file."""

import ast
import inspect
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from engine import records
from engine.workspace.catalog.part_scan import Part
from engine.workspace.table_records import TABLES

Stages = frozenset[tuple[str, int, str]]
"""Complete stages: (run, iteration, stage)."""

RECORDS = {table: record for table, record in TABLES.items() if table != "fates"}
"""Views; the fates of pairs are columns of `pairs`."""
_FATE = {"kept_traces": "BIGINT", "traces": "BIGINT", "fate": "VARCHAR"}
RUNS = {
    "run": "VARCHAR",
    "state": "VARCHAR",
    "stage": "VARCHAR",
    "iteration": "INTEGER",
    "base_model": "VARCHAR",
    "iterations": "INTEGER",
    "best": "VARCHAR",
    "started_at": "TIMESTAMP",
    "seconds": "DOUBLE",
    "error": "VARCHAR",
}
_RUN_NOTES = {
    "state": "queued, running, stopping, stopped, failed or done",
    "iteration": "the one it is working on",
    "iterations": "most that its settings allow",
    "best": "best judge version so far",
    "started_at": "UTC",
    "seconds": "working time over all starts",
}
_FATE_NOTES = {
    "kept_traces": "traces of this pair that selection kept; NULL before select",
    "traces": "its traces; NULL before select",
    "fate": '"kept" if any trace was, else the most frequent reason code',
}
_SCALARS = {str: "VARCHAR", int: "BIGINT", float: "DOUBLE", bool: "BOOLEAN"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewColumn:
    """One column of a view."""

    name: str
    type: str
    note: str
    """What it means, "" where the name says it."""


def schema() -> dict[str, tuple[ViewColumn, ...]]:
    """Every view with its columns, in reading order."""
    labels = _columns(LABELS, _field_notes().get("HandLabel", {}))
    return {"runs": _columns(RUNS, _RUN_NOTES), **{view: _view_columns(view) for view in RECORDS}, "labels": labels}


def current_parts(table: str, parts: Iterable[Part], done: Stages) -> list[Part]:
    """Parts that hold each row of a table once: judge's traces stand in until select has rewritten them all."""
    of_table = [part for part in parts if part.table == table]
    if table == "fates":
        return [part for part in of_table if (part.run, part.iteration, "select") in done]
    if table != "traces":
        return of_table

    def stage(part: Part) -> str:
        return "select" if (part.run, part.iteration, "select") in done else "judge"

    return [part for part in of_table if part.stage == stage(part)]


def view_sql(view: str, parts: Sequence[Part], done: Stages) -> str:
    """The SELECT behind a view: one branch per run and iteration, so that a filter on them opens only its own."""
    fates = _grouped(current_parts("fates", parts, done)) if view == "pairs" else {}
    branches = [
        _branch(view, run, iteration, paths, fates.get((run, iteration)))
        for (run, iteration), paths in _grouped(current_parts(view, parts, done)).items()
    ]
    return "\nUNION ALL ".join([_no_rows(_all_columns(view)), *branches])


def _branch(view: str, run: str, iteration: int, paths: list[str], fates: list[str] | None) -> str:
    later = _later_columns(view)
    names = ", ".join(
        f'coalesce(rows."{name}", {later[name]}) AS "{name}"' if name in later else f'rows."{name}"'
        for name in record_columns(view)
    )
    head = f"SELECT {text(run)} AS run, {iteration}::INTEGER AS iteration, {names}"
    if view != "pairs":
        return f"{head} FROM {_read_whole(view, paths)} AS rows"
    if not fates:
        nothing = ", ".join(f"NULL::{type_} AS {name}" for name, type_ in _FATE.items())
        return f"{head}, {nothing} FROM {read(paths)} AS rows"
    fate = ", ".join(f"fates.{name}" for name in _FATE)
    return f"{head}, {fate} FROM {read(paths)} AS rows LEFT JOIN {read(fates)} AS fates USING (pair_id)"


def _read_whole(view: str, paths: Sequence[str]) -> str:
    """The parts, with empty columns for those that older parts lack."""
    later = _later_columns(view)
    if not later:
        return read(paths)
    types_ = record_columns(view)
    nothing = ", ".join(f'NULL::{types_[name]} AS "{name}"' for name in later)
    rows = f"SELECT * FROM {read(paths, extra=', union_by_name = true')}"
    return f"(SELECT {nothing} WHERE false UNION ALL BY NAME {rows})"


@cache
def _later_columns(view: str) -> dict[str, str]:
    """Columns that parts of older workspaces may lack → the SQL of what stands there instead."""
    found = {}
    for field in fields(RECORDS[view]):
        if field.default is not MISSING:
            value = f"{field.default}" if isinstance(field.default, int) else text(str(field.default))
            found[field.name] = "[]" if field.default == () else value
    return found


def runs_sql(rows: Sequence[Mapping[str, Any]]) -> str:
    """A SELECT that yields these few runs; times are Unix times."""
    selects = [
        "SELECT " + ", ".join(f"{_literal(row[name], type_)} AS {name}" for name, type_ in RUNS.items()) for row in rows
    ]
    return "\nUNION ALL ".join([_no_rows(RUNS), *selects])


def labels_sql(rows: Iterable[tuple[str, records.HandLabel]]) -> str:
    """A SELECT that yields (run, hand label)."""
    values = [
        "("
        + ", ".join(_literal(run if name == "run" else getattr(one, name), type_) for name, type_ in LABELS.items())
        + ")"
        for run, one in rows
    ]
    if not values:
        return _no_rows(LABELS)
    names = ", ".join(f'"{name}"' for name in LABELS)
    return f"SELECT * FROM (VALUES {', '.join(values)}) AS labels({names})"


def _literal(value: Any, type_: str) -> str:
    if value is None or (type_ == "TIMESTAMP" and not value):
        return f"NULL::{type_}"
    return f"make_timestamp({round(value * 1e6)})" if type_ == "TIMESTAMP" else f"{text(str(value))}::{type_}"


def _grouped(parts: Iterable[Part]) -> dict[tuple[str, int], list[str]]:
    groups: dict[tuple[str, int], list[str]] = {}
    for part in parts:
        groups.setdefault((part.run, part.iteration), []).append(part.path)
    return groups


def _no_rows(columns: Mapping[str, str]) -> str:
    """Gives a view its column names and types even where no part exists."""
    return "SELECT " + ", ".join(f'NULL::{type_} AS "{name}"' for name, type_ in columns.items()) + " WHERE false"


def read(paths: Sequence[str], *, extra: str = "") -> str:
    """The table function that reads these parts."""
    return f"read_parquet([{', '.join(text(path) for path in paths)}]{extra})"


def text(value: str) -> str:
    """A SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


@cache
def record_columns(view: str) -> dict[str, str]:
    """Column → DuckDB type of a view's own record, without run and iteration."""
    record = RECORDS[view]
    hints = get_type_hints(record)
    return {field.name: _column_type(hints[field.name]) for field in fields(record)}


def needed_columns(view: str) -> set[str]:
    """Columns that every part of the view must have."""
    return record_columns(view).keys() - _later_columns(view).keys()


def _column_type(hint: Any) -> str:
    if get_origin(hint) in (types.UnionType, typing.Union):
        hint = next(part for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is Literal:
        return "VARCHAR"
    if get_origin(hint) is tuple:
        return f"{_SCALARS[get_args(hint)[0]]}[]"
    return _SCALARS[hint]


LABELS = {
    "run": "VARCHAR",
    **{
        name: "TIMESTAMP" if name == "time" else _column_type(hint)
        for name, hint in get_type_hints(records.HandLabel).items()
    },
}
"""Columns of the view of hand labels."""


def _all_columns(view: str) -> dict[str, str]:
    extra = _FATE if view == "pairs" else {}
    return {"run": "VARCHAR", "iteration": "INTEGER", **record_columns(view), **extra}


def _view_columns(view: str) -> tuple[ViewColumn, ...]:
    return _columns(_all_columns(view), {**_field_notes().get(RECORDS[view].__name__, {}), **_FATE_NOTES})


def _columns(types_: dict[str, str], notes: dict[str, str]) -> tuple[ViewColumn, ...]:
    return tuple(ViewColumn(name=name, type=type_, note=notes.get(name, "")) for name, type_ in types_.items())


@cache
def _field_notes() -> dict[str, dict[str, str]]:
    """Class → field → the string below the field in engine/records.py, so that its meaning is written once."""
    notes: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(records)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        notes[node.name] = {}
        for field, below in zip(node.body, node.body[1:], strict=False):
            is_note = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_note:
                notes[node.name][field.target.id] = " ".join(str(below.value.value).split())  # type: ignore[attr-defined]
    return notes
