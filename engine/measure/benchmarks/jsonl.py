"""Comparisons with known answers in a person's own .jsonl file.

    {"image": "a.png", "question": "…", "preferred": "…", "degraded": "…", "dimension": "count", "id": "7"}
    {"image": "a.png", "question": "…", "a": "…", "b": "…", "better": "B"}

`dimension`, `kind` and `id` may be left out. Images are paths relative to the file, or base64.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.errors import SourceError
from engine.measure.benchmarks.rows import image_file
from engine.measure.metrics import ALL
from engine.records import BenchmarkItem, Kind, content_id
from engine.sources.json_lines import json_lines, json_row
from engine.sources.pictures.upright import ImageRefused
from engine.sources.questions.kinds import kind_of

_UNNAMED = "other"
"""Dimension of rows that name none."""


def load_jsonl(path: Path, *, folder: Path, benchmark: str | None = None) -> list[BenchmarkItem]:
    """The items in the order of the file; embedded pictures are written to `folder`. `benchmark`: the file's name in
    the tables.

    Raises `SourceError` naming the line that is not a comparison: in a benchmark nothing is left out silently.
    """
    items: dict[str, BenchmarkItem] = {}
    said: set[tuple[str, str, str, str]] = set()
    for where, item in _items(path, folder, benchmark or path.stem):
        if item.item_id in items:
            raise SourceError(f"{where}: the comparison '{item.item_id}' was there before. Remove one.")
        if (item.image, item.question, item.degraded, item.preferred) in said:
            raise SourceError(f"{where}: prefers the response that an earlier line calls the worse one. Remove one.")
        said.add((item.image, item.question, item.preferred, item.degraded))
        items[item.item_id] = item
    if not items:
        raise SourceError(f"{path}: holds no comparison. Name a file with one JSON object per line.")
    return list(items.values())


def line_of(path: Path, item: BenchmarkItem, *, folder: Path) -> str:
    """The words by which errors name the line that an item came from."""
    found = (where for where, one in _items(path, folder, item.benchmark) if one.item_id == item.item_id)
    return next(found, str(path))


def _items(path: Path, folder: Path, benchmark: str) -> Iterator[tuple[str, BenchmarkItem]]:
    for where, line in json_lines(path):
        yield where, _item(json_row(where, line), where, path, folder, benchmark)


def _item(row: Mapping[str, Any], where: str, path: Path, folder: Path, benchmark: str) -> BenchmarkItem:
    question = _text(row, "question", where)
    preferred, degraded = _responses(row, where)
    if " ".join(preferred.split()) == " ".join(degraded.split()):
        raise SourceError(f"{where}: both responses are the same, so no judge can be right. Remove the line.")
    try:
        picture = image_file(row.get("image"), path.parent, folder)
    except ImageRefused as refusal:
        raise SourceError(f"{where}: the image cannot be used: {refusal}. Correct the line.") from None
    given = row.get("id")
    return BenchmarkItem(
        item_id=str(given) if given is not None else content_id(path.name, picture.name, question, preferred, degraded),
        benchmark=benchmark,
        image_id=content_id(str(picture)),
        image=str(picture),
        question=question,
        preferred=preferred,
        degraded=degraded,
        kind=_kind(row, question, preferred, where),
        dimension=_dimension(row, where),
    )


def _responses(row: Mapping[str, Any], where: str) -> tuple[str, str]:
    """Preferred and degraded, from either form of a row."""
    if "preferred" in row or "degraded" in row:
        return _text(row, "preferred", where), _text(row, "degraded", where)
    if "a" not in row and "b" not in row:
        raise SourceError(
            f"{where}: holds no responses. Call them 'preferred' and 'degraded', or 'a', 'b' and which is 'better'."
        )
    a, b = _text(row, "a", where), _text(row, "b", where)
    better = str(row.get("better")).strip().upper()
    if better not in ("A", "B"):
        raise SourceError(f'{where}: \'better\' is {row.get("better")!r}, not "A" or "B". Correct the line.')
    return (a, b) if better == "A" else (b, a)


def _dimension(row: Mapping[str, Any], where: str) -> str:
    name = str(row.get("dimension") or _UNNAMED)
    if name == ALL or name.startswith("kind:"):
        raise SourceError(f"{where}: the dimension '{name}' is the name of a row of every score table. Choose another.")
    return name


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
