"""Which adapter a training continues from."""

from pathlib import Path

from engine.measure.metrics import best_version
from engine.records import version_number
from engine.workspace.conclusions import Measured
from engine.workspace.folders import RunFolder


def adapter_to_start_from(run: RunFolder, start: str, iteration: int) -> Path | None:
    """The PEFT folder that the setting `train.start` names for an iteration; None for the base model itself.

    "best" is the version that the statistics name of those before this iteration, whatever a person promoted.
    """
    if iteration == 1 or start == "base":
        return None
    if start == "previous":
        return run.adapter(iteration - 1)
    history = [run.conclusion(number, Measured) or Measured() for number in range(1, iteration)]
    number = version_number(best_version(history))
    return run.adapter(number) if number else None
