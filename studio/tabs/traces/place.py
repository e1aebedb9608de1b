"""Where a visitor is among the traces: the place that the URL names, and the pages from it. No HTML."""

from dataclasses import dataclass, replace

from engine.workspace.catalog.database import Catalog
from studio.queries.notes import TraceMark
from studio.queries.shelf import shelf_of
from studio.queries.traces import RulingPage, TraceFilter, rulings_page
from studio.tabs.filters import is_astray, iteration_number, settled, turned

LENGTHS = {"0-16": (0, 16), "17-64": (17, 64), "65-256": (65, 256), "257-": (257, 10_000_000)}
"""Tokens of a reasoning: a word or two, a glance, a look, a long one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracesPlace:
    """What the URL says of the tab. All of it is a visitor's text."""

    fate: str = ""
    """ "", kept or rejected."""
    reason: str = ""
    order: str = ""
    verdict: str = ""
    judge: str = ""
    dimension: str = ""
    iteration: str = ""
    """ "" = the newest, "all", or a number."""
    compare: str = ""
    """Another iteration whose shares the funnel shows too."""
    length: str = ""
    """Tokens of the reasoning: a key of `LENGTHS`."""
    text: str = ""
    """Found in the reasoning or in what it is about."""
    template: str = ""
    """Only reasonings that begin so."""
    pair: str = ""
    """Only this pair."""
    at: str = ""
    marked: bool = False
    """Only those that somebody marked as right for the wrong reason."""
    group: bool = False
    """How many begin alike is shown above the list."""


def settle(catalog: Catalog, run: str, place: TracesPlace) -> TracesPlace:
    """The place with its iteration: the newest that has traces where none is named, or a missing one is."""
    return replace(place, iteration=settled(place.iteration, shelf_of(catalog).iterations("traces", run)))


def trace_filter(run: str, place: TracesPlace, marks: frozenset[TraceMark]) -> TraceFilter:
    """The query a place stands for; `marks` are those of the run."""
    return TraceFilter(
        run=run,
        iteration=iteration_number(place.iteration),
        kept={"kept": True, "rejected": False}.get(place.fate),
        reason=place.reason or None,
        order=place.order or None,
        verdict=place.verdict or None,
        judge=place.judge or None,
        dimension=place.dimension or None,
        pair=place.pair or None,
        text=place.text,
        tokens=LENGTHS.get(place.length),
        template=place.template,
        only=marks if place.marked else None,
    )


def look_at(
    catalog: Catalog, run: str, place: TracesPlace, marks: frozenset[TraceMark]
) -> tuple[TracesPlace, TraceFilter, RulingPage]:
    """The place settled, the query it stands for, and its page; the first one where it names none that there is."""
    place = settle(catalog, run, place)
    wanted = trace_filter(run, place, marks)
    page = rulings_page(catalog, wanted, at=place.at)
    if is_astray(place.at, page, page.rulings):
        place, page = replace(place, at=""), rulings_page(catalog, wanted)
    return place, wanted, page


def turn(
    catalog: Catalog, run: str, place: TracesPlace, *, forward: bool, marks: frozenset[TraceMark] = frozenset()
) -> TracesPlace:
    """The place one page on or back."""
    place, _, page = look_at(catalog, run, place, marks)
    return replace(place, at=turned(place.at, page, page.rulings, forward=forward))
