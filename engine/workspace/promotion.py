"""The judge version of a run that a person chose as its best, in place of the one the statistics name.

`runs/<run>/promoted.json` holds it. RUN/best means the chosen one; the scores, `best` in the state and the loop's own
decisions do not change, so what was measured stays what it was.
"""

import time

from engine.errors import UsageError
from engine.workspace.folders import RunFolder, read_json, write_json
from engine.workspace.state import read_state

_FILE = "promoted.json"


def promoted_version(run: RunFolder) -> str | None:
    """The version somebody chose, None if nobody did or its adapter is gone."""
    judge = (read_json(run.folder / _FILE) or {}).get("judge")
    return judge if isinstance(judge, str) and _is_there(run, judge) else None


def best_judge(run: RunFolder) -> str:
    """What RUN/best means: the chosen version, else the one the statistics name, else the base model."""
    return promoted_version(run) or read_state(run).best or "judge-v0"


def promote(run: RunFolder, judge: str) -> None:
    """Make RUN/best mean `judge`. Raises `UsageError` if the run has no such version."""
    if not _is_there(run, judge):
        raise UsageError(f"run '{run.name}': there is no {judge} to promote. Choose a version that was trained.")
    write_json(run.folder / _FILE, {"judge": judge, "time": round(time.time(), 3)})


def demote(run: RunFolder) -> None:
    """Let RUN/best mean again what the statistics name."""
    (run.folder / _FILE).unlink(missing_ok=True)


def _is_there(run: RunFolder, judge: str) -> bool:
    number = judge.removeprefix("judge-v")
    if not number.isdecimal() or judge != f"judge-v{int(number)}":
        return False
    return int(number) == 0 or (run.adapter(int(number)) / "adapter_config.json").is_file()
