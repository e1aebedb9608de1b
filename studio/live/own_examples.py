"""Examples of a run from its own benchmark, with the rulings that were really given: one that training mended, one that
it spoilt. Nothing is asked of a model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.judging.ruling import place_to_response
from engine.records import BASE_JUDGE, BenchmarkItem, Order, Verdict, VerdictRow, seed_for
from engine.workspace.catalog.database import Catalog
from studio.live.said import JudgeSaid
from studio.queries.turned import turned_items

_TURNED: dict[Verdict, Verdict] = {"A": "B", "B": "A", "tie": "tie", "invalid": "invalid"}
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
    image: str | None
    """Relative to the workspace."""
    width: int | None
    judges: tuple[str, ...]
    """As `resolve_judge` takes them: the best version, then the base model."""
    said: tuple[JudgeSaid, ...]


def own_examples(catalog: Catalog, run: str, best: str) -> list[OwnExample]:
    """An item that the base model got wrong and `best` right, then one the other way round, then further ones.

    Right means in both orders. Empty where `best` is the base model or was not measured on the same items.
    """
    found = []
    for turned in turned_items(catalog, run, best, of_each=_OF_EACH):
        item = turned.item
        is_a = seed_for("live example", item.item_id) % 2 == 0  # else A would always be the right one
        found.append(
            OwnExample(
                item_id=item.item_id,
                label=f"{BASE_JUDGE} got it wrong, {best} right"
                if turned.better
                else f"{best} got it wrong, {BASE_JUDGE} right: a regression",
                question=item.question,
                a=item.preferred if is_a else item.degraded,
                b=item.degraded if is_a else item.preferred,
                image=turned.picture.path,
                width=turned.picture.width,
                judges=(f"{run}/{best}", f"{run}/{BASE_JUDGE}"),
                said=tuple(_said(judge, run, item, rows, is_a=is_a) for judge, rows in turned.replies.items()),
            )
        )
    return found


def _said(judge: str, run: str, item: BenchmarkItem, rows: Sequence[VerdictRow], *, is_a: bool) -> JudgeSaid:
    """What a judge said, of the responses as the example names them."""
    said = JudgeSaid(judge=judge, about=f"{run}, as it was measured")
    for row in rows:
        if row.item_id == item.item_id:
            verdict = place_to_response(row.verdict, row.order)
            order: Order = row.order if is_a else "BA" if row.order == "AB" else "AB"
            said = said.in_order(
                order, state="done", reasoning=row.reasoning, verdict=verdict if is_a else _TURNED[verdict],
                tokens=row.tokens,
            )  # fmt: skip
    return said
