"""The strip of a run at work: how long it takes yet."""

import time
from pathlib import Path

import pytest

from engine.config import load_settings
from engine.workspace.folders import open_workspace
from engine.workspace.run_record import create_run
from engine.workspace.state import RunState, append_event, write_state
from studio.run.stats import stats
from studio.run.view import view_of
from tests.studio.jobs.test_runs import at_work


@pytest.mark.parametrize(("bound", "run_left"), [(600.0, "9 min"), (100.0, "2 min")])
def test_times_left_are_of_one_moment_and_the_run_takes_no_less_than_its_stage(
    tmp_path: Path, bound: float, run_left: str
) -> None:
    """Nothing was counted for an hour, though the process is alive: neither number goes on counting down."""
    run = open_workspace(tmp_path / "ws").run("shapes-01")
    create_run(run, load_settings(preset="shapes"))
    began = time.time() - 3660
    append_event(run, "begin", stage="judge", iteration=1, total=600, time=began)
    with at_work(run):
        write_state(
            run,
            RunState(
                run=run.name, state="running", stage="judge", iteration=1, iterations=3, done=200, total=600,
                stage_left=120.0, run_left=bound, counted_at=began + 60, heartbeat=time.time(),
            ),
        )  # fmt: skip
        shown = {stat.label: stat.value for stat in stats(view_of(run))}
    assert (shown["Stage left"], shown["Run left"]) == ("2 min", run_left)
