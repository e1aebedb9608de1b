"""What the Traces tab shows of a run: plain values in, HTML out. No Gradio, no SQL."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from engine.records import ORDERS, outcome
from engine.stages.select.reasons import GRAVEST_FIRST, KEPT, REASONS
from engine.workspace.catalog.database import Catalog
from engine.workspace.folders import Workspace
from studio.look import cards, words
from studio.look.cards import Action, Html, TraceCard, TraceHalf
from studio.look.cards.tables import Column, row, table
from studio.page.place import link
from studio.queries.notes import TraceMark, marked_in
from studio.queries.shelf_tables import WAITING
from studio.queries.traces import (
    Beginning,
    BothOrders,
    RulingPage,
    TraceFacets,
    TraceRow,
    templates,
    trace_facets,
)
from studio.tabs.filters import Choices, any_of, iterations
from studio.tabs.traces.funnel import funnel_panel
from studio.tabs.traces.place import LENGTHS, TracesPlace, look_at

ImageUrl = Callable[[str | None], str | None]

FATES = {"": "All", "kept": "Kept", "rejected": "Rejected"}
LENGTH_CHOICES: Choices = (
    ("Any", ""),
    *((f"{key.removesuffix('-')} tokens or more" if key.endswith("-") else f"{key.replace('-', ' to ')} tokens", key)
      for key in LENGTHS),
)  # fmt: skip
_SAID_BY_SELECT = ("surplus", "flagged", "outvoted")
"""Reasons that the verdicts alone do not show, so that a card cannot say them by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracesShown:
    """The tab."""

    place: TracesPlace
    funnel: str
    templates: str
    """How many reasonings begin alike; "" where nobody asked."""
    head: str
    list: str
    foot: str
    fates: Choices
    reasons: Choices
    orders: Choices
    verdicts: Choices
    judges: Choices
    dimensions: Choices
    iterations: Choices
    compares: Choices


def show_traces(
    catalog: Catalog, workspace: Workspace, image_url: ImageUrl, run: str | None, place: TracesPlace
) -> TracesShown:
    """The funnel of an iteration, the filter bar's choices and one page of rulings."""
    if run is None:
        return _nothing(place)
    marks = marked_in(workspace, run)
    place, wanted, page = look_at(catalog, run, place, marks)
    offered = trace_facets(catalog, wanted)
    if not offered.iterations:
        return replace(_nothing(place), list=cards.sheet(cards.empty_place("traces-coming")))
    return TracesShown(
        place=place,
        funnel=cards.sheet(funnel_panel(catalog, workspace, run, place, offered)),
        templates=cards.sheet(_templates(templates(catalog, wanted), place)) if place.group else "",
        head=cards.sheet(_head(page, place)),
        list=cards.sheet(_list(page, image_url, run, place.reason, marks)),
        foot=cards.sheet(_turns(page)) if page.rulings else "",
        **_choices(offered, place),
    )


# --- the list ----------------------------------------------------------------------------------------------------


def _head(page: RulingPage, place: TracesPlace) -> Html:
    """How many traces match; which pair they are limited to."""
    shown = f", showing {words.number(page.first)} to {words.number(page.last)}" if page.rulings else ""
    count = cards.element(
        "p", cards.element("b", cards.esc(words.plural(page.total, "trace"))), cards.esc(shown), role="status"
    )
    if not place.pair:
        return cards.element("div", count, _turns(page), class_="st-between")
    only = cards.note(
        f"Only pair {words.short_id(place.pair)}.", action=Action(label="Show all pairs", act="all-pairs", small=True)
    )
    return cards.element("div", only, cards.element("div", count, _turns(page), class_="st-between"), class_="st-stack")


_TEMPLATES = (
    Column(name="Begins with"),
    Column(name="Traces", is_number=True),
    Column(name="Share", is_number=True),
    Column(name="Kept", is_number=True),
)


def _templates(found: Sequence[Beginning], place: TracesPlace) -> Html:
    """The most frequent beginnings; a click shows only those, a second one all again."""
    total = sum(one.traces for one in found)
    if not total:
        return cards.EMPTY
    rows = [
        row(
            _TEMPLATES,
            [
                cards.press(cards.esc(one.words or "(nothing)"), act="template", key=one.words, class_="st-linkish"),
                cards.esc(words.number(one.traces)),
                cards.esc(words.percent(one.traces / total)),
                cards.esc(words.number(one.kept)),
            ],
            selected=one.words == place.template,
        )
        for one in found
    ]
    note = "Six words, whichever response or number they name (…). Share: of the traces in this table."
    return cards.panel(
        table(_TEMPLATES, rows, caption="How reasonings begin"), title="How reasonings begin",
        foot=cards.sub(note, dim=True),
    )  # fmt: skip


def _turns(page: RulingPage) -> Html:
    buttons = [
        Action(label="Previous page", act="previous-page", small=True, disabled=not page.has_previous),
        Action(label="Next page", act="next-page", small=True, disabled=not page.has_next),
    ]
    return cards.element("div", *(cards.button(button) for button in buttons), class_="st-row is-tight")


def _list(page: RulingPage, image_url: ImageUrl, run: str, reason: str, marks: frozenset[TraceMark]) -> Html:
    if not page.rulings:
        return cards.empty("No trace matches.", Action(label="Clear filters", act="clear", kind="main"))
    return cards.trace_list([card_of(ruling, image_url, run, reason, marks) for ruling in page.rulings])


def card_of(
    ruling: BothOrders, image_url: ImageUrl, run: str, reason: str = "", marks: frozenset[TraceMark] = frozenset()
) -> TraceCard:
    """A ruling as its card; `reason` is the code it was asked for by."""
    pair = ruling.pair
    code, why = fate_of(ruling, reason)
    differ = ruling.ab and ruling.ba and ruling.ab.reason != ruling.ba.reason
    return TraceCard(
        pair_id=ruling.pair_id,
        src=image_url(pair.image) if pair else None,
        width=pair.width if pair else None,
        question=pair.question if pair else "The pair's part cannot be read.",
        strategy=pair.strategy if pair else "",
        dimension=pair.dimension if pair else "",
        preferred=pair.preferred if pair else "",
        degraded=pair.degraded if pair else "",
        fate=code,
        why=why,
        ab=_half(ruling, ruling.ab, bool(differ), marks),
        ba=_half(ruling, ruling.ba, bool(differ), marks),
        url=link("pairs", run, {"pairs.iteration": ruling.iteration, "pairs.item": _item(ruling)}),
    )


def _item(ruling: BothOrders) -> str:
    return f"{ruling.iteration}-{ruling.pair_id}"


def _half(
    ruling: BothOrders, trace: TraceRow | None, own_reason: bool, marks: frozenset[TraceMark]
) -> TraceHalf | None:
    if trace is None:
        return None
    said = None
    if own_reason and trace.reason:
        said = "kept" if trace.kept else trace.reason
    mark = TraceMark(iteration=ruling.iteration, pair_id=trace.pair_id, order=trace.order, sample=trace.sample)
    is_right = outcome(trace.verdict, trace.order) == "right"  # type: ignore[arg-type]
    return TraceHalf(
        order=trace.order, verdict=trace.verdict, reasoning=trace.reasoning, tokens=trace.tokens, sample=trace.sample,
        samples=ruling.samples, reason=said, mark=mark_key(mark) if is_right or mark in marks else None,
        is_marked=mark in marks,
    )  # fmt: skip


def mark_key(mark: TraceMark) -> str:
    """A trace as its card's button names it."""
    return f"{mark.iteration}-{mark.pair_id}-{mark.order}-{mark.sample}"


def read_mark(key: str) -> TraceMark | None:
    """The trace that a button names; None for anything else."""
    parts = key.split("-")
    if len(parts) != 4 or parts[2] not in ORDERS or not (parts[0].isdecimal() and parts[3].isdecimal()):
        return None
    return TraceMark(iteration=int(parts[0][:4]), pair_id=parts[1][:40], order=parts[2], sample=int(parts[3][:6]))


def fate_of(ruling: BothOrders, asked: str = "") -> tuple[str | None, str | None]:
    """Code of both traces together, and why in words where the card cannot tell from the verdicts.

    Select decides trace by trace; where the two ended differently, the card names the one that was asked for, else
    the kept one, else the graver one.
    """
    halves = [half for half in (ruling.ab, ruling.ba) if half is not None and half.reason is not None]
    codes = [str(half.reason) for half in halves]
    if not codes:
        return None, None
    if len(set(codes)) > 1 and (asked in codes or KEPT in codes):
        code = asked if asked in codes else KEPT
        return "kept" if code == KEPT else code, _two_ends(halves)
    if codes[0] == KEPT:
        return "kept", None
    code = min(codes, key=lambda one: GRAVEST_FIRST.index(one) if one in GRAVEST_FIRST else len(GRAVEST_FIRST))
    if code == "order-flip" and len({half.verdict for half in halves}) > 1:
        return code, REASONS["order-flip"].words
    if code == "wrong" and len(set(codes)) > 1:
        return code, "One order names the degraded response."
    return code, REASONS[code].words if code in _SAID_BY_SELECT else None


def _two_ends(halves: Sequence[TraceRow]) -> str:
    said = [f"order {half.order} {'is kept' if half.kept else f'is rejected: {half.reason}'}" for half in halves]
    text = ", ".join(said)
    return f"{text[0].upper()}{text[1:]}."


# --- the filter bar ----------------------------------------------------------------------------------------------


def _choices(offered: TraceFacets, place: TracesPlace) -> dict[str, Choices]:
    total = offered.kept + offered.rejected + offered.waiting
    counts = {"": total, "kept": offered.kept, "rejected": offered.rejected}
    numbers = [str(number) for number in reversed(offered.iterations)]
    codes = sorted((code, count) for code, count in offered.reasons)
    labels = {KEPT: "agrees (kept)", WAITING: "not selected yet"}
    return {
        "fates": tuple((f"{label} {words.number(counts[fate])}", fate) for fate, label in FATES.items()),
        "reasons": any_of(codes, place.reason, labels),
        "orders": any_of(offered.orders, place.order, {"AB": "AB, preferred first", "BA": "BA, preferred second"}),
        "verdicts": any_of(offered.verdicts, place.verdict),
        "judges": any_of(offered.judges, place.judge),
        "dimensions": any_of(offered.dimensions, place.dimension),
        "iterations": iterations(offered.iterations),
        "compares": (("–", ""), *((number, number) for number in numbers if number != place.iteration)),
    }


def _none_yet() -> Html:
    go = Action(label="Open Launch", url=link("launch"), kind="main")
    return cards.empty("No rulings yet. Judge starts after synthesize.", go)


def _nothing(place: TracesPlace) -> TracesShown:
    return TracesShown(
        place=place, funnel="", templates="", head="", list=cards.sheet(_none_yet()), foot="",
        fates=tuple((label, fate) for fate, label in FATES.items()),
        reasons=any_of((), place.reason), orders=any_of((), place.order), verdicts=any_of((), place.verdict),
        judges=any_of((), place.judge), dimensions=any_of((), place.dimension), iterations=(), compares=(("–", ""),),
    )  # fmt: skip
