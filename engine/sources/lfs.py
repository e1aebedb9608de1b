"""What Git LFS leaves in place of a file that was not fetched: a text of three lines under the file's own name."""

from pathlib import Path

from engine.errors import SourceError

_POINTER = b"version https://git-lfs.github.com/spec/"


def check_pointer(path: Path) -> None:
    """Raise `SourceError` if a source's file is a pointer; pictures that are some are skipped where they are read."""
    try:
        with path.open("rb") as file:
            head = file.read(len(_POINTER))
    except OSError:
        return
    if head == _POINTER:
        raise SourceError(
            f"source.path: {path}: is a git-lfs pointer, not the file itself. Fetch it with 'git lfs pull'."
        )
