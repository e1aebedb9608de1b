"""The finished run that ships with the project, packed from a real one and opened beside a user's own workspace.

    python -m engine.export.finished RUN --workspace DIR

Nothing of what the run measured changes: pictures become WebP without loss, paths lose the machine they came from, and
the run gets the name it is shown under. The archive is unpacked once per machine, into the user's cache.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from engine.assets import EMBEDDED, assets_folder
from engine.errors import JudgeStudioError, WorkspaceError
from engine.records import ImageRow
from engine.workspace.files import read_json, write_json
from engine.workspace.folders import LAYOUT, STAGES, RunFolder, Workspace, open_workspace
from engine.workspace.timing import stage_times

NAME = "fog-demo"
"""Of the run inside."""
MOST_BYTES = 5_000_000
"""Of the archive: what a checkout and a wheel can bear for one look at a finished run."""
_LEFT_BEHIND = {"lock", "run.log", "README.md", "starting.json"}
"""Files of a run that no page needs: locks, what a terminal printed, PEFT's own card of an adapter."""
_PICTURE_COLUMNS = ("path", "image")


def archive() -> Path:
    """Where the packed run lies."""
    return assets_folder() / "finished" / "fog-demo.tar.xz"


@cache
def finished_workspace() -> Workspace:
    """The read-only workspace with the finished run, unpacked on first need.

    Raises `WorkspaceError` if there is no room for it.
    """
    packed = archive()
    try:
        mark = hashlib.sha256(packed.read_bytes()).hexdigest()[:12]
    except OSError as error:
        raise WorkspaceError(f"{packed}: cannot read the finished run: {error}. Reinstall judge-studio.") from error
    folder = _cache() / f"finished-{mark}"
    if not (folder / "workspace.json").is_file():
        _unpack(packed, folder)
    return open_workspace(folder, create=False)


def _cache() -> Path:
    """The user's cache folder; a temporary one where there is no home to write to."""
    for parent in (os.environ.get("XDG_CACHE_HOME"), os.path.expanduser("~/.cache"), tempfile.gettempdir()):
        if not parent or not os.path.isabs(parent):
            continue
        folder = Path(parent) / ("judge-studio" if parent != tempfile.gettempdir() else f"judge-studio-{os.getuid()}")
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK) and folder.stat().st_uid == os.getuid():
            return folder
    raise WorkspaceError("finished run: no folder can be written to. Set XDG_CACHE_HOME to one that can.")


def _unpack(packed: Path, folder: Path) -> None:
    """Whole or not at all; of two processes that unpack together, one wins and the other takes what is there."""
    scratch = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=folder.parent))
    try:
        with tarfile.open(packed) as archived:
            archived.extractall(scratch, filter="data")
        shutil.rmtree(folder, ignore_errors=True)  # one that a cleaner of caches took files from
        os.replace(scratch, folder)
    except (OSError, tarfile.TarError) as error:
        if not (folder / "workspace.json").is_file():
            raise WorkspaceError(f"{folder}: cannot unpack the finished run: {error}. Check the disk.") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


# --- packing -----------------------------------------------------------------------------------------------------


def pack(run: RunFolder, target: Path) -> int:
    """Write the archive of a finished run; its bytes.

    Raises `WorkspaceError` for a run that has not finished, or that is too large to ship.
    """
    if (read_json(run.folder / "state.json") or {}).get("state") != "done":
        raise WorkspaceError(f"run '{run.name}': it has not finished. Pack one that is done.")
    with tempfile.TemporaryDirectory(prefix="judge-studio-") as scratch:
        workspace = Workspace(Path(scratch) / "finished")
        for path in sorted(run.folder.rglob("*")):
            if path.is_file() and path.name not in _LEFT_BEHIND:
                _carry(path, workspace.runs_folder / NAME / path.relative_to(run.folder), run)
        for path in _pictures(run):
            _as_webp(path, workspace.images / path.parent.name / f"{path.stem}.webp")
        write_json(workspace.root / "workspace.json", {"layout": LAYOUT, "read_only": True})
        target.parent.mkdir(exist_ok=True)
        with tarfile.open(target, "w:xz", preset=9) as archived:
            archived.add(workspace.root, arcname=".", filter=_without_owner)
    write_json(target.with_name("pace.json"), _pace(run))
    size = target.stat().st_size
    if size > MOST_BYTES:
        raise WorkspaceError(f"{target}: {size:,} bytes, at most {MOST_BYTES:,} are shipped. Pack a smaller run.")
    return size


def _pictures(run: RunFolder) -> list[Path]:
    """The stored pictures of this run: its workspace may hold those of others."""
    rows = [*run.intake().read("images", ImageRow), *run.stage(0, "benchmark").read("images", ImageRow)]
    return sorted({run.workspace.root / row.path for row in rows})


def _pace(run: RunFolder) -> dict[str, float]:
    """Seconds per unit of each stage, over all iterations: how a run's time is shared out."""
    times = [time for time in stage_times(run).values() if time.finished and time.total and time.stage in STAGES]
    stages = {time.stage for time in times}
    totals = {stage: [time for time in times if time.stage == stage] for stage in STAGES if stage in stages}
    return {
        stage: round(sum(time.seconds for time in all_) / sum(time.total or 0 for time in all_), 6)
        for stage, all_ in totals.items()
    }


def _carry(path: Path, target: Path, run: RunFolder) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        _carry_table(path, target, run)
    elif path.name == "adapter_config.json":
        write_json(target, {**(read_json(path) or {}), "base_model_name_or_path": EMBEDDED})
    elif path.suffix == ".json":
        write_json(target, {key: _moved(value, run) for key, value in (read_json(path) or {}).items()})
    else:
        shutil.copyfile(path, target)


def _moved(value: Any, run: RunFolder) -> Any:
    """A run's name, or a path below its folder, under the new name."""
    if value == run.name:
        return NAME
    before = f"runs/{run.name}/"
    return f"runs/{NAME}/{value.removeprefix(before)}" if isinstance(value, str) and value.startswith(before) else value


def _carry_table(path: Path, target: Path, run: RunFolder) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    for place, name in enumerate(table.schema.names):
        if name in (*_PICTURE_COLUMNS, "adapter"):
            values = [_moved(_renamed(value), run) for value in table.column(name).to_pylist()]
            table = table.set_column(place, table.schema.field(name), pa.array(values, table.schema.field(name).type))
    pq.write_table(table, target, compression="none")  # the archive compresses all of them together, and better


def _renamed(value: Any) -> Any:
    is_stored = isinstance(value, str) and value.startswith("images/") and value.endswith(".png")
    return f"{value.removesuffix('.png')}.webp" if is_stored else value


def _as_webp(path: Path, target: Path) -> None:
    """The same pixels in a third of the room; more effort takes fifty times as long for nothing."""
    from PIL import Image

    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(path) as image:
        image.save(target, "WEBP", lossless=True, quality=60, method=4)


def _without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Pack a finished run as the one that ships.")
    parser.add_argument("run")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=archive())
    options = parser.parse_args(arguments)
    try:
        run = open_workspace(options.workspace, create=False).existing_run(options.run)
        print(json.dumps({"archive": str(options.out), "bytes": pack(run, options.out)}))
    except JudgeStudioError as error:
        print(f"finished: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
