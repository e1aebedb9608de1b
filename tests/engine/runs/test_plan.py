"""The plan of a run: counts from settings, times from an earlier run only."""

from pathlib import Path

import pytest

from engine.cli import main
from engine.config import load_settings, presets
from engine.runs.plan import RunPlan, plan_text, run_plan
from engine.runs.sizes import images_of
from engine.workspace.folders import Workspace, open_workspace
from engine.workspace.state import append_event
from tests.sample_workspace import make_workspace


def plan(workspace: Workspace, **overrides: object) -> RunPlan:
    return run_plan(load_settings(preset="shapes", overrides=overrides), workspace)


def test_counts_follow_from_the_settings(tmp_path: Path) -> None:
    found = plan(
        Workspace(tmp_path),
        **{
            "source.count": 100, "source.questions_per_image": 2, "source.open_share": 0.5, "source.held_out": 0,
            "synthesize.instructions": 40, "synthesize.samples": 16, "synthesize.alteration_tries": 2,
            "judge.traces_per_order": 3, "select.max_per_pair": 2, "train.batch_size": 16, "train.epochs": 3,
            "evaluate.items": 50, "evaluate.image_blind": True, "evaluate.wrong_image": True,
            "evaluate.control_items": 30, "loop.iterations": 2,
        },
    )  # fmt: skip
    stages = {stage.stage: stage for stage in found.stages}
    assert stages["synthesize"].calls == 20 * 3 + 20 * 16
    assert stages["judge"].calls == 40 * 2 * 3 + 30 * 2
    assert stages["train"].units == 15  # 80 traces in 5 batches, 3 times
    assert stages["evaluate"].calls == 50 * 2 + 30 * 2 * 2
    assert found.calls == 220 + 2 * (380 + 300 + 220)


def test_replies_that_are_begun_are_asked_once_of_the_base(tmp_path: Path) -> None:
    without, begun = (plan(Workspace(tmp_path), **more) for more in ({}, {"evaluate.prompted": "Look:"}))
    assert begun.calls - without.calls == 2 * 100  # evaluate.control_items of the preset, both orders


def test_time_is_not_guessed_without_an_earlier_run(tmp_path: Path) -> None:
    found = plan(Workspace(tmp_path / "none"))
    assert found.seconds is None
    assert all(stage.seconds is None for stage in found.stages)
    assert found.estimated_from is None
    assert "not known yet" in plan_text(found)
    assert not (tmp_path / "none").exists()


def test_time_is_the_slowest_pace_of_an_earlier_run_of_the_same_model(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    run = workspace.run("shapes-01")
    (run.folder / "events.jsonl").unlink(missing_ok=True)
    lines = []
    at = 0.0
    for iteration, seconds in ((1, 10.0), (2, 20.0)):
        for stage in ("synthesize", "judge", "select", "train", "evaluate"):
            lines.append(
                f'{{"time": {at}, "event": "begin", "stage": "{stage}", "iteration": {iteration}, "total": 10}}'
            )
            at += seconds
    lines.append(f'{{"time": {at}, "event": "done"}}')
    (run.folder / "events.jsonl").write_text("\n".join(lines) + "\n")
    found = plan(workspace, **{"synthesize.instructions": 40, "loop.iterations": 1})
    assert found.estimated_from == "shapes-01"
    assert next(stage for stage in found.stages if stage.stage == "synthesize").seconds == 80.0  # 2 s each
    other = plan(workspace, **{"model.base": "someone/else"})
    assert other.seconds is None


def test_source_of_unknown_size_leaves_counts_open_and_says_so(tmp_path: Path) -> None:
    found = plan(
        Workspace(tmp_path), **{"source.kind": "dataset", "source.path": "a/b", "synthesize.instructions": None}
    )
    assert found.calls is None
    assert any("known once it is read" in note for note in found.notes)


def test_folder_is_counted_by_its_pictures(tmp_path: Path) -> None:
    for name in ("a.png", "b.JPG", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    settings = load_settings(preset="shapes", overrides={"source.kind": "folder", "source.path": str(tmp_path)})
    assert images_of(settings) == 2
    gone = load_settings(preset="shapes", overrides={"source.kind": "folder", "source.path": str(tmp_path / "no")})
    assert images_of(gone) is None


@pytest.mark.parametrize("preset", presets())
def test_every_preset_has_a_plan_in_words(preset: str, tmp_path: Path) -> None:
    text = plan_text(run_plan(load_settings(preset=preset), Workspace(tmp_path)))
    for word in ("synthesize", "judge", "select", "train", "evaluate", "Memory", "Disk"):
        assert word in text


def test_plan_of_a_running_stage_does_not_use_its_unfinished_time(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    run = workspace.run("shapes-01")
    (run.folder / "events.jsonl").unlink(missing_ok=True)
    append_event(run, "begin", stage="judge", iteration=1, total=10)
    assert plan(workspace).estimated_from is None


def test_dry_run_in_a_folder_that_is_not_there_prints_the_plan_and_makes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--dry-run", "--workspace", str(tmp_path / "none")]) == 0
    assert "Each iteration" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()


def test_plan_says_when_a_key_that_the_run_did_not_make_decides(tmp_path: Path) -> None:
    def notes(*benchmarks: str) -> list[str]:
        settings = load_settings(preset="shapes", overrides={"evaluate.benchmarks": list(benchmarks)})
        return [note for note in run_plan(settings, open_workspace(tmp_path)).notes if "decides" in note]

    assert notes("held-out", "shapes") == []
    (note,) = notes("shapes", "held-out")
    assert note.startswith("shapes has a key that the run did not make")
