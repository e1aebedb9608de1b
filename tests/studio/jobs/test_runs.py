"""Starting, stopping and deleting runs, with real processes and the files they leave."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from engine.errors import JudgeStudioError, LockedError, SettingsError, WorkspaceError
from engine.workspace.files import write_json
from engine.workspace.folders import RunFolder, Workspace, open_workspace
from engine.workspace.locks import run_lock
from engine.workspace.state import RunState, read_state, stop_requested, write_state
from studio.jobs import runs as jobs
from studio.jobs.child import environment
from studio.jobs.own_pictures import own_pictures
from studio.live import history
from studio.queries import notes
from studio.tabs.home.view import Home, show_home
from tests.patience import seconds
from tests.sample_workspace import make_workspace

_HOLD = """
import sys
from pathlib import Path
from engine.workspace.locks import run_lock
from engine.workspace.folders import RunFolder
with run_lock(RunFolder(Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def at_work(run: RunFolder) -> Iterator[None]:
    """Another process holds the run's lock, as a run at work does."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(run.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == b"held"
        write_state(run, RunState(run=run.name, state="running", stage="judge", iteration=2))
        yield
        assert child.stdin is not None
        child.stdin.close()


def broken_source(tmp_path: Path) -> dict[str, object]:
    """Settings that are right, of a source that is not there: the run fails as soon as it looks."""
    return {"source.kind": "zip", "source.path": str(tmp_path / "none.zip"), "model.device": "cpu"}


def test_run_started_for_a_missing_source_fails_with_its_sentence_and_keeps_it(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path / "ws")
    name = jobs.start_run(workspace, jobs.Launch(preset="shapes", overrides=broken_source(tmp_path), name="broken"))
    run = workspace.existing_run(name)
    until_ended(run)
    state = read_state(run)
    assert state.state == "failed"
    assert "none.zip" in str(state.error)
    assert any("none.zip" in line for line in jobs.log_tail(run))


def until_ended(run: RunFolder) -> None:
    """Wait for the child's end on the thread that reaps it."""
    for thread in threading.enumerate():
        if thread.name == f"reap {run.name}":
            thread.join(timeout=seconds(60))


def test_run_with_a_wrong_setting_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path)
    with pytest.raises(SettingsError, match=r"judge\.temperature"):
        jobs.start_run(workspace, jobs.Launch(preset="shapes", overrides={"judge.temperature": 99}, name="a"))
    assert not (workspace.runs_folder / "a").exists()


def test_name_that_is_taken_is_refused_with_a_sentence(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    with pytest.raises(WorkspaceError, match="one of that name already"):
        jobs.start_run(workspace, jobs.Launch(preset="shapes", overrides={}, name="shapes-01"))


def test_two_clicks_at_once_reserve_one_run(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path / "ws")
    outcomes: list[str] = []

    def click() -> None:
        try:
            launch = jobs.Launch(preset="shapes", overrides=broken_source(tmp_path), name="twice")
            outcomes.append(jobs.start_run(workspace, launch))
        except WorkspaceError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=click) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until_ended(workspace.run("twice"))
    assert "twice" in outcomes
    assert sum("one of that name already" in outcome for outcome in outcomes) == 1


def test_stop_of_a_run_at_work_leaves_the_request_for_it(tmp_path: Path) -> None:
    run = make_workspace(tmp_path).run("shapes-01")
    with at_work(run):
        jobs.stop_run(run)
        assert stop_requested(run)


def test_stop_of_a_run_that_has_its_lock_and_said_nothing_yet_is_left_for_it(tmp_path: Path) -> None:
    run = make_workspace(tmp_path).run("shapes-01")
    write_state(run, RunState(run=run.name, state="stopped"))
    with run_lock(run):
        jobs.stop_run(run)
    assert stop_requested(run)


def test_stop_of_a_run_at_rest_says_that_there_is_nothing_to_stop(tmp_path: Path) -> None:
    run = make_workspace(tmp_path).run("shapes-01")
    with pytest.raises(WorkspaceError, match="it is stopped, so there is nothing to stop"):
        jobs.stop_run(run)


def test_run_at_work_is_neither_resumed_nor_deleted(tmp_path: Path) -> None:
    run = make_workspace(tmp_path).run("shapes-01")
    with at_work(run):
        with pytest.raises(LockedError, match="working on it already"):
            jobs.resume_run(run)
        with pytest.raises(LockedError, match="Stop it before"):
            jobs.delete_run(run)
    assert run.config.exists()


def test_deleted_run_leaves_no_folder_and_none_of_the_pictures_that_only_it_used(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    assert any(workspace.images.rglob("*.png"))
    notes.set_flag(workspace, "shapes-01", "p1", True)
    jobs.delete_run(workspace.run("shapes-01"))
    assert notes.flagged_in(workspace, "shapes-01") == frozenset()
    assert list(workspace.runs_folder.iterdir()) == []
    assert list(workspace.images.rglob("*.png")) == []
    with pytest.raises(WorkspaceError, match="gone already"):
        jobs.delete_run(workspace.run("shapes-01"))


def test_picture_that_anything_else_uses_stays_when_a_run_is_deleted(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    shown = sorted(workspace.images.rglob("*.png"))
    second = workspace.run("shapes-02")
    shutil.copytree(workspace.run("shapes-01").folder, second.folder)
    jobs.delete_run(second)
    assert sorted(workspace.images.rglob("*.png")) == shown, "the other run has the same ones"

    one = shown[0]
    relative = str(one.relative_to(workspace.root))
    history.keep(workspace, images=[relative], question="?", a="a", b="b", judges=["x"], said=[])
    shutil.copytree(workspace.run("shapes-01").folder, second.folder)
    with run_lock(workspace.run("shapes-01")):
        jobs.delete_run(second)
        assert sorted(workspace.images.rglob("*.png")) == shown, "a run at work may be about to use them"
    jobs.delete_run(workspace.run("shapes-01"))
    assert sorted(workspace.images.rglob("*.png")) == [one], "somebody judged it"


def test_pictures_stay_when_what_else_names_them_cannot_be_read(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    shown = sorted(workspace.images.rglob("*.png"))
    damaged = workspace.run("shapes-02").folder / "intake" / "images-00000.parquet"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"PAR1 and no more")
    assert own_pictures(workspace.run("shapes-01")) == []
    jobs.delete_run(workspace.run("shapes-01"))
    assert sorted(workspace.images.rglob("*.png")) == shown


def test_home_shows_the_other_runs_while_one_is_being_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = make_workspace(tmp_path)
    shutil.copytree(workspace.run("shapes-01").folder, workspace.runs_folder / "shapes-02")
    shown: list[Home] = []
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: shown.append(show_home(workspace, None)))
    jobs.delete_run(workspace.run("shapes-02"))
    assert [run.name for run in workspace.runs()] == ["shapes-01"]
    assert "shapes-01" in shown[0].runs


def test_deletion_that_was_cut_short_is_finished_at_the_next_start(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        ours, theirs = (workspace.root / f".deleted-shapes-02-{pid}-1" for pid in (os.getpid(), other.pid))
        for folder in (ours, theirs, workspace.root / ".deleted-odd"):
            folder.mkdir()
        jobs.sweep_deleted(workspace)
        assert list(workspace.root.glob(".deleted-*")) == [theirs], "another process is deleting that one"
        other.communicate(b"\n")
    jobs.sweep_deleted(workspace)
    assert not theirs.exists()


def test_process_counts_as_starting_until_its_first_sign_of_life(tmp_path: Path) -> None:
    run = make_workspace(tmp_path).run("shapes-01")
    born = psutil.Process().create_time()
    write_json(run.folder / "starting.json", {"pid": os.getpid(), "born": born})
    assert jobs.is_starting(run)
    with pytest.raises(LockedError, match="is starting"):
        jobs.delete_run(run)
    write_state(run, RunState(run=run.name, state="stopped", heartbeat=born + 1))
    assert not jobs.is_starting(run)


def test_process_id_that_now_belongs_to_another_process_is_not_starting(tmp_path: Path) -> None:
    run = make_workspace(tmp_path).run("shapes-01")
    write_json(run.folder / "starting.json", {"pid": os.getpid(), "born": 1.0})
    assert not jobs.is_starting(run)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (None, "a.b="),
        (True, "a.b=true"),
        (1e-5, "a.b=1e-05"),
        ("photos", "a.b=photos"),
        ("2024", "a.b=2024"),
        ("my photos #2", "a.b=my photos #2"),
        (["x", "ü"], 'a.b=["x", "ü"]'),
    ],
)
def test_setting_is_written_so_that_the_command_line_reads_the_same(value: object, word: str) -> None:
    assert jobs.Launch(preset=None, overrides={"a.b": value}).words() == [word]


def test_command_line_quotes_for_a_shell_and_names_another_workspace(tmp_path: Path) -> None:
    launch = jobs.Launch(preset="shapes", overrides={"source.path": "/my photos; rm -rf"}, name="a")
    text = jobs.command_line("run", launch.words(), Workspace(tmp_path))
    assert "'source.path=/my photos; rm -rf'" in text
    assert f"--workspace {tmp_path}" in text


def test_unwritable_workspace_is_a_sentence(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path)
    workspace.runs_folder.rmdir()
    workspace.runs_folder.write_text("in the way")
    with pytest.raises((JudgeStudioError, OSError)):
        jobs.start_run(workspace, jobs.Launch(preset="shapes", overrides={}, name="a"))
