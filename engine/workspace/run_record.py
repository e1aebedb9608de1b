"""What a run was made with: config.yaml, written once, checked ever after. It knows no stage."""

from collections.abc import Sequence
from typing import Any

import yaml

from engine.config import Settings, flat, parse_settings, settings_as_dict
from engine.errors import IdentityError, LockedError, SettingsError, WorkspaceError
from engine.paths import with_absolute_paths
from engine.workspace.files import write_text
from engine.workspace.folders import RunFolder
from engine.workspace.locks import is_locked
from engine.workspace.provenance import library_versions, model_fingerprint
from engine.workspace.state import read_state

_CHANGEABLE = ("loop.iterations", "loop.patience", "loop.budget_minutes")
"""How long a run goes on may be decided again; everything else changes results."""


def create_run(run: RunFolder, settings: Settings) -> None:
    """Write config.yaml with whole paths, or check that the existing one holds the same settings; how long to go on
    may change, and all may after a failure before anything was done, e.g. a mistyped path.

    Raises `IdentityError` naming the first setting that differs, `LockedError` if the run is being worked on,
    `WorkspaceError` if the disk refuses.
    """
    run.workspace.check_writable()
    settings = with_absolute_paths(settings)
    before: dict[str, Any] = {}
    if run.config.exists() and not _failed_at_once(run):
        settings = _continued(run, settings)
        before = run_record(run)
    _make_folder(run, anew=not before)
    if is_locked(run):
        raise LockedError(
            f"run '{run.name}': another process is working on it. Stop it with 'judge-studio stop {run.name}'."
        )
    record = {
        "settings": settings_as_dict(settings),
        "libraries": before.get("libraries") or library_versions(),
        "model_fingerprint": before["model_fingerprint"] if before else model_fingerprint(settings.model.base),
    }
    write_text(run.config, yaml.safe_dump(record, sort_keys=False, allow_unicode=True))


def _continued(run: RunFolder, settings: Settings) -> Settings:
    """The recorded settings with what may change taken from `settings`; paths of older runs stay as they were typed."""
    recorded = run_settings(run)
    before, now = flat(with_absolute_paths(recorded)), flat(settings)
    for key in now:
        if key not in _CHANGEABLE and before.get(key) != now[key]:
            raise IdentityError(
                f"run '{run.name}': cannot continue, {key} was {before.get(key)!r}, now {now[key]!r}. "
                "Start a new run, or set it back."
            )
    return recorded.model_copy(update={"loop": settings.loop})


def _failed_at_once(run: RunFolder) -> bool:
    """Whether the run failed before any stage wrote a row."""
    began = any(run.folder.glob("iteration-*/*/*")) or any(run.intake().folder.glob("*.parquet"))
    return not began and read_state(run).state == "failed"


def _make_folder(run: RunFolder, *, anew: bool) -> None:
    """The run's folder; `anew` without what an intake that found nothing left behind."""
    try:
        run.folder.mkdir(parents=True, exist_ok=True)
        if anew:
            (run.intake().folder / "identity.json").unlink(missing_ok=True)
    except OSError as error:
        raise WorkspaceError(
            f"{run.folder}: cannot write: {error.strerror or error}. Check its permissions, or name another "
            "--workspace."
        ) from error


def run_settings(run: RunFolder) -> Settings:
    """The settings a run was made with. Raises `WorkspaceError` if config.yaml cannot be read."""
    return parse_settings(run_record(run).get("settings") or {}, where=str(run.config))


def differing_settings(runs: Sequence[RunFolder]) -> dict[str, tuple[Any, ...]]:
    """Setting → its value in each run, for those that are not the same in all; in the order of definition."""
    values = [_flat_record(run) for run in runs]
    names = dict.fromkeys(name for one in values for name in one)
    rows = {name: tuple(one.get(name) for one in values) for name in names}
    return {name: row for name, row in rows.items() if any(value != row[0] for value in row)}


def _flat_record(run: RunFolder) -> dict[str, Any]:
    """Every setting with its default; as they were written where another version of this program knew others."""
    try:
        return flat(run_settings(run))
    except SettingsError:
        groups = run_record(run).get("settings") or {}
        return {f"{group}.{name}": value for group, members in groups.items() for name, value in members.items()}


def run_record(run: RunFolder) -> dict[str, Any]:
    """The whole of config.yaml. Raises `WorkspaceError` if it cannot be read."""
    try:
        record = yaml.safe_load(run.config.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise WorkspaceError(f"{run.config}: cannot read: {error}. Restore the file or start a new run.") from error
    if not isinstance(record, dict):
        raise WorkspaceError(f"{run.config}: expected settings by name. Restore the file or start a new run.")
    return record
