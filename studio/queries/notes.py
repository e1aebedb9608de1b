"""The little that the studio itself remembers: notes and flags on pairs. Past live judgements are in `judgements`.

One SQLite file, `studio.sqlite`, in WAL mode, so that several browsers and a run can use it at once. The engine reads
the table `flags` (`engine.workspace.decisions`); pairs flagged there can be left out of training. No Gradio.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from engine.errors import UsageError, WorkspaceError
from engine.workspace.folders import Workspace

LONGEST_NOTE = 10_000
"""Characters."""
_BUSY_SECONDS = 5.0
_TABLES = """
CREATE TABLE IF NOT EXISTS notes(
    run TEXT NOT NULL, pair_id TEXT NOT NULL, text TEXT NOT NULL, changed_at REAL NOT NULL, PRIMARY KEY (run, pair_id));
CREATE TABLE IF NOT EXISTS flags(
    run TEXT NOT NULL, pair_id TEXT NOT NULL, flagged_at REAL NOT NULL, PRIMARY KEY (run, pair_id));
CREATE TABLE IF NOT EXISTS wrong_reasons(
    run TEXT NOT NULL, iteration INTEGER NOT NULL, pair_id TEXT NOT NULL, "order" TEXT NOT NULL,
    sample INTEGER NOT NULL, marked_at REAL NOT NULL, PRIMARY KEY (run, iteration, pair_id, "order", sample));
CREATE TABLE IF NOT EXISTS live_judgements(
    key TEXT PRIMARY KEY, time REAL NOT NULL, image TEXT, question TEXT NOT NULL, a TEXT NOT NULL, b TEXT NOT NULL,
    judges TEXT NOT NULL, results TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS live_pictures(
    key TEXT NOT NULL, place INTEGER NOT NULL, image TEXT NOT NULL, PRIMARY KEY (key, place));
"""
_VERSION = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What somebody left on a pair."""

    text: str
    """ "" if there is none."""
    flagged: bool


def read_note(workspace: Workspace, run: str, pair_id: str) -> Note:
    """Note and flag of one pair."""
    if not workspace.notes.exists():
        return Note(text="", flagged=False)
    with open_notes(workspace) as database:
        text = database.execute("SELECT text FROM notes WHERE run = ? AND pair_id = ?", (run, pair_id)).fetchone()
        flag = database.execute("SELECT 1 FROM flags WHERE run = ? AND pair_id = ?", (run, pair_id)).fetchone()
    return Note(text=text[0] if text else "", flagged=flag is not None)


def save_note(workspace: Workspace, run: str, pair_id: str, text: str) -> None:
    """Replace the note; an empty text removes it. Raises `UsageError` for a text that is too long."""
    text = text.strip()
    if len(text) > LONGEST_NOTE:
        raise UsageError(f"note: {len(text):,} characters, at most {LONGEST_NOTE:,} are kept. Shorten it.")
    with open_notes(workspace) as database:
        if text:
            database.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?, ?)", (run, pair_id, text, time.time()))
        else:
            database.execute("DELETE FROM notes WHERE run = ? AND pair_id = ?", (run, pair_id))


def set_flag(workspace: Workspace, run: str, pair_id: str, flagged: bool) -> None:
    """Flag a pair, or take the flag back."""
    with open_notes(workspace) as database:
        if flagged:
            database.execute("INSERT OR IGNORE INTO flags VALUES (?, ?, ?)", (run, pair_id, time.time()))
        else:
            database.execute("DELETE FROM flags WHERE run = ? AND pair_id = ?", (run, pair_id))


def flagged_in(workspace: Workspace, run: str) -> frozenset[str]:
    """Ids of the run's flagged pairs."""
    if not workspace.notes.exists():
        return frozenset()
    with open_notes(workspace) as database:
        return frozenset(row[0] for row in database.execute("SELECT pair_id FROM flags WHERE run = ?", (run,)))


def noted_in(workspace: Workspace, run: str) -> frozenset[str]:
    """Ids of the run's pairs that have a note."""
    if not workspace.notes.exists():
        return frozenset()
    with open_notes(workspace) as database:
        return frozenset(row[0] for row in database.execute("SELECT pair_id FROM notes WHERE run = ?", (run,)))


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TraceMark:
    """A trace that somebody found right for the wrong reason."""

    iteration: int
    pair_id: str
    order: str
    sample: int


def marked_in(workspace: Workspace, run: str) -> frozenset[TraceMark]:
    """The run's traces that are marked as right for the wrong reason."""
    if not workspace.notes.exists():
        return frozenset()
    question = 'SELECT iteration, pair_id, "order", sample FROM wrong_reasons WHERE run = ?'
    with open_notes(workspace) as database:
        rows = database.execute(question, (run,)).fetchall()
    return frozenset(TraceMark(iteration=row[0], pair_id=row[1], order=row[2], sample=row[3]) for row in rows)


def toggle_mark(workspace: Workspace, run: str, mark: TraceMark) -> bool:
    """Mark a trace, or take the mark back; whether it is marked now."""
    named = (run, mark.iteration, mark.pair_id, mark.order, mark.sample)
    where = 'run = ? AND iteration = ? AND pair_id = ? AND "order" = ? AND sample = ?'
    with open_notes(workspace) as database:
        if database.execute(f"DELETE FROM wrong_reasons WHERE {where}", named).rowcount:
            return False
        database.execute("INSERT INTO wrong_reasons VALUES (?, ?, ?, ?, ?, ?)", (*named, time.time()))
    return True


def forget_run(workspace: Workspace, run: str) -> None:
    """Remove notes and flags of a deleted run, so that a later run of that name starts without them."""
    if workspace.notes.exists():
        with open_notes(workspace) as database:
            database.execute("DELETE FROM notes WHERE run = ?", (run,))
            database.execute("DELETE FROM flags WHERE run = ?", (run,))
            database.execute("DELETE FROM wrong_reasons WHERE run = ?", (run,))


@contextmanager
def open_notes(workspace: Workspace) -> Iterator[sqlite3.Connection]:
    """One short transaction; raises `WorkspaceError` with what to do. Opened and closed each time: closing moves the
    log into the file, whose new time tells other browsers that something changed.
    """
    workspace.check_writable()
    try:
        database = sqlite3.connect(workspace.notes, timeout=_BUSY_SECONDS)
        try:
            if database.execute("PRAGMA user_version").fetchone()[0] < _VERSION:
                database.execute("PRAGMA journal_mode = WAL")
                database.executescript(_TABLES)
                database.execute(f"PRAGMA user_version = {_VERSION}")
            with database:
                yield database
        finally:
            database.close()
    except sqlite3.Error as error:
        raise WorkspaceError(
            f"{workspace.notes}: cannot use the notes: {error}. Check the disk, or move the file away to start anew."
        ) from error
