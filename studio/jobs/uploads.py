"""Sources of images that were taken in from the page: what was uploaded, and what came of each.

    <workspace>/uploads/<key>/source.json   files/ or one zip, for what a browser sent

The work itself is a process of its own, `python -m studio.jobs.uploads FOLDER`: decoding thousands of photographs, or
the hub's libraries, have no place in the web server, and a reload or restart of the page finds it again.
"""

import contextlib
import os
import re
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.config import SourceSettings
from engine.errors import JudgeStudioError, UsageError, WorkspaceError
from engine.paths import expanded
from engine.sources.take_in import Count, Intake, take_in
from engine.workspace.files import read_json, write_json
from engine.workspace.folders import Workspace
from engine.workspace.run_record import run_settings
from studio.jobs import child
from studio.jobs.places import check_place
from studio.look import words

SHOWN_IMAGES = 60
SHOWN_SKIPPED = 200
MAX_FILES = 5_000
"""Of one upload; more belong into a zip or a folder."""
_START_SECONDS = 60.0
"""How long a process may take until it writes its own name."""
_WRITE_EVERY = 0.4
"""Seconds between writes of source.json while it works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSource:
    """One source that was taken in, or is being."""

    key: str
    label: str
    settings: Mapping[str, Any]
    """The `source.*` settings it stands for, by field name."""
    state: str
    """running, done, failed, stopped"""
    entries: int
    total: int | None
    images: int
    duplicates: int
    skipped: int
    shown: Sequence[Mapping[str, Any]]
    """The first pictures: path, name, width, height."""
    refused: Sequence[Mapping[str, str]]
    """The first entries that were not taken: name and reason."""
    error: str | None
    created: float

    @property
    def is_usable(self) -> bool:
        return self.state == "done" and self.images > 0

    @property
    def label_with_count(self) -> str:
        return f"{self.label}, {words.plural(self.images, 'image')}"


# --- reading -----------------------------------------------------------------------------------------------------


def sources(workspace: Workspace) -> list[ImageSource]:
    """Every source that was taken in from the page, newest first."""
    found = [read for folder in _folders(workspace) if (read := _read(folder)) is not None]
    return sorted(found, key=lambda source: source.created, reverse=True)


def source_settings(workspace: Workspace, key: str) -> dict[str, Any]:
    """Key → value of the settings a choice of the Launch tab stands for; {} for "as set below"."""
    if key == "drawn":
        return {"source.kind": "drawn", "source.path": None, "source.limit": None}
    source = next((one for one in sources(workspace) if one.key == key), None)
    if source is None:
        return {}
    plain = SourceSettings().model_dump(mode="json")
    asked = {"kind": source.settings.get("kind"), "path": None, "limit": None, **source.settings}
    return {f"source.{name}": value for name, value in asked.items() if name in plain}


def _folders(workspace: Workspace) -> list[Path]:
    return [path.parent for path in workspace.uploads.glob("*/source.json")]


def _read(folder: Path) -> ImageSource | None:
    try:
        record = read_json(folder / "source.json")
        if record is None:
            return None
        state, error = str(record.get("state", "failed")), record.get("error")
        if state == "running" and not _is_alive(record):
            state, error = "failed", "It ended without a word. Take the source in again: what is stored is recognised."
        count = record.get("count") or {}
        return ImageSource(
            key=folder.name,
            label=str(record.get("label", folder.name)),
            settings=dict(record.get("settings") or {}),
            state=state,
            entries=int(count.get("entries", 0)),
            total=count.get("total"),
            images=int(count.get("images", 0)),
            duplicates=int(count.get("duplicates", 0)),
            skipped=int(count.get("skipped", 0)),
            shown=list(record.get("images") or []),
            refused=list(record.get("skipped") or []),
            error=str(error) if error else None,
            created=float(record.get("created", 0.0)),
        )
    except (WorkspaceError, TypeError, ValueError, AttributeError):
        return None


def _is_alive(record: Mapping[str, Any]) -> bool:
    if record.get("pid") is None:  # the process is being started
        return time.time() - float(record.get("created", 0.0)) < _START_SECONDS
    return child.still(record) is not None


# --- starting ----------------------------------------------------------------------------------------------------


def take_in_settings(workspace: Workspace, settings: Mapping[str, Any]) -> str:
    """Start taking in a folder, a zip, a dataset or drawn scenes; the source's key.

    Raises `UsageError` for a path or id that is empty or not there.
    """
    checked = SourceSettings.model_validate(dict(settings))
    if checked.kind in ("folder", "zip", "table"):
        path = expanded(checked.path or "")
        if not (checked.path or "").strip():
            raise UsageError(f"{checked.kind}: no path was given. Write where the images are on this machine.")
        check_place(workspace, str(checked.path), what=checked.kind)
        if not path.exists():
            raise UsageError(f"{path}: there is nothing on this machine. Check the path.")
        settings = {**settings, "path": str(path.resolve())}
    if checked.kind == "dataset" and not (checked.path or "").strip():
        raise UsageError("dataset: no id was given. Write it as owner/name.")
    label = "drawn scenes" if checked.kind == "drawn" else f"{checked.kind} {Path(checked.path or '').name}"
    folder = _new_folder(workspace, label)
    return _start(folder, label, dict(settings))


def take_in_files(workspace: Workspace, files: Sequence[str]) -> str:
    """Keep uploaded files and start taking them in: several pictures, or one zip. The source's key.

    Raises `UsageError` for no files, too many, or a zip among others, `WorkspaceError` if one cannot be kept.
    """
    paths = [Path(name) for name in dict.fromkeys(files)]  # Gradio stores files of equal name and content once
    zips = [path for path in paths if path.suffix.lower() == ".zip"]
    if not paths:
        raise UsageError("upload: no file was chosen. Choose pictures, or one zip of pictures.")
    if zips and len(paths) > 1:
        raise UsageError("upload: a zip came with other files. Upload one zip, or pictures, not both at once.")
    if len(paths) > MAX_FILES:
        raise UsageError(
            f"upload: {len(paths)} files at once are too many, {MAX_FILES} are allowed. Put them in a zip."
        )
    label = f"upload {paths[0].name}" if len(paths) == 1 else f"upload of {len(paths)} files"
    folder = _new_folder(workspace, label)
    kept = folder / ("images.zip" if zips else "files")
    try:
        if zips:
            _keep(paths[0], kept)
        else:
            kept.mkdir()
            for path in paths:
                _keep(path, kept / _free_name(kept, path.name))
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise WorkspaceError(f"upload: a file cannot be kept: {error.strerror or error}. Upload it again.") from error
    return _start(folder, label, {"kind": "zip" if zips else "folder", "path": str(kept)})


def _keep(path: Path, target: Path) -> None:
    """A second name for the file, which takes no room. Its first stays, another visitor may have uploaded the same;
    Gradio deletes it after a day."""
    try:
        os.link(path, target)
    except OSError:  # a file system without links, or the file is gone, which copying says too
        shutil.copyfile(path, target)


def stop(workspace: Workspace, key: str) -> None:
    """Ask a source's process to end; what was stored by then is recognised the next time."""
    (_known(workspace, key) / "stop-requested").touch()


def remove(workspace: Workspace, key: str) -> None:
    """Forget a source and delete what was uploaded for it; stored pictures stay.

    Raises `UsageError` while it works or a run's settings name its files.
    """
    folder = _known(workspace, key)
    source = _read(folder)
    if source is not None and source.state == "running":
        raise UsageError(f"{source.label}: it is being taken in. Stop it before you remove it.")
    for run in workspace.runs():
        with contextlib.suppress(JudgeStudioError):
            path = run_settings(run).source.path
            if path and Path(path).is_relative_to(folder):
                raise UsageError(f"{folder.name}: run {run.name} reads its files. Delete that run first.")
    shutil.rmtree(folder, ignore_errors=True)


def _known(workspace: Workspace, key: str) -> Path:
    folder = workspace.uploads / key
    if folder not in _folders(workspace):
        raise UsageError("images: there is no such source. Reload the page.")
    return folder


def _new_folder(workspace: Workspace, label: str) -> Path:
    workspace.check_writable()
    stem = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")[:40] or "source"
    workspace.uploads.mkdir(exist_ok=True)
    number = 0
    while True:
        folder = workspace.uploads / (stem if number == 0 else f"{stem}-{number + 1}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
            continue
        except OSError as error:
            raise WorkspaceError(f"{folder}: cannot create: {error.strerror}. Check the disk.") from error
        return folder


def _free_name(folder: Path, name: str) -> str:
    """The file's own name, cut to what a file system takes, with a number where it is taken."""
    stem, suffix = Path(name).stem.lstrip(".") or "file", Path(name).suffix[:20]
    stem = stem.encode()[:180].decode(errors="ignore")
    number = 1
    free = f"{stem}{suffix}"
    while (folder / free).exists():
        number += 1
        free = f"{stem} ({number}){suffix}"
    return free


def _start(folder: Path, label: str, settings: dict[str, Any]) -> str:
    record = {"label": label, "settings": settings, "state": "running", "created": time.time(), "pid": None}
    write_json(folder / "source.json", record)
    child.start("studio.jobs.uploads", [str(folder)], log=folder / "log.txt")
    return folder.name


# --- the process -------------------------------------------------------------------------------------------------


class _Report:
    """Writes source.json while the work goes on."""

    def __init__(self, folder: Path, record: dict[str, Any]) -> None:
        self._folder = folder
        self.record = record
        self._written = 0.0

    def count(self, count: Count) -> None:
        self.record["count"] = {
            "entries": count.entries,
            "total": count.total,
            "images": count.images,
            "duplicates": count.duplicates,
            "skipped": count.skipped,
        }
        if time.monotonic() - self._written >= _WRITE_EVERY:
            self.write()

    def write(self, **values: Any) -> None:
        self.record.update(values)
        self._written = time.monotonic()
        write_json(self._folder / "source.json", self.record, durable=bool(values))


def work(folder: Path) -> int:
    """Take the folder's source in; 0, or 1 after writing the sentence that says why not."""
    record = read_json(folder / "source.json")
    assert record is not None, "the studio writes it before it starts this"
    report = _Report(folder, {**record, **child.name_of(os.getpid())})
    report.write()
    stop_file = folder / "stop-requested"
    try:
        taken = take_in(
            SourceSettings.model_validate(record["settings"]),
            folder.parents[1],
            on_progress=report.count,
            should_stop=stop_file.exists,
        )
    except JudgeStudioError as error:
        report.write(state="failed", error=str(error))
        return 1
    except Exception as error:
        report.write(state="failed", error=f"{type(error).__name__}: {error}. See {folder / 'log.txt'}.")
        raise
    if taken is None:
        stop_file.unlink(missing_ok=True)
        report.write(state="stopped", error="Stopped. What is stored is recognised when it is taken in again.")
        return 0
    report.write(state="done", error=None, **_outcome(taken))
    return 0


def _outcome(taken: Intake) -> dict[str, Any]:
    return {
        "images": [
            {"path": row.path, "name": row.name, "width": row.width, "height": row.height}
            for row in taken.images[:SHOWN_IMAGES]
        ],
        "skipped": [{"name": one.name, "reason": one.reason} for one in taken.skipped[:SHOWN_SKIPPED]],
        "count": {
            "entries": len(taken.images) + taken.duplicates + len(taken.skipped),
            "total": None,
            "images": len(taken.images),
            "duplicates": taken.duplicates,
            "skipped": len(taken.skipped),
        },
    }


if __name__ == "__main__":
    sys.exit(work(Path(sys.argv[1])))
