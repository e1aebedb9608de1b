"""The shipped model in the real loop, shortened: what a newcomer's first run does, and what a kill does to it."""

from pathlib import Path

import pytest

from engine.config import load_settings
from engine.measure.scores import strict_scores
from engine.runs.loop import run_loop
from engine.workspace.folders import open_workspace
from engine.workspace.run_record import create_run
from tests.bench.kill_run import kill_and_resume, stage_moments

SHORT = {
    "source.count": 200, "synthesize.instructions": 200, "synthesize.samples": 8, "synthesize.min_votes": 5,
    "judge.traces_per_order": 1, "evaluate.items": 160, "evaluate.image_blind": False, "evaluate.wrong_image": False,
    "loop.iterations": 1,
}  # fmt: skip
"""As light as shows a gain: about .1 where it was written, with a deviation of about .04 from run to run."""
TINY = [
    "source.count=12", "synthesize.instructions=16", "synthesize.samples=8", "synthesize.min_votes=4",
    "evaluate.items=12", "evaluate.image_blind=false", "judge.traces_per_order=3", "train.epochs=4",
    "train.batch_size=4", "loop.iterations=1",
]  # fmt: skip


@pytest.mark.model
def test_embedded_judge_sees_better_in_fog_after_one_iteration(tmp_path: Path) -> None:
    run = open_workspace(tmp_path / "ws").run("short")
    create_run(run, load_settings(preset="shapes", overrides=SHORT))
    assert run_loop(run).state == "done"
    strict = {(row.judge, row.dimension): row.accuracy for row in strict_scores(run)}
    assert strict["judge-v1", "all"] > strict["judge-v0", "all"]


@pytest.mark.model
def test_run_killed_in_every_stage_and_resumed_loses_and_doubles_nothing(tmp_path: Path) -> None:
    moments = stage_moments(["synthesize", "judge", "train", "evaluate"])
    faults, killed_at, asked = kill_and_resume(tmp_path / "ws", moments, settings=["--preset", "shapes", *TINY])
    assert faults == []
    assert sum(killed_at.values()) == len(moments)
    assert asked > 0
