"""What a stage needs to run in a test: a run folder, progress, images that are only named, and instructions."""

from dataclasses import dataclass
from pathlib import Path

from engine.records import AnswerType, Instruction
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
