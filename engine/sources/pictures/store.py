"""The workspace's image folder: every picture once, named by the hash of its stored bytes.

    images/<2 hex>/<sha256>.<png|jpg>     images/seen.jsonl

`seen.jsonl` remembers which source bytes became which stored file, so taking in a source again, or going on
after an interruption, costs a hash instead of a decode. It is only a memory: losing it, or lines of it, is harmless.
"""

import hashlib
import io
import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from PIL import Image

from engine.errors import WorkspaceError
from engine.records import ImageRow
from engine.sources.entry import readable_name
from engine.sources.pictures.upright import Limits, as_upright, read_limited, read_upright
from engine.workspace.files import sync_folder

RECIPE = 2
"""Raised whenever the same source bytes would be stored as other bytes than before."""
SMALL = 256 * 256
"""Pixels up to which a picture is stored as PNG whatever it shows: the file is small anyway."""
FEW_COLOURS = 4096
"""A larger picture with at most so many colours is a drawing or a screenshot: PNG keeps its letters sharp."""
JPEG_QUALITY = 92


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A picture that lies in the image folder."""

    image_id: str
    """sha256 of the stored file, 64 hex digits."""
    suffix: str
    """"png" or "jpg"."""
    width: int
    height: int

    @property
    def path(self) -> str:
        """Relative to the workspace."""
        return f"images/{self.image_id[:2]}/{self.image_id}.{self.suffix}"


class ImageStore:
    """Writes pictures into one workspace. Several processes may do so at once: equal content, equal file."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self._folder = workspace / "images"
        self._touched: set[Path] = set()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._seen = _read_seen(self._folder / "seen.jsonl")
            self._journal: IO[bytes] = (self._folder / "seen.jsonl").open("ab", buffering=0)
        except OSError as error:
            raise _cannot_write(self._folder, error) from error

    def __enter__(self) -> "ImageStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def put(self, data: bytes | Image.Image, limits: Limits) -> Stored:
        """Store a picture unless it is there already.

        Raises `ImageRefused` if it is none that can be taken, `WorkspaceError` if the disk refuses.
        """
        if isinstance(data, Image.Image):
            return self._write(as_upright(data, limits))
        key = _key(data, limits)
        known = self._seen.get(key)
        if known is not None and (self.workspace / known.path).is_file():
            return known
        stored = self._write(read_upright(data, limits))
        self._remember(key, stored)
        return stored

    def close(self) -> None:
        """Make all that was stored survive a power loss."""
        self._journal.close()
        for folder in sorted(self._touched):
            sync_folder(folder)
        if self._touched:
            sync_folder(self._folder)
        self._touched.clear()

    def _write(self, image: Image.Image) -> Stored:
        content, suffix = encoded(image)
        digest = hashlib.sha256(content).hexdigest()
        stored = Stored(image_id=digest, suffix=suffix, width=image.width, height=image.height)
        path = self.workspace / stored.path
        if path.is_file():
            return stored
        # Threads of one process too: the studio stores several uploads at once.
        temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
        try:
            path.parent.mkdir(exist_ok=True)
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise _cannot_write(path, error) from error
        self._touched.add(path.parent)
        return stored

    def _remember(self, key: str, stored: Stored) -> None:
        self._seen[key] = stored
        line = json.dumps([key, stored.image_id, stored.suffix, stored.width, stored.height])
        try:
            # One write call per line: lines of several processes do not mix. The leading newline ends a line
            # that a killed process left unfinished.
            self._journal.write(f"\n{line}\n".encode())
        except OSError as error:
            raise _cannot_write(self._folder / "seen.jsonl", error) from error


def store_image(
    workspace: Path,
    image: Path | bytes | Image.Image,
    *,
    source: str = "upload",
    name: str = "",
    limits: Limits | None = None,
) -> ImageRow:
    """Take one picture into the workspace, e.g. one that a visitor uploaded.

    Raises `ImageRefused` (a `SourceError`) with what is wrong with it and `WorkspaceError` if the disk refuses.
    """
    limits = limits or Limits()
    if isinstance(image, Path):
        name = name or image.name
        image = read_limited(image, limits)
    with ImageStore(workspace) as store:
        return image_row(store.put(image, limits), source=source, name=name)


def image_row(stored: Stored, *, source: str, name: str) -> ImageRow:
    """The table row of a stored picture."""
    return ImageRow(
        image_id=stored.image_id,
        path=stored.path,
        width=stored.width,
        height=stored.height,
        source=source,
        name=readable_name(name),
    )


def encoded(image: Image.Image) -> tuple[bytes, str]:
    """An RGB picture as file content and its suffix; equal pixels give equal bytes."""
    file = io.BytesIO()
    if image.width * image.height <= SMALL or image.getcolors(FEW_COLOURS) is not None:
        image.save(file, "PNG", compress_level=6)
        return file.getvalue(), "png"
    # Full colour resolution: what colour a small thing has is a question that gets asked.
    image.save(file, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return file.getvalue(), "jpg"


def _key(data: bytes, limits: Limits) -> str:
    """Changes with everything that decides what the bytes become."""
    digest = hashlib.sha256(f"{RECIPE}/{limits.max_side}/{limits.max_pixels}/{limits.max_bytes}/".encode())
    digest.update(data)
    return digest.hexdigest()


def _read_seen(path: Path) -> dict[str, Stored]:
    seen: dict[str, Stored] = {}
    if not path.exists():
        return seen
    with path.open("rb") as file:
        for line in file:
            try:
                key, image_id, suffix, width, height = json.loads(line)
            except (ValueError, TypeError):  # blank, or cut off by a kill
                continue
            seen[key] = Stored(image_id=image_id, suffix=suffix, width=width, height=height)
    return seen


def _cannot_write(path: Path, error: OSError) -> WorkspaceError:
    return WorkspaceError(
        f"{path}: cannot write: {error.strerror or error}. Free some space or permissions, then resume."
    )
