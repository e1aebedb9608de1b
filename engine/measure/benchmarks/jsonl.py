"""Comparisons with known answers in a person's own .jsonl file.

    {"image": "a.png", "question": "…", "preferred": "…", "degraded": "…", "dimension": "count", "id": "7"}
    {"image": "a.png", "question": "…", "a": "…", "b": "…", "better": "B"}

`dimension`, `kind` and `id` may be left out. Images are paths relative to the file, or base64. Several are a list, and
the question calls them <image 1>, <image 2>, …; those in a response are `preferred_images` and `degraded_images`, or
`a_images` and `b_images`, and that response calls them so.
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

_RESPONSES = ("preferred", "degraded", "a", "b")
_UNNAMED = "other"
"""Dimension of rows that name none."""


def load_jsonl(path: Path, *, folder: Path, benchmark: str | None = None) -> list[BenchmarkItem]:
    """The items in the order of the file; embedded pictures are written to `folder`. `benchmark`: the file's name in
    the tables.

    Raises `SourceError` naming the line that is not a comparison: in a benchmark nothing is left out silently.
    """
    items: dict[str, BenchmarkItem] = {}
    said: set[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = set()
    for where, item in _items(path, folder, benchmark or path.stem):
        if item.item_id in items:
            raise SourceError(f"{where}: the comparison '{item.item_id}' was there before. Remove one.")
        asked = (item.image, *item.more_images, item.question)
        better, worse = (item.preferred, *item.preferred_images), (item.degraded, *item.degraded_images)
        if (asked, worse, better) in said:
            raise SourceError(f"{where}: prefers the response that an earlier line calls the worse one. Remove one.")
        said.add((asked, better, worse))
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
    (preferred, degraded), names = _responses(row, where)
    asked, *inside = (
        _pictures(row, name, where, path.parent, folder) for name in ("image", *(f"{name}_images" for name in names))
    )
    if " ".join(preferred.split()) == " ".join(degraded.split()) and inside[0] == inside[1]:
        raise SourceError(f"{where}: both responses are the same, so no judge can be right. Remove the line.")
    given = row.get("id")
    pictures = [*asked, *inside[0], *inside[1]]
    files = [Path(picture).name for picture in pictures]
    return BenchmarkItem(
        item_id=str(given) if given is not None else content_id(path.name, *files, question, preferred, degraded),
        benchmark=benchmark,
        image_id=content_id(pictures[0]),
        image=asked[0] if asked else "",
        more_images=asked[1:],
        preferred_images=inside[0],
        degraded_images=inside[1],
        question=question,
        preferred=preferred,
        degraded=degraded,
        kind=_kind(row, question, preferred, where),
        dimension=_dimension(row, where),
    )


def _pictures(row: Mapping[str, Any], name: str, where: str, root: Path, folder: Path) -> tuple[str, ...]:
    """Files of the pictures in a column. That of the question may be called "image" or "images", and may be left out
    only where responses have some."""
    value = row.get(name)
    if name == "image" and value is None:
        value = row.get("images")
    if value is None or value == []:
        if name != "image" or any(row.get(f"{one}_images") for one in _RESPONSES):
            return ()
        value = None
    try:
        if isinstance(value, list) and len(value) > 1 and not isinstance(value[0], int):  # these are one's bytes
            return tuple(str(image_file(one, root, folder)) for one in value)
        return (str(image_file(value, root, folder)),)
    except ImageRefused as refusal:
        raise SourceError(f"{where}: the image cannot be used: {refusal}. Correct the line.") from None


def _responses(row: Mapping[str, Any], where: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Preferred and degraded, from either form of a row, and what they are called there."""
    if "preferred" in row or "degraded" in row:
        return (_text(row, "preferred", where), _text(row, "degraded", where)), ("preferred", "degraded")
    if "a" not in row and "b" not in row:
        raise SourceError(
            f"{where}: holds no responses. Call them 'preferred' and 'degraded', or 'a', 'b' and which is 'better'."
        )
    a, b = _text(row, "a", where), _text(row, "b", where)
    better = str(row.get("better")).strip().upper()
    if better not in ("A", "B"):
        raise SourceError(f'{where}: \'better\' is {row.get("better")!r}, not "A" or "B". Correct the line.')
    return ((a, b), ("a", "b")) if better == "A" else ((b, a), ("b", "a"))


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
