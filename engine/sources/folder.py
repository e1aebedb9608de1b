"""A folder of pictures, read recursively in the order of its names."""

import os
from collections.abc import Iterator
from pathlib import Path

from engine.errors import SourceError
from engine.records import Skipped
from engine.sources.columns import is_inside
from engine.sources.entry import Entry, Source, readable_name
from engine.sources.pictures.upright import ImageRefused, Limits, read_limited


def open_folder(path: Path, limits: Limits) -> Source:
    """All files below `path`; hidden files and folders are passed over.

    Raises `SourceError` if it is missing, no folder, or cannot be listed.
    """
    try:
        if not path.is_dir():
            found = "is a file, not a folder" if path.exists() else "there is no such folder"
            raise SourceError(f"source.path: {path}: {found}. Name a folder that holds images.")
        os.listdir(path)
    except OSError as error:
        raise SourceError(
            f"source.path: {path}: cannot be read: {error.strerror or error}. Correct its permissions."
        ) from error
    root = path.resolve()
    files, skipped = _listed(root)
    return Source(
        label=f"folder {readable_name(path.name or str(root))}",
        total=len(files) + len(skipped),
        entries=_entries(root, files, skipped, limits),
    )


def _listed(root: Path) -> tuple[list[Path], list[Skipped]]:
    """Files below `root` in order of their names, and folders that could not be entered."""
    files: list[Path] = []
    skipped: list[Skipped] = []

    def unreadable(error: OSError) -> None:
        name = os.path.relpath(error.filename, root)
        reason = f"the folder cannot be read: {error.strerror or error}"
        skipped.append(Skipped(name=readable_name(name), reason=reason))

    for folder, folders, names in os.walk(root, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        # A linked folder is not walked into; it is judged like a linked file.
        for name in sorted(names) + links:
            if not name.startswith("."):
                files.append(Path(folder, name))
    return files, skipped


def _entries(root: Path, files: list[Path], skipped: list[Skipped], limits: Limits) -> Iterator[Entry | Skipped]:
    yield from skipped
    for path in files:
        name = readable_name(os.path.relpath(path, root))
        try:
            yield Entry(name=name, data=read_limited(_inside(root, path), limits))
        except ImageRefused as refusal:
            yield Skipped(name=name, reason=str(refusal))


def _inside(root: Path, path: Path) -> Path:
    """`path` with links followed. Raises `ImageRefused` if that leads out of the folder or to another folder."""
    if not path.is_symlink():
        return path
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):
        raise ImageRefused("it is a link to something that does not exist") from None
    if not is_inside(target, root):
        raise ImageRefused("it is a link to something outside the folder")
    if target.is_dir():
        raise ImageRefused("it is a link to a folder that is read anyway")
    return target
