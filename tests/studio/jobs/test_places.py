"""Behind a password a visitor names no place of the machine; without one, its owner names any."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import UsageError
from engine.workspace.folders import Workspace, open_workspace
from studio.jobs import uploads
from studio.jobs.places import Places, check_places, guard_places


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Workspace]:
    guard_places()
    yield open_workspace(tmp_path / "ws")
    Places.are_guarded = False


@pytest.mark.parametrize(
    "overrides",
    [
        {"source.kind": "folder", "source.path": "/etc"},
        {"source.path": "../../etc"},
        {"source.kind": "table", "source.path": "~/secrets.parquet"},
        {"model.vllm_python": "/usr/bin/env"},
        {"model.base": "/etc"},
        {"model.prompts": "/etc/passwd.yaml"},
        {"evaluate.benchmarks": ["vl-rewardbench=/etc"]},
    ],
)
def test_visitor_behind_a_password_names_no_place_of_the_machine(guarded: Workspace, overrides: dict) -> None:
    with pytest.raises(UsageError, match="Upload the files"):
        check_places(guarded, overrides)
    Places.are_guarded = False
    check_places(guarded, overrides)


def test_visitor_behind_a_password_uses_uploads_models_of_the_hub_and_data_sets(guarded: Workspace) -> None:
    inside = guarded.uploads / "photos"
    check_places(guarded, {"source.kind": "folder", "source.path": str(inside), "model.base": "Qwen/Qwen3-VL-8B"})
    check_places(guarded, {"source.kind": "dataset", "source.path": "owner/name", "model.base": "shapes-vlm"})
    check_places(guarded, {"evaluate.benchmarks": ["held-out", "shapes"]})


def test_folder_of_the_machine_is_not_taken_in_for_a_visitor_behind_a_password(guarded: Workspace) -> None:
    with pytest.raises(UsageError, match="asks for a password"):
        uploads.take_in_settings(guarded, {"kind": "folder", "path": "/etc"})
