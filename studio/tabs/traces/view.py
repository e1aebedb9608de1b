"""What the Traces tab shows of a run: plain values in, HTML out. No Gradio, no SQL."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from engine.config import SelectSettings
from engine.errors import JudgeStudioError
from engine.stages.select.reasons import GRAVEST_FIRST, KEPT, REASONS
from engine.workspace.catalog.database import Catalog
from engine.workspace.folders import Workspace
from studio.look import cards, words
from studio.look.cards import Action, FunnelStep, Html, TraceCard, TraceHalf
from studio.look.cards.tables import Column, row, table
from studio.page.place import link
from studio.queries.shelf import shelf_of
from studio.queries.shelf_tables import WAITING
from studio.queries.traces import (
    BothOrders,
    RulingPage,
    TraceFacets,
    TraceFilter,
    TraceRow,
    reasons,
    rulings_page,
    trace_facets,
    verdicts,
)
from studio.tabs.traces.replay import Replay, stored_settings

ImageUrl = Callable[[str | None], str | None]
Choices = tuple[tuple[str, str], ...]

FATES = {"": "All", "kept": "Kept", "rejected": "Rejected"}
ALL_ITERATIONS = "all"
_SAID_BY_SELECT = ("surplus", "flagged", "outvoted")
"""Reasons that the verdicts alone do not show, so that a card cannot say them by itself."""


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
    pair: str = ""
    """Only this pair."""
    at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracesShown:
    """The tab."""

    place: TracesPlace
    funnel: str
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
    place = settle(catalog, run, place)
    wanted = trace_filter(run, place)
    page = rulings_page(catalog, wanted, at=place.at)
    if not page.rulings and place.at:
        place = replace(place, at="")
        page = rulings_page(catalog, wanted)
    offered = trace_facets(catalog, wanted)
    if not offered.iterations:
        return _nothing(place)
    return TracesShown(
        place=place,
        funnel=cards.sheet(funnel_panel(catalog, workspace, run, place, offered)),
        head=cards.sheet(_head(page, place)),
        list=cards.sheet(_list(page, image_url, run, place.reason)),
        foot=cards.sheet(_turns(page)) if page.rulings else "",
        **_choices(offered, place),
    )


def settle(catalog: Catalog, run: str, place: TracesPlace) -> TracesPlace:
    """The place with its iteration: the newest that has traces where none is named, or a missing one is."""
    there = [str(number) for number in shelf_of(catalog).iterations("traces", run)]
    if place.iteration == ALL_ITERATIONS or place.iteration in there:
        return place
    return replace(place, iteration=there[-1] if there else "")


def trace_filter(run: str, place: TracesPlace) -> TraceFilter:
    """The query a place stands for."""
    return TraceFilter(
        run=run,
        iteration=int(place.iteration) if place.iteration.isdecimal() else None,
        kept={"kept": True, "rejected": False}.get(place.fate),
        reason=place.reason or None,
        order=place.order or None,
        verdict=place.verdict or None,
        judge=place.judge or None,
        dimension=place.dimension or None,
        pair=place.pair or None,
    )


def turn(catalog: Catalog, run: str, place: TracesPlace, *, forward: bool) -> TracesPlace:
    """The place one page on or back."""
    place = settle(catalog, run, place)
    page = rulings_page(catalog, trace_filter(run, place), at=place.at)
    if not page.rulings or not (page.has_next if forward else page.has_previous):
        return place
    at = f"after:{page.rulings[-1].cursor}" if forward else f"before:{page.rulings[0].cursor}"
    return replace(place, at=at)


# --- the funnel --------------------------------------------------------------------------------------------------


def funnel_panel(catalog: Catalog, workspace: Workspace, run: str, place: TracesPlace, offered: TraceFacets) -> Html:
    """From synthesized to trained: what each rule of select removed. One iteration at a time."""
    iteration = int(place.iteration) if place.iteration.isdecimal() else offered.iterations[-1]
    counts = reasons(catalog, run, iteration)
    steps = funnel_steps(counts, verdicts(catalog, run, iteration))
    other = int(place.compare) if place.compare.isdecimal() and int(place.compare) in offered.iterations else None
    if other is not None and other != iteration:
        steps = _beside(steps, reasons(catalog, run, other), verdicts(catalog, run, other), other)
    about = ", ".join(part for part in (f"Iteration {iteration}", *_ruled_by(offered), _rule(workspace, run)) if part)
    aside = cards.element("span", cards.esc(about), class_="st-sub")
    waiting = counts.get(WAITING, 0)
    foot = cards.EMPTY
    if waiting:
        foot = cards.sub(
            f"{words.plural(waiting, 'trace')} not selected yet: only what the verdicts say is counted here.", dim=True
        )
    return cards.panel(
        cards.funnel(steps, selected=place.reason or ("kept" if place.fate == "kept" else None)),
        title="From pairs to training data",
        aside=aside,
        foot=foot,
    )


def funnel_steps(counts: Mapping[str, int], said: Mapping[str, int]) -> list[FunnelStep]:
    """The steps from the reason codes; before select from the verdicts alone."""
    if counts.get(WAITING):
        counts = {"invalid": said["invalid"], "tie": said["tie"], "wrong": said["wrong"], "right": said["right"]}
    total = sum(counts.values())
    is_selected = "right" not in counts
    steps = [FunnelStep(label="Ruled", left=total, context="traces", key="")]
    left = total
    for code, reason in REASONS.items():
        lost = counts.get(code, 0)
        if code != KEPT and (lost or (reason.usual and (is_selected or code != "order-flip"))):
            left -= lost
            steps.append(FunnelStep(label=reason.passed, left=left, lost=lost, reason=code, key=code))
    if not is_selected:
        return steps
    share = words.percent(left / total) if total else ""
    return [*steps, FunnelStep(label=REASONS[KEPT].passed, left=left, context=f"{share} of all", key="kept")]


def _beside(
    steps: Sequence[FunnelStep], counts: Mapping[str, int], said: Mapping[str, int], iteration: int
) -> list[FunnelStep]:
    """The steps with what the same step left in another iteration, as a share of all its traces."""
    others = {step.key: step for step in funnel_steps(counts, said)}
    whole = others[""].left or 1
    mine = steps[0].left or 1
    result = []
    for step in steps:
        other = others.get(step.key)
        if other is None or step.key == "":
            text = f"iteration {iteration}: {words.number(other.left)}" if other else None
        else:
            text = f"{words.percent(step.left / mine)}, iteration {iteration}: {words.percent(other.left / whole)}"
        result.append(replace(step, earlier=text))
    return result


def _ruled_by(offered: TraceFacets) -> list[str]:
    names = [judge for judge, count in offered.judges if count] or [judge for judge, _ in offered.judges]
    return [f"ruled on by {' and '.join(names[:3])}"] if names else []


def _rule(workspace: Workspace, run: str) -> str:
    try:
        return f"rule: {stored_settings(workspace, run).rule}"
    except JudgeStudioError:
        return ""


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


def _turns(page: RulingPage) -> Html:
    buttons = [
        Action(label="Previous page", act="previous-page", small=True, disabled=not page.has_previous),
        Action(label="Next page", act="next-page", small=True, disabled=not page.has_next),
    ]
    return cards.element("div", *(cards.button(button) for button in buttons), class_="st-row is-tight")


def _list(page: RulingPage, image_url: ImageUrl, run: str, reason: str) -> Html:
    if not page.rulings:
        return cards.empty("No trace matches.", Action(label="Clear filters", act="clear", kind="main"))
    return cards.trace_list([card_of(ruling, image_url, run, reason) for ruling in page.rulings])


def card_of(ruling: BothOrders, image_url: ImageUrl, run: str, reason: str = "") -> TraceCard:
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
        ab=_half(ruling.ab, ruling.samples, bool(differ)),
        ba=_half(ruling.ba, ruling.samples, bool(differ)),
        url=link("pairs", run, {"pairs.iteration": ruling.iteration, "pairs.item": _item(ruling)}),
    )


def _item(ruling: BothOrders) -> str:
    return f"{ruling.iteration}-{ruling.pair_id}"


def _half(trace: TraceRow | None, samples: int, own_reason: bool) -> TraceHalf | None:
    if trace is None:
        return None
    said = None
    if own_reason and trace.reason:
        said = "kept" if trace.kept else trace.reason
    return TraceHalf(
        order=trace.order, verdict=trace.verdict, reasoning=trace.reasoning, tokens=trace.tokens, sample=trace.sample,
        samples=samples, reason=said,
    )  # fmt: skip


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


# --- replay ------------------------------------------------------------------------------------------------------

_REPLAY = (
    Column(name=""),
    Column(name="Stored", is_number=True),
    Column(name="Replayed", is_number=True),
    Column(name="Change", is_number=True),
)


def replay_card(result: Replay, settings: SelectSettings, *, run: str, iteration: int) -> Html:
    """Stored against replayed: kept traces and pairs, by reason code and by dimension."""
    kept, now = (result.stored or {}).get(KEPT, 0), result.replayed.get(KEPT, 0)
    sentence = (
        f"{run}, iteration {iteration}: with these settings {words.number(now)} of "
        f"{words.plural(result.traces, 'trace')} would be trained on"
        + (f" instead of {words.number(kept)}: {words.number(result.gained)} more, {words.number(result.lost)} fewer"
           if result.stored else "")
        + f". They come from {words.plural(result.replayed_pairs, 'pair')}"
        + (f" instead of {words.number(result.stored_pairs)}." if result.stored else ".")
    )  # fmt: skip
    codes = [code for code in (KEPT, *GRAVEST_FIRST) if code in result.replayed or code in (result.stored or {})]
    by_reason = [
        _compared("kept" if code == KEPT else code, (result.stored or {}).get(code), result.replayed.get(code, 0))
        for code in codes
    ]
    names = sorted({*result.stored_kept, *result.replayed_kept})
    by_dimension = [
        _compared(name, result.stored_kept.get(name, 0) if result.stored else None, result.replayed_kept.get(name, 0))
        for name in names
    ]
    tables = [table(_REPLAY, by_reason, caption="Traces by reason")]
    if by_dimension:
        head = cards.element("h3", cards.esc("Kept, by dimension"))
        tables += [head, table(_REPLAY, by_dimension, caption="Kept traces by dimension")]
    said = cards.sub(f"{sentence} Rule: {settings.rule}. Took {words.duration(result.seconds)}; nothing was written.")
    return cards.element("div", said, *tables, class_="st-stack")


def _compared(name: str, stored: int | None, replayed: int) -> Html:
    change = "–" if stored is None else words.signed(replayed - stored, 0)
    cells = [name, words.number(stored, missing="–"), words.number(replayed), change]
    return row(_REPLAY, [cards.esc(cell) for cell in cells])


# --- the filter bar ----------------------------------------------------------------------------------------------


def _choices(offered: TraceFacets, place: TracesPlace) -> dict[str, Choices]:
    total = offered.kept + offered.rejected + offered.waiting
    counts = {"": total, "kept": offered.kept, "rejected": offered.rejected}
    numbers = [str(number) for number in reversed(offered.iterations)]
    codes = sorted((code, count) for code, count in offered.reasons)
    labels = {KEPT: "agrees (kept)", WAITING: "not selected yet"}
    return {
        "fates": tuple((f"{label} {words.number(counts[fate])}", fate) for fate, label in FATES.items()),
        "reasons": _any(codes, place.reason, labels),
        "orders": _any(offered.orders, place.order, {"AB": "AB, preferred first", "BA": "BA, preferred second"}),
        "verdicts": _any(offered.verdicts, place.verdict),
        "judges": _any(offered.judges, place.judge),
        "dimensions": _any(offered.dimensions, place.dimension),
        "iterations": (*((number, number) for number in numbers), ("All", ALL_ITERATIONS)),
        "compares": (("–", ""), *((number, number) for number in numbers if number != place.iteration)),
    }


def _any(counts: Sequence[tuple[str, int]], chosen: str, labels: Mapping[str, str] | None = None) -> Choices:
    """Any, and each value with its count; the chosen one is there even if the run has none of it."""
    known = dict(counts)
    known.setdefault(chosen, 0)
    said = labels or {}
    entries = ((f"{said.get(value, value)} {words.number(known[value])}", value) for value in known if value)
    return (("Any", ""), *entries)


def _nothing(place: TracesPlace) -> TracesShown:
    return TracesShown(
        place=place, funnel="", head="", list=cards.sheet(cards.empty_place("traces")), foot="",
        fates=tuple((label, fate) for fate, label in FATES.items()),
        reasons=_any((), place.reason), orders=_any((), place.order), verdicts=_any((), place.verdict),
        judges=_any((), place.judge), dimensions=_any((), place.dimension), iterations=(), compares=(("–", ""),),
    )  # fmt: skip
