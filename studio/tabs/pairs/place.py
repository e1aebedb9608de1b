"""Where a visitor is among the pairs: the place that the URL names, and the steps from it to others. No HTML."""

from dataclasses import dataclass, replace

from engine.workspace.catalog.database import Catalog
from studio.look.keys import Walk
from studio.queries.pairs import PairFilter, PairRow, find_pair, neighbour, pairs_page
from studio.queries.shelf import shelf_of
from studio.tabs.filters import iteration_number, settled

_MOST_STEPS = 200
"""Key presses of one question that go beyond the page."""


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


def settle(catalog: Catalog, run: str, place: PairsPlace) -> PairsPlace:
    """The place with its iteration: the newest that has pairs where none is named, or a missing one is."""
    return replace(place, iteration=settled(place.iteration, shelf_of(catalog).iterations("pairs", run)))


def pair_filter(run: str, place: PairsPlace, flagged: frozenset[str]) -> PairFilter:
    """The query a place stands for."""
    return PairFilter(
        run=run,
        iteration=iteration_number(place.iteration),
        kind=place.kind or None,
        strategy=place.strategy or None,
        dimension=place.dimension or None,
        fate=place.fate or None,
        text=place.text,
        only=flagged if place.flagged else None,
    )


def chosen_pair(catalog: Catalog, run: str, item: str) -> PairRow | None:
    """The pair that "<iteration>-<pair id>" names."""
    number, _, pair_id = item.partition("-")
    if not number.isdecimal() or len(number) > 3:
        return None
    return find_pair(catalog, run, pair_id, iteration=int(number))


def item_of(pair: PairRow) -> str:
    return f"{pair.iteration}-{pair.pair_id}"


def opened(catalog: Catalog, run: str, place: PairsPlace, flagged: frozenset[str], pair_id: str) -> PairsPlace:
    """The place with this pair of its page chosen; unchanged if the page does not hold it."""
    place = settle(catalog, run, place)
    page = pairs_page(catalog, pair_filter(run, place, flagged), at=place.at)
    found = next((pair for pair in page.rows if pair.pair_id == pair_id), None)
    return replace(place, item=item_of(found)) if found else place


def step(catalog: Catalog, run: str, place: PairsPlace, flagged: frozenset[str], *, forward: bool) -> PairsPlace:
    """The place with the next or previous pair chosen, on the page that shows it."""
    place = settle(catalog, run, place)
    wanted = pair_filter(run, place, flagged)
    chosen = chosen_pair(catalog, run, place.item)
    page = pairs_page(catalog, wanted, at=place.at)
    items = [item_of(pair) for pair in page.rows]
    if chosen is None:
        return replace(place, item=(items[0] if forward else items[-1]) if items else "")
    if place.item in items and 0 <= items.index(place.item) + (1 if forward else -1) < len(items):
        return replace(place, item=items[items.index(place.item) + (1 if forward else -1)])
    other = neighbour(catalog, wanted, chosen, "next" if forward else "previous")
    if other is None:
        return place
    at = f"after:{chosen.cursor}" if forward else f"before:{chosen.cursor}"
    return replace(place, item=item_of(other), at=at)


def walked(catalog: Catalog, run: str, place: PairsPlace, flagged: frozenset[str], where: Walk) -> PairsPlace:
    """The place that keys walked to, which may be on another page.

    Unchanged where there is no such pair; at an end of the list, its last pair.
    """
    place = settle(catalog, run, place)
    number = place.iteration if place.iteration.isdecimal() else place.item.partition("-")[0]
    page = pairs_page(catalog, pair_filter(run, place, flagged), at=place.at)
    found = next((item_of(pair) for pair in page.rows if pair.pair_id == where.id), f"{number}-{where.id}")
    if chosen_pair(catalog, run, found) is None:
        return place
    place = replace(place, item=found)
    for _ in range(min(abs(where.beyond), _MOST_STEPS)):
        place = step(catalog, run, place, flagged, forward=where.beyond > 0)
    return place


def turn(catalog: Catalog, run: str, place: PairsPlace, flagged: frozenset[str], *, forward: bool) -> PairsPlace:
    """The place one page on or back."""
    place = settle(catalog, run, place)
    page = pairs_page(catalog, pair_filter(run, place, flagged), at=place.at)
    if not page.rows or not (page.has_next if forward else page.has_previous):
        return place
    at = f"after:{page.rows[-1].cursor}" if forward else f"before:{page.rows[0].cursor}"
    back_to_start = not forward and page.first <= len(page.rows) + 1
    return replace(place, at="" if back_to_start else at)
