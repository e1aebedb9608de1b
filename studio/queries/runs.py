"""The runs of a workspace as a table says them; `engine.state` says more about one."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.catalog import Catalog

_RUN = ("run", "state", "stage", "base_model", "iterations", "best", "started_at", "seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """One run."""

    run: str
    state: str
    stage: str | None
    base_model: str | None
    iterations: int
    """Most that its settings allow."""
    best: str | None
    started_at: datetime | None
    """UTC."""
    seconds: float
    """Working time over all starts."""


def list_runs(catalog: Catalog) -> list[RunSummary]:
    """Every run, newest first."""
    rows: list[tuple[Any, ...]] = catalog.query(
        f"SELECT {', '.join(_RUN)} FROM runs ORDER BY started_at DESC NULLS LAST, run"
    )
    return [RunSummary(**dict(zip(_RUN, row, strict=True))) for row in rows]


def accuracies(catalog: Catalog, run: str, *, protocol: str = "strict") -> list[tuple[str, str, float]]:
    """(benchmark, judge, accuracy) over all dimensions, oldest version first; controls are left out."""
    return [
        (row[0], row[1], float(row[2]))
        for row in catalog.query(
            "SELECT benchmark, judge, accuracy FROM scores WHERE run = ? AND protocol = ? AND dimension = 'all' "
            "AND NOT contains(judge, ':') ORDER BY benchmark, iteration, judge",
            [run, protocol],
        )
    ]
