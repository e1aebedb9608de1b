"""What judge versions and controls scored. Items and verdicts are in `studio.queries.verdicts`."""

from collections.abc import Sequence
from typing import Any

from engine.measure.leaks import OWN_PAIRS
from engine.records import ScoreRow
from engine.workspace.catalog.database import Catalog

_SCORE = (
    "judge", "benchmark", "protocol", "dimension", "n", "accuracy", "low", "high", "invalid", "position_lean",
    "length_lean", "left_out",
)  # fmt: skip


def run_scores(catalog: Catalog, run: str, *, benchmark: str | None = None) -> list[ScoreRow]:
    """Scores of every version and control on benchmarks, oldest version first."""
    rows = catalog.query(
        f"SELECT {', '.join(_SCORE)} FROM scores WHERE run = ? AND (? IS NULL OR benchmark = ?) AND benchmark <> ? "
        "ORDER BY iteration, benchmark, protocol, judge, dimension",
        [run, benchmark, benchmark, OWN_PAIRS],
    )
    return [_score(row) for row in rows]


def pair_scores(catalog: Catalog, run: str, iteration: int) -> list[ScoreRow]:
    """What the leak controls scored on an iteration's own pairs, before they were trained on."""
    rows = catalog.query(
        f"SELECT {', '.join(_SCORE)} FROM scores WHERE run = ? AND iteration = ? AND benchmark = ? "
        "ORDER BY judge, protocol, dimension",
        [run, iteration, OWN_PAIRS],
    )
    return [_score(row) for row in rows]


def _score(row: Sequence[Any]) -> ScoreRow:
    return ScoreRow(**dict(zip(_SCORE, row, strict=True)))


def benchmarks(catalog: Catalog, run: str) -> list[str]:
    """Benchmarks that have scores."""
    rows = catalog.query(
        "SELECT DISTINCT benchmark FROM scores WHERE run = ? AND benchmark <> ? ORDER BY 1", [run, OWN_PAIRS]
    )
    return [row[0] for row in rows]
