"""Which places of this machine a visitor may name. On one's own machine any; behind a password, where the visitor need
not be who started the server, only what lies in the workspace: uploads, and what runs made.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.assets import SHIPPED, assets_folder
from engine.errors import UsageError
from engine.paths import expanded
from engine.workspace.folders import Workspace
from studio.look.paths import hide_paths

_ALWAYS_A_PLACE = ("model.vllm_python", "model.adapters_folder")
_LOCAL_SOURCES = ("folder", "zip", "table")


class Places:
    """Set once, when the server starts: one server per process."""

    are_guarded = False


def guard_places(workspace: Workspace) -> None:
    """From now on visitors name no place outside the workspace, and read of none where it lies."""
    Places.are_guarded = True
    hide_paths(workspace.root, Path(sys.prefix), Path(sys.base_prefix), assets_folder(), Path.home(), Path.cwd())


def check_place(workspace: Workspace, place: str, *, what: str) -> None:
    """Raises `UsageError` for a place outside the workspace where visitors may not name one."""
    if not Places.are_guarded or not place.strip():
        return
    path = expanded(place.strip())
    if not path.resolve().is_relative_to(workspace.root.resolve()):
        raise UsageError(
            f"{what}: this studio asks for a password, so it reads no folder of its machine that a visitor names. "
            "Upload the files on Images, or use the command line there."
        )


def check_places(workspace: Workspace, overrides: Mapping[str, Any]) -> None:
    """The same for every setting that names one."""
    if not Places.are_guarded:
        return
    for key in _ALWAYS_A_PLACE:
        check_place(workspace, str(overrides.get(key) or ""), what=key)
    if overrides.get("source.kind", "folder") in _LOCAL_SOURCES:
        check_place(workspace, str(overrides.get("source.path") or ""), what="source.path")
    for key in ("model.base", "model.prompts"):
        name = str(overrides.get(key) or "")
        if name not in SHIPPED and (_looks_like_a_place(name) or name.endswith((".yaml", ".yml"))):
            check_place(workspace, name, what=key)
    for benchmark in overrides.get("evaluate.benchmarks") or ():
        name = str(benchmark).rpartition("=")[2]
        if _looks_like_a_place(name) or name.endswith(".jsonl"):
            check_place(workspace, name, what="evaluate.benchmarks")


def _looks_like_a_place(name: str) -> bool:
    """A hub's id is "owner/name"; everything else with a slash, and what is there on this machine, is a place."""
    return bool(name) and (name.startswith(("/", ".", "~")) or name.count("/") > 1 or Path(name).exists())
