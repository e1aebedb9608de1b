"""What a stage needs to run in a test: a run folder, progress, images that are only named, and instructions."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.backends.base import Backend
from engine.config import Settings
from engine.prompts import PromptPack, load_pack
from engine.records import AnswerType, Instruction
from engine.stages.bench import Bench
from engine.workspace.folders import RunFolder, StageFolder, open_workspace
from engine.workspace.progress import Progress
from engine.workspace.state import RunState


@dataclass(frozen=True)
class StageBench:
    """One run in a temporary workspace."""

    run: RunFolder

    def progress(self) -> Progress:
        """As of a new process: nothing asked it to stop yet."""
        return Progress(self.run, RunState(run=self.run.name, state="running"))

    def stands(
        self,
        iteration: int = 1,
        *,
        backend: Backend | None = None,
        settings: Settings | None = None,
        pack: PromptPack | None = None,
        images: Mapping[str, Path] | None = None,
        progress: Progress | None = None,
    ) -> Bench:
        """What the stages of an iteration stand at, with one backend for all judges."""

        def models(*_judges: str) -> Backend:
            assert backend is not None, "this stage asks no model"
            return backend

        return Bench(
            run=self.run,
            settings=settings or Settings(),
            pack=pack or load_pack("default"),
            images=image_paths(2000) if images is None else images,
            models=models,
            progress=progress or self.progress(),
            iteration=iteration,
        )

    def folder(self, stage: str, iteration: int = 1) -> StageFolder:
        return self.run.stage(iteration, stage)


def stage_bench(folder: Path, run: str = "trial") -> StageBench:
    made = open_workspace(folder).run(run)
    made.folder.mkdir(parents=True)
    return StageBench(made)


def image_paths(count: int) -> dict[str, Path]:
    return {f"image-{number:04d}": Path(f"/images/{number:04d}.png") for number in range(count)}


def closed(
    number: int,
    *,
    answer_type: AnswerType = "number",
    choices: tuple[str, ...] = (),
    answer: str | None = None,
    dimension: str | None = "count",
) -> Instruction:
    return Instruction(
        instruction_id=f"closed-{number:04d}",
        image_id=f"image-{number:04d}",
        question=f"How many things, question {number}?",
        kind="closed",
        answer_type=answer_type,
        dimension=dimension,
        choices=choices,
        answer=answer,
        split="train",
    )


def opened(number: int) -> Instruction:
    return Instruction(
        instruction_id=f"open-{number:04d}",
        image_id=f"image-{number:04d}",
        question=f"Describe picture {number}.",
        kind="open",
        answer_type=None,
        dimension=None,
        choices=(),
        answer=None,
        split="train",
    )
