"""The comparisons of a file that judges ruled on, one by one: which are flips, on which do the judges differ.

A file may be far larger than a page, so it is read line by line, and only the lines that are shown are kept.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from engine.errors import SourceError
from engine.judging.ruling import Outcome

Show = Literal["", "flips", "differ"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedFilter:
    """Which comparisons are wanted; an empty field asks for nothing."""

    show: Show = ""
    """ "flips": some judge changed its mind with the order; "differ": the judges do not all say the same."""
    verdict: str = ""
    """What some judge says of it, one of `OUTCOMES`."""
    text: str = ""
    """Within the question, an answer, or what a judge said; upper and lower case are alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedComparison:
    """One comparison and what every judge said of it. All its texts are untrusted."""

    question: str
    a: str
    b: str
    images: tuple[str, ...]
    """As the file names them, relative to its folder."""
    rulings: Mapping[str, Outcome]
    """By judge."""
    said: Mapping[str, tuple[str, str]]
    """By judge: its reply with A shown first and with B shown first, in which "Response A" is B."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPage:
    """Some of the comparisons that match."""

    shown: tuple[JudgedComparison, ...]
    start: int
    """How many that match come before them."""
    matching: int
    total: int
    counts: Mapping[str, int]
    """Of all comparisons: "", "flips", "differ", and by outcome how many have a judge that says it."""


@dataclass(slots=True, kw_only=True)
class _Entry:
    """What is known of a comparison before it is known whether it is shown."""

    lines: list[int] = field(default_factory=list)
    """Where they begin in the file, one per judge."""
    rulings: dict[str, Outcome] = field(default_factory=dict)
    holds_text: bool = False


def judged_page(path: Path, wanted: JudgedFilter, *, start: int, count: int) -> JudgedPage:
    """At most `count` comparisons that match, in the order of the file, from the one at `start`, or the last page where
    there are fewer. A last line that is not whole is left out. Raises `SourceError` for another file."""
    try:
        with path.open("rb") as file:
            entries = _entries(file, wanted.text.casefold())
            matching = [entry for entry in entries if _matches(entry, wanted)]
            start = max(0, min(start, (len(matching) - 1) // count * count))
            shown = tuple(_comparison(file, entry) for entry in matching[start : start + count])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{path.name}: is not a file of rulings ({error}). Judge the file again.") from error
    return JudgedPage(
        shown=shown, start=start, matching=len(matching), total=len(entries), counts=Counter(
            name for entry in entries for name in {"", *entry.rulings.values(), *_kinds(entry)}
        ),
    )  # fmt: skip


def _entries(file: Any, text: str) -> list[_Entry]:
    found: dict[str, _Entry] = {}
    place = 0
    for line in file:
        if line.endswith(b"\n"):
            row = json.loads(line)
            entry = found.setdefault(str(row["key"]), _Entry())
            if row["verdict"] not in OUTCOMES:
                raise ValueError(f"a verdict '{str(row['verdict'])[:40]}'")
            entry.lines.append(place)
            entry.rulings[str(row["judge"])] = row["verdict"]
            entry.holds_text = entry.holds_text or not text or text in "\n".join(_texts(row)).casefold()
        place += len(line)
    return list(found.values())


def _texts(row: Mapping[str, Any]) -> list[str]:
    return [*(str(row.get(name, "")) for name in ("question", "a", "b")), *_replies(row)]


def _replies(row: Mapping[str, Any]) -> tuple[str, str]:
    said = {one["order"]: str(one["reasoning"]) for one in row.get("orders", ())}
    return said.get("AB", ""), said.get("BA", "")


def _kinds(entry: _Entry) -> list[Show]:
    kinds: list[Show] = ["flips"] if "order-flip" in entry.rulings.values() else []
    return [*kinds, "differ"] if len(set(entry.rulings.values())) > 1 else kinds


def _matches(entry: _Entry, wanted: JudgedFilter) -> bool:
    is_shown = not wanted.show or wanted.show in _kinds(entry)
    return is_shown and entry.holds_text and (not wanted.verdict or wanted.verdict in entry.rulings.values())


def _comparison(file: Any, entry: _Entry) -> JudgedComparison:
    said = {}
    row: dict[str, Any] = {}
    for place in entry.lines:
        file.seek(place)
        row = json.loads(file.readline())
        said[str(row["judge"])] = _replies(row)
    image = row.get("images") if row.get("image") is None else row["image"]
    return JudgedComparison(
        question=str(row.get("question", "")),
        a=str(row.get("a", "")),
        b=str(row.get("b", "")),
        images=tuple(str(one) for one in (image if isinstance(image, list) else [image] if image else [])),
        rulings=entry.rulings,
        said=said,
    )
