"""What a stage ended with, as done.json holds it: whole, of an older version, of a newer one, and damaged."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from engine.errors import DamagedError
from engine.workspace.conclusions import (
    CONCLUSIONS,
    Against,
    Measured,
    Reported,
    Selected,
    SliceAgainst,
    any_conclusion,
)
from engine.workspace.folders import STAGES, StageFolder

GAIN = Against(n=40, gain=0.1, gain_low=0.05, gain_high=0.15, p=0.001)
MEASURED = Measured(
    judge="judge-v1",
    parent="judge-v0",
    accuracy=0.6,
    n=40,
    gain=0.1,
    gain_low=0.05,
    gain_high=0.15,
    p=0.001,
    verdicts={"A": 3, "B": 2},
    leaks=("held-out: leaks.",),
    against={"judge-v0": GAIN},
    reported=Reported(accuracy=0.6, low=0.5, high=0.7, n=20),
    reported_against={"judge-v0": GAIN},
    comparisons=(SliceAgainst(benchmark="held-out", dimension="all", protocol="strict", **asdict(GAIN)),),
)


@pytest.fixture
def folder(tmp_path: Path) -> StageFolder:
    made = StageFolder(tmp_path / "evaluate", "trial", 1)
    made.begin({})
    return made


def test_conclusion_is_read_as_it_was_written(folder: StageFolder) -> None:
    assert folder.conclusion(Measured) is None
    folder.finish(asdict(MEASURED))
    assert folder.conclusion(Measured) == MEASURED
    assert MEASURED.over_parent == GAIN
    assert replace(MEASURED, gain=None).over_parent is None


def test_conclusion_of_another_version_has_what_both_know(folder: StageFolder) -> None:
    folder.finish({"kept": 12, "traces": 32, "came_later": {"x": 1}})
    assert folder.conclusion(Selected) == Selected(kept=12, traces=32)


def test_value_of_another_kind_is_named_with_its_file(folder: StageFolder) -> None:
    folder.finish({**asdict(MEASURED), "against": {"judge-v0": {"n": "many"}}})
    with pytest.raises(DamagedError, match=r"evaluate/done\.json: against\.judge-v0\.n: .*integer.*Restore"):
        folder.conclusion(Measured)


@pytest.mark.parametrize("stage", [*STAGES, "benchmark"])
def test_every_stage_has_a_conclusion_of_which_everything_may_be_unknown(stage: str, tmp_path: Path) -> None:
    assert any_conclusion({}, stage, where=tmp_path) == CONCLUSIONS[stage]()
