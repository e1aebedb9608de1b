"""Files that visitors take away from a run: a judge version, the kept data, the report, the settings. Each is what a
command writes, packed where the page may read it.
"""

import re
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from engine.config import settings_as_dict
from engine.errors import JudgeStudioError, WorkspaceError
from engine.workspace.folders import Workspace
from engine.workspace.run_record import run_settings
from studio.jobs import child

_JUDGE = re.compile(r"judge-v\d{1,4}")
_SECONDS = 600.0
"""An adapter takes a second; merging it into a base of 11 billion parameters takes minutes."""

HandOut = Callable[[Workspace, str | None, str | None], Path]
"""(workspace, run, judge version) → file. All names are untrusted. Raises `JudgeStudioError` in a sentence."""


def judge_zip(workspace: Workspace, run: str | None, judge: str | None) -> Path:
    """A zip of what `judge-studio export` writes."""
    folder = workspace.existing_run(run or "")
    if not _JUDGE.fullmatch(judge or ""):
        raise JudgeStudioError("export: choose a judge version first.")
    merged = ["--merged"] if judge == "judge-v0" else []
    name = f"{folder.name}-{judge}"
    return _packed(workspace, name, lambda target: ["export", f"{folder.name}/{judge}", str(target), *merged])


def data_zip(workspace: Workspace, run: str | None, _judge: str | None) -> Path:
    """A zip of what `judge-studio export-data` writes: the kept traces and the pairs as datasets."""
    folder = workspace.existing_run(run or "")
    return _packed(workspace, f"{folder.name}-data", lambda target: ["export-data", folder.name, str(target)])


def report_file(workspace: Workspace, run: str | None, _judge: str | None) -> Path:
    """The report, one HTML file."""
    folder = workspace.existing_run(run or "")
    target = _place(workspace) / f"{folder.name}-report.html"
    target.unlink(missing_ok=True)
    _command(workspace, ["report", folder.name, "--out", str(target)])
    return target


def comparison_file(workspace: Workspace, sides: Sequence[str], benchmark: str) -> Path:
    """What `judge-studio compare --out` writes: one HTML file. `sides` are "RUN/judge-vN" or "RUN/control:…"."""
    if len(sides) < 2:
        raise JudgeStudioError("compare: choose two judges first.")
    name = re.sub(r"[^a-z0-9.]+", "-", " ".join(sides).lower()).strip("-.")[:100]
    target = _place(workspace) / f"{name}.html"
    target.unlink(missing_ok=True)
    _command(workspace, ["compare", *sides, "--benchmark", benchmark, "--out", str(target)])
    return target


def settings_file(workspace: Workspace, run: str | None, _judge: str | None) -> Path:
    """The complete settings, as `judge-studio run --config` takes them."""
    folder = workspace.existing_run(run or "")
    target = _place(workspace) / f"{folder.name}-settings.yaml"
    settings = yaml.safe_dump(settings_as_dict(run_settings(folder)), sort_keys=False, allow_unicode=True)
    try:
        target.write_text(f"# judge-studio run --config {target.name}\n{settings}", encoding="utf-8")
    except OSError as error:
        raise WorkspaceError(f"{target}: cannot be written: {error.strerror or error}. Free some space.") from error
    return target


def _packed(workspace: Workspace, name: str, words: Callable[[Path], Sequence[str]]) -> Path:
    """A zip of the folder that a command writes."""
    with tempfile.TemporaryDirectory(prefix="judge-studio-hand-out-") as scratch:
        made = Path(scratch) / name
        _command(workspace, words(made))
        target = _place(workspace) / f"{name}.zip"
        partial = target.with_suffix(".part")
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:  # weights do not shrink
            for path in sorted(made.rglob("*")):
                archive.write(path, Path(name) / path.relative_to(made))
        return partial.replace(target)


def _place(workspace: Workspace) -> Path:
    folder = workspace.uploads / "incoming" / "hand-outs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _command(workspace: Workspace, words: Sequence[str]) -> None:
    try:
        done = child.ended(child.COMMANDS, [*words, "--workspace", str(workspace.root)], seconds=_SECONDS)
    except TimeoutError:
        raise JudgeStudioError(f"{words[0]}: took longer than {_SECONDS:.0f} s. Use the command.") from None
    if done.code != 0:
        raise JudgeStudioError(done.last_words or f"{words[0]}: it ended without a word.")
