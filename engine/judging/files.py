"""A file of comparisons in, a file of rulings out; a call that was broken off is continued by repeating it."""

import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.backends.base import Backend
from engine.errors import SourceError, WorkspaceError
from engine.judging.ruling import Ruling, as_row, rule_many
from engine.paths import expanded, file_to_write
from engine.prompts import PromptPack
from engine.records import ORDERS, Comparison, Order, content_id
from engine.sources.entry import readable_name
from engine.sources.json_lines import json_lines, json_row
from engine.sources.pictures.store import ImageStore
from engine.sources.pictures.upright import ImageRefused, Limits, read_limited

_CHUNK = 64
"""Comparisons between two writes: what a kill costs at most."""
_GIVEN = "given"
"""Where a line of the output keeps what its line of the input had under a name of the ruling's."""


def read_comparisons(path: Path) -> list[tuple[str, Comparison, dict[str, Any]]]:
    """Every comparison of a .jsonl file by its key, with its line's own fields; image paths are relative to the file.

    Raises `SourceError` naming the first line that is not usable, before anything is asked.
    """
    return [(line.key, line.comparison, line.row) for line in _lines(path)]


def comparison_row(where: str, line: str) -> dict[str, Any]:
    """One line of a file of comparisons. Raises `SourceError` that begins with `where`, the place of the line."""
    row = json_row(where, line)
    for field in ("question", "a", "b"):
        if not isinstance(row.get(field), str):
            raise SourceError(f"{where}: '{field}' is missing or no text. Correct the line.")
    return row


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One line of a file of comparisons."""

    where: str
    """How errors name it."""
    key: str
    comparison: Comparison
    row: dict[str, Any]


def _lines(path: Path) -> list[_Line]:
    path = expanded(path)
    seen: Counter[str] = Counter()
    found = [_line(path, where, line, seen) for where, line in json_lines(path)]
    if not found:
        raise SourceError(f"{path}: holds no comparison. Write one JSON object with image, question, a, b per line.")
    return found


def _line(path: Path, where: str, line: str, seen: Counter[str]) -> _Line:
    row = comparison_row(where, line)
    image = row.get("images") if row.get("image") is None else row["image"]
    if image == []:
        raise SourceError(f"{where}: its image is a list of none. Name one, or leave the field out.")
    inside = [row.get(f"{name}_images") for name in "ab"]
    files = _image_files(path.parent, image, where)
    same = content_id(image, row["question"], row["a"], row["b"], *(one for one in inside if one))
    seen[same] += 1
    key = content_id(same, seen[same])  # a line that occurs twice is answered twice
    comparison = Comparison(
        image=files[0] if files else None,
        question=row["question"],
        preferred=row["a"],
        degraded=row["b"],
        more_images=tuple(files[1:]),
        preferred_images=tuple(_image_files(path.parent, inside[0], where)),
        degraded_images=tuple(_image_files(path.parent, inside[1], where)),
    )
    return _Line(where=where, key=key, comparison=comparison, row=row)


def _image_files(folder: Path, images: Any, where: str) -> list[Path]:
    """One picture, or several in a list."""
    many = images if isinstance(images, list) else [] if images is None else [images]
    return [_image_file(folder, image, where) for image in many]


def _image_file(folder: Path, image: Any, where: str) -> Path:
    if not isinstance(image, str) or not image.strip():
        found = "empty" if image == "" else f"a {type(image).__name__}"
        raise SourceError(f"{where}: its image is {found}, not the path of a file. Correct the line.")
    if image.startswith(("data:", "http://", "https://")):
        raise SourceError(f"{where}: its image is a {image[:5].strip(':')} address. Write it to a file, and name that.")
    try:
        if (folder / image).is_file():
            return folder / image
    except (OSError, ValueError):  # too long for a name, or with a NUL
        raise SourceError(
            f"{where}: its image is {len(image):,} letters that are no path. Write the picture to a file."
        ) from None
    raise SourceError(
        f"{where}: no image at {readable_name(str(folder / image), 200)}. Paths are relative to the file."
    )


def rule_file(
    backend: Backend,
    pack: PromptPack,
    source: Path,
    out: Path,
    *,
    judges: Mapping[str, str],
    orders: Sequence[Order] = ORDERS,
    max_tokens: int = 1024,
    limits: Limits = Limits(),  # noqa: B008  frozen
    only: range | None = None,
) -> Iterator[int]:
    """Rule on every line of `source`, or on those whose numbers are in `only`; each line of `out` is a line of it with
    the ruling added. Fields of its own that have a name of the ruling's ("verdict", "judge", …) are kept under "given".

    `judges`: label written to the file → name in the backend. `limits`: of the pictures, as for a source. Lines that
    `out` already holds are skipped, so a broken-off call is repeated to continue it. Every picture, and that `out` can
    be written, is looked at before anything is asked. Yields the number of rulings that are new since the last yield.
    """
    lines = _lines(source) if only is None else _lines(source)[only.start : only.stop]
    out = expanded(out)
    done = _finished(out)
    with tempfile.TemporaryDirectory(prefix="judge-studio-") as scratch:
        asked = [line for line in lines if any((line.key, label) not in done for label in judges)]
        pictures = _pictures(asked, Path(scratch), limits)
        _check_writable(out)
        for label, name in judges.items():
            missing = [line for line in asked if (line.key, label) not in done]
            for start in range(0, len(missing), _CHUNK):
                part = missing[start : start + _CHUNK]
                comparisons = {line.key: line.comparison.with_files(pictures.__getitem__) for line in part}
                rulings = rule_many(backend, pack, comparisons, judge=name, orders=orders, max_tokens=max_tokens)
                rows = [_ruled(line, replace(ruling, judge=label)) for line, ruling in zip(part, rulings, strict=True)]
                _append(out, rows)
                yield len(rows)


def _pictures(lines: Sequence[_Line], scratch: Path, limits: Limits) -> dict[Path, Path]:
    """Every picture as a judge of a run would see it: its file → the upright one in `scratch`."""
    shown: dict[Path, Path] = {}
    with ImageStore(scratch) as store:
        for line in lines:
            for file in (one for one in line.comparison.pictures if one not in shown):
                try:
                    shown[file] = scratch / store.put(read_limited(file, limits), limits).path
                except ImageRefused as refusal:
                    name, what = readable_name(str(file), 200), f"{refusal}. Replace it, or remove the line."
                    raise SourceError(f"{line.where}: image {name}: {what}") from None
    return shown


def _ruled(line: _Line, ruling: Ruling) -> dict[str, Any]:
    """What `out` holds of a line: its own fields, those of the ruling, and what the two call alike under "given"."""
    ours = {"key": line.key, **as_row(ruling)}
    given = {name: value for name, value in line.row.items() if name in ours or name == _GIVEN}
    own = {name: value for name, value in line.row.items() if name not in given}
    return {**own, **({_GIVEN: given} if given else {}), **ours}


def _check_writable(out: Path) -> None:
    try:
        with out.open("ab"):
            return
    except OSError as error:
        raise WorkspaceError(
            f"{out}: cannot write: {error.strerror or error}. Name a file in a folder that is there, with --out."
        ) from error


def _finished(out: Path) -> set[tuple[str, str]]:
    """(key, judge) of every whole line; a last line that a kill cut off is removed from the file."""
    if not file_to_write(out).exists():
        return set()
    try:
        data = out.read_bytes()
        whole, tail = data[: data.rfind(b"\n") + 1], data[data.rfind(b"\n") + 1 :]
        rows = [json.loads(line) for line in whole.splitlines()]
        done = {(row["key"], row["judge"]) for row in rows}
        if tail and not tail.startswith(b"{"):
            raise ValueError("its last line is no ruling")
        if tail:
            with out.open("r+b") as file:
                file.truncate(len(whole))
        return done
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise SourceError(f"{out}: is not a file of rulings ({error}). Name another with --out.") from error


def _append(out: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    try:
        with out.open("a", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise WorkspaceError(
            f"{out}: cannot write: {error.strerror or error}. Free some space, then repeat."
        ) from error
