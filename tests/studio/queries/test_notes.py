"""Notes, flags and past judgements: what is kept, and that several processes and a damaged file do no harm."""

import threading
from pathlib import Path

import pytest

from engine.errors import UsageError, WorkspaceError
from engine.workspace.decisions import flagged_pairs
from engine.workspace.folders import Workspace, open_workspace
from studio.queries import notes

HOSTILE = "'); DROP TABLE flags; -- <script>\u202e 🟢"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return open_workspace(tmp_path / "ws")


def test_reading_where_nothing_was_written_makes_no_file(workspace: Workspace) -> None:
    assert notes.flagged_in(workspace, "r") == notes.noted_in(workspace, "r") == frozenset()
    assert not workspace.notes.exists()


def test_note_is_kept_replaced_and_removed_by_an_empty_one(workspace: Workspace) -> None:
    notes.save_note(workspace, "r", "p1", f"  {HOSTILE}\n")
    assert notes.read_note(workspace, "r", "p1") == notes.Note(text=HOSTILE, flagged=False)
    assert notes.read_note(workspace, "other", "p1").text == ""
    notes.save_note(workspace, "r", "p1", "second")
    assert notes.read_note(workspace, "r", "p1").text == "second"
    assert notes.noted_in(workspace, "r") == {"p1"}
    notes.save_note(workspace, "r", "p1", " ")
    assert notes.noted_in(workspace, "r") == frozenset()


def test_note_that_is_too_long_is_refused_and_the_old_one_stays(workspace: Workspace) -> None:
    notes.save_note(workspace, "r", "p1", "old")
    with pytest.raises(UsageError, match="at most 10,000"):
        notes.save_note(workspace, "r", "p1", "x" * 10_001)
    assert notes.read_note(workspace, "r", "p1").text == "old"


def test_flag_set_in_the_studio_is_what_the_engine_leaves_out(workspace: Workspace) -> None:
    notes.set_flag(workspace, "r", "p1", True)
    notes.set_flag(workspace, "r", "p1", True)
    notes.set_flag(workspace, "s", "p2", True)
    assert flagged_pairs(workspace.run("r")) == {"p1"}
    assert notes.flagged_in(workspace, "r") == {"p1"}
    assert notes.read_note(workspace, "r", "p1").flagged
    notes.set_flag(workspace, "r", "p1", False)
    assert flagged_pairs(workspace.run("r")) == set()
    assert flagged_pairs(workspace.run("s")) == {"p2"}


def test_writing_changes_the_time_of_the_file_that_browsers_watch(workspace: Workspace) -> None:
    notes.set_flag(workspace, "r", "p1", True)
    before = workspace.notes.stat().st_mtime_ns
    notes.save_note(workspace, "r", "p1", "seen")
    assert workspace.notes.stat().st_mtime_ns != before
    assert not Path(f"{workspace.notes}-wal").exists()


def test_notes_of_a_deleted_run_are_forgotten(workspace: Workspace) -> None:
    for run in ("r", "s"):
        notes.save_note(workspace, run, "p1", "text")
        notes.set_flag(workspace, run, "p1", True)
    notes.forget_run(workspace, "r")
    assert notes.read_note(workspace, "r", "p1") == notes.Note(text="", flagged=False)
    assert notes.read_note(workspace, "s", "p1") == notes.Note(text="text", flagged=True)


def test_threads_write_at_once_and_nothing_is_lost(workspace: Workspace) -> None:
    threads = [
        threading.Thread(target=notes.set_flag, args=(workspace, "r", f"p{number}", True)) for number in range(24)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(notes.flagged_in(workspace, "r")) == 24


def test_damaged_file_is_named_with_what_to_do(workspace: Workspace) -> None:
    workspace.notes.write_bytes(b"not a database" * 100)
    with pytest.raises(WorkspaceError, match=r"studio\.sqlite: cannot use the notes: .*move the file away"):
        notes.set_flag(workspace, "r", "p1", True)
