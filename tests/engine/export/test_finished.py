"""The finished run that ships: it opens in today's code, holds what the pages need, and nobody can change it."""

from pathlib import Path

import pytest
from PIL import Image

from engine.errors import WorkspaceError
from engine.export.finished import MOST_BYTES, NAME, archive, finished_workspace, pack
from engine.records import BASE_JUDGE, HandLabel
from engine.workspace.catalog.database import open_catalog
from engine.workspace.decisions import best_judge, promote
from engine.workspace.folders import RunFolder, Workspace
from engine.workspace.hand_labels import add_label
from engine.workspace.locks import run_lock
from engine.workspace.state import read_state
from studio.jobs import runs as jobs
from studio.queries import notes
from studio.queries.turned import turned_items
from tests.arena_run import arena_run

LABEL = HandLabel(
    benchmark="shapes", item_id="a", image_id="b", dimension="count", rater="me", said="preferred", order="AB", place=0,
    seconds=1.0, time=0.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        finished_workspace.cache_clear()
        workspace = finished_workspace()
    finished_workspace.cache_clear()
    return workspace.run(NAME)


def test_shipped_run_is_small_finished_and_better_than_its_base(shipped: RunFolder) -> None:
    assert archive().stat().st_size <= MOST_BYTES
    state = read_state(shipped)
    assert (state.run, state.state) == (NAME, "done")
    gain, loss = turned_items(open_catalog(shipped.workspace), NAME, best_judge(shipped))
    assert (gain.better, loss.better) == (True, False)
    assert gain.alike > loss.alike > 0
    for turned in (gain, loss):
        assert {len(rows) for rows in turned.replies.values()} == {2}
        assert all(row.reasoning for rows in turned.replies.values() for row in rows)


def test_every_picture_of_the_shipped_run_is_there(shipped: RunFolder) -> None:
    paths = [row[0] for row in open_catalog(shipped.workspace).query("SELECT DISTINCT path FROM images", [])]
    assert len(paths) > 1000
    assert all((shipped.workspace.root / path).is_file() for path in paths)


def test_shipped_run_names_no_folder_of_the_machine_that_made_it(shipped: RunFolder) -> None:
    texts = [path for path in shipped.folder.rglob("*") if path.suffix in (".json", ".jsonl", ".yaml")]
    assert not [path for path in texts if "/work" in path.read_text() or "/home" in path.read_text()]


@pytest.mark.parametrize(
    "write",
    [
        lambda run: jobs.start_run(run.workspace, jobs.Launch(preset="shapes", overrides={}, name="mine")),
        lambda run: jobs.resume_run(run, iterations=4),
        lambda run: jobs.delete_run(run),
        lambda run: notes.set_flag(run.workspace, run.name, "a", True),
        lambda run: notes.save_note(run.workspace, run.name, "a", "seen"),
        lambda run: promote(run, "judge-v1"),
        lambda run: add_label(run, LABEL),
        lambda run: run_lock(run).__enter__(),
    ],
)
def test_writing_to_the_shipped_run_is_refused_with_a_sentence(shipped: RunFolder, write) -> None:
    before = sorted(path for path in shipped.workspace.root.rglob("*"))
    with pytest.raises(WorkspaceError, match=r"read-only.*your own workspace"):
        write(shipped)
    assert sorted(path for path in shipped.workspace.root.rglob("*")) == before
    assert notes.read_note(shipped.workspace, shipped.name, "a") == notes.Note(text="", flagged=False)


def test_unpacked_run_that_lost_its_marker_is_unpacked_anew(
    shipped: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(shipped.workspace.root.parents[1]))
    (shipped.workspace.root / "workspace.json").unlink()
    finished_workspace.cache_clear()
    assert finished_workspace() == shipped.workspace
    assert shipped.workspace.is_read_only


def test_packing_keeps_every_pixel_of_the_run_alone_and_renames_it(tmp_path: Path) -> None:
    run = arena_run(tmp_path / "ws")
    before = {path.stem: Image.open(path).convert("RGB").tobytes() for path in run.workspace.images.glob("*/*.png")}
    Image.new("RGB", (8, 8)).save(next(run.workspace.images.glob("*/*.png")).with_name("of-another-run.png"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.export.finished.archive", lambda: tmp_path / "made" / "run.tar.xz")
        patch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        pack(run, tmp_path / "made" / "run.tar.xz")
        finished_workspace.cache_clear()
        made = finished_workspace()
        finished_workspace.cache_clear()
    after = {path.stem: Image.open(path).convert("RGB").tobytes() for path in made.images.glob("*/*.webp")}
    assert after == before
    rows = open_catalog(made).query("SELECT DISTINCT run FROM verdicts WHERE judge = ?", [BASE_JUDGE])
    assert rows == [(NAME,)]


def test_run_that_has_not_finished_is_not_packed(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="has not finished"):
        pack(Workspace(tmp_path).run("never"), tmp_path / "x.tar.xz")
