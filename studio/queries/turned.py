"""Items of a run's own benchmark that one version got right and the other wrong, with what both really replied."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.records import BASE_JUDGE, BenchmarkItem, VerdictRow
from engine.workspace.catalog.database import Catalog
from studio.queries.verdicts import ItemImage, items, verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnedItem:
    """One item on which the base model and the best version differ. Right means in both orders."""

    item: BenchmarkItem
    picture: ItemImage
    better: bool
    """The base model got it wrong and the best version right; False = the other way round."""
    alike: int
    """Items of the benchmark that turned the same way, this one included."""
    measured: int
    """Items that both were asked about."""
    replies: Mapping[str, Sequence[VerdictRow]]
    """Judge version → its reply in each order."""


def turned_items(catalog: Catalog, run: str, best: str, *, of_each: int = 1) -> list[TurnedItem]:
    """Gains and losses in turn, a gain first. Closed questions come first because anybody can check them; among equals
    the order is that of a hash, so nobody chose the nicest.

    Empty where `best` is the base model or was not measured on the same items.
    """
    if best == BASE_JUDGE:
        return []
    return _with_replies(catalog, run, (best, BASE_JUDGE), _chosen(catalog, run, best, of_each))


def untrained_items(catalog: Catalog, run: str, *, of_each: int = 1) -> list[TurnedItem]:
    """The same of a run without a better version: items that the base model got right (`better`) and wrong in turn."""
    return _with_replies(catalog, run, (BASE_JUDGE,), _chosen(catalog, run, BASE_JUDGE, of_each))


def _with_replies(
    catalog: Catalog, run: str, judges: Sequence[str], chosen: Sequence[tuple[str, str, bool, int, int]]
) -> list[TurnedItem]:
    if not chosen:
        return []
    benchmark, ids = str(chosen[0][0]), [str(row[1]) for row in chosen]
    known = items(catalog, run, benchmark, ids)
    replies = {judge: verdicts(catalog, run, judge, benchmark, items=ids) for judge in judges}
    return [
        TurnedItem(
            item=known[item_id][0],
            picture=known[item_id][1],
            better=bool(better),
            alike=int(alike),
            measured=int(measured),
            replies={judge: [row for row in rows if row.item_id == item_id] for judge, rows in replies.items()},
        )
        for _, item_id, better, alike, measured in chosen
        if item_id in known
    ]


def _chosen(catalog: Catalog, run: str, best: str, of_each: int) -> list[tuple[str, str, bool, int, int]]:
    """(benchmark, item, got better, turned alike, measured), of the benchmark with most verdicts; every item where
    `best` is the base model, "better" being right then."""
    rows = catalog.query(
        """
        WITH compared AS (
            SELECT benchmark, item_id, any_value(kind) = 'closed' AS closed,
                   bool_and(correct) FILTER (judge = ?) AS new, bool_and(correct) FILTER (judge = ?) AS old
            FROM verdicts WHERE run = ? AND protocol = 'strict' AND judge IN (?, ?) GROUP BY benchmark, item_id
        ), largest AS (
            SELECT * FROM compared WHERE new IS NOT NULL AND old IS NOT NULL AND benchmark = (
                SELECT benchmark FROM compared GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1)
        )
        SELECT benchmark, item_id, new, count(*) OVER (PARTITION BY new), (SELECT count(*) FROM largest)
        FROM largest WHERE new <> old OR ? = ? ORDER BY closed DESC, hash(item_id)
        """,
        [best, BASE_JUDGE, run, best, BASE_JUDGE, best, BASE_JUDGE],
    )
    better = [row for row in rows if row[2]][:of_each]
    worse = [row for row in rows if not row[2]][:of_each]
    return [row for place in range(of_each) for side in (better, worse) for row in side[place : place + 1]]
