"""The second interval: runs of one workspace that differ in the seed alone."""

from pathlib import Path

import pytest

from engine.config import parse_settings
from engine.measure.seeds import over_seeds, seed_lines
from engine.workspace.files import write_json
from engine.workspace.folders import RunFolder, open_workspace
from engine.workspace.run_record import create_run
from engine.workspace.state import RunState, write_state


def measured(root: Path, name: str, seed: int, accuracies: list[float], *, count: int = 10) -> RunFolder:
    run = open_workspace(root).run(name)
    settings = {"loop": {"seed": seed}, "source": {"kind": "drawn", "count": count}}
    create_run(run, parse_settings(settings, where="test"))
    write_state(run, RunState(run=name, state="done"))
    for number, accuracy in enumerate(accuracies):
        stage = run.stage(number, "evaluate")
        stage.folder.mkdir(parents=True)
        write_json(stage.folder / "done.json", {"judge": f"judge-v{number}", "accuracy": accuracy})
    return run


def test_runs_that_differ_in_the_seed_alone_give_a_second_interval(tmp_path: Path) -> None:
    run = measured(tmp_path, "a", 0, [0.5, 0.6, 0.7])
    assert seed_lines(run) == []  # one seed says nothing of others
    measured(tmp_path, "b", 1, [0.5, 0.8])
    measured(tmp_path, "other", 2, [0.5, 0.9], count=11)
    (line,) = seed_lines(run)
    assert "Over 2 seeds of this run" in line
    assert "last version 0.750 (0.115 to 1.385), gain over judge-v0 +0.250 (-0.385 to +0.885)" in line


def test_interval_between_seeds_is_students_t() -> None:
    found = over_seeds([0.1, 0.2, 0.3])
    assert (found.mean, found.n) == (pytest.approx(0.2), 3)
    assert found.low == pytest.approx(0.2 - 4.303 * 0.1 / 3**0.5, abs=1e-3)
    assert over_seeds([0.4]).low is None
