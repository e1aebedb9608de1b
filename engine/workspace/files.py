"""Files that become visible only when they are whole, and what room they take."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import DamagedError, WorkspaceError


def write_json(path: Path, value: Mapping[str, Any], *, durable: bool = True) -> None:
    """Replace `path` by the JSON of `value`, whole or not at all. `durable=False` skips the fsync (heartbeats)."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n", durable=durable)


def write_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Replace `path` by `text`, whole or not at all. Raises `WorkspaceError` if the disk refuses."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise WorkspaceError(
            f"{path}: cannot write: {error.strerror or error}. Free some space or permissions, then resume."
        ) from error


def read_json(path: Path) -> dict[str, Any] | None:
    """The mapping in `path`, or None if there is no such file.

    Raises `WorkspaceError` if it cannot be opened, `DamagedError` if it holds no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WorkspaceError(f"{path}: cannot read: {error}. Check its permissions.") from error
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{path}: cannot read: {error}. Restore the file or delete it.") from error
    if not isinstance(value, dict):
        raise DamagedError(f"{path}: expected a JSON object. Restore the file or delete it.")
    return value


def bytes_under(folder: Path) -> int:
    """Size on disk of everything below `folder`, in bytes."""
    return sum(entry.stat().st_size for entry in folder.rglob("*") if entry.is_file())


def free_bytes(folder: Path) -> int:
    """Room left on the disk that holds `folder`, in bytes."""
    return shutil.disk_usage(folder).free


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` survive a power loss."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
