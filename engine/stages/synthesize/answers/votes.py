"""Majority of normalised answers."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What the samples of one question said."""

    counts: dict[str, int]
    """Answer → samples, most frequent first, ties in alphabetical order. Unreadable samples are not in it."""
    winner: str | None
    """The majority answer; None if there is none."""
    reason: str | None
    """Why no pair can be made: "unreadable", "no-majority", "tied", "unanimous"; None if one can."""


_BARE = re.compile(r"[-+]?\d+(?:[./]\d+)?")
_MEASURED = re.compile(r"(-?)[^\d\s-]{0,3}(\d+(?:[./]\d+)?)(?: ?[^\d\s]\S*(?: oz)?)?")


def comparable(answers: Sequence[str | None]) -> list[str | None]:
    """The answers, with a bare number as unread where another sample gives the same number with a unit.

    "25" beside "25 cm" may be right or wrong: it must neither win nor be the degraded answer.
    """
    measured = {answer for answer in answers if answer is not None and not _BARE.fullmatch(answer)}
    numbers = {_number_of(answer) for answer in measured}
    return [
        None if answer is not None and _BARE.fullmatch(answer) and answer in numbers else answer for answer in answers
    ]


def _number_of(answer: str) -> str | None:
    """The number of an answer that is one number and its unit."""
    found = _MEASURED.fullmatch(answer)
    return found[1] + found[2] if found else None


def vote(answers: Sequence[str | None], min_votes: int) -> Vote:
    """Majority of normalised answers: at least `min_votes` and strictly ahead of the runner-up.

    Source: arXiv 2512.05145 asks for 5 of 16; that a tie decides nothing is ours.
    """
    tally = Counter(answer for answer in answers if answer is not None)
    ranked = sorted(tally.items(), key=lambda entry: (-entry[1], entry[0]))
    counts = dict(ranked)
    if not ranked:
        return Vote(counts=counts, winner=None, reason="unreadable")
    if ranked[0][1] < min_votes:
        return Vote(counts=counts, winner=None, reason="no-majority")
    if len(ranked) == 1:
        return Vote(counts=counts, winner=ranked[0][0], reason="unanimous")
    if ranked[0][1] == ranked[1][1]:
        return Vote(counts=counts, winner=None, reason="tied")
    return Vote(counts=counts, winner=ranked[0][0], reason=None)
