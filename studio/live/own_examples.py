"""Examples of a run from its own benchmark, with the rulings that were really given: one that training mended, one that
it spoilt; before any training, one that the untrained judge got right and one that it did not. No model is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.judging.ruling import place_to_response
from engine.records import BASE_JUDGE, VerdictRow, seed_for
from engine.workspace.catalog.database import Catalog
from studio.live.said import JudgeSaid
from studio.queries.turned import turned_items, untrained_items
from studio.queries.verdicts import question_pictures

_OF_EACH = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnExample:
    """One item of the run's benchmark and what two versions said of it."""

    item_id: str
    label: str
    """What it is an example of: "judge-v0 got it wrong, judge-v3 right"."""
    question: str
    a: str
    b: str
    images: tuple[str, ...]
    """Of the question, relative to the workspace."""
    width: int | None
    """Of the first."""
    judges: tuple[str, ...]
    """As `resolve_judge` takes them: the best version, then the base model where it is another one."""
    said: tuple[JudgeSaid, ...]


def own_examples(catalog: Catalog, run: str, best: str) -> list[OwnExample]:
    """An item that the base model got wrong and `best` right, then one the other way round, then further ones.

    Right means in both orders. Where `best` is the base model itself: one it got right, then one it did not. Empty
    where `best` was not measured on the same items.
    """
    found = []
    known = (
        untrained_items(catalog, run, of_each=_OF_EACH)
        if best == BASE_JUDGE
        else turned_items(catalog, run, best, of_each=_OF_EACH)
    )
    for turned in known:
        item = turned.item
        if item.preferred_images or item.degraded_images:
            continue  # the page has pictures of the question only
        is_a = seed_for("live example", item.item_id) % 2 == 0  # else A would always be the right one
        found.append(
            OwnExample(
                item_id=item.item_id,
                label=_label(best, is_right=turned.better),
                question=item.question,
                a=item.preferred if is_a else item.degraded,
                b=item.degraded if is_a else item.preferred,
                images=tuple(one.path for one in question_pictures(item, turned.picture) if one.path),
                width=turned.picture.width,
                judges=tuple(f"{run}/{judge}" for judge in turned.replies),
                said=tuple(_said(judge, run, rows, is_a=is_a) for judge, rows in turned.replies.items()),
            )
        )
    return found


def _label(best: str, *, is_right: bool) -> str:
    if best == BASE_JUDGE:
        return f"{best} got it right" if is_right else f"{best} got it wrong"
    if is_right:
        return f"{BASE_JUDGE} got it wrong, {best} right"
    return f"{best} got it wrong, {BASE_JUDGE} right: a regression"


def _said(judge: str, run: str, rows: Sequence[VerdictRow], *, is_a: bool) -> JudgeSaid:
    """What a judge said of one item, of the responses as the example names them."""
    said = JudgeSaid(judge=judge, about=f"{run}, as it was measured")
    for row in rows:
        said = said.in_order(
            row.order, state="done", reasoning=row.reasoning, tokens=row.tokens,
            verdict=place_to_response(row.verdict, row.order),
        )  # fmt: skip
    return said if is_a else said.turned()
