"""Train the next judge version on the kept traces: a LoRA adapter, appearing in the stage folder when it is whole.

It resumes in the middle from a checkpoint. The model code is in `engine.stages.train`, imported only when it runs.
"""

import gc
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from engine.config import Settings
from engine.errors import SettingsError, TrainingError
from engine.judging.served_check import write_opinions
from engine.prompts import PromptPack
from engine.records import BASE_JUDGE, Pair, Step, Trace, VersionRow, content_id, seed_for, version_name
from engine.stages.identity import identity
from engine.stages.train.rows import training_rows
from engine.workspace.files import sync_folder
from engine.workspace.folders import StageFolder
from engine.workspace.parts import Parts
from engine.workspace.progress import Progress

_STEP_ROWS = 500
"""Steps per part; the loss curve on the page is at most `Parts`' 20 s old."""


def train(
    *,
    folder: StageFolder,
    traces: Sequence[Trace],
    pairs: Mapping[str, Pair],
    images: Mapping[str, Path],
    settings: Settings,
    pack: PromptPack,
    parent_adapter: Path | None,
    iteration: int,
    progress: Progress,
) -> dict[str, Any]:
    """Train judge-v{iteration} on `traces` (kept ones only); the summary that done.json holds.

    `parent_adapter` is the PEFT folder to continue from, None to start at the base model. Raises `TrainingError`
    when there is nothing to train on, the loss is no number, or the adapter came out unchanged.
    """
    before = folder.summary()
    if before is not None:
        return before
    _check_kept(traces, settings, iteration)
    ordered = sorted(traces, key=lambda trace: trace.trace_id)
    folder.begin(
        identity(
            settings,
            "train",
            pack,
            iteration=iteration,
            inputs=[trace.trace_id for trace in ordered],
            parent=None if parent_adapter is None else adapter_digest(parent_adapter),
        )
    )
    folder.sweep()
    rows = training_rows(
        ordered, pairs=pairs, images=images, pack=pack, settings=settings.train,
        seed=seed_for(settings.loop.seed, "train", iteration),
    )  # fmt: skip
    adapter = folder.folder / "adapter"
    seconds = 0.0
    if not adapter.exists():
        started = time.monotonic()
        _fit(folder, rows, settings, parent_adapter=parent_adapter, iteration=iteration, progress=progress)
        seconds = time.monotonic() - started
    summary = _finish(folder, settings, trained_on=len(ordered), iteration=iteration, seconds=seconds)
    progress.event("trained", judge=summary["judge"], trained_on=len(ordered), seconds=seconds)
    return summary


def check_layers(settings: Settings) -> None:
    """Raises `SettingsError` if the judge is served by an engine whose LoRA leaves the eyes alone."""
    if settings.train.layers != "language" and settings.model.backend != "transformers":
        raise SettingsError(
            f"train.layers={settings.train.layers}: model.backend={settings.model.backend} applies adapters to the "
            "language layers only. Set model.backend=transformers, or train.layers=language."
        )


def unfinished_adapter(folder: StageFolder) -> Path:
    """Where the adapter is saved before it is renamed."""
    return folder.folder / "adapter.unfinished"


def adapter_digest(adapter: Path) -> str:
    """16 hex digits of an adapter's weights: a parent trained again is another parent."""
    return content_id((adapter / "adapter_model.safetensors").read_bytes().hex())


def _check_kept(traces: Sequence[Trace], settings: Settings, iteration: int) -> None:
    if not traces:
        raise TrainingError(
            f"train: iteration {iteration} kept no trace, so there is nothing to learn from. Look at the rejected "
            "traces and their reasons; raise judge.traces_per_order or synthesize.instructions, or set "
            f"select.rule=per-order (now {settings.select.rule})."
        )


def _fit(
    folder: StageFolder,
    rows: Sequence[dict[str, Any]],
    settings: Settings,
    *,
    parent_adapter: Path | None,
    iteration: int,
    progress: Progress,
) -> None:
    """Run the trainer; afterwards `adapter/` is there, whole. Raises `StopRequested` after saving a checkpoint."""
    progress.begin("train", total=None, unit="steps", message=f"Loading {settings.model.base} to train it")
    from engine.stages.train.fit import fit, free_device

    shutil.rmtree(unfinished_adapter(folder), ignore_errors=True)
    with Parts(folder, "steps", rows=_STEP_ROWS) as parts:
        opinions = fit(
            folder=folder,
            work=folder.folder / "checkpoints",
            save_to=unfinished_adapter(folder),
            rows=rows,
            model=settings.model,
            train=settings.train,
            parent_adapter=parent_adapter,
            seed=seed_for(settings.loop.seed, "train", iteration),
            message=f"Training {version_name(iteration)} on {len(rows)} examples",
            progress=progress,
            parts=parts,
        )
    gc.collect()  # the trainer holds itself in circles, and the device is needed for evaluation
    free_device()
    write_opinions(folder, {rows[number]["trace_id"]: value for number, value in opinions.items()})
    os.replace(unfinished_adapter(folder), folder.folder / "adapter")
    sync_folder(folder.folder)


def _finish(
    folder: StageFolder, settings: Settings, *, trained_on: int, iteration: int, seconds: float
) -> dict[str, Any]:
    """Write the version's row once, drop the checkpoints, declare the stage done.

    `loss` is the mean of the last tenth of the steps, in nats per token: one step says little.
    """
    version = VersionRow(
        judge=version_name(iteration),
        parent=version_name(iteration - 1) if iteration > 1 else BASE_JUDGE,
        adapter=str((folder.folder / "adapter").relative_to(folder.folder.parents[3])),
        trained_on=trained_on,
    )
    if not folder.parts("versions"):
        folder.write("versions", [version])
    shutil.rmtree(folder.folder / "checkpoints", ignore_errors=True)
    steps = folder.read("steps", Step)
    last = [step.loss for step in steps[-max(1, len(steps) // 10) :]]
    summary = {
        "judge": version.judge,
        "parent": version.parent,
        "adapter": version.adapter,
        "trained_on": trained_on,
        "steps": len(steps),
        "loss": round(fmean(last), 4) if last else None,
        "start": settings.train.start,
        "seconds": round(seconds, 1),
    }
    folder.finish(summary)
    return summary
