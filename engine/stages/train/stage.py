"""Train the next judge version on the kept traces: a LoRA adapter, appearing in the stage folder when it is whole.

It resumes in the middle from a checkpoint. The model code is in `engine.stages.train`, imported only when it runs.
"""

import gc
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean

from engine.config import Settings
from engine.errors import SettingsError, TrainingError
from engine.judging.served_check import write_opinions
from engine.records import Pair, Step, Trace, VersionRow, content_id
from engine.stages.bench import Bench
from engine.stages.train.job import TrainingJob, training_job
from engine.workspace.conclusions import Trained
from engine.workspace.files import sync_folder
from engine.workspace.parts import Parts

_STEP_ROWS = 500
"""Steps per part; the loss curve on the page is at most `Parts`' 20 s old."""


def train(bench: Bench, traces: Sequence[Trace], pairs: Mapping[str, Pair], *, parent_adapter: Path | None) -> Trained:
    """Train the iteration's version on `traces` (kept ones only); what done.json holds.

    `parent_adapter` is the PEFT folder to continue from, None to start at the base model. Raises `TrainingError`
    when there is nothing to train on, the loss is no number, or the adapter came out unchanged.
    """
    if (done := bench.folder("train").conclusion(Trained)) is not None:
        return done
    _check_kept(traces, bench)
    parent = None if parent_adapter is None else adapter_digest(parent_adapter)
    bench.begin("train", inputs=[trace.trace_id for trace in traces], parent=parent)
    job = training_job(bench, traces, pairs, parent_adapter=parent_adapter)
    seconds = 0.0
    if not job.adapter.exists():
        started = time.monotonic()
        _fit(bench, job)
        seconds = time.monotonic() - started
    trained = _finish(bench, job, trained_on=len(traces), seconds=seconds)
    bench.progress.event("trained", judge=bench.judge, trained_on=len(traces), seconds=seconds)
    return trained


def check_layers(settings: Settings) -> None:
    """Raises `SettingsError` if the judge is served by an engine that cannot take what is trained."""
    if settings.train.layers != "language" and settings.model.backend != "transformers":
        raise SettingsError(
            f"train.layers={settings.train.layers}: model.backend={settings.model.backend} applies adapters to the "
            "language layers only. Set model.backend=transformers, or train.layers=language."
        )
    if settings.train.method == "full" and settings.model.backend != "transformers":
        raise SettingsError(
            f"train.method=full: model.backend={settings.model.backend} takes adapters, and whole layers are none. Set "
            "model.backend=transformers, or train.method=lora; an exported merged judge can be served by anything."
        )


def adapter_digest(adapter: Path) -> str:
    """16 hex digits of an adapter's weights: a parent trained again is another parent."""
    return content_id((adapter / "adapter_model.safetensors").read_bytes().hex())


def _check_kept(traces: Sequence[Trace], bench: Bench) -> None:
    if not traces:
        raise TrainingError(
            f"train: iteration {bench.iteration} kept no trace, so there is nothing to learn from. Look at the "
            "rejected traces and their reasons; raise judge.traces_per_order or synthesize.instructions, or set "
            f"select.rule=per-order (now {bench.settings.select.rule})."
        )


def _fit(bench: Bench, job: TrainingJob) -> None:
    """Run the trainer; afterwards `adapter/` is there, whole. Raises `StopRequested` after saving a checkpoint."""
    bench.progress.begin("train", total=None, unit="steps", message=f"Loading {job.model.base} to train it")
    from engine.stages.train.fit import fit, free_device

    shutil.rmtree(job.unfinished, ignore_errors=True)
    message = f"Training {bench.judge} on {len(job.rows)} examples"
    with Parts(job.folder, "steps", rows=_STEP_ROWS) as parts:
        opinions = fit(job, message=message, progress=bench.progress, parts=parts)
    gc.collect()  # the trainer holds itself in circles, and the device is needed for evaluation
    free_device()
    write_opinions(job.folder, {job.rows[number]["trace_id"]: value for number, value in opinions.items()})
    os.replace(job.unfinished, job.adapter)
    sync_folder(job.folder.folder)


def _finish(bench: Bench, job: TrainingJob, *, trained_on: int, seconds: float) -> Trained:
    """Write the version's row once, drop the checkpoints, declare the stage done."""
    version = VersionRow(
        judge=bench.judge,
        parent=bench.parent,
        adapter=str(job.adapter.relative_to(bench.run.workspace.root)),
        trained_on=trained_on,
    )
    job.folder.write_once("versions", [version])
    shutil.rmtree(job.checkpoints, ignore_errors=True)
    steps = job.folder.read("steps", Step)
    last = [step.loss for step in steps[-max(1, len(steps) // 10) :]]
    trained = Trained(
        judge=version.judge,
        parent=version.parent,
        adapter=version.adapter,
        trained_on=trained_on,
        steps=len(steps),
        loss=round(fmean(last), 4) if last else None,
        start=job.train.start,
        seconds=round(seconds, 1),
    )
    job.folder.finish(asdict(trained))
    return trained
