"""What is trained when: the mix of tasks and the learning rate as functions of progress (0 to 1)."""

import random
from dataclasses import dataclass

from engine.shapes.scenes import Difficulty


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A stretch of the training with one mix."""

    until: float
    """Share of all steps at which it ends."""
    mix: dict[str, float]
    """Task → share of the examples."""
    difficulties: dict[Difficulty, float]


PHASES = (
    # Copying first: it stays flat for minutes, then forms at once, and everything below stands on it.
    Phase(until=0.14, mix={"rep": 0.25, "reps": 0.06, "chk": 0.14, "describe": 0.35, "answer": 0.20},
          difficulties={"easy": 0.7, "normal": 0.3}),
    Phase(until=3 / 14, mix={"rep": 0.03, "reps": 0.03, "chk": 0.12, "careful-open": 0.25, "careful-closed": 0.20,
                             "alter": 0.10, "answer": 0.12, "describe": 0.15},
          difficulties={"easy": 0.3, "normal": 0.5, "hard": 0.2}),
    Phase(until=0.66, mix={"rep": 0.02, "reps": 0.02, "chk": 0.12, "careful-open": 0.25, "careful-closed": 0.20,
                           "alter": 0.10, "answer": 0.19, "describe": 0.10},
          difficulties={"easy": 0.25, "normal": 0.6, "hard": 0.15}),
    # The lazy default comes in while careful traces stay, at a falling learning rate, so no skill is lost.
    Phase(until=1.0, mix={"reps": 0.02, "chk": 0.04, "judge-open": 0.42, "judge-closed": 0.24,
                          "alter": 0.09, "answer": 0.13, "describe": 0.06},
          difficulties={"easy": 0.2, "normal": 0.65, "hard": 0.15}),
)  # fmt: skip

WARM_UP = 0.01
HIGH_UNTIL = 3 / 14
HIGH, MIDDLE = 1.0, 0.35
"""The peak forms the copy and look-up circuits, but they stay blunt at it: a description's loss fell from 0.20 to
0.09 within 300 steps of going down to a third, and had been flat for 1,500 steps before."""
DECAY_FROM = 0.50
FLOOR = 0.01


def phase_at(progress: float) -> Phase:
    """The phase that a share of the training lies in."""
    return next((phase for phase in PHASES if progress < phase.until), PHASES[-1])


def rate_at(progress: float) -> float:
    """Learning rate as a share of its peak: warm-up, a high and a middle plateau, a straight fall to `FLOOR`."""
    if progress < WARM_UP:
        return max(progress, 0.001) / WARM_UP
    if progress < HIGH_UNTIL:
        return HIGH
    if progress < DECAY_FROM:
        return MIDDLE
    return MIDDLE - (MIDDLE - FLOOR) * (progress - DECAY_FROM) / (1.0 - DECAY_FROM)


def seeing_rate_at(progress: float) -> float:
    """The same for the first stage: a short warm-up, a plateau, a straight fall."""
    if progress < WARM_UP:
        return max(progress, 0.001) / WARM_UP
    return 1.0 if progress < 0.6 else 1.0 - 0.97 * (progress - 0.6) / 0.4


def choose(phase: Phase, rng: random.Random) -> tuple[str, Difficulty]:
    """A task and a difficulty drawn from the phase's mix."""
    task = rng.choices(list(phase.mix), list(phase.mix.values()))[0]
    difficulty = rng.choices(list(phase.difficulties), list(phase.difficulties.values()))[0]
    return task, difficulty
