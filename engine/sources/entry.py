"""What a source yields: one picture with its name and what its row says about it, not decoded yet."""

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from engine.records import Skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One picture of a source."""

    name: str
    """File name or row, as the source calls it. Untrusted, but always valid Unicode."""
    data: bytes | Image.Image
    """The file's bytes as they were found, or a picture that was just drawn."""
    question: str | None = None
    choices: tuple[str, ...] = ()
    answer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An opened source; its entries are read as they are asked for, one in memory at a time."""

    label: str
    """How a person would name it: "drawn scenes", "folder photos", …"""
    total: int | None
    """Entries it will yield, None where that is not known beforehand."""
    entries: Iterator[Entry | Skipped]


def readable_name(name: str, limit: int = 512) -> str:
    """`name` as valid Unicode: bytes that were no UTF-8 are shown as �, and very long names are cut."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return text if len(text) <= limit else text[: limit - 1] + "…"
