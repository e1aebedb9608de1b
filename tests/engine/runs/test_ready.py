"""Whether this machine can do what settings ask, and what a timed reply promises of the whole run."""

from pathlib import Path

import pytest

from engine.config import Settings, load_settings
from engine.runs.pace import keep_pace, rates_at, shipped_rates, timed_pace
from engine.runs.plan import TIMED, run_plan
from engine.runs.ready import ready_facts, timed_reply, will_fail
from engine.workspace.folders import Workspace, open_workspace
from tests.fake_backend import FakeBackend


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return open_workspace(tmp_path / "ws")


def facts_of(workspace: Workspace, **overrides: object) -> dict[str, tuple[str, str]]:
    settings = load_settings(preset="shapes", overrides={key.replace("__", "."): v for key, v in overrides.items()})
    return {fact.name: (fact.state, f"{fact.found} {fact.advice}") for fact in ready_facts(settings, workspace)}


def test_demo_is_ready_on_any_machine(workspace: Workspace) -> None:
    found = facts_of(workspace)
    assert found["Model"][0] == found["Pictures"][0] == "ok"
    assert "ships with the project" in found["Model"][1]


def test_embedded_model_on_pictures_of_ones_own_is_no_good(workspace: Workspace, tmp_path: Path) -> None:
    settings = load_settings(preset="shapes", overrides={"source.kind": "folder", "source.path": str(tmp_path)})
    assert "drawn shapes only" in (will_fail(ready_facts(settings, workspace)) or "")


def test_model_folder_that_lacks_a_shard_names_it(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-2.safetensors"}}')
    assert "model-2.safetensors" in facts_of(workspace, model__base=str(folder))["Model"][1]


def test_vllm_that_is_not_there_is_said_before_the_run(workspace: Workspace) -> None:
    state, text = facts_of(workspace, model__backend="vllm", model__vllm_python="/no/such/python")["vLLM"]
    assert state == "bad"
    assert "judge-studio[vllm]" in text


def test_timed_reply_times_every_ruling_in_both_orders() -> None:
    backend = FakeBackend(lambda _request, _sample: "So [[A]]")
    fact, seconds = timed_reply(load_settings(preset="shapes"), opener=lambda _settings, _root: backend)
    assert fact.state == "ok"
    assert seconds is not None
    assert seconds > 0


def test_timing_promises_a_time_to_plans_of_that_model_only(workspace: Workspace) -> None:
    settings = load_settings(preset="shapes")
    assert run_plan(settings, workspace).seconds is None
    keep_pace(settings, workspace, 2 * shipped_rates()["evaluate"])
    plan = run_plan(settings, workspace)
    assert plan.estimated_from == TIMED
    slow = plan.seconds
    fast = run_plan(settings, workspace, seconds_per_ruling=shipped_rates()["evaluate"]).seconds
    assert slow is not None
    assert fast is not None
    assert slow == pytest.approx(2 * fast, rel=0.02)  # each stage is told in whole seconds
    other = settings.model_copy(update={"model": settings.model.model_copy(update={"base": "owner/other"})})
    assert timed_pace(other, workspace) is None
    assert rates_at(Settings.model_validate(other.model_dump()), 1.0) == {}
