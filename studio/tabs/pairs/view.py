"""What the Pairs tab shows of a run: plain values in, HTML out. No Gradio, no SQL."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from engine.workspace.catalog.database import Catalog
from engine.workspace.folders import Workspace
from studio.look import cards, words
from studio.look.cards import Action, Html, PairCard, PairDetail
from studio.look.cards.pair import RulingRow
from studio.look.cards.tables import Column, row, table
from studio.look.keys import Walk, walked_sheet
from studio.page.place import link
from studio.queries.notes import Note, flagged_in, read_note
from studio.queries.pairs import Facets, PairFilter, PairPage, PairRow, facets, find_pair, neighbour, pairs_page
from studio.queries.shelf import shelf_of
from studio.queries.shelf_tables import DROPPED, WAITING
from studio.queries.traces import traces_of

ImageUrl = Callable[[str | None], str | None]
Choices = tuple[tuple[str, str], ...]
"""Label and value of each entry of a drop-down."""

ALL_ITERATIONS = "all"
KINDS = {"": "All", "open": "Open", "closed": "Closed"}
_TABLE_CHARACTERS = 120

WHY_DROPPED = {
    "unreadable": "no sample gave an answer that could be read.",
    "no-majority": "no answer had enough votes.",
    "unanimous": "all samples gave the same answer, so there is nothing to set against it.",
    "tied": "two answers had the most votes.",
    "no-answer": "the source gives no answer to this question.",
    "never-right": "no sample gave the source's answer.",
    "usual-answer": "its answer wins this question more often than it loses it, and the pairs are kept even.",
    "empty": "the writer answered nothing.",
    "refused": "the model's server does not answer this request.",
    "truncated": "the response ran into the token limit.",
    "not-applicable": "the writer found nothing of this dimension to change.",
    "bad-edit": "the proposed edit does not fit the response.",
    "unchanged": "the altered response says the same in the same words.",
    "same-meaning": "the altered response says the same in other words.",
    "commentary": "the altered response talks about the change.",
    "rewritten": "more than one detail was changed.",
    "length-leak": "the altered response gives itself away by its length.",
}
"""Reason codes of synthesize in words; a code that is not here is shown as it is."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsShown:
    """The tab."""

    place: PairsPlace
    """With the iteration that "" stands for."""
    head: str
    list: str
    drawer: str
    """ "" while no pair is chosen."""
    note: Note | None
    """Of the chosen pair."""
    kinds: Choices
    strategies: Choices
    dimensions: Choices
    iterations: Choices
    fates: Choices


def show_pairs(
    catalog: Catalog,
    workspace: Workspace,
    image_url: ImageUrl,
    run: str | None,
    place: PairsPlace,
    *,
    answered: int = 0,
) -> PairsShown:
    """One page of pairs, the filter bar's choices, and the chosen pair in full. `answered`: see `walked_sheet`."""
    if run is None:
        return _nothing(place)
    place = settle(catalog, run, place)
    flagged = flagged_in(workspace, run)
    wanted = pair_filter(run, place, flagged)
    page = pairs_page(catalog, wanted, at=place.at)
    if not page.rows and place.at:  # rows of that page are gone, or the cursor is nonsense
        place = replace(place, at="")
        page = pairs_page(catalog, wanted)
    offered = facets(catalog, wanted)
    chosen = chosen_pair(catalog, run, place.item)
    return PairsShown(
        place=place,
        head=cards.sheet(list_head(page)),
        list=walked_sheet(
            pair_list(page, place, image_url, flagged, chosen, is_empty=not offered.iterations), answered=answered
        ),
        drawer=cards.sheet(drawer(catalog, wanted, page, chosen, image_url, flagged)) if chosen else "",
        note=read_note(workspace, run, chosen.pair_id) if chosen and workspace.notes.exists() else None,
        **_choices(offered, place),
    )


def settle(catalog: Catalog, run: str, place: PairsPlace) -> PairsPlace:
    """The place with its iteration: the newest that has pairs where none is named, or a missing one is."""
    there = [str(number) for number in shelf_of(catalog).iterations("pairs", run)]
    if place.iteration == ALL_ITERATIONS or place.iteration in there:
        return place
    return replace(place, iteration=there[-1] if there else "")


def pair_filter(run: str, place: PairsPlace, flagged: frozenset[str]) -> PairFilter:
    """The query a place stands for."""
    return PairFilter(
        run=run,
        iteration=int(place.iteration) if place.iteration.isdecimal() else None,
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


# --- the list ----------------------------------------------------------------------------------------------------


def list_head(page: PairPage) -> Html:
    """How many match, which are shown, and the buttons to turn the page."""
    last = page.first + len(page.rows) - 1
    shown = f", showing {words.number(page.first)} to {words.number(last)}" if page.rows else ""
    count = cards.element(
        "p", cards.element("b", cards.esc(words.plural(page.total, "pair"))), cards.esc(shown), role="status"
    )
    buttons = [
        Action(label="Previous page", act="previous-page", small=True, disabled=not page.has_previous),
        Action(label="Next page", act="next-page", small=True, disabled=not page.has_next),
    ]
    turns = cards.element("div", *(cards.button(button) for button in buttons), class_="st-row is-tight")
    return cards.element("div", count, turns, class_="st-between")


def pair_list(
    page: PairPage,
    place: PairsPlace,
    image_url: ImageUrl,
    flagged: frozenset[str],
    chosen: PairRow | None,
    *,
    is_empty: bool,
) -> Html:
    """The page as cards or as a table, or the sentence that says why there is none."""
    if not page.rows:
        return cards.empty_place("pairs" if is_empty else "pairs-filtered")
    selected = chosen.pair_id if chosen else None
    if place.view == "table":
        return pair_table(page.rows, flagged, selected)
    shown = [card_of(pair, image_url, flagged) for pair in page.rows]
    return cards.pair_grid(shown, selected=selected, full=chosen is None)


def card_of(pair: PairRow, image_url: ImageUrl, flagged: frozenset[str]) -> PairCard:
    """A row of the table as its card."""
    code, said = fate_of(pair)
    return PairCard(
        pair_id=pair.pair_id,
        src=image_url(pair.image),
        width=pair.width,
        question=pair.question,
        strategy=pair.strategy,
        dimension=pair.dimension,
        preferred=pair.preferred,
        degraded=pair.degraded,
        votes=pair.votes,
        fate=code,
        fate_words=said,
        flagged=pair.pair_id in flagged,
    )


def fate_of(pair: PairRow) -> tuple[str | None, str | None]:
    """Code and words of how a pair ended."""
    if pair.dropped is not None:
        return pair.dropped, f"dropped: {pair.dropped}"
    if pair.fate == "kept":
        return "kept", f"kept {pair.kept_traces} of {pair.traces}"
    return pair.fate, None


_COLUMNS = (
    Column(name="Pair"),
    Column(name="Question"),
    Column(name="Preferred", is_far=True),
    Column(name="Degraded", is_far=True),
    Column(name="Strategy", is_optional=True),
    Column(name="Dimension", is_optional=True),
    Column(name="Fate"),
)


def pair_table(pairs: Sequence[PairRow], flagged: frozenset[str], selected: str | None) -> Html:
    """The page as a dense table; a click on an id opens the pair."""
    rows = [row(_COLUMNS, _cells(pair, pair.pair_id in flagged), selected=pair.pair_id == selected) for pair in pairs]
    return cards.panel(table(_COLUMNS, rows, caption="Pairs"))


def _cells(pair: PairRow, is_flagged: bool) -> list[Html]:
    code, said = fate_of(pair)
    opener = cards.press(
        cards.esc(words.short_id(pair.pair_id)), act="open", key=pair.pair_id, class_="st-linkish st-mono"
    )
    fate = cards.fate(code, said) if code else cards.element("span", cards.esc("not ruled on yet"), class_="st-dim")
    return [
        opener,
        _clipped(pair.question),
        _clipped(pair.preferred),
        _clipped(pair.degraded),
        cards.esc(pair.strategy),
        cards.esc(pair.dimension),
        cards.element("span", fate, cards.chip("flagged", "flip") if is_flagged else cards.EMPTY, class_="st-row"),
    ]


def _clipped(text: str) -> Html:
    return cards.element("span", cards.esc(text, limit=_TABLE_CHARACTERS), dir="auto")


# --- the drawer --------------------------------------------------------------------------------------------------


def drawer(
    catalog: Catalog, wanted: PairFilter, page: PairPage, pair: PairRow, image_url: ImageUrl, flagged: frozenset[str]
) -> Html:
    """The chosen pair in full, with its neighbours under the filter."""
    items = [item_of(other) for other in page.rows]
    here = items.index(item_of(pair)) if item_of(pair) in items else None
    if here is None:
        before, after = (neighbour(catalog, wanted, pair, way) is not None for way in ("previous", "next"))
    else:
        before, after = here > 0 or page.has_previous, here < len(items) - 1 or page.has_next
    traces = traces_of(catalog, wanted.run, pair.iteration, pair.pair_id)
    values = {"traces.iteration": pair.iteration, "traces.pair": pair.pair_id}
    return cards.pair_drawer(
        PairDetail(
            card=card_of(pair, image_url, flagged),
            fault=fault(pair),
            judge=traces[0].judge if traces else None,
            rulings=[RulingRow(order=trace.order, verdict=trace.verdict) for trace in traces],
            provenance=_provenance(wanted.run, pair),
            traces_url=link("traces", wanted.run, values) if traces else None,
            has_previous=before,
            has_next=after,
        )
    )


def fault(pair: PairRow) -> str:
    """The designed fault in one sentence; for a dropped pair, why it was dropped."""
    if pair.dropped is not None:
        return f"Dropped by synthesize: {WHY_DROPPED.get(pair.dropped, pair.dropped)}"
    if pair.strategy == "oracle":
        return "The preferred response gives the source's answer, the degraded one another."
    if pair.kind == "closed":
        return _vote_sentence(pair.votes)
    what = f"{pair.altered}, in the degraded response" if pair.altered else "one detail of the response is changed"
    return f"{pair.dimension}: {what}. {_lengths(pair.preferred, pair.degraded)}"


def _vote_sentence(votes: str | None) -> str:
    try:
        counts = json.loads(votes or "{}")
        answer, most = next(iter(counts.items()))
        total = sum(counts.values())
    except (ValueError, StopIteration, TypeError, AttributeError):
        return "The preferred response gives the answer most samples gave, the degraded one another."
    return f"{most} of {total} samples answered “{answer}”; the degraded response gives another answer."


def _lengths(preferred: str, degraded: str) -> str:
    ours, theirs = len(preferred.split()), len(degraded.split())
    if ours == theirs:
        return f"Same length, {words.plural(ours, 'word')}."
    return f"Preferred {words.plural(ours, 'word')}, degraded {words.number(theirs)}."


def _provenance(run: str, pair: PairRow) -> list[tuple[str, str]]:
    return [
        ("Run", f"{run}, iteration {pair.iteration}"),
        ("Strategy", f"{pair.strategy} ({pair.kind})"),
        ("Written by", pair.writer),
        ("Image", f"{pair.image_id[:8]}…{pair.image_id[-2:]}"),
        ("Instruction", pair.instruction_id),
        ("Pair", pair.pair_id),
    ]


# --- the filter bar ----------------------------------------------------------------------------------------------


def _choices(offered: Facets, place: PairsPlace) -> dict[str, Choices]:
    kinds = dict(offered.kinds)
    total = sum(kinds.values())
    return {
        "kinds": tuple(
            (f"{label} {words.number(kinds.get(kind, 0) if kind else total)}", kind) for kind, label in KINDS.items()
        ),
        "strategies": _any(offered.strategies, place.strategy),
        "dimensions": _any(offered.dimensions, place.dimension),
        "iterations": (
            *((str(number), str(number)) for number in reversed(offered.iterations)),
            *((("All", ALL_ITERATIONS),) if offered.iterations else ()),
        ),
        "fates": _fates(dict(offered.fates), place.fate),
    }


def _any(counts: Sequence[tuple[str, int]], chosen: str) -> Choices:
    """Any, and each value with its count; the chosen one is there even if the run has none of it."""
    known = dict(counts)
    known.setdefault(chosen, 0)
    entries = ((f"{value} {words.number(known[value])}", value) for value in sorted(known) if value)
    return (("Any", ""), *entries)


def _fates(counts: dict[str, int], chosen: str) -> Choices:
    """Any, kept, rejected with its reasons, waiting, dropped with its reasons."""
    reasons = {code: n for code, n in counts.items() if code not in ("kept", WAITING) and not code.startswith(DROPPED)}
    dropped = {code: n for code, n in counts.items() if code.startswith(DROPPED)}
    entries: list[tuple[str, str]] = [("Any", "")]
    if "kept" in counts or reasons:
        entries += [(f"kept {words.number(counts.get('kept', 0))}", "kept")]
        entries += [(f"rejected {words.number(sum(reasons.values()))}", "rejected")]
        entries += [(f"  {code} {words.number(n)}", code) for code, n in sorted(reasons.items())]
    if counts.get(WAITING):
        entries += [(f"not selected yet {words.number(counts[WAITING])}", WAITING)]
    if dropped:
        entries += [(f"dropped {words.number(sum(dropped.values()))}", "dropped")]
        entries += [(f"  {code.removeprefix(DROPPED)} {words.number(n)}", code) for code, n in sorted(dropped.items())]
    if chosen not in {value for _, value in entries}:
        entries.append((f"{chosen} 0", chosen))
    return tuple(entries)


def _nothing(place: PairsPlace) -> PairsShown:
    return PairsShown(
        place=place, head="", list=cards.sheet(cards.empty_place("pairs")), drawer="", note=None,
        kinds=tuple((label, kind) for kind, label in KINDS.items()),
        strategies=_any((), place.strategy), dimensions=_any((), place.dimension), iterations=(),
        fates=_fates({}, place.fate),
    )  # fmt: skip
