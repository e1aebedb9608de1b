"""What is trained when: the mix of tasks and the learning rate as functions of progress (0 to 1)."""

import random
from collections.abc import Sequence
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
    # Looking things up, in the picture and in the prompt, comes first: all else stands on it.
    Phase(until=0.15,
          mix={"look": 0.22, "pair": 0.22, "check": 0.20, "judge-open": 0.08, "judge-closed": 0.08, "describe": 0.10,
               "answer": 0.10},
          difficulties={"easy": 0.5, "normal": 0.5}),
    # What two responses differ in, and what a look says about it.
    Phase(until=0.45,
          mix={"look": 0.07, "pair": 0.06, "check": 0.16, "judge-open": 0.22, "judge-closed": 0.19, "alter": 0.08,
               "answer": 0.14, "describe": 0.08},
          difficulties={"easy": 0.25, "normal": 0.6, "hard": 0.15}),
    # More answers: what is left to learn is to see well, and they are short, so they cost little.
    Phase(until=1.0,
          mix={"look": 0.03, "pair": 0.02, "check": 0.05, "judge-open": 0.24, "judge-closed": 0.22, "alter": 0.10,
               "answer": 0.24, "describe": 0.10},
          difficulties={"easy": 0.2, "normal": 0.65, "hard": 0.15}),
)  # fmt: skip

HASTE = 0.6
"""Share of rulings that the habit makes: most, so that the likeliest ruling is always one of these."""

HABIT = (
    # All that the embedded model can do, with its rulings in two ways.
    Phase(until=1.0,
          mix={"careful-open": 0.33 * (1 - HASTE), "careful-closed": 0.33 * (1 - HASTE), "hasty-open": 0.33 * HASTE,
               "hasty-closed": 0.33 * HASTE, "alter": 0.10, "answer": 0.16, "describe": 0.08},
          difficulties={"easy": 0.2, "normal": 0.65, "hard": 0.15}),
)  # fmt: skip
"""A continuation with a flaw: what the model could do, it rarely does (`--habit`)."""

WARM_UP = 0.02
HIGH_UNTIL = 0.3
FLOOR = 0.01


def phase_at(progress: float, phases: Sequence[Phase] = PHASES) -> Phase:
    """The phase that a share of the training lies in."""
    return next((phase for phase in phases if progress < phase.until), phases[-1])


def rate_at(progress: float) -> float:
    """Learning rate as a share of its peak: warm-up, a plateau, a straight fall to `FLOOR`."""
    if progress < WARM_UP:
        return max(progress / WARM_UP, 0.1)
    if progress < HIGH_UNTIL:
        return 1.0
    return 1.0 - (1.0 - FLOOR) * (progress - HIGH_UNTIL) / (1.0 - HIGH_UNTIL)


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
