"""One training as every process that shares in it is given it: what is learned from, and where it starts and writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.config import ModelSettings, TrainSettings
from engine.records import Pair, Trace, seed_for
from engine.stages.bench import Bench
from engine.stages.train.rows import training_rows
from engine.workspace.folders import StageFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """All that a training depends on, and its places in the stage folder."""

    folder: StageFolder
    rows: Sequence[Mapping[str, Any]]
    """As `training_rows` makes them."""
    model: ModelSettings
    train: TrainSettings
    parent_adapter: Path | None
    """PEFT folder to continue from; None for the base model itself."""
    seed: int

    @property
    def checkpoints(self) -> Path:
        return self.folder.folder / "checkpoints"

    @property
    def unfinished(self) -> Path:
        """Where the adapter is saved before it is renamed."""
        return self.folder.folder / "adapter.unfinished"

    @property
    def adapter(self) -> Path:
        """Where it is when it is whole."""
        return self.folder.folder / "adapter"


def learned_from(bench: Bench) -> tuple[list[Trace], dict[str, Pair]]:
    """What the iteration's version is trained on: its kept traces, and the pairs they are about by id."""
    kept = [trace for trace in bench.folder("select").read("traces", Trace) if trace.kept]
    return kept, {pair.pair_id: pair for pair in bench.folder("synthesize").read("pairs", Pair)}


def training_job(
    bench: Bench, traces: Sequence[Trace], pairs: Mapping[str, Pair], *, parent_adapter: Path | None
) -> TrainingJob:
    """The training of the iteration's version on its kept traces, whose order does not matter."""
    seed = seed_for(bench.settings.loop.seed, "train", bench.iteration)
    return TrainingJob(
        folder=bench.folder("train"),
        rows=training_rows(
            sorted(traces, key=lambda trace: trace.trace_id),
            pairs=pairs,
            images=bench.images,
            pack=bench.pack,
            settings=bench.settings.train,
            seed=seed,
        ),
        model=bench.settings.model,
        train=bench.settings.train,
        parent_adapter=parent_adapter,
        seed=seed,
    )
