"""DuckDB over a workspace's Parquet parts: one view per table, readable while a run writes, confined for user SQL.

    with open_catalog(workspace).sql("select dimension, count(*) from pairs group by all") …

The database lives in memory and holds no rows, so no reader ever locks another one out or holds a run up. It may
open the parts that were there when it was made and nothing else on the machine; when parts come or go it is made anew.
"""

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from engine.errors import JudgeStudioError, UsageError
from engine.workspace.catalog import lazy_duckdb as duckdb
from engine.workspace.catalog import views
from engine.workspace.catalog.part_scan import Fault, Part, PartScan
from engine.workspace.catalog.views import ViewColumn
from engine.workspace.folders import RunFolder, Workspace
from engine.workspace.hand_labels import LabelsStamp, labels_stamp, read_labels
from engine.workspace.state import read_state

Answer = TypeVar("Answer")

ROW_LIMIT = 1_000
SECONDS_LIMIT = 30.0
MEMORY_LIMIT = "384MB"
"""Of one database. The studio has another one for its pages and promises to stay below 1 GB."""
_CELL_BYTES = 32_000_000
"""A result stops growing beyond this much text, whatever its row limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Rows of one question."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    truncated: bool
    """There are more rows than the limit."""
    seconds: float


class Catalog:
    """The views of one workspace. Any number of threads may ask at once."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._scan = PartScan(workspace)
        self._lock = threading.RLock()
        self._database: tuple[int, duckdb.DuckDBPyConnection] | None = None
        self._runs: list[dict[str, Any]] | None = None
        self._labelled: dict[str, LabelsStamp] | None = None
        self._base_models: dict[str, tuple[int, str | None]] = {}

    # --- what there is ---------------------------------------------------------------------------------------

    def refresh(self) -> bool:
        """Look for new, changed and vanished parts; whether there were any. A few milliseconds."""
        with self._lock:
            return self._scan.look()

    def look(self) -> int:
        """Like `refresh`; returns a number that is another one whenever the parts are others."""
        with self._lock:
            self._scan.look()
            return self._scan.generation

    def parts(self, table: str, *, run: str | None = None) -> list[Part]:
        """Whole parts of a table in order. `traces` are those of select where it is done, else those of judge."""
        with self._lock:
            self._scan.look()
            current = views.current_parts(table, self._scan.parts, self._scan.done)
            return [part for part in current if run is None or part.run == run]

    def done(self, run: str, iteration: int, stage: str) -> bool:
        """Whether a stage is complete, as of the last look."""
        return (run, iteration, stage) in self._scan.done

    def faults(self) -> list[Fault]:
        """Parts that are left out of every view because they cannot be read."""
        with self._lock:
            return self._scan.faults()

    def leave_out(self, path: str) -> bool:
        """Read one part completely; leave it out if that fails. Whether it was left out."""
        with self._lock:
            part = next((part for part in self._scan.parts if part.path == path), None)
            return part is not None and self._leave_out_if_bad(part)

    # --- questions -------------------------------------------------------------------------------------------

    def sql(self, text: str, *, limit: int = ROW_LIMIT, seconds: float = SECONDS_LIMIT) -> Result:
        """Answer one SELECT (also FROM …, DESCRIBE, SHOW, SUMMARIZE) with at most `limit` rows.

        Raises `UsageError` with DuckDB's own words for a statement that is wrong, too slow or not a question.
        """
        question = _one_question(text)
        started = time.monotonic()
        limited = f"SELECT * FROM (\n{question}\n) LIMIT {limit + 1}"  # inside, so that DuckDB stops early
        return self._retrying(lambda: self._ask(limited, limit, seconds, started))

    def query(self, text: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a statement of ours over the views; parameters by position (?) or by name ($name)."""
        return self._retrying(lambda: self._open().cursor().execute(text, parameters).fetchall())

    def schema(self) -> dict[str, tuple[ViewColumn, ...]]:
        """Every view with its columns, in reading order."""
        return views.schema()

    # --- how -------------------------------------------------------------------------------------------------

    def _retrying(self, ask: Callable[[], Answer]) -> Answer:
        """A part can vanish (deleted run) or turn out damaged while it is read: leave it out and ask once more."""
        for last in (False, True):
            try:
                return ask()
            except (duckdb.IOException, duckdb.InvalidInputException, duckdb.SerializationException) as error:
                if last or not self._explain(str(error)):
                    raise UsageError(f"sql: {_first_line(error)}. Correct the query.") from None
            except duckdb.InterruptException:
                raise UsageError("sql: stopped because it took too long. Ask for less, or filter by run.") from None
            except duckdb.OutOfMemoryException:
                raise UsageError(
                    f"sql: needs more than {MEMORY_LIMIT} of memory. Ask for fewer columns, or filter by run."
                ) from None
            except duckdb.Error as error:
                raise UsageError(f"sql: {_first_line(error)}. Correct the query.") from None
        raise AssertionError("unreachable")

    def _explain(self, message: str) -> bool:
        """Whether the failure came from parts that are now out of the views."""
        with self._lock:
            changed = self._scan.look()
            named = [part for part in self._scan.parts if part.path in message]
            bad = [self._leave_out_if_bad(part) for part in named or self._scan.parts]
            return changed or any(bad)

    def _leave_out_if_bad(self, part: Part) -> bool:
        what = _damage(part)
        if what is not None:
            self._scan.leave_out(part, what)
            self._scan.look()
        return what is not None

    def _ask(self, statement: str, limit: int, seconds: float, started: float) -> Result:
        cursor = self._open().cursor()
        watch = threading.Timer(seconds, cursor.interrupt)
        watch.daemon = True
        watch.start()
        try:
            cursor.execute(statement)
            rows, more = _fetch(cursor, limit)
            described = cursor.description or []
        finally:
            watch.cancel()
            cursor.close()
        return Result(
            columns=tuple(str(column[0]) for column in described),
            types=tuple(str(column[1]) for column in described),
            rows=rows,
            truncated=more,
            seconds=time.monotonic() - started,
        )

    def _open(self) -> "duckdb.DuckDBPyConnection":
        """The database over the parts of this moment."""
        with self._lock:
            self._scan.look()
            if self._database is None or self._database[0] != self._scan.generation:
                try:
                    self._database = (self._scan.generation, self._build())
                except duckdb.Error:
                    for part in list(self._scan.parts):
                        self._leave_out_if_bad(part)
                    self._database = (self._scan.generation, self._build())
                self._runs = self._labelled = None
            runs = self._run_rows()
            if runs != self._runs:
                self._database[1].execute(f"CREATE OR REPLACE VIEW runs AS {views.runs_sql(runs)}")
                self._runs = runs
            self._renew_labels(self._database[1])
            return self._database[1]

    def _renew_labels(self, database: "duckdb.DuckDBPyConnection") -> None:
        """Hand labels are no parts; their view is made anew when a file of them changed."""
        stamps = {run.name: stamp for run in self.workspace.runs() if (stamp := labels_stamp(run)) is not None}
        if stamps == self._labelled:
            return
        rows = [(name, label) for name in sorted(stamps) for label in read_labels(self.workspace.run(name))]
        database.execute(f"CREATE OR REPLACE VIEW labels AS {views.labels_sql(rows)}")
        self._labelled = stamps

    def _build(self) -> "duckdb.DuckDBPyConnection":
        database = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": MEMORY_LIMIT,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "python_enable_replacements": False,
                "preserve_insertion_order": True,
            },
        )
        paths = ", ".join(views.text(part.path) for part in self._scan.parts)
        database.execute(f"SET allowed_paths = [{paths}]")
        database.execute("SET temp_directory = ''")  # nothing of a question is ever written to disk
        database.execute("SET enable_external_access = false")
        database.execute("SET lock_configuration = true")
        for view in views.RECORDS:
            select = views.view_sql(view, self._scan.parts, self._scan.done)
            database.execute(f"CREATE VIEW {view} AS {select}")
        return database

    def _run_rows(self) -> list[dict[str, Any]]:
        """What every run says of itself. A run that cannot be read, or is deleted meanwhile, is left out."""
        rows = []
        for run in self.workspace.runs():
            try:
                state = read_state(run)
                base = self._base_model(run)
            except (JudgeStudioError, OSError):
                continue
            row = {name: getattr(state, name, None) for name in views.RUNS}
            rows.append({**row, "base_model": base, "seconds": round(state.seconds, 1)})
        return rows

    def _base_model(self, run: RunFolder) -> str | None:
        """From config.yaml; by a pattern, because importing a YAML reader costs more than the whole question."""
        stamp = run.config.stat().st_mtime_ns
        if self._base_models.get(run.name, (0, None))[0] != stamp:
            found = re.search(r"^ +base: +(\S.*?)\s*$", run.config.read_text("utf-8", "replace"), re.MULTILINE)
            self._base_models[run.name] = (stamp, found[1].strip("'\"") if found else None)
        return self._base_models[run.name][1]


def open_catalog(workspace: Workspace) -> Catalog:
    """The views over a workspace. Cheap: parts are looked for at the first question."""
    return Catalog(workspace)


def _one_question(text: str) -> str:
    """The text if it is one SELECT. What writes, loads, attaches or sets has another kind and is refused here."""
    try:
        statements = duckdb.extract_statements(text)
    except duckdb.Error as error:
        raise UsageError(f"sql: {_first_line(error)}. Correct the query.") from None
    if len(statements) != 1:
        raise UsageError(f"sql: found {len(statements)} statements. Ask one question at a time.")
    if statements[0].type != duckdb.StatementType.SELECT:
        kind = str(statements[0].type).rsplit(".", 1)[-1]
        raise UsageError(f"sql: {kind} is not allowed, the tables are read-only. Start with SELECT, FROM or DESCRIBE.")
    return _without_end(text)


def _without_end(text: str) -> str:
    """The statement without the semicolon and comments behind it, so that it can stand in brackets."""
    data = text.encode()
    for offset, kind in reversed(duckdb.tokenize(text)):  # offsets count bytes
        if data[offset : offset + 1] != b";" and kind != duckdb.token_type.comment:
            break
        data = data[:offset]
    return data.decode()


def _fetch(cursor: "duckdb.DuckDBPyConnection", limit: int) -> tuple[list[tuple[Any, ...]], bool]:
    """At most `limit` rows and `_CELL_BYTES` of text; whether there were more."""
    rows: list[tuple[Any, ...]] = []
    size = 0
    while batch := cursor.fetchmany(256):
        for row in batch:
            if len(rows) == limit or (size > _CELL_BYTES and rows):
                return rows, True
            size += sum(len(cell) for cell in row if isinstance(cell, str | bytes))
            rows.append(row)
    return rows, False


def _damage(part: Part) -> str | None:
    """What is wrong with a part, found by reading all of it; None if nothing is."""
    wanted = views.needed_columns(part.table) if part.table in views.RECORDS else set()
    try:
        with duckdb.connect(":memory:") as reader:
            found = reader.execute(f"DESCRIBE SELECT * FROM {views.read([part.path])}").fetchall()
            lacking = wanted - {str(row[0]) for row in found}
            if lacking:
                return f"{part.path}: this part lacks the column '{min(lacking)}'. It was written by another version."
            reader.execute(f"SELECT count(COLUMNS(*)) FROM {views.read([part.path])}").fetchall()
    except duckdb.Error as error:
        return f"{part.path}: cannot read this part: {_first_line(error)}. Delete it and resume the run."
    return None


def _first_line(error: Exception) -> str:
    """DuckDB's message without its class and without the picture of the query."""
    line = str(error).strip().split("\n", 1)[0]
    return re.sub(r"^[A-Za-z ]+ Error: ", "", line).rstrip(".!")
