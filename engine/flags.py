"""Pairs that somebody flagged in the studio. The engine only reads them; the studio owns the file."""

import sqlite3

from engine.errors import WorkspaceError
from engine.workspace import Workspace


def flagged_pairs(workspace: Workspace) -> set[str]:
    """Ids of flagged pairs; none if nobody ever flagged one. Raises `WorkspaceError` if the notes cannot be read."""
    if not workspace.notes.exists():
        return set()
    try:
        connection = sqlite3.connect(f"{workspace.notes.as_uri()}?mode=ro", uri=True, timeout=5.0)
        try:
            return {row[0] for row in connection.execute("select pair_id from flags")}
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return set()
        raise WorkspaceError(
            f"{workspace.notes}: cannot read the flags: {error}. Restore it, or set select.exclude_flagged=false."
        ) from error
