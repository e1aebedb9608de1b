"""What a run promises in its first minutes: a time only once replies were timed, and never a button to nothing."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config import load_settings
from engine.runs.pace import keep_pace
from engine.workspace.folders import RunFolder, open_workspace
from engine.workspace.run_record import create_run
from engine.workspace.state import RunState, append_event, write_state
from studio.run.promise import promise
from studio.run.view import main_action, view_of
from tests.studio.jobs.test_runs import at_work


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFolder]:
    made = open_workspace(tmp_path / "ws").run("shapes-01")
    create_run(made, load_settings(preset="shapes"))
    with at_work(made):
        yield made


def say(run: RunFolder, **state: object) -> str:
    values = {"run": run.name, "state": "running", "heartbeat": time.time(), "iterations": 3, **state}
    write_state(run, RunState(**values))  # type: ignore[arg-type]
    return promise(view_of(run))


def test_nothing_is_promised_before_a_reply_was_timed(run: RunFolder) -> None:
    told = say(run, stage="evaluate", done=4, total=1600, unit="verdicts", rate=0.01)
    assert told.startswith("Measuring the untrained judge first.")
    assert " min " not in told
    assert main_action(view_of(run)) is None


def test_replies_so_far_promise_the_time_of_the_whole_run(run: RunFolder) -> None:
    told = say(run, stage="evaluate", done=400, total=1600, unit="verdicts", rate=28.0, stage_left=43.0, seconds=20.0)
    assert "The first pairs come in about 43 s." in told
    assert "by the replies it has had so far" in told


def test_baseline_that_was_measured_promises_the_rest(run: RunFolder) -> None:
    append_event(run, "begin", stage="evaluate", iteration=0, total=1600, time=1000.0)
    append_event(run, "begin", stage="synthesize", iteration=1, total=500, time=1056.0)
    assert "The whole run takes about" in say(run, stage="synthesize", iteration=1, done=1, total=500, unit="pairs")


def test_reply_timed_on_launch_promises_from_the_first_second(run: RunFolder) -> None:
    keep_pace(load_settings(preset="shapes"), run.workspace, 0.03)
    assert "by replies timed on this machine" in say(run, stage="intake", done=0, unit="images")
