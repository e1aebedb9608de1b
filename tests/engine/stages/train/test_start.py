"""Which adapter a training continues from, by the setting and by what was measured."""

from pathlib import Path

import pytest

from engine.stages.train.start import adapter_to_start_from
from engine.workspace.folders import RunFolder, open_workspace


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """judge-v1 beat the base; judge-v2 did not beat judge-v1."""
    made = open_workspace(tmp_path).run("mine")
    won = {"n": 600, "gain": 0.1, "gain_low": 0.05, "gain_high": 0.15, "p": 0.001}
    lost = {"n": 600, "gain": -0.1, "gain_low": -0.15, "gain_high": -0.05, "p": 0.001}
    for number, against in ((1, {"judge-v0": won}), (2, {"judge-v0": won, "judge-v1": lost})):
        folder = made.stage(number, "evaluate")
        folder.begin({})
        folder.finish({"judge": f"judge-v{number}", "against": against})
    return made


def test_first_iteration_starts_from_the_base_whatever_the_setting(run: RunFolder) -> None:
    assert {adapter_to_start_from(run, start, 1) for start in ("previous", "best", "base")} == {None}


def test_later_iterations_start_from_the_previous_the_best_or_the_base(run: RunFolder) -> None:
    assert adapter_to_start_from(run, "previous", 3) == run.adapter(2)
    assert adapter_to_start_from(run, "best", 3) == run.adapter(1)
    assert adapter_to_start_from(run, "base", 3) is None


def test_best_is_the_base_while_no_version_beats_it(tmp_path: Path) -> None:
    made = open_workspace(tmp_path).run("mine")
    made.stage(1, "evaluate").begin({})
    assert adapter_to_start_from(made, "best", 2) is None
