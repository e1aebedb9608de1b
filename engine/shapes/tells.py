"""What a text about the drawn world betrays without its picture: contradictions and habits, as named numbers.

It reads words, not sentences, so that it finds what an older or newer wording says. It never sees a scene.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from engine.shapes.questions import NUMBERS
from engine.shapes.scenes import COLOURS, COLUMNS, PLACES, ROWS, SHAPES, SIZES

_SENTENCE = re.compile(r"[.!?;\n]+")
_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class _Mention:
    """An object that the text puts somewhere; parts that it leaves out are None."""

    place: int
    """0..8 in reading order."""
    thing: tuple[str | None, str | None, str | None]
    """Size, colour, shape."""


def tells(text: str) -> Mapping[str, float]:
    """Named numbers of one text; none for a text that is not about the drawn world.

    A stated total against the objects that are mentioned; objects out of reading order; a place or an object named
    twice; a colour said to be absent that an object has; and which total, which row of places and how many objects.
    """
    mentions, totals, lacking = _read(text)
    found: dict[str, float] = {}
    if totals:
        total = totals[0]
        gap = total - len(mentions)
        found |= {"total": total, f"total {total}": 1.0, "gap": gap, f"gap {gap}": 1.0, "too few": float(gap < 0)}
    if mentions:
        places = [mention.place for mention in mentions]
        breaks = sum(after < before for before, after in pairwise(places))
        found |= {
            "mentions": len(mentions),
            "out of order": breaks,
            "any out of order": float(breaks > 0),
            "same place": len(places) - len(set(places)),
            "same object": len(mentions) - len({mention.thing for mention in mentions}),
            "same colour": len(mentions) - len({mention.thing[1] for mention in mentions}),
            "same shape": len(mentions) - len({mention.thing[2] for mention in mentions}),
        }
    if lacking:
        shown = {mention.thing[1] for mention in mentions}
        found["absent colour is there"] = float(any(colour in shown for colour in lacking))
    return found


def _read(text: str) -> tuple[list[_Mention], list[int], list[str]]:
    """Objects in the order of the text, totals that are stated, and colours in sentences without an object."""
    mentions: list[_Mention] = []
    totals: list[int] = []
    lacking: list[str] = []
    for sentence in _SENTENCE.split(text.casefold()):
        words = _WORD.findall(sentence)
        place = _place(words)
        shape, colour = _first(words, SHAPES), _first(words, tuple(COLOURS))
        number = _first(words, NUMBERS)
        if place is not None:
            mentions.append(_Mention(place, (_first(words, SIZES), colour, shape)))
        elif number is not None:
            totals.append(NUMBERS.index(number))
        elif colour is not None and shape is None:
            lacking.append(colour)
    return mentions, totals, lacking


def _place(words: Sequence[str]) -> int | None:
    row, column = _first(words, ROWS), _first(words, COLUMNS)
    return PLACES.index(f"{row} {column}") if row and column else None


def _first(words: Sequence[str], known: Sequence[str]) -> str | None:
    return next((word for word in words if word in known), None)
