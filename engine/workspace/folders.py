"""The workspace on disk: where everything lies.

    <workspace>/workspace.json  images/<2 hex>/<sha256>.<ext>  uploads/  studio.sqlite
    runs/<run>/config.yaml state.json events.jsonl
    runs/<run>/intake/            images-, skipped-, instructions-00000.parquet
    runs/<run>/iteration-00/benchmark/  the items every version is measured on (synthesize/ too, for held-out pairs)
    runs/<run>/iteration-00/evaluate/   judge-v0 and the controls, measured before anything is trained
    runs/<run>/iteration-01/{synthesize,judge,select,train,evaluate}/

In every stage folder identity.json comes first, then `<table>-<number>.parquet` parts, then done.json.
It knows no stage's contents; `engine.workspace.state` holds what a run says of itself.
"""

import json
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from engine.errors import IdentityError, UsageError, WorkspaceError
from engine.paths import expanded
from engine.workspace.conclusions import Concluded, read_conclusion
from engine.workspace.files import read_json, write_json

LAYOUT = 1
"""Raised whenever older code could not read a newer workspace."""

STAGES = ("synthesize", "judge", "select", "train", "evaluate")
_RUN_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_LONGEST_STEM = 48
"""Letters: leaves room for a number behind it."""
Record = TypeVar("Record")


def run_stem(text: str) -> str:
    """The beginning of a run's name made from a file's: "Läufe (2)" → "laufe-2"; "run" where nothing is left."""
    plain = unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9._]+", "-", plain).strip("._-")[:_LONGEST_STEM].strip("._-") or "run"


def is_run_name(name: str) -> bool:
    """Whether a folder of that name is a run's; others, e.g. a copy made by hand, are left alone."""
    return _RUN_NAME.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Workspace:
    """One folder with everything. Use `open_workspace` to get one."""

    root: Path

    @property
    def images(self) -> Path:
        return self.root / "images"

    @property
    def runs_folder(self) -> Path:
        return self.root / "runs"

    @property
    def measured(self) -> Path:
        """What was measured of judges that no run of this workspace made."""
        return self.root / "measured"

    @property
    def uploads(self) -> Path:
        return self.root / "uploads"

    @property
    def notes(self) -> Path:
        return self.root / "studio.sqlite"

    @property
    def is_read_only(self) -> bool:
        """Whether it is the finished run that ships with the project, which nobody may change."""
        marker = read_json(self.root / "workspace.json") or {}
        return marker.get("read_only") is True

    def check_writable(self) -> None:
        """Raise `WorkspaceError` before anything is written to a workspace that ships with the project."""
        if self.is_read_only:
            raise WorkspaceError(
                "finished demo: it is read-only, so nothing is started, noted, flagged or kept in it. "
                "Go back to your own workspace for that."
            )

    def runs(self) -> list["RunFolder"]:
        """Every run that has settings, newest first."""
        configs = self.runs_folder.glob("*/config.yaml")
        found = [RunFolder(path.parent) for path in configs if is_run_name(path.parent.name)]
        return sorted(found, key=lambda run: (run.folder / "config.yaml").stat().st_mtime, reverse=True)

    def run(self, name: str) -> "RunFolder":
        """The run called `name`, which need not exist. Raises `UsageError` for a name that is no file name."""
        if not is_run_name(name):
            raise UsageError(
                f"run '{name}': a run's name has 1 to 64 of a-z 0-9 . _ - and starts with a letter or digit."
            )
        return RunFolder(self.runs_folder / name)

    def existing_run(self, name: str) -> "RunFolder":
        """Like `run`, but raises `WorkspaceError` if there is none, naming those there are."""
        run = self.run(name)
        if not run.config.exists():
            names = ", ".join(other.name for other in self.runs()[:8]) or "none yet"
            raise WorkspaceError(f"{self.root}: no run called '{name}'. Runs here: {names}.")
        return run

    def free_name(self, stem: str) -> str:
        """`stem-01`, `stem-02`, …: the first that is not taken."""
        number = 1
        while (self.runs_folder / f"{stem}-{number:02d}").exists():
            number += 1
        return f"{stem}-{number:02d}"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's folder."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.folder.parents[1])

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def log(self) -> Path:
        """What the run's process printed."""
        return self.folder / "run.log"

    def stage(self, iteration: int, stage: str) -> "StageFolder":
        return StageFolder(self.folder / f"iteration-{iteration:02d}" / stage, self.name, iteration)

    def conclusion(self, iteration: int, kind: type[Concluded]) -> Concluded | None:
        """What a stage of one iteration ended with, None before that: `run.conclusion(2, Judged)`."""
        return self.stage(iteration, kind.stage).conclusion(kind)

    def evaluations(self, iteration: int) -> list["StageFolder"]:
        """What a version was measured in: by the run itself, then by `judge-studio evaluate`."""
        apart = sorted(self.stage(iteration, "evaluate").folder.parent.glob("evaluate-*"))
        return [self.stage(iteration, "evaluate"), *(self.stage(iteration, folder.name) for folder in apart)]

    def intake(self) -> "StageFolder":
        return StageFolder(self.folder / "intake", self.name, 0)

    def adapter(self, iteration: int) -> Path:
        """PEFT folder of judge-v{iteration}."""
        return self.stage(iteration, "train").folder / "adapter"


@dataclass(frozen=True, slots=True)
class StageFolder:
    """One stage of one iteration: identity first, parts, done last."""

    folder: Path
    run: str
    iteration: int

    def begin(self, identity: Mapping[str, Any]) -> None:
        """Record what the rows depend on, or check that it is what it was.

        A field that only one side knows came or went with a version of this program, whose rows were made with what is
        now the default; that settings differ beyond that is for `create_run` to tell.
        Raises `IdentityError` naming the first field that changed.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkspaceError(f"{self.folder}: cannot create: {error.strerror}. Check the disk.") from error
        path = self.folder / "identity.json"
        before = read_json(path)
        now = json.loads(json.dumps(identity))
        if before is None:
            write_json(path, now)
            return
        for field in sorted(set(before) & set(now)):
            if before.get(field) != now.get(field):
                raise IdentityError(
                    f"run '{self.run}' iteration {self.iteration}: cannot continue {self.folder.name}, {field} was "
                    f"{before.get(field)!r}, now {now.get(field)!r}. Start a new run, or set it back."
                )

    def parts(self, table: str) -> list[Path]:
        """Finished parts of a table, in order."""
        return sorted(self.folder.glob(f"{table}-[0-9]*.parquet"))

    def write(self, table: str, rows: Sequence[Any]) -> Path | None:
        """Append rows as one more part; nothing is written for no rows."""
        from engine.workspace.tables import write_part  # pyarrow costs 0.2 s, which `status` need not pay

        if not rows:
            return None
        before = self.parts(table)
        number = int(before[-1].stem.rsplit("-", 1)[1]) + 1 if before else 0
        path = self.folder / f"{table}-{number:05d}.parquet"
        write_part(path, table, rows)
        return path

    def write_once(self, table: str, rows: Sequence[Any]) -> None:
        """Write a table that follows whole from what is there, unless a try that was killed has written it."""
        if not self.parts(table):
            self.write(table, rows)

    def read(self, table: str, record: type[Record]) -> list[Record]:
        """All rows written so far."""
        from engine.workspace.tables import read_parts

        return read_parts(self.parts(table), record)

    def summary(self) -> dict[str, Any] | None:
        """What `finish` recorded, or None while the stage is not done."""
        return read_json(self.folder / "done.json")

    def conclusion(self, kind: type[Concluded]) -> Concluded | None:
        """The summary as the record of its stage. Raises `DamagedError` if it is none."""
        values = self.summary()
        return None if values is None else read_conclusion(values, kind, where=self.folder / "done.json")

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Declare the stage complete. Written last: its presence is the proof."""
        from engine.workspace.files import sync_folder

        write_json(self.folder / "done.json", summary)
        sync_folder(self.folder)

    def sweep(self) -> None:
        """Remove unfinished temporary files of an earlier process."""
        for leftover in self.folder.glob(".*.tmp"):
            leftover.unlink(missing_ok=True)


def open_workspace(path: Path, *, create: bool = True) -> Workspace:
    """The workspace at `path`, made if need be.

    Raises `WorkspaceError` if it is missing (and not to be made), not a folder, or of a newer layout.
    """
    path = expanded(path).resolve()
    marker = path / "workspace.json"
    if not path.exists() and not create:
        raise WorkspaceError(f"{path}: no workspace here. Start a run, or name another with --workspace.")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkspaceError(
            f"{path}: cannot use this as a workspace: {error.strerror}. Name another with --workspace."
        ) from error
    layout = (read_json(marker) or {}).get("layout", LAYOUT)
    if not isinstance(layout, int) or layout > LAYOUT:
        raise WorkspaceError(
            f"{path}: this workspace has layout {layout}, this version reads up to {LAYOUT}. Update judge-studio."
        )
    workspace = Workspace(path)
    if create:
        if not marker.exists():
            write_json(marker, {"layout": LAYOUT})
        for folder in (workspace.images, workspace.runs_folder):
            try:
                folder.mkdir(exist_ok=True)
            except OSError as error:
                raise WorkspaceError(
                    f"{folder}: cannot be made: {error.strerror}. Check what lies there, or name another --workspace."
                ) from error
    return workspace


def workspace_path(given: Path | None) -> Path:
    """The workspace folder that is meant."""
    return given or Path(os.environ.get("JUDGE_STUDIO_WORKSPACE") or "workspace")
