"""Where a visitor is among the pairs: the place that the URL names, and the steps from it to others. No HTML."""

from dataclasses import dataclass, replace

from engine.workspace.catalog.database import Catalog
from studio.look.keys import Walk
from studio.queries.pairs import (
    PAGE_SIZE,
    PairFilter,
    PairPage,
    PairRow,
    PairSpot,
    find_pair,
    pairs_page,
    rows_beyond,
    spots_beyond,
)
from studio.queries.shelf import shelf_of
from studio.tabs.filters import is_astray, iteration_number, settled, turned

_MOST_STEPS = 10_000
"""Key presses of one question that go beyond the page: eight minutes of a key held down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsPlace:
    """What the URL says of the tab. All of it is a visitor's text."""

    kind: str = ""
    strategy: str = ""
    dimension: str = ""
    iteration: str = ""
    """ "" = the newest, "all", or a number."""
    fate: str = ""
    text: str = ""
    flagged: bool = False
    view: str = "cards"
    """cards or table."""
    at: str = ""
    """Which page: "", "after:<cursor>" or "before:<cursor>"."""
    item: str = ""
    """Chosen pair: "<iteration>-<pair id>"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsSight:
    """The pairs that a place shows, read once: whatever a click or a key does starts from them."""

    catalog: Catalog
    run: str
    place: PairsPlace
    """With the iteration that "" stands for."""
    flagged: frozenset[str]
    wanted: PairFilter
    page: PairPage

    @property
    def chosen(self) -> PairRow | None:
        """The chosen pair, which need not be on the page."""
        on_page = next((row for row in self.page.rows if row.item == self.place.item), None)
        return on_page or chosen_pair(self.catalog, self.run, self.place.item)


def look_at(catalog: Catalog, run: str, place: PairsPlace, flagged: frozenset[str]) -> PairsSight:
    """Read the page that a place names; the first one where it names none that there is."""
    iteration = settled(place.iteration, shelf_of(catalog).iterations("pairs", run))
    wanted = PairFilter(
        run=run,
        iteration=iteration_number(iteration),
        kind=place.kind or None,
        strategy=place.strategy or None,
        dimension=place.dimension or None,
        fate=place.fate or None,
        text=place.text,
        only=flagged if place.flagged else None,
    )
    at, page = place.at, pairs_page(catalog, wanted, at=place.at, size=PAGE_SIZE)
    if is_astray(at, page, page.rows):
        at, page = "", pairs_page(catalog, wanted, size=PAGE_SIZE)
    place = replace(place, iteration=iteration, at=at)
    return PairsSight(catalog=catalog, run=run, place=place, flagged=flagged, wanted=wanted, page=page)


def chosen_pair(catalog: Catalog, run: str, item: str) -> PairRow | None:
    """The pair that "<iteration>-<pair id>" names."""
    number, _, pair_id = item.partition("-")
    if not number.isdecimal() or len(number) > 3:
        return None
    return find_pair(catalog, run, pair_id, iteration=int(number))


def beside(sight: PairsSight) -> tuple[list[PairRow], list[PairRow]]:
    """The pairs before and after the page that keys may reach next: those on the side to which the chosen one is
    nearer. Nothing while none of the page is chosen."""
    rows = sight.page.rows
    here = next((number for number, row in enumerate(rows) if row.item == sight.place.item), None)
    if here is None:
        return [], []
    if sight.page.has_previous and here < len(rows) // 2:
        return rows_beyond(sight.catalog, sight.wanted, rows[0], -PAGE_SIZE), []
    after = rows_beyond(sight.catalog, sight.wanted, rows[-1], PAGE_SIZE) if sight.page.has_next else []
    return [], after


def _near(sight: PairsSight, pair_id: str) -> PairRow | None:
    """The pair with this id on the page, or among those that lie ready beside it."""
    on_page = next((row for row in sight.page.rows if row.pair_id == pair_id), None)
    return on_page or next((row for rows in beside(sight) for row in rows if row.pair_id == pair_id), None)


def _moved(sight: PairsSight, *, item: str, at: str) -> PairsSight:
    """Another pair chosen; another page is read only if it is another."""
    place = replace(sight.place, item=item, at=at)
    if at == sight.place.at:
        return replace(sight, place=place)
    return look_at(sight.catalog, sight.run, place, sight.flagged)


def opened(sight: PairsSight, pair_id: str) -> PairsSight:
    """This pair chosen; unchanged if neither the page nor what lies ready beside it holds it."""
    found = _near(sight, pair_id)
    return _onward(sight, found, 0) if found else sight


def step(sight: PairsSight, *, forward: bool) -> PairsSight:
    """The next or previous pair chosen, on the page that shows it."""
    chosen, rows = sight.chosen, sight.page.rows
    if chosen is None:
        return _moved(sight, item=rows[0 if forward else -1].item if rows else "", at=sight.place.at)
    return _onward(sight, chosen, 1 if forward else -1)


def walked(sight: PairsSight, where: Walk) -> PairsSight:
    """The pair that keys walked to, which may be on another page.

    Unchanged where there is no such pair; at an end of the list, its last pair.
    """
    place = sight.place
    number = place.iteration if place.iteration.isdecimal() else place.item.partition("-")[0]
    row = _near(sight, where.id) or chosen_pair(sight.catalog, sight.run, f"{number}-{where.id}")
    return _onward(sight, row, where.beyond) if row else sight


def turn(sight: PairsSight, *, forward: bool) -> PairsSight:
    """One page on or back."""
    at = turned(sight.place.at, sight.page, sight.page.rows, forward=forward)
    return _moved(sight, item=sight.place.item, at=at)


def _onward(sight: PairsSight, start: PairSpot, by: int) -> PairsSight:
    """The pair `by` pairs on from this one chosen, or as far as the list goes."""
    way = spots_beyond(sight.catalog, sight.wanted, start, max(-_MOST_STEPS, min(by, _MOST_STEPS))) if by else []
    goal = way[-1] if way else start
    return _moved(sight, item=goal.item, at=_page_of(sight, goal))


def _page_of(sight: PairsSight, goal: PairSpot) -> str:
    """`at` of the page with this pair, counted in whole pages from the one that is shown."""
    rows = sight.page.rows
    if not rows or rows[0].rank <= goal.rank <= rows[-1].rank:
        return sight.place.at
    forward = goal.rank > rows[-1].rank
    edge: PairSpot = rows[-1] if forward else rows[0]
    while True:
        there = spots_beyond(sight.catalog, sight.wanted, edge, PAGE_SIZE if forward else -PAGE_SIZE)
        if not there:
            return sight.place.at
        if there[-1].rank >= goal.rank if forward else there[-1].rank <= goal.rank:
            return f"after:{edge.cursor}" if forward else f"before:{edge.cursor}"
        edge = there[-1]
