"""One row of a table or dataset → an entry: which column is the image, and in which of its many shapes it comes."""

import base64
import binascii
import os
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from engine.config import SourceSettings
from engine.errors import SourceError
from engine.records import Skipped
from engine.sources.entry import Entry, readable_name
from engine.sources.pictures.upright import ImageRefused, Limits, read_limited
from engine.sources.questions.asked import answer_in, choices_in, first_reply_in, question_in

_LONGEST_PATH = 4096
"""Linux PATH_MAX: a longer text in the image column is base64."""
_LONGEST_NAME = 255
"""Bytes of one part of a path on common file systems."""
_SHORTEST_BASE64 = 64
"""Shorter texts are taken for a file name; no picture is that small."""
_SHORTEST_FILE = 16
_IMAGE_KEYS = ("bytes", "path", "url", "image_url", "image", "data", "base64", "b64_json", "file_name", "filename")
"""Where an object holds its picture; the first that is not empty counts."""
_DEEPEST = 4
_PICTURES = (
    b"\xff\xd8",
    b"\x89PNG",
    b"GIF8",
    b"RIFF",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"P1",
    b"P2",
    b"P3",
    b"P4",
    b"P5",
    b"P6",
)
"""How files of pictures begin."""


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
    asked = row.get(columns.question) if columns.question else None
    try:
        return Entry(
            name=name,
            data=image_bytes(row.get(columns.image), find),
            question=question_in(asked),
            choices=choices_in(row.get(columns.choices)) if columns.choices else (),
            answer=answer_in(row.get(columns.answer)) if columns.answer else first_reply_in(asked),
        )
    except ImageRefused as refusal:
        return Skipped(name=name, reason=str(refusal))


def image_bytes(value: Any, find: Callable[[str], bytes], depth: int = 0) -> bytes:
    """The file's bytes from a cell: bytes (also as a list of 0-255), `{bytes, path}` (Hugging Face), `{url}` and
    `{image_url: {url}}` (OpenAI), a list of one, a path, base64, or a data URI. Raises `ImageRefused`."""
    if isinstance(value, list | tuple):
        return _from_list(value, find, depth)
    if isinstance(value, Mapping):
        inner = next((value[key] for key in _IMAGE_KEYS if value.get(key)), None)
        if inner is not None and depth < _DEEPEST:
            return image_bytes(inner, find, depth + 1)
        value = None
    if value is None or value == "":
        raise ImageRefused("its row holds no image")
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str):
        return _from_text(value.strip(), find)
    raise ImageRefused(f"its image column holds a {type(value).__name__}, not an image")


def finder(root: Path, limits: Limits) -> Callable[[str], bytes]:
    """Reads files inside `root` by relative path, also those in a zip of it; whatever leads outside is refused."""

    def find(name: str) -> bytes:
        member, chained, archive = name.removeprefix("zip://").partition("::")
        if chained and name.startswith("zip://"):  # how `datasets` names a file in an archive
            from engine.sources.zip_file import read_member

            return read_member(path_inside(root, archive), member, limits)
        return read_limited(path_inside(root, name), limits)

    return find


def path_inside(root: Path, name: str) -> Path:
    """The file `name` of the folder `root`, links followed. Raises `ImageRefused` if that leads outside.

    A name that Windows wrote (`sub\\a.png`), a `file://` address, and one whose accents are composed otherwise than
    the file's are found, too.
    """
    home = root.resolve()
    try:
        path = _existing(home, name).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise ImageRefused(f"its path cannot be used: {error}") from None
    if not is_inside(path, home):
        raise ImageRefused("its path points outside the source's folder")
    return path


def is_inside(path: Path, home: Path) -> bool:
    """Whether the resolved `path` belongs to the resolved folder `home`.

    In a snapshot as `hf download` leaves it, files are links to the blobs of the same repository.
    """
    if path.is_relative_to(home):
        return True
    for folder in (home, *home.parents):
        if folder.name.startswith(("datasets--", "models--", "spaces--")):
            return home.is_relative_to(folder / "snapshots") and path.is_relative_to(folder / "blobs")
    return False


def _existing(home: Path, name: str) -> Path:
    """The first reading of `name` that is a file, else the plain one."""
    plain = home / name
    if plain.exists():
        return plain
    addressed = unquote(name.removeprefix("file://")) if name.startswith("file://") or "%" in name else name
    for reading in (addressed, name.replace("\\", "/"), addressed.replace("\\", "/")):
        if (home / reading).exists():
            return home / reading
        if (found := _spelled_otherwise(home, reading)) is not None:
            return found
    return plain


def _spelled_otherwise(home: Path, name: str) -> Path | None:
    """The file whose name differs from `name` in how accents are composed only (macOS writes them apart)."""
    if name.isascii() or Path(name).is_absolute():
        return None
    path = home
    for part in Path(name).parts:
        if (path / part).exists():
            path = path / part
            continue
        try:
            entries = os.listdir(path)
        except OSError:
            return None
        wanted = unicodedata.normalize("NFC", part)
        found = next((entry for entry in entries if unicodedata.normalize("NFC", entry) == wanted), None)
        if found is None:
            return None
        path = path / found
    return path


def _from_list(value: Sequence[Any], find: Callable[[str], bytes], depth: int) -> bytes:
    if len(value) > _SHORTEST_FILE and all(type(part) is int and 0 <= part <= 255 for part in value):
        return bytes(value)
    if any(isinstance(part, list | tuple | int | float) for part in value):
        raise ImageRefused("its image column holds numbers, not a picture's file; store the bytes of a PNG or JPEG")
    if any(isinstance(part, Mapping) and part.get("type") == "text" for part in value):  # a message's content
        value = [part for part in value if isinstance(part, Mapping) and part.get("type") != "text"]
    if len(value) != 1 or depth >= _DEEPEST:
        raise ImageRefused(f"its row holds {len(value)} images; exactly one is needed")
    return image_bytes(value[0], find, depth + 1)


def _from_text(text: str, find: Callable[[str], bytes]) -> bytes:
    scheme = text[:8].lower()
    if scheme.startswith("data:"):
        return _decoded(unquote(text.partition(",")[2]))
    if scheme.startswith(("http://", "https://", "s3://", "gs://")):
        raise ImageRefused("it is a web address; download the images first")
    longest = (
        max((len(part.encode("utf-8", "surrogatepass")) for part in text.split("/")), default=0)
        if text.isprintable()
        else 0
    )
    if len(text) > _LONGEST_PATH or longest > _LONGEST_NAME:
        return _decoded(text)
    try:
        return find(text)
    except ImageRefused:
        if len(text) >= _SHORTEST_BASE64:
            try:
                data = _decoded(text)
            except ImageRefused:
                pass
            else:
                if data.startswith(_PICTURES) or data[4:8] == b"ftyp":
                    return data
        raise


def _decoded(text: str) -> bytes:
    """The bytes of base64: with line breaks, url-safe, or without padding."""
    plain = "".join(text.split()).translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ImageRefused("its text is neither a file's path nor base64") from None
