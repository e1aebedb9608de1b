"""Narrow columns of pairs and traces in memory, so that a filter over millions of rows takes milliseconds.

A row of the shelf says what a filter can ask (fate, dimension, verdict, …) and at which place of which part the whole
row lies; the texts of the few rows on a page are read from their parts. Blocks of one run and iteration are filled
at the first question about them and grow with their parts; each of a run's blocks can be thrown away and made anew.
"""

import contextlib
import itertools
import threading
import weakref
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.errors import WorkspaceError
from engine.workspace.catalog import lazy_duckdb as duckdb
from engine.workspace.catalog.database import Catalog
from engine.workspace.catalog.part_scan import Part
from engine.workspace.catalog.views import read
from studio.queries.shelf_tables import (
    FATES,
    FILL,
    ITERATION_BITS,
    NO_FATES,
    ORIGIN,
    PARTS,
    PLACE,
    ROW_BITS,
    TABLES,
)

MEMORY_LIMIT = "640MB"
ROWS_LIMIT = 12_000_000
"""Rows of all blocks together; beyond it those of the runs that were asked about longest ago make room."""

NUMBERS_LIMIT = 1_000
"""Counts of filters that are remembered."""

SEARCHES_LIMIT = 64
"""Searches whose hits are kept: the next page of one, or another filter with it, need not read the texts again."""


@dataclass(slots=True)
class _Block:
    """What the shelf holds of one table, run and iteration."""

    parts: dict[str, Part] = field(default_factory=dict)
    by_number: dict[int, Part] = field(default_factory=dict)
    fates: list[Part] = field(default_factory=list)
    rows: int = 0
    version: int = 0
    """Raised whenever the rows change."""


class Shelf:
    """The shelf of one catalog. Any number of threads may ask; filling is done by one at a time."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._lock = threading.Lock()
        self._compressing = threading.Lock()
        self._warming = threading.Lock()
        self._blocks: dict[tuple[str, str, int], _Block] = {}
        self._filled: dict[tuple[str, str, int | None], int] = {}
        self._last_run: list[str] = []
        self._counts: dict[tuple[str, str, int, tuple[str, ...]], tuple[int, list[tuple[Any, ...]]]] = {}
        self._numbers: dict[Hashable, int] = {}
        self._searches: dict[Hashable, int] = {}
        self._searching = threading.Lock()
        self._next_search = itertools.count(1)
        self._database = _database()

    def ask(
        self, table: str, run: str, question: str, values: Sequence[Any], *, iteration: int | None = None
    ) -> list[tuple[Any, ...]]:
        """Rows of a question over the tables of this module, after the blocks it is about have been filled."""
        self.fill(table, run, iteration)
        rows: list[tuple[Any, ...]] = self._database.cursor().execute(question, list(values)).fetchall()
        return rows

    def counts(
        self, table: str, run: str, columns: Sequence[str], *, iteration: int | None = None
    ) -> list[tuple[Any, ...]]:
        """Rows by every combination of the columns, the count last; remembered until the rows change."""
        found = []
        self.fill(table, run, iteration)
        for number in self.iterations(table, run) if iteration is None else [iteration]:
            block = self._blocks.get((table, run, number)) or _Block()
            key = (table, run, number, tuple(columns))
            version, rows = self._counts.get(key, (-1, []))
            if version != block.version:
                names = ", ".join(f'"{column}"' for column in columns)
                question = f"SELECT {names}, count(*) FROM {table} WHERE run = ? AND iteration = ? GROUP BY {names}"
                rows = self._database.cursor().execute(question, [run, number]).fetchall()
                self._counts[key] = (block.version, rows)
            found += [(number, *row) for row in rows]
        return found

    def remember(self, table: str, run: str, iteration: int | None, what: Hashable, find: Callable[[], int]) -> int:
        """The number `find` finds, asked for again only when rows of that run and iteration changed."""
        versions = self._versions(table, run, iteration)
        key = (table, run, versions, what)
        if key not in self._numbers:
            if len(self._numbers) >= NUMBERS_LIMIT:
                self._numbers.clear()
            self._numbers[key] = find()
        return self._numbers[key]

    def search(self, run: str, iteration: int | None, text: str) -> int:
        """Number of the search whose places in `hits` are the pairs that hold the text (in lower case)."""

        def find(number: int) -> None:
            where, values = ("", []) if iteration is None else (" AND iteration = ?", [iteration])
            question = f"INSERT INTO hits SELECT ?, place FROM texts WHERE run = ?{where} AND contains(body, ?)"
            self._database.cursor().execute(question, [number, run, *values, text])

        return self._searched((run, iteration, text, self._versions("texts", run, iteration)), find)

    def search_traces(self, run: str, iteration: int | None, condition: str, value: str) -> int:
        """Number of the search whose places in `hits` are the traces for which an SQL condition over their columns and
        `$value` holds. Their texts are read from the parts each time: those of a million do not fit into memory."""

        def find(number: int) -> None:
            for of, parts in _by_iteration(self.catalog.parts("traces", run=run)).items():
                if iteration in (None, of):
                    source = read([part.path for part in parts], extra=ORIGIN)
                    question = f"INSERT INTO hits SELECT $number, {PLACE} FROM {source} WHERE {condition}"
                    values = {"number": number, "iteration": of, "value": value}
                    self._database.cursor().execute(question, values)

        return self._searched((run, iteration, condition, value, self._versions("traces", run, iteration)), find)

    def group_traces(
        self, run: str, iteration: int, expression: str, where: str, values: Sequence[Any], *, kept: str
    ) -> list[tuple[str, int, int]]:
        """An SQL expression over the columns of traces → how many have it, and how many of those the reason `kept`."""
        parts = [part.path for part in self.catalog.parts("traces", run=run) if part.iteration == iteration]
        if not parts:
            return []
        place = PLACE.replace("$iteration", str(int(iteration)))
        question = (
            f"WITH said AS (SELECT {place} AS place, {expression} AS said FROM {read(parts, extra=ORIGIN)}) "
            f"SELECT said, count(*), count(*) FILTER (reason = '{kept}') FROM said "
            f"JOIN (SELECT place, reason FROM traces WHERE {where}) USING (place) GROUP BY said"
        )
        return self.ask("traces", run, question, values, iteration=iteration)

    def _searched(self, key: Hashable, find: Callable[[int], None]) -> int:
        """The number of a search; `find` fills its hits, unless they are still there."""
        with self._searching:
            number = self._searches.pop(key, 0)
            if not number:
                number = next(self._next_search)
                find(number)
            self._searches[key] = number  # at the end: the ones at the front were used longest ago
            while len(self._searches) > SEARCHES_LIMIT:
                oldest = self._searches.pop(next(iter(self._searches)))
                self._database.cursor().execute("DELETE FROM hits WHERE search = ?", [oldest])
        return number

    def _versions(self, table: str, run: str, iteration: int | None) -> Hashable:
        """Changes when rows of that run and iteration did, after bringing them up to date."""
        self.fill(table, run, iteration)
        return tuple(
            (key[2], block.version)
            for key, block in sorted(self._blocks.items())
            if key[:2] == (table, run) and iteration in (None, key[2])
        )

    def iterations(self, table: str, run: str) -> list[int]:
        """Iterations that have rows, oldest first. 0, the held-out pairs of the benchmark, is not one of them."""
        return sorted({part.iteration for part in self.catalog.parts(table, run=run) if part.iteration})

    def read(self, table: str, run: str, places: Iterable[int], columns: Sequence[str]) -> dict[int, tuple[Any, ...]]:
        """Whole rows by place, read from their parts. A row whose part is gone or bad is missing."""
        rows: dict[Part, list[int]] = {}
        for place in places:
            block = self._blocks.get((table, run, place >> ITERATION_BITS))
            part = block.by_number.get(place >> ROW_BITS & _mask(ITERATION_BITS - ROW_BITS)) if block else None
            if part is not None:
                rows.setdefault(part, []).append(place & _mask(ROW_BITS))
        return self._read_parts(rows, columns)

    def _read_parts(self, rows: dict[Part, list[int]], columns: Sequence[str]) -> dict[int, tuple[Any, ...]]:
        names = ", ".join(f'"{column}"' for column in columns)
        selects = [
            f"SELECT {(part.iteration << ITERATION_BITS) + (part.number << ROW_BITS)} + file_row_number, {names} "
            f"FROM {read([part.path], extra=', file_row_number = true')} "
            f"WHERE file_row_number IN ({', '.join(map(str, numbers))})"
            for part, numbers in rows.items()
        ]
        if not selects:
            return {}
        try:
            found = self._database.cursor().execute("\nUNION ALL ".join(selects)).fetchall()
        except duckdb.Error:
            good = {part: numbers for part, numbers in rows.items() if not self._is_bad(part)}
            if len(good) == len(rows):
                raise
            return self._read_parts(good, columns)
        return {row[0]: row[1:] for row in found}

    def _is_bad(self, part: Part) -> bool:
        """Whether the part was taken out of the catalog, because it is gone or cannot be read."""
        self.catalog.refresh()
        return self.catalog.leave_out(part.path) or part not in self.catalog.parts(part.table, run=part.run)

    # --- filling -----------------------------------------------------------------------------------------------

    def fill(self, table: str, run: str, iteration: int | None = None) -> None:
        """Bring the blocks of a run, or one of its iterations, up to date with the parts on disk."""
        key, generation = (table, run, iteration), self.catalog.look()
        if self._filled.get(key) == generation:
            return
        with self._lock:
            self._touch(run)
            source = PARTS.get(table, table)
            groups = _by_iteration(self.catalog.parts(source, run=run))
            fates = _by_iteration(self.catalog.parts("fates", run=run)) if table == "pairs" else {}
            known = {number for name, of, number in self._blocks if (name, of) == (table, run)}
            every = {*groups, *known} if table == "images" else {*groups, *known} - {0}
            changed = False
            for number in sorted(every) if iteration is None else [iteration]:
                if changed and table == "texts":
                    self._compress()  # texts of several iterations do not fit uncompressed
                changed |= self._fill_block((table, run, number), groups.get(number, []), fates.get(number, []))
            self._filled[key] = generation
        if changed:
            threading.Thread(target=self._compress, name="shelf", daemon=True).start()

    def warm(self, run: str) -> None:
        """Read the texts of a run in the background, so that the first search need not."""
        if self._filled.get(("texts", run, None)) != self.catalog.look() and self._warming.acquire(blocking=False):
            threading.Thread(target=self._warm, args=(run,), name="shelf", daemon=True).start()

    def _warm(self, run: str) -> None:
        try:
            for iteration in reversed(self.iterations("pairs", run)):  # one at a time: others get a turn in between
                self.fill("texts", run, iteration)
                self._compress()
            self.fill("texts", run)
        except (duckdb.Error, WorkspaceError):
            return  # the question that needs them will say why
        finally:
            self._warming.release()

    def _compress(self) -> None:
        """Texts shrink to half; it takes longer than the question that is waiting, so nobody waits for it."""
        if not self._compressing.acquire(blocking=False):
            return
        try:
            with contextlib.suppress(duckdb.Error):  # somebody is writing; the next one will do
                self._database.cursor().execute("CHECKPOINT")
        finally:
            self._compressing.release()

    def _fill_block(self, key: tuple[str, str, int], parts: list[Part], fates: list[Part]) -> bool:
        """Add what is new; start over if something that was added is gone or changed. Whether anything was done."""
        block = self._blocks.get(key, _Block())
        now = {part.path: part for part in parts}
        anew = block.fates != fates or any(now.get(path) != part for path, part in block.parts.items())
        kept = {} if anew else block.parts
        new = [part for path, part in now.items() if path not in kept]
        if not new and not anew:
            return False
        self._database.execute("BEGIN")  # readers see the block before or after, never half of it
        try:
            if anew:
                self._empty(key)
            added, new = self._insert_good(key, new, fates, anew=anew)
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")
        self._blocks[key] = _Block(
            parts={**kept, **{part.path: part for part in new}},
            by_number={part.number: part for part in [*kept.values(), *new]},
            fates=fates,
            rows=added + (0 if anew else block.rows),
            version=block.version + 1,
        )
        return True

    def _insert_good(
        self, key: tuple[str, str, int], parts: list[Part], fates: list[Part], *, anew: bool
    ) -> tuple[int, list[Part]]:
        """Rows added, and the parts they came from: without those that turn out damaged."""
        try:
            return self._insert(key, parts, fates), parts
        except duckdb.OutOfMemoryException:
            raise WorkspaceError(
                f"run '{key[1]}': has more {key[0]} than a page can hold in {MEMORY_LIMIT}. Choose one iteration, "
                "or ask in the SQL tab."
            ) from None
        except duckdb.Error:
            bad = {part for part in [*parts, *fates] if self._is_bad(part)}
            if not bad:
                raise
            self._database.execute("ROLLBACK")  # a failed statement ends its transaction
            self._database.execute("BEGIN")
            if anew:
                self._empty(key)
            good, good_fates = ([part for part in some if part not in bad] for some in (parts, fates))
            return self._insert_good(key, good, good_fates, anew=anew)

    def _insert(self, key: tuple[str, str, int], parts: list[Part], fates: list[Part]) -> int:
        if not parts:
            return 0
        table, run, iteration = key
        joined = FATES.format(parts=read([part.path for part in fates])) if fates else NO_FATES
        question = FILL[table].format(parts=read([part.path for part in parts], extra=ORIGIN), fates=joined)
        done = self._database.execute(question, {"run": run, "iteration": iteration}).fetchone()
        return int(done[0]) if done else 0

    def _empty(self, key: tuple[str, str, int]) -> None:
        self._database.execute(f"DELETE FROM {key[0]} WHERE run = ? AND iteration = ?", [key[1], key[2]])

    def _touch(self, run: str) -> None:
        """Note that somebody asks about this run; let go of others if there are too many rows."""
        if self._last_run[-1:] != [run]:
            self._last_run = [*(name for name in self._last_run if name != run), run]
        while len(self._last_run) > 1 and sum(block.rows for block in self._blocks.values()) > ROWS_LIMIT:
            self._let_go(self._last_run.pop(0))

    def _let_go(self, run: str) -> None:
        for key in [key for key in self._blocks if key[1] == run]:
            self._empty(key)
            del self._blocks[key]
        self._counts = {key: value for key, value in self._counts.items() if key[1] != run}
        self._filled = {key: value for key, value in self._filled.items() if key[1] != run}


def _database() -> "duckdb.DuckDBPyConnection":
    config = {"memory_limit": MEMORY_LIMIT, "python_enable_replacements": False, "autoload_known_extensions": False}
    database = duckdb.connect(":memory:", config=config)
    database.execute("SET temp_directory = ''")
    database.execute(TABLES)
    return database


def _mask(bits: int) -> int:
    return (1 << bits) - 1


def _by_iteration(parts: Iterable[Part]) -> dict[int, list[Part]]:
    groups: dict[int, list[Part]] = {}
    for part in parts:
        groups.setdefault(part.iteration, []).append(part)
    return groups


_shelves: "weakref.WeakKeyDictionary[Catalog, Shelf]" = weakref.WeakKeyDictionary()
_opening = threading.Lock()


def shelf_of(catalog: Catalog) -> Shelf:
    """The one shelf of a catalog, shared by all tabs and visitors."""
    with _opening:
        shelf = _shelves.get(catalog)
        if shelf is None:
            shelf = _shelves[catalog] = Shelf(catalog)
        return shelf


def key_of(pair_id: str) -> int | None:
    """The 16 hex digits of a content id as the shelf keeps them; None for anything else."""
    try:
        return int(pair_id, 16) if len(pair_id) == 16 else None
    except ValueError:
        return None
