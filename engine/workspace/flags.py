"""Pairs that somebody flagged in the studio. The engine only reads them; the studio owns the file."""

import sqlite3

from engine.errors import WorkspaceError
from engine.workspace.folders import RunFolder


def flagged_pairs(run: RunFolder) -> set[str]:
    """Ids of the pairs flagged in `run`; none if nobody ever flagged one.

    Raises `WorkspaceError` if the notes cannot be read.
    """
    notes = run.workspace.notes
    if not notes.exists():
        return set()
    try:
        connection = sqlite3.connect(f"{notes.as_uri()}?mode=ro", uri=True, timeout=5.0)
        try:
            return {row[0] for row in connection.execute("select pair_id from flags where run = ?", (run.name,))}
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return set()
        raise WorkspaceError(
            f"{notes}: cannot read the flags: {error}. Restore it, or set select.exclude_flagged=false."
        ) from error
