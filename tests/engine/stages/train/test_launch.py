"""The train stage by itself, as `accelerate launch -m engine.stages.train` runs it; here with one process."""

import shutil

from engine.stages.train.__main__ import main
from engine.workspace.state import request_stop
from tests.made_run import made_run
from tests.tiny_models import save_tiny_llava


def test_launch_trains_the_iteration_of_a_stopped_run_and_then_finds_it_done(tmp_path, capsys):
    run = made_run(tmp_path / "ws", save_tiny_llava(tmp_path / "tiny", width=64, vision_layers=1, layers=2))
    shutil.rmtree(run.stage(2, "train").folder)
    request_stop(run)  # `judge-studio stop` came before, as the command's help says
    words = ["made", "2", "--workspace", str(tmp_path / "ws")]
    assert main(words) == 0
    summary = run.stage(2, "train").summary()
    assert summary is not None
    assert (summary["judge"], summary["trained_on"]) == ("judge-v2", 6)
    weights = run.adapter(2) / "adapter_model.safetensors"
    made = weights.stat().st_mtime_ns
    assert main(words) == 0
    assert weights.stat().st_mtime_ns == made
    assert main(["nobody", "2", "--workspace", str(tmp_path / "ws")]) == 1
    assert "no run called 'nobody'" in capsys.readouterr().err
