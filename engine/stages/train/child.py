"""The train stage in processes of its own, so that nothing of it stays on the card that the next stage needs.

The child writes the stage folder; how far it is, and what ended it, it tells in a small file beside it. Several GPUs of
this machine are used by `accelerate launch`.
"""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import engine
from engine import errors
from engine.backends.served.vllm_server import GUARD
from engine.errors import JudgeStudioError, StopRequested, TrainingError
from engine.machine import Machine
from engine.records import version_name
from engine.workspace.files import read_json, write_json
from engine.workspace.folders import RunFolder
from engine.workspace.progress import Progress
from engine.workspace.state import read_state, request_stop

FSDP = (
    "--use_fsdp", "--fsdp_version", "2", "--fsdp_auto_wrap_policy", "TRANSFORMER_BASED_WRAP",
    "--fsdp_reshard_after_forward", "true", "--fsdp_state_dict_type", "SHARDED_STATE_DICT",
    "--fsdp_cpu_ram_efficient_loading", "false", "--mixed_precision", "bf16",
)  # fmt: skip
"""Checkpoints in shards, since only the last adapter is written whole; every process loads the base by itself, because
PEFT's weights are made after loading."""
_LOOK_SECONDS = 0.5
_STOP_SECONDS = 600.0
"""A child that was asked to stop ends its step and saves a checkpoint; much longer means that it hangs."""
_GRACE = "20"
"""Seconds between SIGTERM and SIGKILL."""
_KILLED = (-9, 137, 247)
"""Exit codes of SIGKILL: seen from Python, from a shell, and through the guard."""
_TOLD = ("stage", "done", "total", "unit", "message", "rate", "stage_left")


class ToldProgress(Progress):
    """The child's progress: it writes `told` instead of the run's state, which belongs to the parent."""

    def __init__(self, run: RunFolder, told: Path) -> None:
        super().__init__(run, read_state(run))
        self._told = told

    def _set(self, **values: Any) -> None:
        with self._guard:
            self.state = replace(self.state, **values)
            now = time.monotonic()
            if now - self._written >= _LOOK_SECONDS:
                self._written = now
                write_json(self._told, {name: getattr(self.state, name) for name in _TOLD})


def tell_error(told: Path, error: JudgeStudioError) -> None:
    """Leave the child's error for the parent."""
    write_json(told, {"error": str(error), "kind": type(error).__name__})


def train_in_child(run: RunFolder, iteration: int, *, machine: Machine, progress: Progress) -> None:
    """Train judge-v{iteration} of the run; afterwards the stage folder is done.

    Raises what `stages.train.stage.train` raises, `StopRequested` after the child saved a checkpoint, and
    `TrainingError` when it ended without a word.
    """
    folder = run.stage(iteration, "train").folder
    folder.mkdir(parents=True, exist_ok=True)
    told = folder / "told.json"
    told.unlink(missing_ok=True)
    progress.update(stage="train", message=f"Starting the training of {version_name(iteration)}", done=0, total=None)
    words = [*launcher(machine), run.name, str(iteration), "--workspace", str(run.workspace.root), "--told", str(told)]
    root = str(Path(engine.__file__).parents[1])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    with subprocess.Popen(
        [sys.executable, str(GUARD), _GRACE, *words],
        stdin=subprocess.PIPE,  # the guard ends all of it when this process is gone
        env=os.environ | {"PYTHONPATH": path, "TOKENIZERS_PARALLELISM": "false"},
        start_new_session=True,
    ) as child:
        code = _watch(child, run, told, progress)
    said = read_json(told) or {}
    told.unlink(missing_ok=True)
    if "error" in said:
        raise _error(str(said.get("kind")), str(said["error"]))
    if run.stage(iteration, "train").summary() is None:
        why = "killed, most likely for memory" if code in _KILLED else f"exit {code}"
        raise TrainingError(
            f"train: the training process ended without a word ({why}). See {run.log.name}; lower "
            "train.micro_batch_size if it was memory, then resume."
        )


def launcher(machine: Machine) -> list[str]:
    """The words that start one process, or one for each GPU."""
    if machine.gpus == 1 and machine.accelerate is None:
        return [sys.executable, "-m", "engine.stages.train"]
    config = ["--config_file", machine.accelerate] if machine.accelerate else ["--num_processes", str(machine.gpus)]
    if machine.fsdp and not machine.accelerate:
        config += FSDP
    return [sys.executable, "-m", "accelerate.commands.launch", *config, "-m", "engine.stages.train"]


def _watch(child: "subprocess.Popen[bytes]", run: RunFolder, told: Path, progress: Progress) -> int:
    """The child's exit code. Raises `StopRequested` once it has stopped because somebody asked this process to."""
    asked: StopRequested | None = None
    ends = 0.0
    while True:
        try:
            code = child.wait(_LOOK_SECONDS)
            break
        except subprocess.TimeoutExpired:
            pass
        said = read_json(told) or {}
        progress.update(**{name: said[name] for name in _TOLD if name in said})
        if asked is None:
            try:
                progress.check_stop()
            except StopRequested as stop:
                asked, ends = stop, time.monotonic() + _STOP_SECONDS
                request_stop(run)  # a signal reached this process alone; the file reaches the child
        elif time.monotonic() > ends and child.stdin is not None:
            child.stdin.close()
    if asked is not None:
        raise asked
    return code


def _error(kind: str, message: str) -> JudgeStudioError:
    found = getattr(errors, kind, None)
    if isinstance(found, type) and issubclass(found, JudgeStudioError):
        return found(message)
    return TrainingError(message)
