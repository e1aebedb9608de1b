"""Examples of a run from its own benchmark, with the rulings that were really given: one that training mended, one that
it spoilt. Nothing is asked of a model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.judging.ruling import place_to_response
from engine.records import BASE_JUDGE, BenchmarkItem, Order, Verdict, VerdictRow, seed_for
from engine.workspace.catalog.database import Catalog
from studio.live.said import JudgeSaid
from studio.queries.verdicts import items, verdicts

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
    if best == BASE_JUDGE:
        return []
    chosen = _chosen(catalog, run, best)
    if not chosen:
        return []
    benchmark, ids = chosen[0][0], [item_id for _, item_id, _ in chosen]
    known = items(catalog, run, benchmark, ids)
    said = {judge: verdicts(catalog, run, judge, benchmark, items=ids) for judge in (best, BASE_JUDGE)}
    found = []
    for _, item_id, better in chosen:
        if item_id not in known:
            continue
        item, picture = known[item_id]
        is_a = seed_for("live example", item_id) % 2 == 0  # else A would always be the right one
        found.append(
            OwnExample(
                item_id=item_id,
                label=f"{BASE_JUDGE} got it wrong, {best} right"
                if better
                else f"{best} got it wrong, {BASE_JUDGE} right: a regression",
                question=item.question,
                a=item.preferred if is_a else item.degraded,
                b=item.degraded if is_a else item.preferred,
                image=picture.path,
                width=picture.width,
                judges=(f"{run}/{best}", f"{run}/{BASE_JUDGE}"),
                said=tuple(_said(judge, run, item, rows, is_a=is_a) for judge, rows in said.items()),
            )
        )
    return found


def _chosen(catalog: Catalog, run: str, best: str) -> list[tuple[str, str, bool]]:
    """(benchmark, item, got better): gains and losses in turn, of the benchmark with most verdicts."""
    rows = catalog.query(
        """
        WITH compared AS (
            SELECT benchmark, item_id,
                   bool_and(correct) FILTER (judge = ?) AS new, bool_and(correct) FILTER (judge = ?) AS old
            FROM verdicts WHERE run = ? AND protocol = 'strict' AND judge IN (?, ?) GROUP BY ALL
        )
        SELECT benchmark, item_id, new FROM compared
        WHERE new <> old AND benchmark = (SELECT benchmark FROM compared GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1)
        ORDER BY hash(item_id)
        """,
        [best, BASE_JUDGE, run, best, BASE_JUDGE],
    )
    better = [row for row in rows if row[2]][:_OF_EACH]
    worse = [row for row in rows if not row[2]][:_OF_EACH]
    turns = [row for place in range(_OF_EACH) for side in (better, worse) for row in side[place : place + 1]]
    return [(str(benchmark), str(item_id), bool(new)) for benchmark, item_id, new in turns]


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
