"""Which Parquet parts a workspace has right now, found with a few `stat` calls per look.

It looks at names, sizes and the last bytes of files, never at rows. A part that is not whole is left out and named.
"""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from engine.workspace.folders import Workspace, is_run_name

_PART = re.compile(r"([a-z]+)-(\d{5,})\.parquet")
_ITERATION = re.compile(r"iteration-(\d{2,})")
_MAGIC = b"PAR1"
_SETTLED_SECONDS = 2.0
"""A folder's time stamp may be as coarse as a second on some disks: younger folders are listed again next time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One finished Parquet file of one table."""

    path: str
    run: str
    iteration: int
    """0 for intake and the baseline."""
    stage: str
    """intake, synthesize, judge, select, train or evaluate."""
    table: str
    number: int
    stamp: tuple[int, int]
    """Size in bytes and time of change in nanoseconds: another stamp is another content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A part that cannot be read."""

    path: str
    stamp: tuple[int, int]
    """Of the file that was looked at, as in `Part`."""
    what: str
    """One sentence: what was found and what to do."""


@dataclass(slots=True)
class _Folder:
    """What one listing of a stage folder found."""

    mtime_ns: int
    listed_at: float
    parts: list[Part]
    faults: list[Fault]
    done: bool


class PartScan:
    """The parts of a workspace, kept up to date by `look`. Not safe for several threads at once: lock around it."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._folders: dict[str, _Folder] = {}
        self._bad: dict[str, Fault] = {}
        self.generation = 0
        """Raised by every `look` that found something new, gone or changed."""
        self.parts: list[Part] = []
        """In the order of run, iteration, stage, table, number."""
        self.done: frozenset[tuple[str, int, str]] = frozenset()
        """Stages that are complete: (run, iteration, stage)."""

    def look(self) -> bool:
        """Look again; whether anything changed."""
        changed = False
        seen = set()
        for run, iteration, stage, path in _stage_folders(self._workspace):
            seen.add(path)
            changed |= self._look_into(run, iteration, stage, path)
        for path in self._folders.keys() - seen:
            del self._folders[path]
            changed = True
        if changed:
            self._sum_up()
        return changed

    def faults(self) -> list[Fault]:
        """Parts that are left out, and why."""
        return [fault for folder in self._folders.values() for fault in folder.faults]

    def leave_out(self, part: Part, what: str) -> None:
        """Leave a part out from now on, until its file changes."""
        self._bad[part.path] = Fault(path=part.path, stamp=part.stamp, what=what)
        self._folders.pop(os.path.dirname(part.path), None)

    def _look_into(self, run: str, iteration: int, stage: str, path: str) -> bool:
        try:
            mtime_ns = os.stat(path).st_mtime_ns
            known = self._folders.get(path)
            if known and _unchanged(known, mtime_ns):
                return False
            folder = self._list(run, iteration, stage, path, mtime_ns)
        except FileNotFoundError:
            return self._folders.pop(path, None) is not None
        self._folders[path] = folder
        return known is None or (known.parts, known.faults, known.done) != (folder.parts, folder.faults, folder.done)

    def _list(self, run: str, iteration: int, stage: str, path: str, mtime_ns: int) -> _Folder:
        known = self._folders.get(path)
        whole = {part.path: part for part in known.parts} if known else {}
        parts: list[Part] = []
        faults: list[Fault] = []
        done = False
        now = time.time()
        for entry in os.scandir(path):
            done |= entry.name == "done.json"
            name = _PART.fullmatch(entry.name)
            if name is None or not entry.is_file(follow_symlinks=False):
                continue
            try:
                stat = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            part = Part(
                path=entry.path,
                run=run,
                iteration=iteration,
                stage=stage,
                table=name[1],
                number=int(name[2]),
                stamp=(stat.st_size, stat.st_mtime_ns),
            )
            fault = None if whole.get(part.path) == part else self._fault_of(part)
            if fault is None:
                parts.append(part)
            else:
                faults.append(fault)
        parts.sort(key=lambda part: (part.table, part.number))
        return _Folder(mtime_ns, now, parts, sorted(faults, key=lambda fault: fault.path), done)

    def _fault_of(self, part: Part) -> Fault | None:
        known = self._bad.get(part.path)
        return known if known and known.stamp == part.stamp else _cut_off(part)

    def _sum_up(self) -> None:
        self.generation += 1
        folders = sorted(self._folders.items())
        self.parts = [part for _, folder in folders for part in folder.parts]
        self.done = frozenset(
            (Path(path).parts[-3], _iteration_of(Path(path).parent.name), Path(path).name)
            for path, folder in folders
            if folder.done and _ITERATION.fullmatch(Path(path).parent.name)
        )


def _cut_off(part: Part) -> Fault | None:
    """A Parquet file begins and ends with PAR1, and says before the end how long its footer is."""
    size = part.stamp[0]
    try:
        with open(part.path, "rb") as file:
            head = file.read(4)
            file.seek(max(0, size - 8))
            tail = file.read(8)
    except OSError as error:
        return _fault(part, f"cannot read this part: {error.strerror}. Check the disk.")
    footer = int.from_bytes(tail[:4], "little")
    if size >= 12 and head == tail[4:] == _MAGIC and footer <= size - 12:
        return None
    return _fault(part, f"this part is cut off or no Parquet file ({size:,} bytes). Delete it and resume the run.")


def _fault(part: Part, what: str) -> Fault:
    return Fault(path=part.path, stamp=part.stamp, what=f"{part.path}: {what}")


def _unchanged(known: _Folder, mtime_ns: int) -> bool:
    """Whether a listing still holds: nothing was renamed into the folder, and no bad part was mended in place."""
    if known.mtime_ns != mtime_ns or known.listed_at - mtime_ns / 1e9 <= _SETTLED_SECONDS:
        return False
    return all(_stamp(fault.path) == fault.stamp for fault in known.faults)


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        stat = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return stat.st_size, stat.st_mtime_ns


def _stage_folders(workspace: Workspace) -> list[tuple[str, int, str, str]]:
    """Run, iteration, stage and path of every folder that may hold parts, in order. What was measured of a judge
    without a run stands under the name measured/<judge>."""
    homes = [(run.name, run.path) for run in _folders(str(workspace.runs_folder)) if is_run_name(run.name)]
    homes += [(f"measured/{one.name}", one.path) for one in _folders(str(workspace.measured))]
    found = []
    for name, path in homes:
        for child in _folders(path):
            if child.name == "intake":
                found.append((name, 0, "intake", child.path))
            elif _ITERATION.fullmatch(child.name):
                number = _iteration_of(child.name)
                found += [(name, number, stage.name, stage.path) for stage in _folders(child.path)]
    return found


def _folders(path: str) -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(path) as entries:
            return sorted(
                (entry for entry in entries if entry.is_dir(follow_symlinks=False)), key=lambda entry: entry.name
            )
    except (FileNotFoundError, NotADirectoryError):
        return []


def _iteration_of(name: str) -> int:
    found = _ITERATION.fullmatch(name)
    return int(found[1]) if found else 0
