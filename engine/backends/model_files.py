"""A model or adapter as files on disk: whether they are what was meant to be downloaded. It loads nothing."""

from pathlib import Path

from engine.errors import ModelError
from engine.paths import expanded

_POINTER = b"version https://git-lfs.github.com/spec/"
"""How a file begins that git put in the place of a large one (git-lfs specification)."""
_SMALL = 1024
"""Bytes: a pointer is never longer."""


def check_model(name: str) -> None:
    """Raise `ModelError` if `name` is a path where nothing lies, or a folder of files that were not fetched whole."""
    folder = expanded(name)
    if folder.is_dir():
        check_files(folder, what=f"model '{name}'")
    elif is_path(name):
        raise ModelError(f"model '{name}': there is no such folder. Correct model.base, or the judge's name.")


def check_files(folder: Path, *, what: str) -> None:
    """Raise `ModelError` naming the first file that git left as a pointer, or that is empty."""
    for path in sorted(folder.iterdir()):
        if not path.is_file() or path.stat().st_size > _SMALL:
            continue
        head = path.read_bytes()[: len(_POINTER)]
        if head == _POINTER:
            raise ModelError(f"{what}: {path} is a git-lfs pointer, not the file; fetch it with 'git lfs pull'.")
        if not head and path.suffix == ".safetensors":
            raise ModelError(f"{what}: {path} is empty (0 bytes); download it again.")


def damaged(what: str, reason: str) -> ModelError:
    """The error for weights that cannot be read."""
    return ModelError(
        f"{what}: its weights are damaged or were not fetched whole ({reason}); download them again, "
        "e.g. with 'git lfs pull'."
    )


def first_line(error: BaseException) -> str:
    """What an error of a library says first, ready to stand in a sentence."""
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__


def is_path(name: str) -> bool:
    """Whether a name can only be a folder's: a name on the hub is "model" or "owner/model"."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1 or any(sign in name for sign in "\\: ")
