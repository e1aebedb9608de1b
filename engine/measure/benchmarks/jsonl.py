"""Comparisons with known answers in a person's own .jsonl file.

    {"image": "a.png", "question": "…", "preferred": "…", "degraded": "…", "dimension": "count", "id": "7"}
    {"image": "a.png", "question": "…", "a": "…", "b": "…", "better": "B"}

`dimension`, `kind` and `id` may be left out. Images are paths relative to the file, or base64.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.errors import SourceError
from engine.measure.benchmarks.rows import image_file
from engine.records import BenchmarkItem, Kind, content_id
from engine.sources.pictures.upright import ImageRefused
from engine.sources.questions.kinds import kind_of

_UNNAMED = "other"
"""Dimension of rows that name none."""


def load_jsonl(path: Path, *, folder: Path) -> list[BenchmarkItem]:
    """The items in the order of the file; embedded pictures are written to `folder`.

    Raises `SourceError` naming the line that is not a comparison: in a benchmark nothing is left out silently.
    """
    items: dict[str, BenchmarkItem] = {}
    for where, row in _rows(path):
        item = _item(row, where, path, folder)
        if item.item_id in items:
            raise SourceError(f"{where}: the comparison '{row.get('id', item.item_id)}' was there before. Remove one.")
        items[item.item_id] = item
    if not items:
        raise SourceError(f"{path}: holds no comparison. Name a file with one JSON object per line.")
    return list(items.values())


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every non-blank line's row, with the words by which errors name the line."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield f"{path} line {number}", _parsed(line, f"{path} line {number}")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: cannot be read: {error}. Name an existing .jsonl file.") from error


def _parsed(line: str, where: str) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{where}: not JSON: {error}. Correct the line.") from None
    if not isinstance(row, dict):
        raise SourceError(f"{where}: is a {type(row).__name__}, not an object. Correct the line.")
    return row


def _item(row: Mapping[str, Any], where: str, path: Path, folder: Path) -> BenchmarkItem:
    question = _text(row, "question", where)
    preferred, degraded = _responses(row, where)
    try:
        picture = image_file(row.get("image"), path.parent, folder)
    except ImageRefused as refusal:
        raise SourceError(f"{where}: the image cannot be used: {refusal}. Correct the line.") from None
    given = row.get("id")
    return BenchmarkItem(
        item_id=str(given) if given is not None else content_id(path.name, picture.name, question, preferred, degraded),
        benchmark=path.stem,
        image_id=content_id(str(picture)),
        image=str(picture),
        question=question,
        preferred=preferred,
        degraded=degraded,
        kind=_kind(row, question, preferred, where),
        dimension=str(row.get("dimension") or _UNNAMED),
    )


def _responses(row: Mapping[str, Any], where: str) -> tuple[str, str]:
    """Preferred and degraded, from either form of a row."""
    if "preferred" in row or "degraded" in row:
        return _text(row, "preferred", where), _text(row, "degraded", where)
    a, b = _text(row, "a", where), _text(row, "b", where)
    better = str(row.get("better")).strip().upper()
    if better not in ("A", "B"):
        raise SourceError(f'{where}: \'better\' is {row.get("better")!r}, not "A" or "B". Correct the line.')
    return (a, b) if better == "A" else (b, a)


def _text(row: Mapping[str, Any], name: str, where: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise SourceError(f"{where}: has no text in '{name}'. Add it.")
    return value


def _kind(row: Mapping[str, Any], question: str, preferred: str, where: str) -> Kind:
    kind = row.get("kind")
    if kind is None:
        return kind_of(question, answer=preferred)[0]
    if kind not in ("open", "closed"):
        raise SourceError(f'{where}: \'kind\' is {kind!r}, not "open" or "closed". Correct the line.')
    return "open" if kind == "open" else "closed"
