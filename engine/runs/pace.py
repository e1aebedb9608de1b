"""How fast this machine rules, as it was timed here, and what that promises of a whole run of the embedded model.

The shares of the stages are those of a run of the demo (seed 0 of the table in README.md), their speed is that of this
machine.
"""

import json
import time
from collections.abc import Mapping
from functools import cache

from engine.assets import SHIPPED, assets_folder
from engine.config import Settings
from engine.workspace.files import read_json, write_json
from engine.workspace.folders import Workspace

_FILE = "pace.json"
_RATES = "finished/pace.json"


@cache
def shipped_rates() -> Mapping[str, float]:
    """Seconds per unit of every stage of a run of the demo, on the machine that made it."""
    rates: dict[str, float] = json.loads((assets_folder() / _RATES).read_text(encoding="utf-8"))
    return rates


def rates_at(settings: Settings, seconds_per_ruling: float) -> dict[str, float]:
    """Seconds per unit of every stage here; {} for other models, whose stages have other shares."""
    if settings.model.base not in SHIPPED:
        return {}
    shipped = shipped_rates()
    factor = seconds_per_ruling / shipped["evaluate"]
    return {stage: rate * factor for stage, rate in shipped.items()}


def timed_pace(settings: Settings, workspace: Workspace) -> float | None:
    """Seconds per ruling as they were timed for this model here; None if they were not."""
    timed = read_json(workspace.root / _FILE) or {}
    seconds = timed.get("seconds_per_ruling")
    return float(seconds) if timed.get("of") == _of(settings) and isinstance(seconds, int | float) else None


def keep_pace(settings: Settings, workspace: Workspace, seconds_per_ruling: float) -> None:
    """Remember a timing, for the plans made after it."""
    workspace.check_writable()
    values = {"of": _of(settings), "seconds_per_ruling": seconds_per_ruling, "time": round(time.time(), 3)}
    write_json(workspace.root / _FILE, values, durable=False)


def _of(settings: Settings) -> str:
    return f"{settings.model.base} {settings.model.backend} {settings.model.device}"
