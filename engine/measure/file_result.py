"""What judges say of a file of comparisons, all lines together: wins, flips, and how far any two judges agree."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import get_args

import numpy as np

from engine.errors import SourceError
from engine.judging.ruling import Outcome
from engine.measure.agreement import Kappa, cohens_kappa


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeTally:
    """One judge's rulings on the file."""

    judge: str
    rulings: int
    outcomes: Mapping[Outcome, int]
    """How often each; every outcome is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgesAgree:
    """Two judges on the comparisons on which both name a response."""

    first: str
    second: str
    kappa: Kappa | None
    """None where there is no such comparison. Its `agreement` is the share on which they name the same one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileResult:
    """All rulings of one file."""

    judges: tuple[JudgeTally, ...]
    agreement: tuple[JudgesAgree, ...]


def file_result(path: Path) -> FileResult:
    """Sum up a file of rulings; a last line that is not whole is left out. Raises `SourceError` for another file."""
    said: dict[str, dict[str, Outcome]] = {}
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                if line.endswith("\n"):
                    row = json.loads(line)
                    said.setdefault(str(row["judge"]), {})[str(row["key"])] = _outcome(row["verdict"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{path.name}: is not a file of rulings ({error}).") from error
    return FileResult(
        judges=tuple(
            JudgeTally(
                judge=judge, rulings=len(rulings), outcomes={**dict.fromkeys(_OUTCOMES, 0), **Counter(rulings.values())}
            )
            for judge, rulings in said.items()
        ),
        agreement=tuple(
            JudgesAgree(first=first, second=second, kappa=_kappa(said[first], said[second]))
            for first, second in combinations(said, 2)
        ),
    )


_OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


def _outcome(verdict: object) -> Outcome:
    if verdict not in _OUTCOMES:
        raise ValueError(f"a verdict '{str(verdict)[:40]}'")
    return verdict


def _kappa(first: Mapping[str, Outcome], second: Mapping[str, Outcome]) -> Kappa | None:
    both = [key for key in first if first[key] in ("A", "B") and second.get(key) in ("A", "B")]
    if not both:
        return None
    return cohens_kappa(np.array([first[key] == "A" for key in both]), np.array([second[key] == "A" for key in both]))
