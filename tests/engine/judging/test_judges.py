"""What a judge's name stands for."""

import json
from pathlib import Path

import pytest

from engine.config import parse_settings
from engine.errors import ModelError, UsageError, WorkspaceError
from engine.judging.judges import resolve_judge, told_apart, versions_of
from engine.workspace.folders import RunFolder, Workspace, open_workspace
from engine.workspace.run_record import create_run
from engine.workspace.state import RunState, write_state
from tests.fake_backend import FakeBackend


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return open_workspace(tmp_path)


@pytest.fixture
def run(workspace) -> RunFolder:
    run = workspace.run("trial")
    create_run(run, parse_settings({"model": {"base": "some/model"}}, where="test"))
    write_state(run, RunState(run="trial", state="done", best="judge-v1"))
    for number in (1, 2):
        adapter_folder(run.adapter(number), base="some/model")
    return run


def adapter_folder(folder: Path, *, base: str | None) -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base} if base else {}))
    return folder


def test_version_of_a_run_has_its_settings_and_adapter(run):
    judge = resolve_judge("trial/judge-v2", run.workspace)
    assert (judge.label, judge.version, judge.adapter) == ("trial/judge-v2", "judge-v2", run.adapter(2))
    assert judge.settings.model.base == "some/model"


@pytest.mark.parametrize("name", ["trial", "trial/best"])
def test_run_alone_means_its_best_version(run, name):
    assert resolve_judge(name, run.workspace).label == "trial/judge-v1"


def test_base_of_a_run_has_no_adapter_and_loads_as_the_base(run):
    judge = resolve_judge("trial/judge-v0", run.workspace)
    backend = FakeBackend(lambda _request, _sample: "")
    assert judge.adapter is None
    assert judge.load_into(backend) == "judge-v0"
    assert backend.adapters == {}


def test_versions_of_two_runs_load_under_different_names(run):
    backend = FakeBackend(lambda _request, _sample: "")
    for name in ("trial/judge-v1", "trial/judge-v2"):
        assert resolve_judge(name, run.workspace).load_into(backend) == name
    assert backend.adapters == {"trial/judge-v1": run.adapter(1), "trial/judge-v2": run.adapter(2)}


def test_versions_are_those_with_an_adapter(run):
    assert versions_of(run) == ["judge-v0", "judge-v1", "judge-v2"]


def test_version_that_is_not_there_is_refused_naming_those_that_are(run):
    with pytest.raises(WorkspaceError, match=r"there is no judge-v7\. Versions here: judge-v0, judge-v1, judge-v2"):
        resolve_judge("trial/judge-v7", run.workspace)
    with pytest.raises(UsageError, match="judge-v0, judge-v1, … or best"):
        resolve_judge("trial/newest", run.workspace)


def test_run_that_is_not_there_is_refused_naming_those_that_are(run):
    with pytest.raises(WorkspaceError, match=r"no run called 'tryal'\. Runs here: trial"):
        resolve_judge("tryal/judge-v1", run.workspace)


def test_adapter_folder_names_its_base(workspace, tmp_path):
    judge = resolve_judge(str(adapter_folder(tmp_path / "mine", base="/models/shapes-vlm")), workspace)
    assert (judge.settings.model.base, judge.adapter, judge.run) == ("shapes-vlm", tmp_path / "mine", None)
    with pytest.raises(ModelError, match="names no base model"):
        resolve_judge(str(adapter_folder(tmp_path / "odd", base=None)), workspace)


@pytest.mark.parametrize("name", ["shapes-vlm", "Qwen/Qwen2.5-VL-7B-Instruct"])
def test_any_other_name_is_a_base_model(workspace, name):
    judge = resolve_judge(name, workspace)
    assert (judge.settings.model.base, judge.adapter, judge.loaded_name) == (name, None, "judge-v0")


def test_adapter_whose_base_moved_is_told_where_to_write_it(workspace, tmp_path):
    with pytest.raises(ModelError, match=r"its base model lay at /home/alice/llava, .* base_model_name_or_path"):
        resolve_judge(str(adapter_folder(tmp_path / "mine", base="/home/alice/llava")), workspace)


def test_adapter_folders_of_one_name_are_told_apart(workspace, tmp_path):
    places = [tmp_path / one / "checkpoint-100" for one in ("a/x", "b/x", "c")]
    judges = [resolve_judge(str(adapter_folder(place, base="org/model")), workspace) for place in places]
    again = resolve_judge(str(places[0]), workspace)
    assert [judge.label for judge in told_apart([*judges, again])] == [
        "a/x/checkpoint-100",
        "b/x/checkpoint-100",
        "c/checkpoint-100",
    ]
    assert [judge.label for judge in told_apart(judges[:1])] == ["checkpoint-100"]


def test_adapter_folder_called_like_a_version_is_not_taken_for_the_base(workspace, tmp_path):
    judge = resolve_judge(str(adapter_folder(tmp_path / "tuned/judge-v0", base="org/model")), workspace)
    assert (judge.label, judge.loaded_name) == ("tuned/judge-v0", "tuned/judge-v0")


def test_base_of_a_run_that_was_a_folder_is_never_looked_up_on_the_hub(workspace, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "llava").mkdir()
    run = workspace.run("local")
    create_run(run, parse_settings({"model": {"base": "llava"}}, where="test"))
    assert resolve_judge("local/judge-v0", workspace).settings.model.base == str(tmp_path / "llava")
    (tmp_path / "llava").rmdir()
    with pytest.raises(ModelError, match="was a folder when the run was made"):
        resolve_judge("local/judge-v0", workspace)
