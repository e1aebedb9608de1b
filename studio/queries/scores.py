"""What judge versions and controls scored. Items and verdicts are in `studio.queries.verdicts`."""

from engine.records import ScoreRow
from engine.workspace.catalog.database import Catalog

_SCORE = (
    "judge", "benchmark", "protocol", "dimension", "n", "accuracy", "low", "high", "invalid", "position_lean",
    "length_lean",
)  # fmt: skip


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
