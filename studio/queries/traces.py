"""Pages of rulings (both orders of one sample beside each other), the funnel of selection, and one pair's traces."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from engine.records import outcome
from engine.stages.select.reasons import KEPT
from engine.workspace.catalog.database import Catalog
from studio.queries.notes import TraceMark
from studio.queries.pairs import PairRow, find_pairs
from studio.queries.shelf import Shelf, key_of, shelf_of
from studio.queries.shelf_tables import WAITING

PAGE_SIZE = 12

_COLUMNS = ("pair_id", "judge", "order", "sample", "reasoning", "verdict", "kept", "reason", "tokens")
TEMPLATE = r"""lower(regexp_replace(
    regexp_extract(left(reasoning, 100), '^\s*((?:\S+\s+){0,5}\S+)', 1), '\b[AB]\b|[0-9]+', '…', 'g'))"""
"""SQL: how a reasoning begins, six words of it, whichever response and number it names."""
_CUBE = ("judge", "order", "verdict", "reason", "dimension")


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceFilter:
    """Which traces of a run. None and "" mean any."""

    run: str
    iteration: int | None = None
    kept: bool | None = None
    """False = rejected, with any reason code."""
    reason: str | None = None
    """A reason code, or "waiting" for traces that select has not seen."""
    order: str | None = None
    judge: str | None = None
    verdict: str | None = None
    dimension: str | None = None
    pair: str | None = None
    """Only the traces of this pair."""
    text: str = ""
    """Found in the reasoning or in what it is about (question and responses), whatever its case."""
    tokens: tuple[int, int] | None = None
    """Length of the reasoning, both ends included."""
    template: str = ""
    """How the reasoning begins, see `TEMPLATE`."""
    only: frozenset[TraceMark] | None = None
    """Traces to stay within: those that somebody marked."""

    @property
    def is_counted(self) -> bool:
        """Whether remembered counts know how many traces match."""
        return not (self.pair or self.text.strip() or self.tokens or self.template or self.only is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRow:
    """One trace as it was written."""

    pair_id: str
    judge: str
    order: str
    sample: int
    reasoning: str
    verdict: str
    kept: bool | None
    reason: str | None
    """None before select."""
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BothOrders:
    """One sample of one judge on one pair, in both orders."""

    iteration: int
    pair_id: str
    sample: int
    samples: int
    """How many the judge gave per order."""
    pair: PairRow | None
    """None if its part cannot be read."""
    ab: TraceRow | None
    ba: TraceRow | None

    @property
    def cursor(self) -> str:
        return f"{self.iteration}-{self.pair_id}-{self.sample}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RulingPage:
    """Some rulings that hold at least one matching trace."""

    rulings: tuple[BothOrders, ...]
    total: int
    """Matching traces, not rulings."""
    first: int
    """1-based position of the first matching trace of the page; 0 if there are none."""
    last: int
    has_previous: bool
    has_next: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceFacets:
    """What a filter bar can offer, each with its number of traces under the other filters."""

    iterations: tuple[int, ...]
    """All that have rows, oldest first, whatever the filter."""
    reasons: tuple[tuple[str, int], ...]
    orders: tuple[tuple[str, int], ...]
    judges: tuple[tuple[str, int], ...]
    verdicts: tuple[tuple[str, int], ...]
    dimensions: tuple[tuple[str, int], ...]
    kept: int
    rejected: int
    waiting: int


def rulings_page(catalog: Catalog, wanted: TraceFilter, *, at: str = "", size: int = PAGE_SIZE) -> RulingPage:
    """Rulings by iteration, pair id and sample; `at` is "", "after:<cursor>" or "before:<cursor>".

    That order is also the order of select's parts, so a page is read from one or two of them.
    """
    shelf = shelf_of(catalog)
    where, values = _where(shelf, wanted)
    backwards, cursor = _read_at(at)
    limit, bounds = _beyond(cursor, backwards)
    way = "DESC" if backwards else "ASC"
    question = (  # a ruling has two traces at most, so these are enough rows for the page and one more ruling
        f"SELECT iteration, pair_key, sample FROM traces WHERE {where}{limit} "
        f"ORDER BY iteration {way}, pair_key {way}, sample {way} LIMIT {2 * size + 1}"
    )
    rows = shelf.ask("traces", wanted.run, question, [*values, *bounds], iteration=wanted.iteration)
    units = list(dict.fromkeys(rows))
    more = len(units) > size
    units = sorted(units[:size])
    total = count_traces(catalog, wanted)
    before = _count_before(shelf, wanted, units[0]) if units and at else 0
    shown = sum(row in units for row in rows)
    return RulingPage(
        rulings=tuple(_rulings(catalog, wanted.run, units)),
        total=total,
        first=before + 1 if units else 0,
        last=before + shown,
        has_previous=more if backwards else before > 0,
        has_next=before + shown < total if backwards else more,
    )


def traces_of(catalog: Catalog, run: str, iteration: int, pair_id: str) -> list[TraceRow]:
    """All traces of one pair by order and sample."""
    key = key_of(pair_id)
    if key is None:
        return []
    shelf = shelf_of(catalog)
    found = _traces(shelf, run, iteration, [key])
    return sorted((trace for trace in found if trace.pair_id == pair_id), key=lambda one: (one.order, one.sample))


def trace_facets(catalog: Catalog, wanted: TraceFilter) -> TraceFacets:
    """Counts within the filter's iteration by everything a filter can ask. A filter on one pair does not enter."""
    cube = _cube(catalog, wanted.run, wanted.iteration)

    def by(name: str) -> tuple[tuple[Any, int], ...]:
        sums: dict[Any, int] = {cell[name]: 0 for cell in cube}
        for cell in cube:
            sums[cell[name]] += cell["n"] if _in_cube(cell, wanted, besides=(name,)) else 0
        return tuple(sorted(sums.items()))

    fates = {"kept": 0, "waiting": 0, "rejected": 0}
    for cell in cube:
        if _in_cube(cell, wanted, besides=("kept",)):
            fates[{KEPT: "kept", WAITING: "waiting"}.get(cell["reason"], "rejected")] += cell["n"]
    return TraceFacets(
        iterations=tuple(shelf_of(catalog).iterations("traces", wanted.run)),
        reasons=by("reason"),
        orders=by("order"),
        judges=by("judge"),
        verdicts=by("verdict"),
        dimensions=by("dimension"),
        **fates,
    )


def count_traces(catalog: Catalog, wanted: TraceFilter) -> int:
    """How many traces match."""
    if not wanted.is_counted:
        where, values = _where(shelf_of(catalog), wanted)
        question = f"SELECT count(*) FROM traces WHERE {where}"
        shelf = shelf_of(catalog)
        return int(shelf.ask("traces", wanted.run, question, values, iteration=wanted.iteration)[0][0])
    return sum(cell["n"] for cell in _cube(catalog, wanted.run, wanted.iteration) if _in_cube(cell, wanted))


def reasons(catalog: Catalog, run: str, iteration: int) -> dict[str, int]:
    """Traces by reason code in one iteration; those that select has not seen count as "waiting"."""
    sums: dict[str, int] = {}
    for cell in _cube(catalog, run, iteration):
        sums[cell["reason"]] = sums.get(cell["reason"], 0) + cell["n"]
    return sums


def verdicts(catalog: Catalog, run: str, iteration: int) -> dict[str, int]:
    """Traces of one iteration that are right, wrong, a tie or invalid, whatever select said."""
    sums = {"right": 0, "wrong": 0, "tie": 0, "invalid": 0}
    for cell in _cube(catalog, run, iteration):
        sums[outcome(cell["verdict"], cell["order"])] += cell["n"]
    return sums


def _cube(catalog: Catalog, run: str, iteration: int | None = None) -> list[dict[str, Any]]:
    rows = shelf_of(catalog).counts("traces", run, _CUBE, iteration=iteration)
    return [dict(zip(("iteration", *_CUBE, "n"), row, strict=True)) for row in rows]


def _in_cube(cell: dict[str, Any], wanted: TraceFilter, *, besides: Sequence[str] = ()) -> bool:
    """Whether a cell of the counts belongs to the filter, leaving out some of its conditions."""
    for name in ("iteration", *_CUBE):
        value = getattr(wanted, name)
        if name not in besides and value not in (None, "") and cell[name] != value:
            return False
    if wanted.kept is None or "kept" in besides or "reason" in besides:
        return True
    return bool(cell["reason"] == KEPT if wanted.kept else cell["reason"] not in (KEPT, WAITING))


def _where(shelf: Shelf, wanted: TraceFilter) -> tuple[str, list[Any]]:
    parts, values = ["run = ?"], [wanted.run]
    for name in ("iteration", *_CUBE):
        value: Any = getattr(wanted, name)
        if value not in (None, ""):
            parts.append(f'"{name}" = ?')
            values.append(value)
    if wanted.kept is not None:
        parts.append(f"reason = '{KEPT}'" if wanted.kept else f"reason NOT IN ('{KEPT}', '{WAITING}')")
    if wanted.pair:
        parts.append("pair_key = ?")
        values.append(key_of(wanted.pair) or 0)  # type: ignore[arg-type]
    found, of_found = _found(shelf, wanted)
    return " AND ".join([*parts, *found]), [*values, *of_found]


_READ = "contains(lower(reasoning), $value)"
_HIT = "place IN (SELECT place FROM hits WHERE search = ?)"


def _found(shelf: Shelf, wanted: TraceFilter) -> tuple[list[str], list[Any]]:
    """What text, length, template and marks ask; nothing where none is used."""
    run, iteration = wanted.run, wanted.iteration
    parts: list[str] = []
    values: list[Any] = []
    text = wanted.text.strip().lower()
    if text:
        of_pair = f"SELECT pair_key FROM pairs WHERE run = ? AND {_HIT}"
        parts.append(f"({_HIT} OR pair_key IN ({of_pair}))")
        shelf.fill("pairs", run, iteration)
        values += [shelf.search_traces(run, iteration, _READ, text), run, shelf.search(run, iteration, text)]
    if wanted.tokens:
        lowest, highest = wanted.tokens
        condition = f"tokens BETWEEN {lowest:d} AND {highest:d} AND $value = ''"
        parts.append(_HIT)
        values.append(shelf.search_traces(run, iteration, condition, ""))
    if wanted.template:
        parts.append(_HIT)
        values.append(shelf.search_traces(run, iteration, f"{TEMPLATE} = $value", wanted.template))
    if wanted.only is not None:
        marks = [(one.iteration, key_of(one.pair_id) or 0, one.order, one.sample) for one in sorted(wanted.only)]
        parts.append(
            f'(iteration, pair_key, "order", sample) IN ({", ".join(["(?, ?, ?, ?)"] * len(marks))})'
            if marks
            else "false"
        )
        values += [value for mark in marks for value in mark]
    return parts, values


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Traces that begin alike."""

    words: str
    traces: int
    kept: int


def templates(catalog: Catalog, wanted: TraceFilter, *, most: int = 12) -> list[Beginning]:
    """The most frequent beginnings among the traces that match, found again only when parts changed."""
    return list(_templates(catalog, catalog.look(), replace(wanted, template=""), most))


@lru_cache(maxsize=16)
def _templates(catalog: Catalog, _generation: int, wanted: TraceFilter, most: int) -> tuple[Beginning, ...]:
    shelf = shelf_of(catalog)
    counts: dict[str, list[int]] = {}
    for iteration in shelf.iterations("traces", wanted.run) if wanted.iteration is None else [wanted.iteration]:
        where, values = _where(shelf, replace(wanted, iteration=iteration))
        for words, traces, kept in shelf.group_traces(wanted.run, iteration, TEMPLATE, where, values, kept=KEPT):
            known = counts.setdefault(words, [0, 0])
            known[0] += traces
            known[1] += kept
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1][0], entry[0]))
    return tuple(Beginning(words=words, traces=traces, kept=kept) for words, (traces, kept) in ordered[:most])


Unit = tuple[int, int, int]
"""Iteration, key of the pair's id, sample."""


def _read_at(at: str) -> tuple[bool, Unit | None]:
    way, _, cursor = at.partition(":")
    try:
        iteration, pair_id, sample = cursor.split("-")
        return way == "before", (int(iteration), int(pair_id, 16) & (2**64 - 1), int(sample))
    except ValueError:
        return False, None


def _beyond(unit: Unit | None, backwards: bool) -> tuple[str, list[Any]]:
    """Traces on one side of a ruling, written so that DuckDB can skip blocks of rows."""
    if unit is None:
        return "", []
    sign = "<" if backwards else ">"
    iteration, key, sample = unit
    condition = (
        f" AND iteration {sign}= ? AND (iteration {sign} ? OR (pair_key {sign}= ? AND (pair_key {sign} ? OR "
        f"sample {sign} ?)))"
    )
    return condition, [iteration, iteration, key, key, sample]


def _count_before(shelf: Shelf, wanted: TraceFilter, unit: Unit) -> int:
    where, values = _where(shelf, wanted)
    limit, bounds = _beyond(unit, True)

    def ask() -> int:
        question = f"SELECT count(*) FROM traces WHERE {where}{limit}"
        return int(shelf.ask("traces", wanted.run, question, [*values, *bounds], iteration=wanted.iteration)[0][0])

    return shelf.remember("traces", wanted.run, wanted.iteration, (wanted, unit), ask)


def _rulings(catalog: Catalog, run: str, units: Sequence[Unit]) -> list[BothOrders]:
    """The rulings with their texts and pairs, in order."""
    shelf = shelf_of(catalog)
    rulings = []
    for iteration in sorted({unit[0] for unit in units}):
        mine = [unit for unit in units if unit[0] == iteration]
        keys = list(dict.fromkeys(unit[1] for unit in mine))
        pairs = find_pairs(catalog, run, iteration, keys)
        written: dict[int | None, list[TraceRow]] = {}
        for trace in _traces(shelf, run, iteration, keys):
            written.setdefault(key_of(trace.pair_id), []).append(trace)
        rulings += [_ruling(unit, pairs.get(unit[1]), written.get(unit[1], [])) for unit in mine]
    return [ruling for ruling in rulings if ruling.ab or ruling.ba]


def _ruling(unit: Unit, pair: PairRow | None, traces: Sequence[TraceRow]) -> BothOrders:
    halves = {trace.order: trace for trace in traces if trace.sample == unit[2]}
    return BothOrders(
        iteration=unit[0],
        pair_id=f"{unit[1]:016x}",
        sample=unit[2],
        samples=max((trace.sample + 1 for trace in traces), default=0),
        pair=pair,
        ab=halves.get("AB"),
        ba=halves.get("BA"),
    )


def _traces(shelf: Shelf, run: str, iteration: int, keys: Sequence[int]) -> list[TraceRow]:
    """Every trace of some pairs of one iteration, unordered."""
    if not keys:
        return []
    question = (
        f"SELECT place FROM traces WHERE run = ? AND iteration = ? AND pair_key IN ({', '.join('?' * len(keys))})"
    )
    places = [row[0] for row in shelf.ask("traces", run, question, [run, iteration, *keys], iteration=iteration)]
    found = shelf.read("traces", run, places, _COLUMNS).values()
    wanted = set(keys)
    rows = (TraceRow(**dict(zip(_COLUMNS, row, strict=True))) for row in found)
    return [row for row in rows if key_of(row.pair_id) in wanted]
