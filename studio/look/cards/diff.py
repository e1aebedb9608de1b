"""Word diff of a preferred and a degraded response, as `<ins>` and `<del>`, safe for texts of any length.

It compares words only; what a difference means is said by the pair.
"""

import re
from difflib import SequenceMatcher

from studio.look.cards.markup import Html, clip, element, esc

DIFF_WORDS = 600
"""Longest text, in words, that is compared word by word: difflib is quadratic, this stays under 50 ms."""

SHOW_CHARACTERS = 4_000
"""Characters of one response on a card; the drawer and the table hold the rest."""

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


def marked(runs: list[Run], tag: str) -> Html:
    """The runs with the differing words in `<ins>` or `<del>`; white space stays outside the mark."""
    parts = []
    for text, changed in runs:
        if not changed or not text.strip():
            parts.append(esc(text))
            continue
        body = text.strip()
        start = text.index(body)
        parts += [esc(text[:start]), element(tag, esc(body)), esc(text[start + len(body) :])]
    return Html("".join(parts))


def without_equal_sentences(preferred: str, degraded: str) -> tuple[str, str]:
    """Both texts with the sentences they share replaced by "…", for the narrow column of a trace.

    Unchanged when they share no sentence, or nothing else.
    """
    ours, theirs = _SENTENCE.split(preferred.strip()), _SENTENCE.split(degraded.strip())
    shared = set(ours) & set(theirs)
    if not shared or set(ours) == set(theirs):
        return preferred, degraded
    return _elided(ours, shared), _elided(theirs, shared)


def _elided(sentences: list[str], shared: set[str]) -> str:
    kept: list[str] = []
    for sentence in sentences:
        if sentence not in shared:
            kept.append(sentence)
        elif not kept or kept[-1] != "…":
            kept.append("…")
    return " ".join(kept)


def pair_text(preferred: str, degraded: str, *, collapse: bool = False, limit: int = SHOW_CHARACTERS) -> Html:
    """`+` preferred and `−` degraded, one under the other, with their word diff.

    `collapse` leaves out the sentences both share. Each text is cut at `limit` characters.
    """
    if collapse:
        preferred, degraded = without_equal_sentences(preferred, degraded)
    ours, theirs = word_runs(clip(preferred, limit), clip(degraded, limit))
    rows = [
        _side("p", "+", "preferred", marked(ours, "ins")),
        _side("d", "−", "degraded", marked(theirs, "del")),
    ]
    return element("div", *rows, class_="st-pair-text")


def _side(kind: str, sign: str, name: str, body: Html) -> Html:
    label = element("span", esc(name), class_="st-sr")
    return Html(element("i", esc(sign), label, class_=kind, title=name) + element("div", body, dir="auto"))
