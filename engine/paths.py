"""Paths as people type them: ~ for a home folder, relative to where they stand. It opens nothing."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from engine.assets import SHIPPED
from engine.errors import UsageError

if TYPE_CHECKING:  # pydantic costs 0.2 s, which `status` need not pay
    from engine.config import Settings


def expanded(path: str | Path) -> Path:
    """`path` with a leading ~ or ~user replaced. Raises `UsageError` where nobody knows that home folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UsageError(f"{path}: this machine knows no home folder for '~' here. Write the whole path.") from None


def file_to_write(out: str | Path) -> Path:
    """The file that a person named with --out. Raises `UsageError` if it cannot be one: a folder, a file in a folder
    that is not there, or a device or pipe, which would be replaced by a file or read without end."""
    path = expanded(out)
    if not str(out).strip() or str(out) == "." or path.is_dir():
        found = "is a folder"
    elif not path.parent.is_dir():
        found = f"there is no folder {path.parent}"
    elif path.exists() and not path.is_file():
        found = "is a device or a pipe"
    else:
        return path
    raise UsageError(f"--out {path}: {found}. Name a file in a folder that is there.")


def is_jsonl(name: str) -> bool:
    """Whether a benchmark's name is a file of comparisons."""
    return name.lower().endswith(".jsonl")


def with_absolute_paths(settings: "Settings") -> "Settings":
    """The same settings with whole paths, so that they mean the same files from every folder.

    A model or data set that is no folder here is a name on the hub and stays as it is.
    """
    model, source = settings.model, settings.source
    python = model.vllm_python
    changed_model = model.model_copy(
        update={
            "base": model.base if model.base in SHIPPED else _whole_if_there(model.base),
            "prompts": _whole(model.prompts) if model.prompts.endswith((".yaml", ".yml")) else model.prompts,
            "vllm_python": python if python is None else _whole_if_there(python),
            "adapters_folder": None if model.adapters_folder is None else _whole(model.adapters_folder),
        }
    )
    path = source.path
    if path is not None:
        path = _whole_if_there(path) if source.kind == "dataset" else _whole(path)
    benchmarks = tuple(_whole_benchmark(name) for name in settings.evaluate.benchmarks)
    return settings.model_copy(
        update={
            "model": changed_model,
            "source": source.model_copy(update={"path": path}),
            "evaluate": settings.evaluate.model_copy(update={"benchmarks": benchmarks}),
        }
    )


def _whole(path: str) -> str:
    """Absolute, links kept: a link that is pointed elsewhere later was meant to be."""
    return os.path.abspath(expanded(path))


def _whole_if_there(path: str) -> str:
    return _whole(path) if expanded(path).exists() else path


def _whole_benchmark(name: str) -> str:
    if is_jsonl(name) and ("=" not in name or expanded(name).is_file()):
        return _whole(name)
    known, equals, place = name.partition("=")
    return f"{known}={_whole(place)}" if equals and place else name
