"""TRL's SFTTrainer set up for one adapter, and the callback that ties it to a stage folder.

Checkpoints carry a mark once they are whole, so that a kill while one is written falls back to the one before.
"""

import math
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors import SafetensorError
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import SFTConfig, SFTTrainer

from engine.config import TrainSettings
from engine.errors import StopRequested, TrainingError, WorkspaceError
from engine.records import Step
from engine.stages.train.order import LengthOrder
from engine.workspace.files import write_text
from engine.workspace.folders import StageFolder
from engine.workspace.parts import Parts
from engine.workspace.progress import Progress

_CHECKPOINT_SECONDS = 60.0
"""Training a kill may cost. A checkpoint of an adapter and its optimizer takes well under a second per 100 MB."""
_LARGE_MODEL = 1_000_000_000
"""Parameters above which recomputing activations is worth a third more time."""
_SAY_SECONDS = 30.0
_OUR_OWN: Mapping[str, Any] = {
    "max_length": None, "completion_only_loss": True, "remove_unused_columns": False,  # the collator's
    "save_strategy": "no", "eval_strategy": "no",  # the callback says when: by the clock, and before a stop
    "logging_steps": 1, "logging_nan_inf_filter": False, "report_to": "none", "disable_tqdm": True,
}  # fmt: skip
"""What collator and callback do, and the trainer must not."""
_WHOLE = "whole"
"""The mark of a finished checkpoint."""


class JudgeTrainer(SFTTrainer):  # type: ignore[misc]
    """SFTTrainer with our order of examples, without telemetry and a model card in every checkpoint."""

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthOrder:
        rows = self.train_dataset if train_dataset is None else train_dataset
        return LengthOrder(rows["length"], batch=self.args.train_batch_size, seed=self.args.seed)

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """No warm-up in a training of few steps: its first step has rate zero, and there may be no second."""
        if num_training_steps * self.args.warmup_steps < 1:
            self.args.warmup_steps = 0
        return super().create_scheduler(num_training_steps, optimizer)

    def _send_telemetry(self) -> None:
        return None

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        with disk_faults(Path(self.args.output_dir)):
            super()._save_checkpoint(model, trial)

    def create_model_card(self, *_: Any, **__: Any) -> None:
        return None


@contextmanager
def disk_faults(folder: Path) -> Iterator[None]:
    """What the libraries raise when a disk refuses, as one sentence."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise WorkspaceError(
            f"{folder}: cannot write the adapter: {getattr(error, 'strerror', None) or error}. Free some space, then "
            "resume."
        ) from error
    except RuntimeError as error:
        if "PytorchStreamWriter" not in str(error) and "inline_container" not in str(error):
            raise
        raise WorkspaceError(f"{folder}: cannot write a checkpoint. Free some space, then resume.") from error


def training_arguments(
    settings: TrainSettings, *, folder: Path, device: str, seed: int, parameters: int, workers: int = 0
) -> SFTConfig:
    """The trainer's settings. `device` is "cpu" or "cuda"; under `accelerate launch` every process holds a share.
    `workers` processes prepare batches beside the training, each with a cache of its own."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    micro = min(settings.micro_batch_size, settings.batch_size)
    cuda = device == "cuda"
    recompute = cuda and parameters > _LARGE_MODEL
    arguments = SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=max(1, round(settings.batch_size / (micro * processes))),
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=settings.warmup,
        weight_decay=0.0,
        seed=seed,
        data_seed=seed,
        use_cpu=not cuda,
        bf16=cuda,
        gradient_checkpointing=recompute,
        gradient_checkpointing_kwargs={"use_reentrant": False} if recompute else None,
        dataloader_num_workers=workers,
        dataloader_persistent_workers=workers > 0,
        dataloader_prefetch_factor=2 if workers else None,
        dataloader_pin_memory=cuda,
        **_OUR_OWN,
    )
    # Several GPUs in one process would make the trainer split every batch among them: the batch would be larger than
    # was asked for, and an image's patches would not follow its text. `accelerate launch` uses them all properly.
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1
    return arguments


class StageCallback(TrainerCallback):  # type: ignore[misc]
    """Steps to parts, progress to the run, checkpoints by the clock, and a stop that loses nothing.

    Under `accelerate launch` the first process decides for all: one that saved or stopped alone would leave the
    others waiting for ever. The others have no `progress`.
    """

    def __init__(self, folder: StageFolder, progress: Progress | None, parts: Parts, *, message: str) -> None:
        recorded = folder.read("steps", Step)
        self._progress = progress
        self._parts = parts
        self._message = message
        self._recorded = {row.step: row.tokens for row in recorded}
        self._tokens_before = 0
        self._saved = self._said = time.monotonic()
        self._tokens_said = 0
        self.stopped: StopRequested | None = None
        self.last_loss: float | None = recorded[-1].loss if recorded else None

    def on_train_begin(self, _args: TrainingArguments, state: TrainerState, _control: TrainerControl, **_: Any) -> None:
        # The trainer counts tokens from its own start; those before the checkpoint are in the recorded steps.
        self._tokens_before = self._recorded.get(state.global_step, 0)
        self._saved = self._said = time.monotonic()
        if self._progress is not None:
            self._progress.begin(
                "train", total=state.max_steps, done=state.global_step, unit="steps", message=self._message
            )

    def on_step_end(self, args: TrainingArguments, _state: TrainerState, control: TrainerControl, **_: Any) -> None:
        asked = self._stop_asked()
        save, stop = decided_by_first(
            (asked is not None or time.monotonic() - self._saved > _CHECKPOINT_SECONDS, asked is not None), args.device
        )
        if stop:
            self.stopped = asked or StopRequested("train: stopped by the first process.")
            control.should_training_stop = True
        if save:
            control.should_save = True

    def _stop_asked(self) -> StopRequested | None:
        if self._progress is None:
            return None
        try:
            self._progress.advance()
        except StopRequested as stop:
            return stop
        return None

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        _control: TrainerControl,
        logs: Mapping[str, float] | None = None,
        **_: Any,
    ) -> None:
        if not logs or "loss" not in logs:
            return
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            raise TrainingError(
                f"train: the loss became {loss} at step {state.global_step}. Lower train.learning_rate "
                f"(now {args.learning_rate:g}) and start a new run."
            )
        self.last_loss = loss
        if state.global_step in self._recorded or not args.should_save:
            return  # a step repeated after a kill, or not the first process
        self._say_speed(state.global_step, loss, int(logs["num_tokens"]))
        accuracy = logs.get("mean_token_accuracy")
        self._parts.add(
            [
                Step(
                    step=state.global_step,
                    epoch=float(state.epoch or 0.0),
                    loss=loss,
                    learning_rate=float(logs["learning_rate"]),
                    token_accuracy=None if accuracy is None else float(accuracy),
                    tokens=self._tokens_before + int(logs["num_tokens"]),
                )
            ]
        )

    def _say_speed(self, step: int, loss: float, tokens: int) -> None:
        """About twice a minute, an event with the loss, the tokens a second since the last one, and the memory held."""
        now = time.monotonic()
        if self._progress is None or now - self._said < _SAY_SECONDS:
            return
        self._progress.event(
            "training",
            step=step,
            loss=round(loss, 4),
            tokens_per_second=round((tokens - self._tokens_said) / (now - self._said), 1),
            memory_bytes=held_memory(),
        )
        self._said, self._tokens_said = now, tokens

    def on_save(self, args: TrainingArguments, state: TrainerState, _control: TrainerControl, **_: Any) -> None:
        self._saved = time.monotonic()
        if not args.should_save:
            return
        self._parts.flush()  # first: a whole checkpoint promises that its steps are recorded
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        write_text(checkpoint / _WHOLE, "")
        for other in Path(args.output_dir).glob("checkpoint-*"):
            if other != checkpoint:
                shutil.rmtree(other)


def decided_by_first(flags: tuple[bool, bool], device: torch.device) -> tuple[bool, bool]:
    """The flags of the first process, in every process; the flags themselves where there is only one."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return flags
    held = torch.tensor(flags, dtype=torch.int32, device=device)
    torch.distributed.broadcast(held, src=0)
    return bool(held[0]), bool(held[1])


def held_memory() -> int:
    """Bytes: the most that was held on the GPU, or by this process where there is none."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return int(psutil.Process().memory_info().rss)


def newest_checkpoint(folder: Path) -> Path | None:
    """The last whole checkpoint below `folder`, or None."""
    whole = [mark.parent for mark in folder.glob(f"checkpoint-*/{_WHOLE}")]
    return max(whole, key=lambda path: int(path.name.rsplit("-", 1)[1]), default=None)
