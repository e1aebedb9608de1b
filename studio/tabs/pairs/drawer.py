"""The drawer of the Pairs tab: one pair in full, with its neighbours under the filter. Plain values in, HTML out."""

import json
from collections.abc import Callable

from studio.look import cards, words
from studio.look.cards import Html, PairCard, PairDetail
from studio.look.cards.pair import RulingRow
from studio.page.place import link
from studio.queries.pairs import PairRow, spots_beyond
from studio.queries.traces import traces_of
from studio.tabs.pairs.place import PairsSight

ImageUrl = Callable[[str | None], str | None]

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


def drawer(sight: PairsSight, pair: PairRow, image_url: ImageUrl) -> Html:
    """The chosen pair in full, and whether it has neighbours under the filter."""
    page, items = sight.page, [other.item for other in sight.page.rows]
    here = items.index(pair.item) if pair.item in items else None
    if here is None:
        before, after = (bool(spots_beyond(sight.catalog, sight.wanted, pair, by)) for by in (-1, 1))
    else:
        before, after = here > 0 or page.has_previous, here < len(items) - 1 or page.has_next
    traces = traces_of(sight.catalog, sight.run, pair.iteration, pair.pair_id)
    values = {"traces.iteration": pair.iteration, "traces.pair": pair.pair_id}
    return cards.pair_drawer(
        PairDetail(
            card=card_of(pair, image_url, sight.flagged),
            fault=fault(pair),
            judge=traces[0].judge if traces else None,
            rulings=[RulingRow(order=trace.order, verdict=trace.verdict) for trace in traces],
            provenance=_provenance(sight.run, pair),
            traces_url=link("traces", sight.run, values) if traces else None,
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
