"""One training from loaded model to saved adapter: the only place where model, batches, layers and trainer meet."""

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from PIL import Image
from transformers import PrinterCallback

from engine.backends.local.chat import ChatEncoder
from engine.backends.local.transformers import load_model, load_processor
from engine.config import ModelSettings, TrainSettings
from engine.errors import TrainingError
from engine.stages.train.augment import augmented
from engine.stages.train.batches import IGNORED, Collator
from engine.stages.train.job import TrainingJob
from engine.stages.train.lora import adapted, largest_change, layers_kept_whole, weights_of
from engine.stages.train.trainer import (
    JudgeTrainer,
    StageCallback,
    disk_faults,
    newest_checkpoint,
    training_arguments,
)
from engine.verdicts import stated
from engine.workspace.files import sync_folder
from engine.workspace.parts import Parts
from engine.workspace.progress import Progress
from engine.workspace.provenance import model_folder

_MOST_WORKERS = 4
"""15 ms a new picture of 1 megapixel in one process: four keep ahead of any card."""


def fit(job: TrainingJob, *, message: str, progress: Progress | None, parts: Parts) -> dict[int, float]:
    """Train on the job's rows and save the adapter under its unfinished name, synced to disk.

    Returns the trained model's opinions (see `opinions`) of the rows that have `"probe": True`, by row number.
    Training goes on from the newest whole checkpoint. `progress` is None in all but the first process of
    `accelerate launch`. Raises `StopRequested` after saving a checkpoint when a stop was asked for, and
    `TrainingError` when the adapter did not change.
    """
    callback = StageCallback(job.folder, progress, parts, message=message)
    with _quiet():
        torch.manual_seed(job.seed)
        trainer = _trainer(job, callback)
        before = weights_of(trainer.model)
        _train(trainer, newest_checkpoint(job.checkpoints))
        if callback.stopped is not None:
            raise callback.stopped
        alone = trainer.args.world_size == 1
        if alone and largest_change(trainer.model, before) == 0.0:
            raise TrainingError(
                "train: the adapter did not change. Raise train.learning_rate or train.epochs and start a new run."
            )
        _save(trainer, job.unfinished)
        return opinions(trainer.model, trainer.data_collator, job.rows) if alone else {}


def _train(trainer: JudgeTrainer, checkpoint: Path | None) -> None:
    try:
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"train: out of memory with {trainer.args.per_device_train_batch_size} traces at a time. Lower "
            "train.micro_batch_size and start a new run, or use a device with more memory."
        ) from error


def workers_beside(device: str) -> int:
    """Processes that read images and encode them beside a GPU; a CPU has better to do."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    return min(_MOST_WORKERS, (os.cpu_count() or 1) // (2 * processes)) if device == "cuda" else 0


def free_device() -> None:
    """Give collected memory back to the GPU: a server that is started next would find it in use."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _trainer(job: TrainingJob, callback: StageCallback) -> JudgeTrainer:
    model = job.model
    name = str(model_folder(model.base) or model.base)
    device = model.device if model.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    # Loaded on the CPU: under `accelerate launch` the trainer knows which device is this process's.
    base = load_model(name, device="cpu", dtype=_weights(model, device), revision=model.revision)
    if os.environ.get("ACCELERATE_USE_FSDP") == "true":
        os.environ.setdefault("FSDP_TRANSFORMER_CLS_TO_WRAP", ",".join(layers_kept_whole(base)))
    parameters = sum(value.numel() for value in base.parameters())
    encoder = ChatEncoder(load_processor(name, revision=model.revision), model_name=model.base)
    trainer = JudgeTrainer(
        model=adapted(base, job.train, parent=job.parent_adapter),
        args=training_arguments(
            job.train,
            folder=job.checkpoints,
            device=device,
            seed=job.seed,
            parameters=parameters,
            workers=workers_beside(device),
        ),
        data_collator=Collator(encoder, partial(_change, job.train)),
        train_dataset=Dataset.from_list(list(job.rows)),
        processing_class=load_processor(name, revision=model.revision),  # the encoder took the other apart
        callbacks=[callback],
    )
    trainer.processing_class = None  # else every checkpoint would hold a copy
    trainer.remove_callback(PrinterCallback)
    return trainer


def _change(train: TrainSettings, image: Image.Image, seed: str) -> Image.Image:
    return augmented(image, train.augment, train.augment_strength, seed)


@torch.no_grad()
def opinions(model: Any, collator: Collator, rows: Sequence[Mapping[str, Any]]) -> dict[int, float]:
    """Log odds of [[A]] against [[B]] at the verdict of each probe row, by row number.

    Both completions share everything before the verdict, so the difference of their log likelihoods is what the
    verdict alone makes. The picture is the pair's own, unchanged: what a judge will be shown.
    """
    model.eval()
    device = next(model.parameters()).device
    found = {}
    for number, row in enumerate(rows):
        if not row["probe"]:
            continue
        verdict = stated(row["completion"])
        assert verdict is not None, "a probe states a verdict"
        before = row["completion"][: verdict.start]
        row = {**row, "images": [row["own"]], "change": ""}
        a, b = (
            _log_likelihood(model, collator, {**row, "completion": before + verdict.instead(letter)}, device)
            for letter in "AB"
        )
        found[number] = a - b
    return found


def _log_likelihood(model: Any, collator: Collator, row: Mapping[str, Any], device: torch.device) -> float:
    """Of the completion without the token that ends the turn, in nats."""
    batch = {name: value.to(device) for name, value in collator([row]).items()}
    labels_T = batch.pop("labels")[0, 1:-1]
    logits_TV = model(**batch).logits[0, :-2].float()
    said_T = labels_T != IGNORED
    chances_TV = torch.log_softmax(logits_TV[said_T], -1)
    return float(chances_TV.gather(1, labels_T[said_T][:, None]).sum())


def _weights(model: ModelSettings, device: str) -> str:
    """Number format the frozen weights rest in; PEFT keeps the adapter in float32. float16 would need loss scaling."""
    return "float32" if device == "cpu" or model.dtype == "float32" else "bfloat16"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what TRL and transformers tell each other about names that will change; nobody here can act on it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def _save(trainer: JudgeTrainer, folder: Path) -> None:
    """Save the PEFT folder so that it survives a power loss once it is renamed. Every process takes part."""
    sharded = getattr(trainer.accelerator.state, "fsdp_plugin", None)
    if sharded is not None:  # by default FSDP saves a share for each process, and the trainer then no adapter at all
        sharded.set_state_dict_type("FULL_STATE_DICT")
    with disk_faults(folder):
        trainer.save_model(str(folder))
        if not trainer.args.should_save:
            return
        (folder / "training_args.bin").unlink(missing_ok=True)  # a pickle of paths on this machine
        for path in folder.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(folder)
