"""Experiments: arms over seeds as runs that share what they have in common, resumed, and summed up in one table."""

import json
from pathlib import Path

import pytest

from engine.cli import main
from engine.errors import SettingsError, UsageError
from engine.measure.intervals import t_quantile
from engine.runs import experiments as named
from engine.runs import loop
from engine.runs.experiments import Experiment, experiments, load_experiment, only, variants
from engine.runs.outcomes import RunScore, arms, measured, over_seeds, table
from engine.runs.shared_stages import take_over
from engine.workspace.folders import open_workspace
from engine.workspace.run_record import create_run
from engine.workspace.state import RunState, read_events, write_state
from tests.engine.runs.test_loop import reply, settings_for
from tests.fake_backend import FakeBackend
from tests.tiny_models import save_tiny_llava


@pytest.mark.parametrize("name", experiments())
def test_shipped_experiment_has_a_question_and_settings_that_exist(name):
    experiment = load_experiment(name)
    assert experiment.asks.endswith("?")
    planned = variants(experiment, seeds=2)
    assert len({one.run_name for one in planned}) == 2 * len(experiment.variants)
    assert {one.settings.loop.seed for one in planned} == {0, 1}


def test_arms_change_what_their_names_say_and_nothing_else():
    planned = {one.variant: one.settings for one in variants(load_experiment("arms"), seeds=1)}
    base = planned["construction"]
    assert {one.select.max_traces for one in planned.values()} == {base.select.max_traces}
    assert base.select.max_traces is not None
    for name in ("coin", "consistency", "coin-per-order", "any"):
        same = planned[name].model_copy(update={"select": base.select})
        assert same == base, name
    assert planned["coin"].select.rule == base.select.rule == "joint"


def test_other_settings_make_other_runs():
    plain, changed = (
        variants(load_experiment("arms", overrides), seeds=1)[0] for overrides in (None, {"source.count": "20"})
    )
    assert changed.settings.source.count == 20
    assert changed.run_name != plain.run_name
    assert changed.run_name == variants(load_experiment("arms", {"source.count": "20"}), seeds=1)[0].run_name


def test_some_arms_are_the_same_runs_as_in_the_whole_experiment():
    whole = load_experiment("arms")
    some = variants(only(whole, ["construction", "coin"]), seeds=1)
    assert [one.variant for one in some] == ["construction", "coin"]
    assert {one.run_name for one in some} < {one.run_name for one in variants(whole, seeds=1)}
    with pytest.raises(UsageError, match="has no arm 'nope'"):
        only(whole, ["nope"])


def test_unknown_experiment_names_those_there_are():
    with pytest.raises(UsageError, match="Use one of arms"):
        load_experiment("nope")


def score(variant: str, seed: int, *accuracies: float) -> RunScore:
    return RunScore(
        run=f"{variant}-{seed}", variant=variant, seed=seed, n=100, accuracies=accuracies, open_gain=0.1,
        closed_gain=None, best_judge="judge-v1", wrong_image=0.3, text_only=0.5, kept=(40, 20), seconds=10.0 * seed,
    )  # fmt: skip


def test_interval_over_seeds_is_students():
    found = over_seeds([0.1, 0.2, 0.3])
    assert found.mean == pytest.approx(0.2)
    assert found.high == pytest.approx(0.2 + t_quantile(2) * 0.1 / 3**0.5)
    assert (over_seeds([0.4]).low, over_seeds([0.4]).high) == (None, None)


def test_arms_are_compared_seed_by_seed():
    # Seeds differ by far more than arms: only the pairing shows the difference of .05.
    outcomes = [score(name, seed, 0.2, 0.2 + seed / 10 + more) for seed in range(3) for name, more in
                (("a", 0.0), ("b", 0.05))]  # fmt: skip
    first, second = arms(outcomes, "a")
    assert first.against is None
    assert second.against is not None
    assert second.against.mean == pytest.approx(0.05)
    assert second.against.low == pytest.approx(0.05)
    assert second.kept == 30
    assert second.closed_gain is None


def test_table_has_one_line_per_arm():
    experiment = Experiment(name="x", asks="Which?", preset="shapes", settings={}, against="a", variants={"a": {}})
    lines = table(experiment, [score("a", 0, 0.2, 0.5), score("a", 1, 0.3, 0.5), score("b", 0, 0.2, 0.4)])
    assert [line.split("|")[1].strip() for line in lines[4:]] == ["a", "b"]
    assert "+0.250" in lines[4]
    assert lines[5].count("|") == lines[2].count("|")


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An experiment of two arms and a scripted model; the path of the workspace."""
    base = save_tiny_llava(tmp_path / "tiny", width=32, vision_layers=1, layers=1)
    settings = settings_for(base, **{"loop.iterations": 1})
    folder = tmp_path / "assets" / "experiments"
    folder.mkdir(parents=True)
    (folder / "trial.yaml").write_text(
        "asks: Which?\npreset: shapes\nvariants:\n  joint: {}\n  few: {select.max_traces: 2}\n"
    )
    monkeypatch.setattr(named, "assets_folder", lambda: tmp_path / "assets")

    def load_settings(*, preset: str, overrides: dict[str, object]):
        assert preset == "shapes"
        select = settings.select.model_copy(update={"max_traces": overrides.get("select.max_traces")})
        seeded = settings.loop.model_copy(update={"seed": overrides["loop.seed"]})
        return settings.model_copy(update={"select": select, "loop": seeded})

    monkeypatch.setattr(named, "load_settings", load_settings)
    work = loop.run_loop
    monkeypatch.setattr(
        loop, "run_loop", lambda run, **more: work(run, opener=lambda _settings, _root: FakeBackend(reply), **more)
    )
    return tmp_path / "ws"


def test_experiment_runs_all_arms_stores_its_table_and_repeats_nothing(tiny: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["experiment", "trial", "--seeds", "1", "--workspace", str(tiny), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert json.loads((tiny / "experiments" / "trial.json").read_text()) == record
    assert record["complete"]
    assert [arm["variant"] for arm in record["arms"]] == ["joint", "few"]
    assert record["arms"][1]["kept"] == 2
    run = open_workspace(tiny).run("trial-few-seed0")
    taken = {event["stage"] for event in read_events(run) if event["event"] == "taken over"}
    assert taken == {
        "intake", "iteration-00/synthesize", "iteration-00/benchmark", "iteration-00/evaluate",
        "iteration-01/synthesize", "iteration-01/judge",
    }  # fmt: skip
    assert main(["experiment", "trial", "--seeds", "1", "--workspace", str(tiny)]) == 0
    out = capsys.readouterr().out
    assert "run 2 of 2, few with seed 0" in out
    assert "| joint | 1 |" in out
    stored = tiny / "experiments" / "trial.json"
    stored.unlink()
    assert main(["experiment", "trial", "--seeds", "1", "--arms", "few", "--workspace", str(tiny), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["arms"] == record["arms"]  # what the call left out was measured before and is not forgotten
    assert json.loads(stored.read_text()) == again


def test_run_of_other_settings_is_no_run_of_the_experiment(tiny: Path):
    workspace, experiment = open_workspace(tiny), load_experiment("trial")
    first = variants(experiment, seeds=1)[0]
    changed = first.settings.model_copy(update={"judge": first.settings.judge.model_copy(update={"top_p": 0.5})})
    create_run(workspace.run(first.run_name), changed)
    run = workspace.run(first.run_name)
    write_state(run, RunState(run=run.name, state="done"))
    assert measured(workspace, experiment, seeds=1) == []


def test_arm_that_fails_is_named_and_the_others_go_on(
    tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    work = loop.run_loop

    def fails_once(run, **more):
        if "joint" in run.name:
            raise SettingsError("select: kept nothing. Relax the rule.")
        return work(run, **more)

    monkeypatch.setattr(loop, "run_loop", fails_once)
    assert main(["experiment", "trial", "--seeds", "1", "--workspace", str(tiny), "--json"]) == 1
    record = json.loads(capsys.readouterr().out)
    assert record["failures"] == {"trial-joint-seed0": "select: kept nothing. Relax the rule."}
    assert [arm["variant"] for arm in record["arms"]] == ["few"]
    assert record["missing"] == ["trial-joint-seed0"]
    assert not record["complete"]


def test_stages_of_other_settings_or_seeds_are_not_taken_over(tmp_path: Path):
    workspace = open_workspace(tmp_path)
    base = settings_for(tmp_path / "none")
    runs = {}
    for name, settings in {
        "done": base,
        "other-judge": base.model_copy(update={"judge": base.judge.model_copy(update={"traces_per_order": 5})}),
        "other-seed": base.model_copy(update={"loop": base.loop.model_copy(update={"seed": 7})}),
    }.items():
        runs[name] = workspace.run(name)
        create_run(runs[name], settings)
    for stage in ("synthesize", "judge"):
        folder = runs["done"].stage(1, stage)
        folder.begin({"of": stage})
        folder.finish({})
    runs["done"].stage(1, "select").begin({})  # begun, not done
    assert take_over(runs["other-judge"], [runs["done"]]) == ["iteration-01/synthesize"]
    assert take_over(runs["other-seed"], [runs["done"]]) == []
    assert runs["other-judge"].stage(1, "synthesize").summary() == {}
