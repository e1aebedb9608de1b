"""Optimizer steps and the lineage of judge versions."""

from engine.records import Step, VersionRow
from engine.workspace.catalog.database import Catalog

_STEP = ("step", "epoch", "loss", "learning_rate", "token_accuracy", "tokens")
_VERSION = ("judge", "parent", "adapter", "trained_on")


def run_steps(catalog: Catalog, run: str) -> dict[int, list[Step]]:
    """Steps by iteration, in order."""
    rows = catalog.query(
        f"SELECT iteration, {', '.join(_STEP)} FROM steps WHERE run = ? ORDER BY iteration, step", [run]
    )
    steps: dict[int, list[Step]] = {}
    for iteration, *values in rows:
        steps.setdefault(iteration, []).append(Step(**dict(zip(_STEP, values, strict=True))))
    return steps


def run_versions(catalog: Catalog, run: str) -> list[VersionRow]:
    """Judge versions, oldest first."""
    rows = catalog.query(f"SELECT {', '.join(_VERSION)} FROM versions WHERE run = ? ORDER BY iteration, judge", [run])
    return [VersionRow(**dict(zip(_VERSION, row, strict=True))) for row in rows]
