"""Asking for one ruling: the request that shows two responses in an order, and reading which one was meant.

Judging, evaluation, single rulings and the adapter check all ask and read the same way; what differs is the sampling.
"""

import math
from collections.abc import Mapping
from pathlib import Path

from engine.backends.base import Completion, Request, Sampling
from engine.errors import BackendError
from engine.prompts import PromptPack, RulingPrompts, judge_messages
from engine.records import BenchmarkItem, Comparison, Order, Verdict, VerdictRow, names_preferred
from engine.verdicts import read_verdict

_SMALLEST = 1e-30
"""Chance that stands for none: its logarithm is a number."""


def ruling_request(
    pack: PromptPack | RulingPrompts,
    comparison: Comparison,
    order: Order,
    *,
    key: str,
    judge: str,
    sampling: Sampling,
) -> Request:
    """Ask `judge` which response is better, shown in `order`.

    One picture of the question stands before the prompt; where there are several, each stands at its place in them.
    """
    one, pictures = comparison.image, {}
    if comparison.has_several_pictures:
        first = () if one is None else (one,)
        one, pictures = None, dict(zip("ab", comparison.pictures_shown(order), strict=True))
        pictures["question"] = (*first, *comparison.more_images)
    return Request(
        key=key,
        messages=judge_messages(pack, comparison.question, *comparison.shown(order), pictures=pictures),
        image=one,
        sampling=sampling,
        judge=judge,
    )


def stored_comparison(item: BenchmarkItem, image: Path | None, images: Mapping[str, Path]) -> Comparison:
    """An item of a run, shown with `image`. `images`: image id → file; a stored picture's name is its id."""
    return item.comparison(image, find=lambda path: images.get(Path(path).stem, Path(path)))


def verdict_of(reply: Completion) -> Verdict:
    """What a reply decided, by place. One that was cut off has not finished deciding, whatever it says so far."""
    return "invalid" if reply.fault or reply.finish == "length" else read_verdict(reply.text)


def stored_text(reply: Completion) -> str:
    """What is kept of a reply: all it says, its thinking first; of one that never came, why."""
    if reply.fault:
        return f"[no reply] {reply.fault}"
    return f"<think>\n{reply.thinking}\n</think>\n{reply.text}" if reply.thinking else reply.text


def log_odds_of(reply: Completion) -> float:
    """Log odds of the first of two choices against the second. Raises `BackendError` if the reply is a fault."""
    if reply.fault:
        raise BackendError(f"{reply.fault} Its odds are needed here; mend that and resume.")
    first, second = (math.log(max(chance, _SMALLEST)) for chance in reply.choice_probabilities)
    return first - second


def verdict_row(
    judge: str, item: BenchmarkItem, order: Order, verdict: Verdict, *, reasoning: str = "", tokens: int = 0
) -> VerdictRow:
    """One verdict of `judge` on one item, scored by the item's key."""
    return VerdictRow(
        judge=judge,
        benchmark=item.benchmark,
        item_id=item.item_id,
        image_id=item.image_id,
        kind=item.kind,
        dimension=item.dimension,
        order=order,
        verdict=verdict,
        correct=names_preferred(verdict, order),
        reasoning=reasoning,
        tokens=tokens,
    )


def replied_row(judge: str, item: BenchmarkItem, order: Order, reply: Completion) -> VerdictRow:
    """The verdict that a reply to our own prompt states, with all it says."""
    return verdict_row(judge, item, order, verdict_of(reply), reasoning=stored_text(reply), tokens=reply.tokens)
