from pathlib import Path

import pytest

from engine.errors import IdentityError, UsageError, WorkspaceError
from engine.records import ImageRow, Instruction
from engine.workspace.files import write_json
from engine.workspace.folders import StageFolder, open_workspace


def image(number: int) -> ImageRow:
    return ImageRow(
        image_id=f"{number:064x}", path=f"images/{number}.png", width=4, height=3, source="test", name=f"{number}.png"
    )


@pytest.fixture
def stage(tmp_path: Path) -> StageFolder:
    return open_workspace(tmp_path / "ws").run("first").stage(1, "judge")


def test_rows_written_in_parts_come_back_in_order(stage: StageFolder) -> None:
    stage.begin({"seed": 1})
    stage.write("images", [image(1), image(2)])
    stage.write("images", [image(3)])
    assert stage.read("images", ImageRow) == [image(1), image(2), image(3)]
    assert [part.name for part in stage.parts("images")] == ["images-00000.parquet", "images-00001.parquet"]


def test_record_with_a_tuple_and_none_comes_back_equal(stage: StageFolder) -> None:
    stage.begin({})
    row = Instruction(
        instruction_id="i", image_id="x", question="?", kind="closed", answer_type="option", dimension=None,
        choices=("a", "b"), answer=None, split="train",
    )  # fmt: skip
    stage.write("instructions", [row])
    assert stage.read("instructions", Instruction) == [row]


def test_no_rows_write_no_part(stage: StageFolder) -> None:
    stage.begin({})
    assert stage.write("images", []) is None
    assert stage.parts("images") == []


def test_identity_that_changed_is_refused_naming_the_field(stage: StageFolder) -> None:
    stage.begin({"base": "A", "seed": 1})
    stage.begin({"base": "A", "seed": 1})
    with pytest.raises(IdentityError, match="base was 'A', now 'B'"):
        stage.begin({"base": "B", "seed": 1})


def test_stage_is_done_only_after_finish(stage: StageFolder) -> None:
    stage.begin({})
    assert stage.summary() is None
    stage.finish({"kept": 3})
    assert stage.summary() == {"kept": 3}


def test_part_that_is_no_parquet_is_named(stage: StageFolder) -> None:
    stage.begin({})
    (stage.folder / "images-00000.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(WorkspaceError, match=r"images-00000\.parquet: cannot read this part"):
        stage.read("images", ImageRow)


def test_leftover_of_a_killed_writer_is_swept(stage: StageFolder) -> None:
    stage.begin({})
    (stage.folder / ".images-00000.parquet.99.tmp").write_bytes(b"half")
    stage.sweep()
    assert [path.name for path in stage.folder.iterdir()] == ["identity.json"]


def test_workspace_of_a_newer_layout_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "workspace.json", {"layout": 99})
    with pytest.raises(WorkspaceError, match="layout 99"):
        open_workspace(tmp_path)


def test_workspace_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(WorkspaceError, match="cannot use this as a workspace"):
        open_workspace(tmp_path / "file")


def test_missing_workspace_is_not_made_by_readers(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="no workspace here"):
        open_workspace(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", ["", "../up", "a/b", "A", ".hidden", "x" * 65, "a b"])
def test_run_name_that_is_no_plain_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        open_workspace(tmp_path).run(name)


def test_missing_run_is_an_error_that_names_those_there_are(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path)
    (workspace.runs_folder / "there").mkdir()
    (workspace.runs_folder / "there" / "config.yaml").write_text("{}")
    with pytest.raises(WorkspaceError, match=r"no run called 'gone'\. Runs here: there"):
        workspace.existing_run("gone")


def test_folder_beside_the_runs_whose_name_no_run_can_have_is_no_run(tmp_path):
    workspace = open_workspace(tmp_path)
    for name in ("first", "first copy", ".deleted-first-7"):
        folder = workspace.runs_folder / name
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text("settings: {}")
    assert [run.name for run in workspace.runs()] == ["first"]
