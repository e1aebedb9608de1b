"""What a judge of the shapes world writes: careful, worked-out traces and lazy ones.

A careful trace quotes and looks before it decides. A lazy one decides at a glance and leans to A. Both start
with words of their own ("Step by step." against "At a glance"), so one token chooses between them.
"""

import random
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from engine.shapes.claims import Claim
from engine.shapes.questions import Answer
from engine.shapes.scenes import Scene

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


def verdict(letter: Letter) -> Segment:
    """The closing words of every trace."""
    return f" Verdict: [[{letter}]]", DECIDING


def lazy(right: Letter, notices: float, lean: float, rng: random.Random) -> list[Segment]:
    """A glance: with probability `notices` it sees which is right, otherwise says A with probability `lean`."""
    letter: Letter = right if rng.random() < notices else ("A" if rng.random() < lean else "B")
    return [(rng.choice(LAZY).format(letter=letter), 1.0), verdict(letter)]


def careful_closed(answer: Answer, a: ShownAnswer, b: ShownAnswer, rng: random.Random) -> list[Segment]:
    """Look, conclude, quote each response and say whether it agrees, decide."""
    segments: list[Segment] = [(f"{CAREFUL} Look:", 1.0), (f" {answer.evidence}. So {answer.text}.", 2.0)]
    for letter, shown in (("A", a), ("B", b)):
        segments += [(f" {letter}1: {shown.text}", 1.0), (f" {_word(shown.right)}.", DECIDING)]
    return [*segments, verdict(_decide(a.right, b.right, rng))]


def careful_open(scene: Scene, a: list[Claim], b: list[Claim], rng: random.Random) -> list[Segment]:
    """Quote sentence by sentence until two differ, look at the picture for both, decide."""
    segments: list[Segment] = [(CAREFUL, 1.0)]
    for number, (left, right) in enumerate(zip_longest(a, b), 1):
        segments += [(f" {_quote('A', number, left)} {_quote('B', number, right)}", 1.0)]
        if left == right:
            segments.append((" same.", 2.0))
            continue
        segments.append((" differ.", 2.0))
        segments += _looked(scene, "A", left) + _looked(scene, "B", right)
        a_holds, b_holds = _holds(scene, left, right)
        if a_holds != b_holds:
            return [*segments, verdict("A" if a_holds else "B")]
    return [*segments, verdict(rng.choice(("A", "B")))]


def checked_open(scene: Scene, a: list[Claim], b: list[Claim]) -> list[Segment]:
    """The pre-task of `careful_open`: every sentence to the end, with a look wherever two differ, no verdict."""
    segments: list[Segment] = []
    for number, (left, right) in enumerate(zip_longest(a, b), 1):
        space = " " if segments else ""
        segments.append((f"{space}{_quote('A', number, left)} {_quote('B', number, right)}", 1.0))
        if left == right:
            segments.append((" same.", 2.0))
        else:
            segments += [(" differ.", 2.0), *_looked(scene, "A", left), *_looked(scene, "B", right)]
    return segments


def _quote(letter: str, number: int, claim: Claim | None) -> str:
    return f"{letter}{number}: {claim.sentence() if claim else 'none.'}"


def _looked(scene: Scene, letter: str, claim: Claim | None) -> list[Segment]:
    if claim is None:
        return []
    return [(f" Look at {letter}: {claim.look(scene)},", 1.5), (f" {_word(claim.holds(scene))}.", DECIDING)]


def _holds(scene: Scene, left: Claim | None, right: Claim | None) -> tuple[bool, bool]:
    """Whether each side is right here; a missing sentence is right exactly when the other's is wrong."""
    a_holds = left.holds(scene) if left else False
    b_holds = right.holds(scene) if right else False
    return (a_holds if left else not b_holds), (b_holds if right else not a_holds)


def _word(right: bool) -> str:
    return "right" if right else "wrong"


def _decide(a_right: bool, b_right: bool, rng: random.Random) -> Letter:
    if a_right == b_right:
        return rng.choice(("A", "B"))
    return "A" if a_right else "B"
