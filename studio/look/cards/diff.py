"""Word diff of a preferred and a degraded response, as `<ins>` and `<del>`, safe for texts of any length.

It compares words only; what a difference means is said by the pair.
"""

import re

from engine.export.word_diff import Run, sentences, word_runs
from studio.look.cards.markup import Html, clip, element, esc

_NEAR_WORDS = 6
"""Equal words that are kept beside a difference where a long stretch is folded."""
_WORD = re.compile(r"\s*\S+\s*")

SHOW_CHARACTERS = 4_000
"""Characters of one response on a card; the drawer and the table hold the rest."""


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


def folded(runs: list[Run]) -> list[Run]:
    """The runs with long equal stretches cut to the words beside a difference; unchanged where nothing differs."""
    if not any(changed for _, changed in runs):
        return runs
    return [
        (text if changed else _near(text, is_first=place == 0, is_last=place == len(runs) - 1), changed)
        for place, (text, changed) in enumerate(runs)
    ]


def _near(text: str, *, is_first: bool, is_last: bool) -> str:
    words = _WORD.findall(text)
    if len(words) <= 3 * _NEAR_WORDS:
        return text
    before = "" if is_first else "".join(words[:_NEAR_WORDS])
    after = "" if is_last else "".join(words[-_NEAR_WORDS:])
    return f"{before}… {after}" if after else f"{before}…"


def without_equal_sentences(preferred: str, degraded: str) -> tuple[str, str]:
    """Both texts with the sentences they share replaced by "…", for the narrow column of a trace.

    Unchanged when they share no sentence, or nothing else.
    """
    ours, theirs = sentences(preferred), sentences(degraded)
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

    `collapse` leaves out the sentences both share, and the middle of what else they share. Each text is cut at
    `limit` characters.
    """
    if collapse:
        preferred, degraded = without_equal_sentences(preferred, degraded)
    ours, theirs = word_runs(clip(preferred, limit), clip(degraded, limit))
    if collapse:
        ours, theirs = folded(ours), folded(theirs)
    rows = [
        _side("p", "+", "preferred", marked(ours, "ins")),
        _side("d", "−", "degraded", marked(theirs, "del")),
    ]
    return element("div", *rows, class_="st-pair-text")


def _side(kind: str, sign: str, name: str, body: Html) -> Html:
    label = element("span", esc(name), class_="st-sr")
    return Html(element("i", esc(sign), label, class_=kind, title=name) + element("div", body, dir="auto"))
