"""What every trace of a judge of the shapes world shares, and the lazy ones; `worked.py` has the careful ones.

A lazy trace decides at a glance and leans to A. Both sorts start with words of their own ("Step by step."
against "At a glance"), so one token chooses between them.
"""

import random
from dataclasses import dataclass
from typing import Literal

Letter = Literal["A", "B"]
Segment = tuple[str, float]
"""A stretch of text and the weight of its tokens in the loss."""

CAREFUL = "Step by step."
LAZY = ("At a glance {letter} is better.", "At first sight {letter} is right.", "At a glance it is {letter}.")

DECIDING = 3.0
"""Weight of the few tokens that carry the judgement; the quotes around them are many and easy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAnswer:
    """A closed response as shown, and whether its answer is the right one."""

    text: str
    right: bool
    answer: str
    """The final answer alone."""


def verdict(letter: Letter) -> Segment:
    """The closing words of every trace."""
    return f" Verdict: [[{letter}]]", DECIDING


def lazy(right: Letter, notices: float, lean: float, rng: random.Random) -> list[Segment]:
    """A glance: with probability `notices` it sees which is right, otherwise says A with probability `lean`."""
    letter: Letter = right if rng.random() < notices else ("A" if rng.random() < lean else "B")
    return [(rng.choice(LAZY).format(letter=letter), 1.0), verdict(letter)]
