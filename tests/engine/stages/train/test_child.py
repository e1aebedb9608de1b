"""The train stage as a child of the run: progress told, a stop that saves, errors as they are, deaths noticed."""

import re
import shutil
import sys
from pathlib import Path

import pytest
from accelerate.commands.launch import launch_command_parser

from engine.errors import StopRequested, TrainingError
from engine.machine import Machine
from engine.stages.train import child
from engine.stages.train.child import launcher, train_in_child
from engine.stages.train.fit import workers_beside
from engine.workspace.progress import Progress
from engine.workspace.state import RunState, read_state
from tests.made_run import made_run
from tests.tiny_models import save_tiny_llava


@pytest.fixture
def run(tmp_path):
    made = made_run(tmp_path / "ws", save_tiny_llava(tmp_path / "tiny", width=64, vision_layers=1, layers=2))
    shutil.rmtree(made.stage(2, "train").folder)
    return made


def stand_in(monkeypatch: pytest.MonkeyPatch, folder: Path, code: str) -> None:
    """A program in the trainer's place; its last argument is the file it tells."""
    script = folder / "trainer.py"
    script.write_text(f"import json, os, sys, time\nfrom pathlib import Path\ntold = Path(sys.argv[-1])\n{code}\n")
    monkeypatch.setattr(child, "launcher", lambda _machine: [sys.executable, str(script)])


def test_child_trains_the_version_and_tells_how_far_it_is(run):
    told: list[RunState] = []
    progress = Progress(run, read_state(run), watch=told.append)
    train_in_child(run, 2, machine=Machine(), progress=progress)
    summary = run.stage(2, "train").summary()
    assert summary is not None
    assert (summary["judge"], summary["trained_on"]) == ("judge-v2", 6)
    assert any(re.search(r"Training judge-v2 on \d+ examples", state.message) for state in told)
    assert any(state.total == summary["steps"] for state in told)
    assert not (run.stage(2, "train").folder / "told.json").exists()


def test_stop_reaches_the_child_and_is_raised_when_it_has_ended(run, tmp_path, monkeypatch):
    ended = tmp_path / "ended"
    stand_in(
        monkeypatch,
        tmp_path,
        f"""
stop = Path({str(run.folder / "stop-requested")!r})
told.write_text(json.dumps({{"message": "at work", "done": 1, "total": 9}}))
while not stop.exists():
    time.sleep(0.05)
Path({str(ended)!r}).write_text("saved")
""",
    )
    progress = Progress(run, read_state(run))

    def ask(state: RunState) -> None:
        progress.stop = progress.stop or state.message == "at work"  # as a signal does

    progress._watch = ask
    with pytest.raises(StopRequested):
        train_in_child(run, 2, machine=Machine(), progress=progress)
    assert ended.read_text() == "saved"


def test_error_of_the_child_is_raised_as_what_it_is(run, tmp_path, monkeypatch):
    stand_in(
        monkeypatch,
        tmp_path,
        """
told.write_text(json.dumps({"error": "train: out of memory with 4 traces", "kind": "TrainingError"}))
sys.exit(1)
""",
    )
    with pytest.raises(TrainingError, match="out of memory with 4 traces"):
        train_in_child(run, 2, machine=Machine(), progress=Progress(run, read_state(run)))


def test_child_that_is_killed_is_noticed(run, tmp_path, monkeypatch):
    stand_in(monkeypatch, tmp_path, "os.kill(os.getpid(), 9)")
    with pytest.raises(TrainingError, match=r"ended without a word \(killed, most likely for memory\)"):
        train_in_child(run, 2, machine=Machine(), progress=Progress(run, read_state(run)))


def test_several_gpus_are_used_by_accelerate():
    assert "accelerate.commands.launch" not in " ".join(launcher(Machine()))
    assert launcher(Machine(gpus=8))[3:5] == ["--num_processes", "8"]
    assert launcher(Machine(gpus=8, accelerate="/etc/fsdp.yaml"))[3:5] == ["--config_file", "/etc/fsdp.yaml"]


def test_weights_are_shared_out_in_words_that_accelerate_knows():
    words = launcher(Machine(gpus=8, fsdp=True))
    asked = launch_command_parser().parse_args([*words[3:], "made", "2"])
    assert (asked.num_processes, asked.use_fsdp, asked.fsdp_version) == (8, True, "2")
    assert asked.training_script == "engine.stages.train"
    assert "--use_fsdp" not in launcher(Machine(gpus=8, fsdp=True, accelerate="/etc/own.yaml"))
    assert launcher(Machine(fsdp=True)) == launcher(Machine()), "one GPU has nobody to share with"


def test_pictures_are_prepared_beside_a_gpu_only(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    assert workers_beside("cpu") == 0
    assert workers_beside("cuda") == 4
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert workers_beside("cuda") == 1
