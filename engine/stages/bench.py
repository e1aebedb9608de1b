"""What every stage stands at: the run, its settings, prompts and pictures, the door to its model, and its progress."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from engine.backends.base import Backend
from engine.config import Settings
from engine.prompts import PromptPack
from engine.records import version_name
from engine.stages.identity import Group, identity
from engine.workspace.folders import RunFolder, StageFolder
from engine.workspace.progress import Progress


class ModelDoor(Protocol):
    """Opens the run's model when it is first asked for."""

    def __call__(self, *judges: str) -> Backend:
        """The backend with these judge versions loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One iteration of one run as its stages find it. The rows that a stage works on are handed over beside it."""

    run: RunFolder
    settings: Settings
    pack: PromptPack
    images: Mapping[str, Path]
    """Image id → its file."""
    models: ModelDoor
    progress: Progress
    iteration: int
    """0 is the baseline."""

    @property
    def judge(self) -> str:
        """The version that this iteration makes, and measures at its end."""
        return version_name(self.iteration)

    @property
    def parent(self) -> str:
        """The version that this iteration begins with, and that rules in it. The baseline has none."""
        return version_name(self.iteration - 1)

    def folder(self, stage: str) -> StageFolder:
        return self.run.stage(self.iteration, stage)

    def begin(self, stage: Group, *, inputs: Iterable[str], **more: Any) -> StageFolder:
        """The stage's folder, ready for rows. Raises `IdentityError` if it was begun on something else.

        `inputs` are the ids of the rows that are worked on, `more` what else the stage's own rows depend on.
        """
        folder = self.folder(stage)
        pack = None if stage == "select" else self.pack  # what is kept depends on no words
        folder.begin(identity(self.settings, stage, pack, iteration=self.iteration, inputs=inputs, **more))
        folder.sweep()
        return folder
