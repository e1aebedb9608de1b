"""What persons said of benchmark items by hand: one line per answer in `runs/<run>/labels.jsonl`, appended and never
changed. It knows no order and no statistics; nothing that trains reads it.
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from engine.errors import WorkspaceError
from engine.records import HandLabel
from engine.workspace.folders import RunFolder

_FILE = "labels.jsonl"
_FIELDS = {field.name for field in fields(HandLabel)}


@dataclass(frozen=True, slots=True)
class LabelsStamp:
    """Changes whenever a run's labels do."""

    size: int
    changed_ns: int


def labels_stamp(run: RunFolder) -> LabelsStamp | None:
    """None where nobody labelled anything."""
    try:
        stat = (run.folder / _FILE).stat()
    except FileNotFoundError:
        return None
    return LabelsStamp(stat.st_size, stat.st_mtime_ns)


def add_label(run: RunFolder, label: HandLabel) -> None:
    """Write one answer; a later one of the same person on the same item takes its place.

    Raises `WorkspaceError` if the disk refuses.
    """
    _append(run, asdict(label))


def take_label_back(run: RunFolder, label: HandLabel) -> None:
    """Make it as if that person had not answered about that item."""
    keys = {"benchmark": label.benchmark, "item_id": label.item_id, "rater": label.rater}
    _append(run, {**keys, "taken_back": True, "time": round(time.time(), 3)})


def read_labels(run: RunFolder) -> list[HandLabel]:
    """The answers that stand, in the order in which they were given."""
    standing: dict[tuple[str, str, str], HandLabel] = {}
    try:
        lines = (run.folder / _FILE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise WorkspaceError(f"{run.folder / _FILE}: cannot read the labels: {error}. Restore the file.") from error
    for line in lines:
        row = _row(line)
        if row is None:
            continue
        key = (str(row["benchmark"]), str(row["item_id"]), str(row["rater"]))
        standing.pop(key, None)
        if not row.get("taken_back"):
            standing[key] = HandLabel(**{name: row[name] for name in _FIELDS})
    return list(standing.values())


def _row(line: str) -> Mapping[str, Any] | None:
    """None for a blank line or one that a power loss cut off."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    needed = {"benchmark", "item_id", "rater"} if isinstance(row, dict) and row.get("taken_back") else _FIELDS
    return row if isinstance(row, dict) and needed <= row.keys() else None


def _append(run: RunFolder, row: Mapping[str, Any]) -> None:
    """One write call per line: lines of several browsers do not mix. The leading newline ends a line cut off before."""
    run.workspace.check_writable()
    path = run.folder / _FILE
    try:
        with path.open("ab", buffering=0) as file:
            file.write(f"\n{json.dumps(row, ensure_ascii=False)}\n".encode())
            os.fsync(file.fileno())
    except OSError as error:
        raise WorkspaceError(
            f"{path}: cannot write: {error.strerror or error}. Free some space or permissions, then answer again."
        ) from error
