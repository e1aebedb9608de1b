"""What a comparison looks like without its picture: the preferred text minus the degraded one, in blocks of numbers.

Every number changes its sign when the two responses change places, so nothing here knows which one is shown first.
"""

import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from engine.records import BenchmarkItem
from engine.shapes.tells import tells

Rows = npt.NDArray[np.float32]

BLOCKS = ("words", "phrases", "asked", "order", "length", "world")
"""Words and what was exchanged for what; n-grams; words together with the question; which word comes before which;
sizes; the drawn world's rules."""

_HASHED = 2048
"""Columns of a hashed block: 1,200 items are 10 MB. Collisions only blur, since each has a sign of its own."""
_PHRASES = (2, 3)
"""Words of an n-gram, the ends of the text counted."""
_ORDERED = 24
"""Different words whose order is looked at; the number of pairs grows with its square."""
_SHORT = 8
"""With at most this many different words between the responses, they are crossed with the question."""
_TOKEN = re.compile(r"\w+|[^\w\s]")
_SENTENCE = re.compile(r"[.!?\n]+")


def features(items: Sequence[BenchmarkItem]) -> dict[str, Rows]:
    """Block → [I, columns], float32, one row per item: preferred minus degraded. No row knows id or image."""
    return {
        "words": _hashed([_words(item) for item in items]),
        "phrases": _hashed([_phrases(item) for item in items]),
        "asked": _hashed([_asked(item) for item in items]),
        "order": _hashed([_order(item) for item in items]),
        "length": _dense([_by_kind(item, _sizes) for item in items]),
        "world": _dense([_by_kind(item, tells) for item in items]),
    }


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.casefold())


def _words(item: BenchmarkItem) -> dict[str, float]:
    """Words that one response has more often, and what was exchanged for what where it is one for one."""
    words = _more(item, 1)
    found = {f"{item.kind} {word}": count for word, count in words.items()}
    gained, lost = ([word for word, count in words.items() if count * sign > 0] for sign in (1, -1))
    if len(gained) == len(lost) == 1:
        first, last = sorted((gained[0], lost[0]))
        found[f"{first} or {last}"] = 1.0 if gained[0] == first else -1.0
    return found


def _phrases(item: BenchmarkItem) -> dict[str, float]:
    """n-grams of several words that one response has more often."""
    return {f"{item.kind} {gram}": count for size in _PHRASES for gram, count in _more(item, size).items()}


def _asked(item: BenchmarkItem) -> dict[str, float]:
    """Words that one response has more often, each with the question and with every word of it."""
    words = _more(item, 1)
    if len(words) > _SHORT:
        return {}
    parts = {*_tokens(item.question), f"all of {item.question}"}
    return {f"{word} to {part}": count for word, count in words.items() for part in parts}


def _more(item: BenchmarkItem, size: int) -> dict[str, float]:
    """n-grams of one size by how much oftener the preferred response has them; those that are even are left out."""
    counts = Counter(_grams(item.preferred, size))
    counts.subtract(_grams(item.degraded, size))
    return {gram: float(count) for gram, count in counts.items() if count}


def _grams(text: str, size: int) -> Iterable[str]:
    tokens = _tokens(text)
    framed = ["<", *tokens, ">"] if size > 1 else tokens
    return (" ".join(framed[start : start + size]) for start in range(len(framed) - size + 1))


def _order(item: BenchmarkItem) -> dict[str, float]:
    """Which of two words comes first, where the responses differ in it."""
    preferred, degraded = _befores(item.preferred), _befores(item.degraded)
    return dict.fromkeys(preferred - degraded, 1.0) | dict.fromkeys(degraded - preferred, -1.0)


def _befores(text: str) -> set[str]:
    words = list(dict.fromkeys(_tokens(text)))[:_ORDERED]
    return {f"{first}<{later}" for place, first in enumerate(words) for later in words[place + 1 :]}


def _sizes(text: str) -> Mapping[str, float]:
    words = _tokens(text)
    characters = len(text.strip())
    return {
        "characters": characters,
        "log of characters": float(np.log1p(characters)),
        "words": len(words),
        "sentences": sum(bool(part.strip()) for part in _SENTENCE.split(text)),
        "letters per word": sum(map(len, words)) / max(len(words), 1),
        "different words": len(set(words)) / max(len(words), 1),
        "commas": text.count(","),
        "digits": sum(letter.isdigit() for letter in text),
        "capitals": sum(letter.isupper() for letter in text),
        "lines": text.count("\n"),
    }


def _by_kind(item: BenchmarkItem, numbers: Callable[[str], Mapping[str, float]]) -> dict[str, float]:
    """Differences of named numbers and their signs, apart for open and closed items."""
    preferred, degraded = numbers(item.preferred), numbers(item.degraded)
    found: dict[str, float] = {}
    for name in sorted(preferred.keys() | degraded.keys()):
        difference = preferred.get(name, 0.0) - degraded.get(name, 0.0)
        if difference:
            found[f"{item.kind} {name}"] = difference
            found[f"{item.kind} more {name}"] = float(np.sign(difference))
    return found


def _dense(rows: Sequence[Mapping[str, float]]) -> Rows:
    """One column per name, each of root mean square 1 over the items that have it."""
    names = {name: column for column, name in enumerate(sorted({name for row in rows for name in row}))}
    table = np.zeros((len(rows), len(names)), dtype=np.float32)
    for place, row in enumerate(rows):
        for name, value in row.items():
            table[place, names[name]] = value
    size = np.sqrt((table**2).sum(axis=0) / np.maximum((table != 0).sum(axis=0), 1))
    return np.asarray(table / np.maximum(size, 1e-9), dtype=np.float32)


def _hashed(rows: Sequence[Mapping[str, float]]) -> Rows:
    """Names hashed to columns and signs (Weinberger et al. 2009); every row of length 1, so that none speaks louder."""
    table = np.zeros((len(rows), _HASHED), dtype=np.float32)
    for place, row in enumerate(rows):
        for name, value in row.items():
            number = zlib.crc32(name.encode())
            table[place, number % _HASHED] += value if number & 0x80000000 else -value
    size = np.linalg.norm(table, axis=1, keepdims=True)
    return np.asarray(table / np.maximum(size, 1e-9), dtype=np.float32)
