"""A file of comparisons in, a file of rulings out; a call that was broken off is continued by repeating it."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.backends.base import Backend
from engine.errors import SourceError, WorkspaceError
from engine.judging.ruling import Comparison, as_row, rule_many
from engine.prompts import PromptPack
from engine.records import ORDERS, Order, content_id

_CHUNK = 64
"""Comparisons between two writes: what a kill costs at most."""


def read_comparisons(path: Path) -> list[tuple[Comparison, dict[str, Any]]]:
    """Every comparison of a .jsonl file with its line's own fields; image paths are relative to the file.

    Raises `SourceError` naming the first line that is not usable, before anything is asked.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # not splitlines: texts may hold U+2028
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: cannot read: {error}. Name a .jsonl file of comparisons.") from error
    seen: Counter[str] = Counter()
    found = [_comparison(path, number, line, seen) for number, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise SourceError(f"{path}: holds no comparison. Write one JSON object with image, question, a, b per line.")
    return found


def comparison_row(where: str, line: str) -> dict[str, Any]:
    """One line of a file of comparisons. Raises `SourceError` that begins with `where`, the place of the line."""
    try:
        row = json.loads(line)
    except ValueError as error:
        raise SourceError(f"{where}: not JSON ({error}). Correct the line.") from error
    if not isinstance(row, dict):
        raise SourceError(f"{where}: expected an object with image, question, a, b. Correct the line.")
    for field in ("question", "a", "b"):
        if not isinstance(row.get(field), str):
            raise SourceError(f"{where}: '{field}' is missing or no text. Correct the line.")
    return row


def _comparison(path: Path, number: int, line: str, seen: Counter[str]) -> tuple[Comparison, dict[str, Any]]:
    row = comparison_row(f"{path} line {number}", line)
    image = row.get("image")
    where = None if image is None else path.parent / str(image)
    if where is not None and not where.is_file():
        raise SourceError(f"{path} line {number}: no image at {where}. Paths are relative to the file.")
    same = content_id(image, row["question"], row["a"], row["b"])
    seen[same] += 1
    key = content_id(same, seen[same])  # a line that occurs twice is answered twice
    return Comparison(key=key, image=where, question=row["question"], a=row["a"], b=row["b"]), row


def rule_file(
    backend: Backend,
    pack: PromptPack,
    source: Path,
    out: Path,
    *,
    judges: Mapping[str, str],
    orders: Sequence[Order] = ORDERS,
    max_tokens: int = 1024,
) -> Iterator[int]:
    """Rule on every line of `source`; each line of `out` is a line of it with the ruling added.

    `judges`: label written to the file → name in the backend. Lines that `out` already holds are skipped, so a
    broken-off call is repeated to continue it. Yields the number of rulings that are new since the last yield.
    """
    comparisons = read_comparisons(source)
    done = _finished(out)
    for label, name in judges.items():
        missing = [(one, row) for one, row in comparisons if (one.key, label) not in done]
        for start in range(0, len(missing), _CHUNK):
            part = missing[start : start + _CHUNK]
            rulings = rule_many(
                backend, pack, [one for one, _ in part], judge=name, orders=orders, max_tokens=max_tokens
            )
            lines = [
                {**row, "key": one.key, **as_row(replace(ruling, judge=label))}
                for (one, row), ruling in zip(part, rulings, strict=True)
            ]
            _append(out, lines)
            yield len(lines)


def _finished(out: Path) -> set[tuple[str, str]]:
    """(key, judge) of every whole line; a last line that a kill cut off is removed from the file."""
    if not out.exists():
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
    except (OSError, ValueError, KeyError, TypeError) as error:
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
