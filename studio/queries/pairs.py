"""Pages of pairs, one pair in full with its traces, and its neighbours under a filter."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from engine.workspace.catalog.database import Catalog
from studio.queries.shelf import Shelf, key_of, shelf_of
from studio.queries.shelf_tables import DROPPED, WAITING

PAGE_SIZE = 24
_CUBE = ("kind", "strategy", "dimension", "fate")

_NARROW = "iteration, rank, place, pair_key, fate, kept_traces, traces"
"""What the shelf says of a pair; `_whole` adds its texts."""
_COLUMNS = (
    "pair_id", "instruction_id", "image_id", "question", "kind", "strategy", "dimension", "preferred", "degraded",
    "votes", "altered", "writer", "dropped",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFilter:
    """Which pairs of a run. None and "" mean any."""

    run: str
    iteration: int | None = None
    kind: str | None = None
    strategy: str | None = None
    dimension: str | None = None
    fate: str | None = None
    """None = every usable pair; kept, rejected, waiting, dropped, a reason code, or "dropped: <reason>"."""
    text: str = ""
    """Found in question, preferred or degraded response, whatever its case; or the beginning of a pair's id."""
    only: frozenset[str] | None = None
    """Pair ids to stay within: those that somebody flagged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSpot:
    """Where a pair stands in the order of the page."""

    iteration: int
    rank: int
    """The run's own order, open and closed pairs by turns; iterations one after the other."""
    pair_id: str

    @property
    def cursor(self) -> str:
        return f"{self.rank:x}"

    @property
    def item(self) -> str:
        """As the URL names it."""
        return f"{self.iteration}-{self.pair_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRow(PairSpot):
    """One pair with its fate and its image."""

    instruction_id: str
    image_id: str
    question: str
    kind: str
    strategy: str
    dimension: str
    preferred: str
    degraded: str
    votes: str | None
    altered: str | None
    writer: str
    dropped: str | None
    fate: str | None
    """kept, or the reason code most of its traces have; None before select."""
    kept_traces: int | None
    traces: int | None
    image: str | None
    """Relative to the workspace; None where the image is not known."""
    width: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPage:
    """Some pairs in a row, and where they stand among all that match."""

    rows: tuple[PairRow, ...]
    total: int
    first: int
    """1-based position of the first row; 0 if there are none."""
    has_previous: bool
    has_next: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Facets:
    """What a filter bar can offer for a run, each with its number of pairs under the other filters."""

    iterations: tuple[int, ...]
    """All that have rows, oldest first, whatever the filter."""
    kinds: tuple[tuple[str, int], ...]
    strategies: tuple[tuple[str, int], ...]
    dimensions: tuple[tuple[str, int], ...]
    fates: tuple[tuple[str, int], ...]


def pairs_page(catalog: Catalog, wanted: PairFilter, *, at: str = "", size: int = PAGE_SIZE) -> PairPage:
    """The pairs after or before a cursor: `at` is "" for the first page, "after:<cursor>" or "before:<cursor>".

    Keyset paging: parts that arrive meanwhile never make a pair appear twice or be skipped.
    """
    shelf = shelf_of(catalog)
    backwards, cursor = read_at(at)
    found = _nearest(shelf, wanted, cursor, size + 1, backwards=backwards)
    more = len(found) > size
    found = sorted(found[:size], key=lambda row: row[1])
    total = _count(shelf, wanted)
    before = _count_before(shelf, wanted, found[0]) if found and at else 0
    return PairPage(
        rows=tuple(_whole(shelf, wanted.run, found)),
        total=total,
        first=before + 1 if found else 0,
        has_previous=more if backwards else before > 0,
        has_next=before + len(found) < total if backwards else more,
    )


def facets(catalog: Catalog, wanted: PairFilter) -> Facets:
    """Counts by kind, strategy, dimension and fate within the filter's iteration, text and flags."""
    shelf = shelf_of(catalog)
    cube = [dict(zip(("iteration", *_CUBE, "n"), row, strict=True)) for row in _counts(shelf, wanted)]

    def by(name: str) -> tuple[tuple[Any, int], ...]:
        sums: dict[Any, int] = {row[name]: 0 for row in cube}
        for row in cube:
            sums[row[name]] += row["n"] if _in_cube(row, wanted, besides=name) else 0
        return tuple(sorted(sums.items()))

    return Facets(
        iterations=tuple(shelf.iterations("pairs", wanted.run)),
        kinds=by("kind"),
        strategies=by("strategy"),
        dimensions=by("dimension"),
        fates=by("fate"),
    )


def _counts(shelf: Shelf, wanted: PairFilter) -> list[tuple[Any, ...]]:
    """Pairs by iteration and every combination of what the bar offers. Without text and flags they are remembered."""
    found, values = _found(shelf, wanted)
    if not found:
        return shelf.counts("pairs", wanted.run, _CUBE, iteration=wanted.iteration)
    names = ", ".join(_CUBE)
    within, iteration = ("", []) if wanted.iteration is None else (" AND iteration = ?", [wanted.iteration])
    question = (
        f"SELECT iteration, {names}, count(*) FROM pairs WHERE run = ?{within} AND {' AND '.join(found)} "
        f"GROUP BY iteration, {names}"
    )
    return shelf.ask("pairs", wanted.run, question, [wanted.run, *iteration, *values], iteration=wanted.iteration)


def find_pair(catalog: Catalog, run: str, pair_id: str, *, iteration: int | None = None) -> PairRow | None:
    """One pair by its id, of the newest iteration that has it unless one is named; None if there is none."""
    key = key_of(pair_id)
    if key is None:
        return None
    question = (
        f"SELECT {_NARROW} FROM pairs WHERE run = ? AND pair_key = ? "
        "AND (? IS NULL OR iteration = ?) ORDER BY iteration DESC LIMIT 1"
    )
    shelf = shelf_of(catalog)
    found = shelf.ask("pairs", run, question, [run, key, iteration, iteration], iteration=iteration)
    rows = _whole(shelf, run, found)
    return rows[0] if rows else None


def find_pairs(catalog: Catalog, run: str, iteration: int, keys: Collection[int]) -> dict[int, PairRow]:
    """Pairs of one iteration by the key of their id."""
    if not keys:
        return {}
    shelf = shelf_of(catalog)
    question = (
        f"SELECT {_NARROW} FROM pairs WHERE run = ? AND iteration = ? AND pair_key IN ({', '.join('?' * len(keys))})"
    )
    found = shelf.ask("pairs", run, question, [run, iteration, *keys], iteration=iteration)
    by_rank = {row[1]: row[3] for row in found}
    return {by_rank[row.rank]: row for row in _whole(shelf, run, found)}


def spots_beyond(catalog: Catalog, wanted: PairFilter, spot: PairSpot, by: int) -> list[PairSpot]:
    """Up to `by` pairs that match after this one, or before it where `by` is negative, the nearest first.

    The pair itself need not match.
    """
    found = _nearest(shelf_of(catalog), wanted, spot.rank, abs(by), backwards=by < 0)
    return [PairSpot(iteration=row[0], rank=row[1], pair_id=f"{row[3]:016x}") for row in found]


def rows_beyond(catalog: Catalog, wanted: PairFilter, spot: PairSpot, by: int) -> list[PairRow]:
    """The same as whole rows, in the order of the page."""
    shelf = shelf_of(catalog)
    found = _nearest(shelf, wanted, spot.rank, abs(by), backwards=by < 0)
    return _whole(shelf, wanted.run, sorted(found, key=lambda row: row[1]))


def _nearest(
    shelf: Shelf, wanted: PairFilter, rank: int | None, most: int, *, backwards: bool
) -> list[tuple[Any, ...]]:
    """Rows of the shelf that match on one side of a rank (None: all), the nearest first."""
    where, values = _where(shelf, wanted)
    limit, bounds = _beyond(rank, backwards)
    direction = "DESC" if backwards else "ASC"
    question = f"SELECT {_NARROW} FROM pairs WHERE {where}{limit} ORDER BY rank {direction} LIMIT {most:d}"
    return shelf.ask("pairs", wanted.run, question, [*values, *bounds], iteration=wanted.iteration)


def read_at(at: str) -> tuple[bool, int | None]:
    """Whether to go backwards, and the rank to go from; anything unreadable is the beginning."""
    way, _, cursor = at.partition(":")
    try:
        return way == "before", min(int(cursor, 16), 2**62)
    except ValueError:
        return False, None


def _beyond(rank: int | None, backwards: bool) -> tuple[str, list[Any]]:
    """The rows on one side of a rank."""
    return ("", []) if rank is None else (f" AND rank {'<' if backwards else '>'} ?", [rank])


def _where(shelf: Shelf, wanted: PairFilter) -> tuple[str, list[Any]]:
    parts, values = ["run = ?"], [wanted.run]
    for name in ("iteration", "kind", "strategy", "dimension"):
        value = getattr(wanted, name)
        if value is not None and value != "":
            parts.append(f"{name} = ?")
            values.append(value)
    fate, of_fate = _fate_condition(wanted.fate)
    parts.append(fate)
    found, of_found = _found(shelf, wanted)
    return " AND ".join([*parts, *found]), [*values, *of_fate, *of_found]


def _found(shelf: Shelf, wanted: PairFilter) -> tuple[list[str], list[Any]]:
    """What text and flags ask; nothing where neither is used."""
    parts: list[str] = []
    values: list[Any] = []
    text = wanted.text.strip().lower()
    if text:
        low, high = _id_range(text)
        said = "place IN (SELECT place FROM hits WHERE search = ?)"
        parts.append(f"({said} OR pair_key BETWEEN ? AND ?)" if high else said)
        values.append(shelf.search(wanted.run, wanted.iteration, text))
        values += [low, high] if high else []
    if wanted.only is not None:
        keys = sorted(key for key in map(key_of, wanted.only) if key is not None)
        parts.append(f"pair_key IN ({', '.join('?' * len(keys))})" if keys else "false")
        values += keys
    return parts, values


def _fate_condition(fate: str | None) -> tuple[str, list[Any]]:
    if not fate:
        return f"NOT starts_with(fate, '{DROPPED}')", []
    if fate == "dropped":
        return f"starts_with(fate, '{DROPPED}')", []
    if fate == "rejected":
        return f"NOT starts_with(fate, '{DROPPED}') AND fate NOT IN ('kept', '{WAITING}')", []
    return "fate = ?", [fate]


def _id_range(text: str) -> tuple[int, int]:
    """Keys of the ids that begin with this text; (0, 0) if it is no beginning of an id of at least four digits."""
    if not 4 <= len(text) <= 16 or set(text) - set("0123456789abcdef"):
        return 0, 0
    return int(text.ljust(16, "0"), 16), int(text.ljust(16, "f"), 16)


def _in_cube(row: dict[str, Any], wanted: PairFilter, *, besides: str = "") -> bool:
    """Whether a cell of the counts belongs to the filter, leaving out one of its conditions."""
    for name in ("iteration", "kind", "strategy", "dimension"):
        value = getattr(wanted, name)
        if name != besides and value not in (None, "") and row[name] != value:
            return False
    if besides == "fate":
        return True
    dropped = str(row["fate"]).startswith(DROPPED)
    if not wanted.fate:
        return not dropped
    if wanted.fate == "dropped":
        return dropped
    if wanted.fate == "rejected":
        return not dropped and row["fate"] not in ("kept", WAITING)
    return bool(row["fate"] == wanted.fate)


def _count(shelf: Shelf, wanted: PairFilter) -> int:
    """How many pairs match. Without text and flags it is a sum over remembered counts."""
    if not wanted.text.strip() and wanted.only is None:
        names = ("kind", "strategy", "dimension", "fate")
        cells = shelf.counts("pairs", wanted.run, names, iteration=wanted.iteration)
        rows = (dict(zip(("iteration", *names, "n"), cell, strict=True)) for cell in cells)
        return sum(row["n"] for row in rows if _in_cube(row, wanted))
    where, values = _where(shelf, wanted)

    def ask() -> int:
        question = f"SELECT count(*) FROM pairs WHERE {where}"
        return int(shelf.ask("pairs", wanted.run, question, values, iteration=wanted.iteration)[0][0])

    return shelf.remember("pairs", wanted.run, wanted.iteration, wanted, ask)


def _count_before(shelf: Shelf, wanted: PairFilter, row: tuple[Any, ...]) -> int:
    where, values = _where(shelf, wanted)
    limit, bounds = _beyond(row[1], True)

    def ask() -> int:
        question = f"SELECT count(*) FROM pairs WHERE {where}{limit}"
        return int(shelf.ask("pairs", wanted.run, question, [*values, *bounds], iteration=wanted.iteration)[0][0])

    return shelf.remember("pairs", wanted.run, wanted.iteration, (wanted, row[1]), ask)


def _whole(shelf: Shelf, run: str, found: Sequence[tuple[Any, ...]]) -> list[PairRow]:
    """Full rows for rows of the shelf, in their order; one whose part vanished meanwhile is left out."""
    texts = shelf.read("pairs", run, [row[2] for row in found], _COLUMNS)
    images = find_images(shelf, run, {text[_COLUMNS.index("image_id")] for text in texts.values()})
    rows = []
    for iteration, rank, place, key, fate, kept, traces in found:
        text = texts.get(place)
        if text is None or key_of(text[0]) not in (key, None):
            continue
        values = dict(zip(_COLUMNS, text, strict=True))
        image, width = images.get(values["image_id"], (None, None))
        known = None if fate == WAITING or fate.startswith(DROPPED) else fate
        rows.append(
            PairRow(
                iteration=iteration, rank=rank, **values, fate=known, kept_traces=kept, traces=traces,
                image=image, width=width,
            )
        )  # fmt: skip
    return rows


def find_images(shelf: Shelf, run: str, image_ids: Collection[str]) -> dict[str, tuple[str, int]]:
    """Path relative to the workspace and width in pixels, by image id."""
    keys = {key_of(image_id[:16]): image_id for image_id in image_ids}
    keys.pop(None, None)
    if not keys:
        return {}
    question = (
        f"SELECT image_key, path, width FROM images WHERE run = ? AND image_key IN ({', '.join('?' * len(keys))})"
    )
    return {keys[row[0]]: (row[1], row[2]) for row in shelf.ask("images", run, question, [run, *keys], iteration=0)}
