"""What persons decided about a run in the studio: pairs they flagged, and the version they chose as its best.

`runs/<run>/promoted.json` holds the chosen version. RUN/best means it, in place of the one the statistics name; the
scores, `best` in the state and the loop's own decisions do not change, so what was measured stays what it was.
Flags lie in `studio.sqlite`, which the studio owns: they are only read here.
"""

import sqlite3
import time

from engine.errors import UsageError, WorkspaceError
from engine.records import BASE_JUDGE, version_number
from engine.workspace.files import read_json, write_json
from engine.workspace.folders import RunFolder
from engine.workspace.state import read_state

_FILE = "promoted.json"


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


def promoted_version(run: RunFolder) -> str | None:
    """The version somebody chose, None if nobody did or its adapter is gone."""
    judge = (read_json(run.folder / _FILE) or {}).get("judge")
    return judge if isinstance(judge, str) and _is_there(run, judge) else None


def best_judge(run: RunFolder) -> str:
    """What RUN/best means: the chosen version, else the one the statistics name, else the base model."""
    return promoted_version(run) or read_state(run).best or BASE_JUDGE


def promote(run: RunFolder, judge: str) -> None:
    """Make RUN/best mean `judge`. Raises `UsageError` if the run has no such version."""
    run.workspace.check_writable()
    if not _is_there(run, judge):
        raise UsageError(f"run '{run.name}': there is no {judge} to promote. Choose a version that was trained.")
    write_json(run.folder / _FILE, {"judge": judge, "time": round(time.time(), 3)})


def demote(run: RunFolder) -> None:
    """Let RUN/best mean again what the statistics name."""
    run.workspace.check_writable()
    (run.folder / _FILE).unlink(missing_ok=True)


def _is_there(run: RunFolder, judge: str) -> bool:
    number = version_number(judge)
    if number is None:
        return False
    return number == 0 or (run.adapter(number) / "adapter_config.json").is_file()
