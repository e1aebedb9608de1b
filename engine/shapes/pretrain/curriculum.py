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
    # Copying and speaking first: all else stands on looking things up, in the prompt and in the picture.
    Phase(until=0.13,
          mix={"pair": 0.22, "rep": 0.06, "reps": 0.05, "check": 0.15, "describe": 0.35, "answer": 0.17},
          difficulties={"easy": 0.6, "normal": 0.4}),
    # Working out what differs between two responses, and what a look says about it.
    Phase(until=6 / 23,
          mix={"pair": 0.08, "check": 0.18, "worked-open": 0.20, "worked-closed": 0.20, "alter": 0.09, "answer": 0.15,
               "describe": 0.10},
          difficulties={"easy": 0.25, "normal": 0.6, "hard": 0.15}),
    # More answers and descriptions: what is left to learn is to see well. They are short, so they cost little.
    Phase(until=9 / 23,
          mix={"pair": 0.02, "check": 0.13, "worked-open": 0.17, "worked-closed": 0.17, "alter": 0.09, "answer": 0.30,
               "describe": 0.12},
          difficulties={"easy": 0.25, "normal": 0.6, "hard": 0.15}),
    Phase(until=0.58,
          mix={"check": 0.07, "worked-open": 0.13, "worked-closed": 0.13, "alter": 0.06, "answer": 0.52,
               "describe": 0.09},
          difficulties={"easy": 0.25, "normal": 0.6, "hard": 0.15}),
    # The lazy default comes in while worked-out traces stay, at a falling learning rate, so no skill is lost.
    Phase(until=16 / 23,
          mix={"check": 0.02, "judge-open": 0.24, "judge-closed": 0.18, "alter": 0.06, "answer": 0.44,
               "describe": 0.06},
          difficulties={"easy": 0.2, "normal": 0.65, "hard": 0.15}),
    Phase(until=1.0,
          mix={"check": 0.02, "last-open": 0.24, "last-closed": 0.18, "alter": 0.10, "answer": 0.36,
               "describe": 0.10},
          difficulties={"easy": 0.2, "normal": 0.65, "hard": 0.15}),
)  # fmt: skip

WARM_UP = 0.012
HIGH_UNTIL = 6 / 23
MIDDLE = 0.6
"""Looking things up forms at the full rate, and seeing gets sharp below it."""
DECAY_FROM = 0.45
FLOOR = 0.01


def phase_at(progress: float) -> Phase:
    """The phase that a share of the training lies in."""
    return next((phase for phase in PHASES if progress < phase.until), PHASES[-1])


def rate_at(progress: float) -> float:
    """Learning rate as a share of its peak: warm-up, a high and a middle plateau, a straight fall to `FLOOR`."""
    if progress < WARM_UP:
        return max(progress / WARM_UP, 0.1)
    if progress < HIGH_UNTIL:
        return 1.0
    if progress < DECAY_FROM:
        return MIDDLE
    return MIDDLE - (MIDDLE - FLOOR) * (progress - DECAY_FROM) / (1.0 - DECAY_FROM)


def seeing_rate_at(progress: float) -> float:
    """The same for the first stage: a short warm-up, a plateau, a straight fall."""
    if progress < 0.01:
        return max(progress / 0.01, 0.1)
    return 1.0 if progress < 0.6 else 1.0 - 0.97 * (progress - 0.6) / 0.4


def choose(phase: Phase, rng: random.Random) -> tuple[str, Difficulty]:
    """A task and a difficulty drawn from the phase's mix."""
    task = rng.choices(list(phase.mix), list(phase.mix.values()))[0]
    difficulty = rng.choices(list(phase.difficulties), list(phase.difficulties.values()))[0]
    return task, difficulty
