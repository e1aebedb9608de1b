"""The Home tab: what it shows for every state of a run, and what its buttons do."""

import re
import time
from pathlib import Path

import gradio as gr
import pytest

from engine.records import ScoreRow
from engine.workspace.files import read_json, write_json
from engine.workspace.folders import Workspace, open_workspace
from engine.workspace.locks import run_lock
from engine.workspace.state import RunState, append_event, stop_requested, write_state
from studio.look.cards import Action
from studio.page.page import create_page
from studio.page.place import read_query
from studio.run.ledger import ledger
from studio.run.stats import stats
from studio.run.view import clock_time, heartbeat, main_action, said_by, sentence, view_of
from studio.tabs.home import tab as home
from studio.tabs.home.view import show_home
from studio.tabs.versions import tab as versions
from tests.sample_workspace import make_run, make_workspace
from tests.studio.jobs.test_runs import at_work


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path)


def test_empty_workspace_offers_the_demo_and_nothing_else(tmp_path: Path) -> None:
    shown = show_home(open_workspace(tmp_path), None)
    assert "No runs yet" in shown.run
    assert 'data-act="demo"' in shown.run
    assert f"judge-studio run --preset shapes --workspace {tmp_path}" in shown.run
    assert re.search(r"The model works for about [\w ]+ min, on a machine like ours\.", shown.run)
    assert shown.runs == ""


def test_stopped_run_shows_what_is_finished_and_offers_to_resume(workspace: Workspace) -> None:
    shown = show_home(workspace, "shapes-01")
    assert "Stopped in iteration 2" in shown.run
    assert 'data-act="resume"' in shown.run
    assert "32 traces" in shown.run
    assert shown.runs.count('data-act="open"') == 1


def test_run_that_is_gone_gives_way_to_the_newest(workspace: Workspace) -> None:
    assert "shapes-01" in show_home(workspace, "deleted").run


def test_run_at_work_shows_counters_rate_and_a_fresh_heartbeat(workspace: Workspace) -> None:
    run = workspace.run("shapes-01")
    with at_work(run):
        write_state(
            run,
            RunState(run=run.name, state="running", stage="select", iteration=2, iterations=4, done=61, total=100,
                     unit="traces", rate=14.2, stage_left=53.0, heartbeat=time.time()),
        )  # fmt: skip
        shown = show_home(workspace, run.name).run
    for text in ("61 of 100 traces", "14.2 per s", "53 s left", "is-live", "See the traces so far"):
        assert text in shown


def test_active_run_has_no_delete_button(workspace: Workspace) -> None:
    run = workspace.run("shapes-01")
    with at_work(run):
        assert 'data-act="delete"' not in show_home(workspace, run.name).runs
    write_state(run, RunState(run=run.name, state="stopped"))
    assert 'data-act="delete"' in show_home(workspace, run.name).runs


@pytest.mark.parametrize(("age", "says"), [(2.0, "Last update 2 s ago"), (40.0, "No update for 40 s")])
def test_heartbeat_says_its_age_and_turns_hollow_when_old(workspace: Workspace, age: float, says: str) -> None:
    run = workspace.run("shapes-01")
    with at_work(run):
        write_state(run, RunState(run=run.name, state="running", heartbeat=1_000.0))
        sign = heartbeat(view_of(run), now=1_000.0 + age)
    assert says in sign
    assert ("is-late" in sign) == (age > 15)


def test_process_that_died_without_a_word_is_shown_as_failed_with_both_ways_out(workspace: Workspace) -> None:
    run = workspace.run("shapes-01")
    write_state(run, RunState(run=run.name, state="running", stage="judge", iteration=2, message="judging"))
    shown = show_home(workspace, run.name).run
    assert "ended without a word" in shown
    assert "Show the error" in shown
    assert 'data-act="resume"' in shown


@pytest.mark.parametrize(
    ("state", "label"),
    [("stopped", "Resume"), ("failed", "Resume"), ("done", "Compare judge-v0 with judge-v2")],
)
def test_main_action_follows_the_state(workspace: Workspace, state: str, label: str) -> None:
    run = workspace.run("shapes-01")
    write_state(run, RunState(run=run.name, state=state, best="judge-v2"))  # type: ignore[arg-type]
    assert (main_action(view_of(run)) or Action(label="")).label == label


def test_run_that_trains_leads_to_its_training(workspace: Workspace) -> None:
    run = workspace.run("shapes-01")
    with run_lock(run):
        write_state(run, RunState(run=run.name, state="running", stage="train", iteration=2))
        action = main_action(view_of(run))
    assert action is not None
    assert (action.label, action.url) == ("Watch the training", "?tab=training&run=shapes-01")


def test_event_of_an_earlier_day_says_which() -> None:
    assert re.fullmatch(r"\d\d:\d\d:\d\d", clock_time(1e9, now=1e9 + 60))
    assert clock_time(1e9, now=1e9 + 1e6).partition(" ")[2].startswith("Sep ")


def test_event_of_pictures_near_training_is_a_sentence() -> None:
    said = said_by({"event": "near-training", "time": 0.0, "benchmark": "shapes", "items": 5})
    assert said.startswith("shapes: 5 items are about a picture that looks the same as one trained on")
    assert "0 items" in said_by({"event": "near-training", "items": "odd"})


def test_event_says_p_as_people_do() -> None:
    assert said_by({"event": "evaluated", "gain": 0.2, "p": 0.0}) == "evaluated: gain 0.200, p\u00a0<\u00a00.001"


def test_comparison_that_a_finished_run_offers_is_one_that_versions_understands(workspace: Workspace) -> None:
    run = workspace.run("shapes-01")
    write_state(run, RunState(run=run.name, state="done", best="judge-v1"))
    with gr.Blocks(analytics_enabled=False):
        page = create_page(workspace)
        versions.build(page)
    asked = read_query((main_action(view_of(run)) or Action(label="")).url or "")
    assert asked.keys() - {"tab", "run"} == {"versions.older", "versions.newer"}
    assert asked.keys() - {"tab", "run"} <= {binding.key for binding in page.url.bindings}


def test_ledger_lists_iterations_newest_first_and_the_baseline_last(workspace: Workspace) -> None:
    rows = ledger(view_of(workspace.run("shapes-01")))
    assert [row.title for row in rows] == ["Iteration 2", "Iteration 1", "Baseline"]
    assert [cell.state for cell in rows[0].cells] == ["done", "done", "waiting", "waiting", "waiting"]
    assert rows[0].current
    assert not rows[1].current


def test_stage_time_comes_from_the_events(workspace: Workspace) -> None:
    run = workspace.run("shapes-01")
    append_event(run, "begin", stage="synthesize", iteration=2, total=8)
    view = view_of(run)
    assert view.times[2, "synthesize"].total == 8
    assert not view.times[2, "synthesize"].finished


def test_damaged_settings_of_one_run_are_said_and_hide_no_other(workspace: Workspace) -> None:
    other = make_run(workspace, "other-01", iterations=1)
    other.config.write_text("settings: [", encoding="utf-8")
    shown = show_home(workspace, "other-01")
    assert "cannot read" in shown.run
    assert "shapes-01" in shown.runs


def test_damaged_state_file_counts_as_a_run_at_rest(workspace: Workspace) -> None:
    run = workspace.run("shapes-01")
    (run.folder / "state.json").write_text("{", encoding="utf-8")
    assert sentence(view_of(run)) == "Stopped."


def test_best_version_stands_with_its_interval(workspace: Workspace) -> None:
    run = workspace.run("shapes-01")
    done = run.stage(1, "evaluate").folder / "done.json"
    write_json(done, {**(read_json(done) or {}), "benchmark": "held-out", "accuracy": 0.5})
    write_state(run, RunState(run=run.name, state="done", best="judge-v1"))
    best = stats(view_of(run))[-1]
    score = next(
        row for row in run.stage(1, "evaluate").read("scores", ScoreRow)
        if (row.judge, row.benchmark, row.protocol, row.dimension) == ("judge-v1", "held-out", "strict", "all")
    )  # fmt: skip
    assert best.value == "0.50"
    assert best.context.endswith(f"{score.low:.2f} to {score.high:.2f}")
    for part in run.stage(1, "evaluate").parts("scores"):
        part.unlink()
    assert " to " not in stats(view_of(run))[-1].context


def test_strip_has_six_numbers_whatever_is_known(workspace: Workspace) -> None:
    bare = make_run(workspace, "bare-01", iterations=1)
    assert len(stats(view_of(bare))) == len(stats(view_of(workspace.run("shapes-01")))) == 6


def test_delete_asks_first_and_then_deletes(workspace: Workspace) -> None:
    asked = home.do(workspace, "delete", "shapes-01", "shapes-01")
    assert "Delete shapes-01?" in asked.message
    assert workspace.run("shapes-01").config.exists()
    done = home.do(workspace, "delete-yes", "shapes-01", "shapes-01")
    assert done.run is None
    assert not workspace.run("shapes-01").folder.exists()


@pytest.mark.parametrize("key", ["../../etc", "<script>", "", "never"])
def test_act_on_a_run_that_cannot_be_is_a_sentence(workspace: Workspace, key: str) -> None:
    for act in ("delete-yes", "resume", "stop", "open"):
        assert "st-note is-error" in home.do(workspace, act, key, None).message
        assert "<script>" not in home.do(workspace, act, key, None).message


def test_unknown_act_does_nothing(workspace: Workspace) -> None:
    assert home.do(workspace, "format", "shapes-01", "shapes-01") == home.Done(run="shapes-01")


def test_second_press_of_a_button_that_was_obeyed_is_no_mistake(workspace: Workspace) -> None:
    run = workspace.run("shapes-01")
    assert home.do(workspace, "stop", run.name, run.name) == home.Done(run=run.name), "it has stopped already"
    with at_work(run):
        for act in ("resume", "next-iteration"):
            assert home.do(workspace, act, run.name, run.name) == home.Done(run=run.name)
        assert home.do(workspace, "stop", run.name, run.name) == home.Done(run=run.name)
        assert home.do(workspace, "stop", run.name, run.name) == home.Done(run=run.name)
        assert stop_requested(run)
