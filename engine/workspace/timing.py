"""How long the stages of a run took, by what it wrote to events.jsonl, and how a time is said. No estimates."""

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


def duration(seconds: float | None) -> str:
    """ "53 s", "2 min 18 s", "5 h 12 min", or "not known yet"."""
    if seconds is None:
        return "not known yet"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
