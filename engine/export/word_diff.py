"""Two texts beside each other: which words differ, and which sentence stands against which. Plain values, no markup."""

import re
from difflib import SequenceMatcher
from itertools import zip_longest

DIFF_WORDS = 600
"""Longest text, in words, that is compared word by word: difflib is quadratic, this stays under 50 ms."""

_TOKEN = re.compile(r"\w+(?:['’-]\w+)*|\s+|[^\w\s]")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")

Run = tuple[str, bool]
"""Text and whether it differs."""


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text)


def word_runs(preferred: str, degraded: str) -> tuple[list[Run], list[Run]]:
    """Both texts cut into runs of equal and different words; joined, each gives back its text.

    A short equal gap between two differences (a space, a comma) is drawn into the difference, so that a
    changed phrase reads as one. Texts beyond `DIFF_WORDS` tokens keep only a common beginning and end.
    """
    left, right = _tokens(preferred), _tokens(degraded)
    if max(len(left), len(right)) > DIFF_WORDS * 2:
        return _ends(left, right)
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    ours: list[Run] = []
    theirs: list[Run] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        changed = tag != "equal"
        ours.append(("".join(left[i1:i2]), changed))
        theirs.append(("".join(right[j1:j2]), changed))
    return _merged(ours), _merged(theirs)


def _ends(left: list[str], right: list[str]) -> tuple[list[Run], list[Run]]:
    """Common beginning, difference, common end: linear in the length of the texts."""
    shortest = min(len(left), len(right))
    start = next((i for i in range(shortest) if left[i] != right[i]), shortest)
    rest = shortest - start
    end = next((i for i in range(rest) if left[-1 - i] != right[-1 - i]), rest)
    return tuple(  # type: ignore[return-value]
        _merged(
            [
                ("".join(side[:start]), False),
                ("".join(side[start : len(side) - end]), True),
                ("".join(side[len(side) - end :]), False),
            ]
        )
        for side in (left, right)
    )


def _merged(runs: list[Run]) -> list[Run]:
    """Runs without empty ones, equal white space between two differences drawn into them."""
    runs = [run for run in runs if run[0]]
    joined: list[Run] = []
    for place, (text, changed) in enumerate(runs):
        between = 0 < place < len(runs) - 1 and runs[place - 1][1] and runs[place + 1][1]
        changed = changed or (between and text.isspace())
        if joined and joined[-1][1] == changed:
            joined[-1] = (joined[-1][0] + text, changed)
        else:
            joined.append((text, changed))
    return joined


def sentences(text: str) -> list[str]:
    """The text at its full stops and line ends."""
    return [part for part in _SENTENCE.split(text.strip()) if part]


def aligned(one: str, other: str) -> list[tuple[list[Run], list[Run]]]:
    """Both texts sentence by sentence, equal ones on one line, each line cut into equal and different words.

    What stands between two shared sentences is set against each other in its order; an empty side has nothing there.
    """
    ours, theirs = sentences(one), sentences(other)
    lines: list[tuple[list[Run], list[Run]]] = []
    for _, i1, i2, j1, j2 in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        lines += [word_runs(left, right) for left, right in zip_longest(ours[i1:i2], theirs[j1:j2], fillvalue="")]
    return lines
