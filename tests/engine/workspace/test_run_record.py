from pathlib import Path

import pytest
import yaml

from engine.config import load_settings
from engine.errors import IdentityError, WorkspaceError
from engine.workspace.folders import open_workspace, run_stem
from engine.workspace.run_record import create_run, run_settings
from engine.workspace.state import RunState, write_state


def test_relative_paths_of_a_run_mean_the_same_files_from_every_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = open_workspace(Path("ws")).run("first")
    settings = load_settings(overrides={"source.kind": "folder", "source.path": "photos"})
    create_run(run, settings)
    assert run_settings(run).source.path == str(tmp_path / "photos")
    create_run(run, settings)
    monkeypatch.chdir(tmp_path.parent)
    with pytest.raises(IdentityError, match=r"source\.path was"):
        create_run(run, settings)


def test_run_of_an_older_version_keeps_its_path_as_it_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = open_workspace(tmp_path / "ws").run("first")
    create_run(run, load_settings())
    record = yaml.safe_load(run.config.read_text())
    record["settings"]["source"] |= {"kind": "folder", "path": "photos"}
    run.config.write_text(yaml.safe_dump(record))
    typed = {"source.kind": "folder", "source.path": "photos", "loop.iterations": "9"}
    create_run(run, load_settings(overrides=typed))
    assert (run_settings(run).source.path, run_settings(run).loop.iterations) == ("photos", 9)


def test_run_that_failed_at_once_may_begin_again_with_a_corrected_path(tmp_path: Path) -> None:
    run = open_workspace(tmp_path / "ws").run("first")
    create_run(run, load_settings(overrides={"source.kind": "folder", "source.path": "/phtos"}))
    run.intake().begin({"source.path": "/phtos"})
    write_state(run, RunState(run="first", state="failed", error="there is no such folder"))
    create_run(run, load_settings(overrides={"source.kind": "folder", "source.path": "/photos"}))
    assert run_settings(run).source.path == "/photos"
    run.intake().begin({"source.path": "/photos"})


def test_run_in_a_workspace_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path / "ws")
    workspace.runs_folder.rmdir()
    workspace.runs_folder.write_text("a file in its place")
    with pytest.raises(WorkspaceError, match="cannot write: Not a directory"):
        create_run(workspace.run("first"), load_settings())


@pytest.mark.parametrize(
    ("file", "stem"),
    [("My Config", "my-config"), ("läufe", "laufe"), ("exp (2)", "exp-2"), ("_x", "x"), ("写真", "run"),
     ("a" * 70, "a" * 48), ("shapes-full", "shapes-full"), ("..", "run")],
)  # fmt: skip
def test_file_name_becomes_the_beginning_of_a_run_name(tmp_path: Path, file: str, stem: str) -> None:
    assert run_stem(file) == stem
    workspace = open_workspace(tmp_path / "ws")
    workspace.run(workspace.free_name(run_stem(file)))
