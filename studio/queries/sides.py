"""Judges and controls that can be compared, and their comparison, read again only when a part has changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from engine.measure.leaks import OWN_PAIRS
from engine.measure.side_by_side import Side, SideBySide, side_by_side
from engine.measure.sides import read_pictures, read_side
from engine.records import ImageRow, version_number
from engine.workspace.catalog.database import Catalog
from engine.workspace.run_record import differing_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedSides:
    """Sides on one benchmark, with what they said."""

    sides: tuple[Side, ...]
    result: SideBySide
    pictures: Mapping[str, ImageRow]
    settings: Mapping[str, tuple[Any, ...]]
    """Setting → its value in each run, where the runs differ."""
    runs: tuple[str, ...]


def measured_sides(catalog: Catalog) -> dict[str, tuple[str, ...]]:
    """ "RUN/judge-vN" or "RUN/control:…" → what it was measured on; newest run first, versions before controls."""
    rows = catalog.query(
        "SELECT run, judge, benchmark FROM scores WHERE protocol = 'strict' AND dimension = 'all' AND benchmark <> ? "
        "GROUP BY ALL ORDER BY min(iteration)",
        [OWN_PAIRS],
    )
    place = {run.name: number for number, run in enumerate(catalog.workspace.runs())}
    found: dict[tuple[str, str], list[str]] = {}
    for run, judge, benchmark in rows:
        if run in place:
            found.setdefault((run, judge), []).append(benchmark)

    def order(key: tuple[str, str]) -> tuple[int, bool, int, str]:
        run, judge = key
        number = version_number(judge)
        return place[run], number is None, number or 0, judge

    return {"/".join(key): tuple(found[key]) for key in sorted(found, key=order)}


def compared(catalog: Catalog, names: Sequence[str], benchmark: str) -> ComparedSides:
    """The named sides, which `measured_sides` must know, on a benchmark that all were measured on."""
    return _compared(catalog, catalog.look(), tuple(names), benchmark)


@lru_cache(maxsize=8)
def _compared(catalog: Catalog, _generation: int, names: tuple[str, ...], benchmark: str) -> ComparedSides:
    named = [name.split("/", 1) for name in names]
    runs = {run: catalog.workspace.run(run) for run, _ in named}
    sides = tuple(read_side(runs[run], judge, benchmark) for run, judge in named)
    pictures: dict[str, ImageRow] = {}
    for run in runs.values():
        pictures |= read_pictures(run)
    return ComparedSides(
        sides=sides,
        result=side_by_side(sides),
        pictures=pictures,
        settings=differing_settings(list(runs.values())),
        runs=tuple(runs),
    )
