"""One row of a table or dataset → an entry: which column is the image, and in which of its many shapes it comes."""

import ast
import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.config import SourceSettings
from engine.errors import SourceError
from engine.records import Skipped
from engine.sources.entry import Entry, readable_name
from engine.sources.pictures.upright import ImageRefused, Limits, read_limited

_LONGEST_PATH = 4096
"""Linux PATH_MAX: a longer text in the image column is base64."""
_SHORTEST_BASE64 = 64
"""Shorter texts are taken for a file name; no picture is that small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which column holds what."""

    image: str
    question: str | None
    choices: str | None
    answer: str | None

    @property
    def wanted(self) -> list[str]:
        """The columns to read, each once."""
        named = (self.image, self.question, self.choices, self.answer)
        return list(dict.fromkeys(name for name in named if name is not None))


def columns_of(settings: SourceSettings) -> Columns:
    """The columns that the settings name."""
    return Columns(
        image=settings.image_column,
        question=settings.question_column,
        choices=settings.choices_column,
        answer=settings.answer_column,
    )


def check_columns(columns: Columns, present: Sequence[str], where: str) -> None:
    """Raise `SourceError` naming the setting if a column that was asked for is not there."""
    for role, name in (
        ("image", columns.image),
        ("question", columns.question),
        ("choices", columns.choices),
        ("answer", columns.answer),
    ):
        if name is not None and name not in present:
            there = ", ".join(readable_name(column, 40) for column in present[:20]) or "none"
            raise SourceError(
                f"{where}: has no column '{name}'; its columns are {there}. Set source.{role}_column to one of them."
            )


def entry_of(row: Mapping[str, Any], name: str, columns: Columns, find: Callable[[str], bytes]) -> Entry | Skipped:
    """The entry a row describes; `find` reads a file that the image column names, or raises `ImageRefused`."""
    try:
        return Entry(
            name=name,
            data=image_bytes(row.get(columns.image), find),
            question=_question(row.get(columns.question)) if columns.question else None,
            choices=_choices(row.get(columns.choices)) if columns.choices else (),
            answer=_answer(row.get(columns.answer)) if columns.answer else None,
        )
    except ImageRefused as refusal:
        return Skipped(name=name, reason=str(refusal))


def image_bytes(value: Any, find: Callable[[str], bytes]) -> bytes:
    """The file's bytes from a cell: bytes, `{bytes, path}` (Hugging Face), a list of one, a relative path,
    base64, or a data URI. Raises `ImageRefused`."""
    if isinstance(value, list | tuple):
        if len(value) != 1:
            raise ImageRefused(f"its row holds {len(value)} images; exactly one is needed")
        value = value[0]
    if isinstance(value, Mapping):
        inner = value.get("bytes")
        value = inner if inner else value.get("path")
    if value is None or value == "":
        raise ImageRefused("its row holds no image")
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str):
        return _from_text(value, find)
    raise ImageRefused(f"its image column holds a {type(value).__name__}, not an image")


def finder(root: Path, limits: Limits) -> Callable[[str], bytes]:
    """Reads files inside `root` by relative path; whatever leads outside is refused."""
    return lambda name: read_limited(path_inside(root, name), limits)


def path_inside(root: Path, name: str) -> Path:
    """The file `name` of the folder `root`, links followed. Raises `ImageRefused` if that leads outside."""
    home = root.resolve()
    try:
        path = (home / name).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise ImageRefused(f"its path cannot be used: {error}") from None
    if not path.is_relative_to(home):
        raise ImageRefused("its path points outside the source's folder")
    return path


def _from_text(text: str, find: Callable[[str], bytes]) -> bytes:
    if text.startswith("data:"):
        return _decoded(text.partition(",")[2])
    if text.startswith(("http://", "https://", "s3://", "gs://")):
        raise ImageRefused("it is a web address; download the images first")
    if len(text) > _LONGEST_PATH:
        return _decoded(text)
    try:
        return find(text)
    except ImageRefused:
        if len(text) >= _SHORTEST_BASE64:
            try:
                return _decoded(text)
            except ImageRefused:
                pass
        raise


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ImageRefused("its text is neither a file's path nor base64") from None


def _question(value: Any) -> str | None:
    """A text, or the first human turn of a conversation in LLaVA's or OpenAI's form."""
    if isinstance(value, list | tuple):
        turns = (turn for turn in value if isinstance(turn, Mapping))
        human = (turn for turn in turns if turn.get("from", turn.get("role")) in ("human", "user"))
        turn = next(human, {})
        value = turn.get("value", turn.get("content"))
    if not isinstance(value, str):
        return None
    return value.replace("<image>", " ").strip() or None


def _choices(value: Any) -> tuple[str, ...]:
    """A list, or the text of one in JSON or Python form (MMMU)."""
    if isinstance(value, str) and value.strip():
        value = _parsed(value)
    if value is None or value == "":
        return ()
    if not isinstance(value, list | tuple):
        raise ImageRefused("its choices are not a list")
    return tuple(str(choice).strip() for choice in value)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise ImageRefused("its choices are not a list") from None


def _answer(value: Any) -> str | None:
    return None if value is None or str(value).strip() == "" else str(value).strip()
