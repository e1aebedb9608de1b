"""Files of comparisons that visitors uploaded to be judged. Each is the command a person would type, as a process of
its own that goes on when the page is closed, and is continued where it was broken off.

    <workspace>/batches/<key>/batch.json  comparisons.jsonl  verdicts.jsonl  log.txt

Pictures go into the workspace's image folder; an upload never names files of this machine.
"""

import io
import json
import os
import re
import secrets
import shutil
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engine.assets import assets_folder
from engine.errors import JudgeStudioError, SourceError, UsageError, WorkspaceError
from engine.judging.files import comparison_row, read_comparisons
from engine.measure.file_result import FileResult, file_result
from engine.sources.pictures.store import store_image
from engine.workspace.files import read_json, write_json
from engine.workspace.folders import Workspace
from studio.jobs import child

MOST_LINES = 100_000
_MOST_LIST_BYTES = 200_000_000
"""Of one .jsonl; images are not in it."""
_MOST_IMAGE_BYTES = 50_000_000
_KEY = re.compile(r"[0-9a-f]{12}")
_STORED = re.compile(r"images/[0-9a-f]{2}/[0-9a-f]{64}\.(?:png|jpg)")
State = Literal["running", "done", "stopped", "failed"]
ReadImage = Callable[[str], bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedFile:
    """One uploaded file and how far it is."""

    key: str
    name: str
    """The upload's file name. Untrusted."""
    judges: tuple[str, ...]
    total: int
    """Verdicts wanted: lines times judges."""
    done: int
    state: State
    error: str
    created: float
    """Unix time."""


def start_batch(workspace: Workspace, upload: Path, judges: Sequence[str]) -> str:
    """Check an uploaded .jsonl, or a zip of one with its images, and start judging it; its key.

    Raises `SourceError` naming the first line that is not usable.
    """
    workspace.check_writable()
    key = secrets.token_hex(6)
    folder = workspace.root / "batches" / key
    try:
        folder.mkdir(parents=True)
        lines = _take_in(workspace, upload, folder / "comparisons.jsonl")
        record = {"name": upload.name, "judges": list(judges), "total": lines * len(judges), "created": time.time()}
        write_json(folder / "batch.json", record)
        _spawn(workspace, folder, record)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise WorkspaceError(f"{folder}: cannot write: {error.strerror or error}. Check the disk.") from error
        raise
    return key


def batches(workspace: Workspace) -> list[JudgedFile]:
    """All uploaded files, newest first."""
    folders = [path.parent for path in (workspace.root / "batches").glob("*/batch.json")]
    found = [batch for folder in folders if (batch := _read(folder)) is not None]
    return sorted(found, key=lambda batch: batch.created, reverse=True)


def resume(workspace: Workspace, key: str) -> None:
    """Go on where it was broken off. Raises `UsageError` if it is at work or done."""
    folder = _folder(workspace, key)
    batch = _read(folder)
    if batch is None or batch.state in ("running", "done"):
        raise UsageError("batch: there is nothing to resume. Reload the page.")
    _spawn(workspace, folder, read_json(folder / "batch.json") or {})


def cancel(workspace: Workspace, key: str) -> None:
    """End its process; verdicts that are written stay."""
    folder = _folder(workspace, key)
    record = read_json(folder / "batch.json") or {}
    write_json(folder / "batch.json", {**record, "stopped": True})
    child.stop(record)


def remove(workspace: Workspace, key: str) -> None:
    """Delete the file and its verdicts. Raises `UsageError` while it is at work."""
    folder = _folder(workspace, key)
    batch = _read(folder)
    if batch is not None and batch.state == "running":
        raise UsageError(f"batch {batch.name[:80]}: it is being judged. Cancel it first.")
    shutil.rmtree(folder, ignore_errors=True)


def verdicts_file(workspace: Workspace, key: str) -> Path:
    """What was judged so far. Raises `UsageError` if that is nothing."""
    path = _folder(workspace, key) / "verdicts.jsonl"
    if not path.is_file():
        raise UsageError("batch: no verdict is written yet. Wait for the first ones.")
    return path


def result(workspace: Workspace, key: str) -> FileResult | None:
    """What was judged so far, summed up; None while that is nothing."""
    path = workspace.root / "batches" / key / "verdicts.jsonl"
    return file_result(path) if path.is_file() and path.stat().st_size else None


def sample_file(workspace: Workspace) -> Path:
    """A zip as one is uploaded: the shipped examples with their pictures."""
    folder = assets_folder() / "examples"
    target = workspace.uploads / "incoming" / "sample" / "comparisons.zip"
    target.parent.mkdir(parents=True, exist_ok=True)
    rows = json.loads((folder / "examples.json").read_text(encoding="utf-8"))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("comparisons.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        for name in sorted({row["image"] for row in rows}):
            archive.write(folder / name, name)
    return target


def _folder(workspace: Workspace, key: str) -> Path:
    folder = workspace.root / "batches" / key
    if not _KEY.fullmatch(key) or not folder.is_dir():
        raise UsageError("batch: there is no such upload. Reload the page.")
    return folder


# --- the process -------------------------------------------------------------------------------------------------


def _spawn(workspace: Workspace, folder: Path, record: dict[str, Any]) -> None:
    words = ["judge", str(folder / "comparisons.jsonl"), "--out", str(folder / "verdicts.jsonl")]
    for judge in record["judges"]:
        words += ["--judge", judge]
    process = child.start(child.COMMANDS, [*words, "--workspace", str(workspace.root)], log=folder / "log.txt")
    write_json(folder / "batch.json", {**record, "stopped": False, **child.name_of(process.pid)})


def _read(folder: Path) -> JudgedFile | None:
    try:
        record = read_json(folder / "batch.json")
        if record is None:
            return None
        done, total = _lines(folder / "verdicts.jsonl"), int(record["total"])
        state: State = "done" if done >= total else "running" if child.still(record) is not None else "failed"
        if state == "failed" and record.get("stopped"):
            state = "stopped"
        return JudgedFile(
            key=folder.name,
            name=str(record["name"]),
            judges=tuple(str(judge) for judge in record["judges"]),
            total=total,
            done=done,
            state=state,
            error=_last_words(folder) if state == "failed" else "",
            created=float(record["created"]),
        )
    except (JudgeStudioError, KeyError, TypeError, ValueError):
        return None  # half written, or not ours


def _lines(path: Path) -> int:
    try:
        with path.open("rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    except OSError:
        return 0


def _last_words(folder: Path) -> str:
    return child.last_sentence(child.log_tail(folder / "log.txt")) or "It ended without a word. Resume it."


# --- the upload --------------------------------------------------------------------------------------------------


def _take_in(workspace: Workspace, upload: Path, target: Path) -> int:
    """Write the comparisons with pictures of the workspace instead of the upload's names; how many there are."""
    if upload.suffix.lower() != ".zip":
        if upload.stat().st_size > _MOST_LIST_BYTES:
            raise SourceError(f"{upload.name}: larger than {_MOST_LIST_BYTES // 1_000_000} MB. Split it.")
        return _write(workspace, upload.name, upload.read_bytes(), lambda _: None, target)
    try:
        with zipfile.ZipFile(upload) as archive:
            files = {info.filename: info for info in archive.infolist() if not info.is_dir()}
            lists = [name for name in files if name.lower().endswith(".jsonl") and not name.startswith("__MACOSX/")]
            if len(lists) != 1:
                raise SourceError(f"{upload.name}: holds {len(lists)} .jsonl files. Put one in, beside its images.")
            if files[lists[0]].file_size > _MOST_LIST_BYTES:
                raise SourceError(f"{upload.name}: its list is larger than {_MOST_LIST_BYTES // 1_000_000} MB.")
            beside = lists[0].rpartition("/")[0]

            def read(name: str) -> bytes | None:
                info = files.get(f"{beside}/{name}" if beside else name)
                if info is None or info.file_size > _MOST_IMAGE_BYTES:
                    return None
                with archive.open(info) as file:
                    return file.read(_MOST_IMAGE_BYTES + 1)

            return _write(workspace, lists[0], archive.read(lists[0]), read, target)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise SourceError(
            f"{upload.name}: cannot be unpacked: {error}. Make the zip again, without password."
        ) from None


def _write(workspace: Workspace, name: str, data: bytes, read: ReadImage, target: Path) -> int:
    try:
        # not splitlines: texts may hold U+2028
        lines = [line for line in io.StringIO(data.decode("utf-8-sig"), newline=None) if line.strip()]
    except UnicodeDecodeError:
        raise SourceError(f"{name}: is not text in UTF-8. Upload a .jsonl file, or a zip of one with images.") from None
    if not lines:
        raise SourceError(f"{name}: holds no comparison. Write an object with image, question, a, b on each line.")
    if len(lines) > MOST_LINES:
        raise SourceError(f"{name}: has {len(lines):,} lines, {MOST_LINES:,} are allowed. Split it.")
    stored: dict[str, str] = {}
    with target.open("w", encoding="utf-8") as file:
        for number, line in enumerate(lines, 1):
            row = comparison_row(f"{name} line {number}", line)
            if row.get("image") is not None:
                original = str(row["image"])
                if original not in stored:
                    stored[original] = _stored_image(workspace, original, read, f"{name} line {number}")
                row = {**row, "image": os.path.relpath(workspace.root / stored[original], target.parent)}
                row["image_name"] = original
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return len(read_comparisons(target))


def _stored_image(workspace: Workspace, name: str, read: ReadImage, where: str) -> str:
    """Path in the workspace of an image that came with the upload, or is in the workspace already."""
    if _STORED.fullmatch(name) and (workspace.root / name).is_file():
        return name
    data = read(name)
    if data is None:
        raise SourceError(f"{where}: no image '{name[:120]}' in the upload. Zip the .jsonl together with its images.")
    try:
        return store_image(workspace.root, data, name=name).path
    except SourceError as error:
        raise SourceError(f"{where}: image '{name[:120]}': {error}. Replace it.") from None
