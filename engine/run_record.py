"""What a run was made with: config.yaml, written once, checked ever after. It knows no stage."""

from typing import Any

import yaml

from engine.config import Settings, flat, parse_settings, settings_as_dict
from engine.errors import IdentityError, LockedError, WorkspaceError
from engine.provenance import library_versions, model_fingerprint
from engine.state import is_locked
from engine.workspace import RunFolder, write_text

_CHANGEABLE = ("loop.iterations", "loop.patience", "loop.budget_minutes")
"""How long a run goes on may be decided again; everything else changes results."""


def create_run(run: RunFolder, settings: Settings) -> None:
    """Write config.yaml, or check that the existing one holds the same settings; how long to go on may change.

    Raises `IdentityError` naming the first setting that differs, `LockedError` if the run is being worked on.
    """
    before: dict[str, Any] = {}
    if run.config.exists():
        _check_same(run, settings)
        before = run_record(run)
    if is_locked(run):
        raise LockedError(
            f"run '{run.name}': another process is working on it. Stop it with 'judge-studio stop {run.name}'."
        )
    run.folder.mkdir(parents=True, exist_ok=True)
    record = {
        "settings": settings_as_dict(settings),
        "libraries": before.get("libraries") or library_versions(),
        "model_fingerprint": before["model_fingerprint"] if before else model_fingerprint(settings.model.base),
    }
    write_text(run.config, yaml.safe_dump(record, sort_keys=False, allow_unicode=True))


def _check_same(run: RunFolder, settings: Settings) -> None:
    before, now = flat(run_settings(run)), flat(settings)
    for key in now:
        if key not in _CHANGEABLE and before.get(key) != now[key]:
            raise IdentityError(
                f"run '{run.name}': cannot continue, {key} was {before.get(key)!r}, now {now[key]!r}. "
                "Start a new run, or set it back."
            )


def run_settings(run: RunFolder) -> Settings:
    """The settings a run was made with. Raises `WorkspaceError` if config.yaml cannot be read."""
    return parse_settings(run_record(run).get("settings") or {}, where=str(run.config))


def run_record(run: RunFolder) -> dict[str, Any]:
    """The whole of config.yaml. Raises `WorkspaceError` if it cannot be read."""
    try:
        record = yaml.safe_load(run.config.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise WorkspaceError(f"{run.config}: cannot read: {error}. Restore the file or start a new run.") from error
    if not isinstance(record, dict):
        raise WorkspaceError(f"{run.config}: expected settings by name. Restore the file or start a new run.")
    return record
