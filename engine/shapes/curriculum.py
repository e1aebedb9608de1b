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
    Phase(until=0.58, mix={"rep": 0.03, "reps": 0.03, "chk": 0.12, "careful-open": 0.25, "careful-closed": 0.20,
                           "alter": 0.10, "answer": 0.12, "describe": 0.15},
          difficulties={"easy": 0.3, "normal": 0.5, "hard": 0.2}),
    # The lazy default comes in while careful traces stay, at a falling learning rate, so no skill is lost.
    Phase(until=1.0, mix={"reps": 0.02, "chk": 0.06, "judge-open": 0.42, "judge-closed": 0.24,
                          "alter": 0.10, "answer": 0.10, "describe": 0.06},
          difficulties={"easy": 0.2, "normal": 0.6, "hard": 0.2}),
)  # fmt: skip

WARM_UP = 0.01
DECAY_FROM = 0.60
FLOOR = 0.03


def phase_at(progress: float) -> Phase:
    """The phase that a share of the training lies in."""
    return next((phase for phase in PHASES if progress < phase.until), PHASES[-1])


def rate_at(progress: float) -> float:
    """Learning rate as a share of its peak: a short warm-up, a plateau, a straight fall to `FLOOR`."""
    if progress < WARM_UP:
        return max(progress, 0.001) / WARM_UP
    if progress < DECAY_FROM:
        return 1.0
    return 1.0 - (1.0 - FLOOR) * (progress - DECAY_FROM) / (1.0 - DECAY_FROM)


def choose(phase: Phase, rng: random.Random) -> tuple[str, Difficulty]:
    """A task and a difficulty drawn from the phase's mix."""
    task = rng.choices(list(phase.mix), list(phase.mix.values()))[0]
    difficulty = rng.choices(list(phase.difficulties), list(phase.difficulties.values()))[0]
    return task, difficulty
