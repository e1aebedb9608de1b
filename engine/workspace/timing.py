"""How long the stages of a run took, by what it wrote to events.jsonl, and how a time is said. No estimates."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.workspace.folders import RunFolder
from engine.workspace.state import read_events

_ENDS = frozenset({"begin", "stopped", "failed", "done", "iteration"})
"""Events after which the stage before is not at work any more. A crash writes none: that stretch is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTime:
    """Work on one stage of one iteration, all stretches of a resumed run together."""

    iteration: int
    stage: str
    seconds: float
    total: int | None
    """Units of the stage, e.g. traces; None where it did not say."""
    finished: bool
    """Another stage or the end of the run came after it."""


def stage_times(run: RunFolder) -> dict[tuple[int, str], StageTime]:
    """(iteration, stage) → time, in the order they began."""
    return times_of(read_events(run))


def times_of(events: Iterable[Mapping[str, Any]]) -> dict[tuple[int, str], StageTime]:
    """The same from events in order; those that lack a field are passed over."""
    times: dict[tuple[int, str], StageTime] = {}
    current: tuple[int, str] | None = None
    since = 0.0
    for event in events:
        name, at = event.get("event"), event.get("time")
        if not isinstance(at, int | float):
            continue
        if current is not None and name in _ENDS:
            times[current] = _longer(times[current], at - since, finished=name in ("begin", "done", "iteration"))
            current = None
        if name == "start":
            current = None
        if name == "begin" and isinstance(event.get("stage"), str):
            current, since = (int(event.get("iteration") or 0), str(event["stage"])), at
            total = event.get("total")
            before = times.get(current)
            seconds = before.seconds if before else 0.0
            times[current] = StageTime(
                iteration=current[0],
                stage=current[1],
                seconds=seconds,
                total=total if isinstance(total, int) else None,
                finished=False,
            )
    return times


def _longer(time: StageTime, seconds: float, *, finished: bool) -> StageTime:
    return StageTime(
        iteration=time.iteration,
        stage=time.stage,
        seconds=time.seconds + max(0.0, seconds),
        total=time.total,
        finished=finished,
    )


def duration(seconds: float | None, *, missing: str = "not known yet") -> str:
    """Two units at most: "0.4 s", "53 s", "2 min 18 s", "5 h 12 min", "3 d 4 h"; the only wording of a time."""
    if seconds is None or not math.isfinite(seconds):
        return missing
    total = max(0, round(seconds))
    if 0 < seconds < 9.95:
        return f"{max(seconds, 0.1):.1f} s".replace(".0 s", " s")
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60:02d} s" if total % 60 else f"{total // 60} min"
    if total < 86_400:
        hours, minutes = divmod(total // 60, 60)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(total // 3600, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def about(seconds: float | None, *, missing: str = "not known yet") -> str:
    """The same of an estimate, which knows no seconds from two minutes on: "72 s" stays "1 min 12 s"."""
    if seconds is None or not 120 <= seconds < math.inf:
        return duration(seconds, missing=missing)
    return duration(60.0 * round(seconds / 60))
