"""Optimizer steps and the lineage of judge versions; what a loss is called when one number has to stand for many."""

from collections.abc import Sequence

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


def ends(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Mean of the first and of the last tenth of the known values, at least one each.

    One batch says little: between two neighbours the loss differs by more than a whole training changes it.
    """
    known = [value for value in values if value is not None]
    if not known:
        return None, None
    tenth = max(1, len(known) // 10)
    return sum(known[:tenth]) / tenth, sum(known[-tenth:]) / tenth


def smoothed(values: Sequence[float | None], *, share: float = 0.1) -> list[float | None]:
    """Each value as the mean of the known ones of that share around it, at either end of the share next to it: the line
    begins and ends where `ends` says. The values themselves where there are few."""
    width = int(len(values) * share)
    found: list[float | None] = []
    for place in range(len(values)):
        begin = min(max(0, place - width // 2), len(values) - width)
        near = [value for value in values[begin : begin + max(width, 1)] if value is not None]
        found.append(sum(near) / len(near) if near else None)
    return found
