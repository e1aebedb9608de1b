"""How far numbers spread when only the seed changes: a second interval beside the one over images.

The first says how sure a number is of this run's versions; it holds nothing of what is drawn, written and learned anew
under another seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from pathlib import Path
from statistics import mean, stdev

from engine.errors import JudgeStudioError
from engine.measure.intervals import t_quantile
from engine.records import version_name
from engine.workspace.conclusions import Measured
from engine.workspace.folders import RunFolder
from engine.workspace.run_record import run_settings
from engine.workspace.state import read_state


@dataclass(frozen=True, slots=True, kw_only=True)
class OverSeeds:
    """A mean over seeds."""

    mean: float
    low: float | None
    high: float | None
    """95 % t interval between seeds; None for a single seed, whose spread is not known."""
    n: int
    """Seeds."""


def over_seeds(values: Sequence[float]) -> OverSeeds:
    """Mean and t interval of at least one value."""
    if len(values) == 1:
        return OverSeeds(mean=values[0], low=None, high=None, n=1)
    middle, half = mean(values), t_quantile(len(values) - 1) * stdev(values) / sqrt(len(values))
    return OverSeeds(mean=middle, low=middle - half, high=middle + half, n=len(values))


def seed_lines(run: RunFolder) -> list[str]:
    """One sentence on the runs of this workspace that are done and differ from `run` in the seed alone, itself among
    them; none while there are not two seeds. It speaks of the last version: the best one is chosen by these numbers.
    """
    by_seed = {seed: found for seed, one in _alike(run) if (found := _first_and_last(one)) is not None}
    if len(by_seed) < 2:
        return []
    last = over_seeds([accuracies[1] for accuracies in by_seed.values()])
    gain = over_seeds([accuracies[1] - accuracies[0] for accuracies in by_seed.values()])
    return [
        f"Over {last.n} seeds of this run (t interval between them): last version {_interval(last)}, gain over "
        f"{version_name(0)} {_interval(gain, '+')}."
    ]


def _alike(run: RunFolder) -> list[tuple[int, RunFolder]]:
    """Seed and folder of every finished run with these settings, the seed aside."""
    mine = _known(run)
    if mine is None:
        return []
    others = (RunFolder(folder) for folder in sorted(run.folder.parent.iterdir()) if (folder / "config.yaml").is_file())
    known = ((other, _known(other)) for other in others)
    return [(found[0], other) for other, found in known if found is not None and found[1] == mine[1]]


def _known(run: RunFolder) -> tuple[int, str] | None:
    """Seed, and all other settings as text; None where the run is not done or cannot be read."""
    try:
        return _settings(run.folder, run.config.stat().st_mtime_ns) if read_state(run).state == "done" else None
    except (JudgeStudioError, OSError):
        return None


@lru_cache(maxsize=1024)
def _settings(folder: Path, _changed: int) -> tuple[int, str]:
    settings = run_settings(RunFolder(folder))
    return settings.loop.seed, repr(settings.model_copy(update={"loop": settings.loop.model_copy(update={"seed": 0})}))


def _first_and_last(run: RunFolder) -> tuple[float, float] | None:
    """Strict accuracy of judge-v0 and of the last version on the deciding benchmark."""
    found: list[float] = []
    while (measured := run.conclusion(len(found), Measured)) is not None and measured.accuracy is not None:
        found.append(measured.accuracy)
    return (found[0], found[-1]) if len(found) > 1 else None


def _interval(value: OverSeeds, sign: str = "") -> str:
    return f"{value.mean:{sign}.3f} ({value.low:{sign}.3f} to {value.high:{sign}.3f})"
