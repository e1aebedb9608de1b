"""What judge versions scored, and the items on which two of them differ, regressions first."""

from dataclasses import dataclass
from typing import Literal

from engine.catalog import Catalog
from engine.records import ScoreRow

_SCORE = (
    "judge", "benchmark", "protocol", "dimension", "n", "accuracy", "low", "high", "invalid", "position_lean",
    "length_lean",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidInOrder:
    """What one version said of one item in one order."""

    order: str
    verdict: str
    correct: bool
    reasoning: str
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """An item that one version gets right in both orders and the other does not."""

    benchmark: str
    item_id: str
    image_id: str
    image: str | None
    """As the benchmark names it: absolute, or relative to the workspace. None if the item's row is missing."""
    kind: str
    dimension: str
    question: str
    preferred: str
    degraded: str
    change: Literal["lost", "gained"]
    old: tuple[SaidInOrder, ...]
    new: tuple[SaidInOrder, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Where two versions differ on a benchmark."""

    items: tuple[Changed, ...]
    lost: int
    gained: int
    compared: int
    """Items both have judged in both orders."""


def run_scores(catalog: Catalog, run: str, *, benchmark: str | None = None) -> list[ScoreRow]:
    """Scores of every version and control, oldest version first."""
    rows = catalog.query(
        f"SELECT {', '.join(_SCORE)} FROM scores WHERE run = ? AND (? IS NULL OR benchmark = ?) "
        "ORDER BY iteration, benchmark, protocol, judge, dimension",
        [run, benchmark, benchmark],
    )
    return [ScoreRow(**dict(zip(_SCORE, row, strict=True))) for row in rows]


def benchmarks(catalog: Catalog, run: str) -> list[str]:
    """Benchmarks that have scores."""
    return [row[0] for row in catalog.query("SELECT DISTINCT benchmark FROM scores WHERE run = ? ORDER BY 1", [run])]


_BOTH = """
WITH said AS (
    SELECT judge, item_id, bool_and(correct) AS right FROM verdicts
    WHERE run = $run AND benchmark = $benchmark AND judge IN ($old, $new)
    GROUP BY judge, item_id HAVING count(DISTINCT "order") = 2
)
SELECT o.item_id, o.right, n.right FROM said AS o JOIN said AS n USING (item_id)
WHERE o.judge = $old AND n.judge = $new ORDER BY o.item_id
"""


def changed_items(
    catalog: Catalog, run: str, benchmark: str, old: str, new: str, *, limit: int = 20, skip: int = 0
) -> Changes:
    """Items whose strict verdict differs between two versions: those lost first, then those gained."""
    if old == new:
        return Changes(items=(), lost=0, gained=0, compared=0)
    both = catalog.query(_BOTH, {"run": run, "benchmark": benchmark, "old": old, "new": new})
    lost = [row[0] for row in both if row[1] and not row[2]]
    gained = [row[0] for row in both if row[2] and not row[1]]
    page = [*lost, *gained][skip : skip + limit]
    losses = set(lost)
    rows = _items(catalog, run, benchmark, page)
    said = {judge: _said(catalog, run, benchmark, judge, page) for judge in (old, new)}
    items = [
        Changed(
            benchmark=benchmark,
            item_id=item,
            change="lost" if item in losses else "gained",
            old=said[old].get(item, ()),
            new=said[new].get(item, ()),
            **rows.get(item, _UNKNOWN),
        )
        for item in page
    ]
    return Changes(items=tuple(items), lost=len(lost), gained=len(gained), compared=len(both))


_ITEM = ("image_id", "image", "kind", "dimension", "question", "preferred", "degraded")
_UNKNOWN = dict.fromkeys(_ITEM, "")


def _items(catalog: Catalog, run: str, benchmark: str, items: list[str]) -> dict[str, dict[str, str]]:
    rows = catalog.query(
        f"SELECT item_id, {', '.join(_ITEM)} FROM items WHERE run = ? AND benchmark = ? AND list_contains(?, item_id)",
        [run, benchmark, items],
    )
    return {row[0]: dict(zip(_ITEM, row[1:], strict=True)) for row in rows}


def _said(
    catalog: Catalog, run: str, benchmark: str, judge: str, items: list[str]
) -> dict[str, tuple[SaidInOrder, ...]]:
    rows = catalog.query(
        'SELECT item_id, "order", verdict, correct, reasoning, tokens FROM verdicts '
        'WHERE run = ? AND benchmark = ? AND judge = ? AND list_contains(?, item_id) ORDER BY item_id, "order"',
        [run, benchmark, judge, items],
    )
    said: dict[str, tuple[SaidInOrder, ...]] = {}
    for item, order, verdict, correct, reasoning, tokens in rows:
        half = SaidInOrder(order=order, verdict=verdict, correct=correct, reasoning=reasoning, tokens=tokens)
        said[item] = (*said.get(item, ()), half)
    return said
