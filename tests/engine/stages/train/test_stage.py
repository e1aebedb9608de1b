"""Training a tiny real model with the real trainer: what comes out, and that stops and kills lose nothing."""

import resource
import signal
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from engine.backends.base import Message, Request, Sampling
from engine.backends.local.transformers import TransformersBackend
from engine.config import Settings, TrainSettings, parse_settings
from engine.errors import IdentityError, SettingsError, StopRequested, TrainingError, WorkspaceError
from engine.prompts import load_pack
from engine.records import Pair, Step, Trace, VersionRow
from engine.stages.train.rows import training_rows
from engine.stages.train.stage import check_layers, train
from engine.workspace.folders import RunFolder, open_workspace
from engine.workspace.progress import Progress
from engine.workspace.state import RunState
from tests.stage_bench import StageBench
from tests.tiny_models import save_scenes, save_tiny_llava

PAIRS = 10


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_tiny_llava(tmp_path_factory.mktemp("model"), width=64, vision_layers=1, layers=2)


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> dict[str, Path]:
    scenes = save_scenes(tmp_path_factory.mktemp("scenes"), 5)
    return {f"image-{number}": scene for number, scene in enumerate(scenes)}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = open_workspace(tmp_path).run("trial")
    run.folder.mkdir(parents=True)
    return run


def pair(number: int) -> Pair:
    return Pair(
        pair_id=f"pair-{number:02d}",
        instruction_id=f"instruction-{number}",
        image_id=f"image-{number % 5}",
        question="How many objects are there?",
        kind="closed",
        strategy="majority",
        dimension="count",
        preferred="I see three. The answer is three.",
        degraded="I see four. The answer is four.",
        votes=None,
        altered=None,
        writer="judge-v0",
        dropped=None,
    )


def trace(number: int, order: str) -> Trace:
    return Trace(
        trace_id=f"trace-{number:02d}-{order}",
        pair_id=f"pair-{number:02d}",
        image_id=f"image-{number % 5}",
        dimension="count",
        judge="judge-v0",
        order=order,
        sample=0,
        reasoning=f"I see three. A: {'three yes' if order == 'AB' else 'four no'}. [[{order[0]}]]",
        verdict=order[0],
        tokens=12,
        kept=True,
        reason="kept",
    )


PAIRS_BY_ID = {one.pair_id: one for one in (pair(number) for number in range(PAIRS))}
TRACES = [trace(number, order) for number in range(PAIRS) for order in ("AB", "BA")]


def settings_for(model: Path, **changes) -> Settings:
    values = {"epochs": 4, "learning_rate": 0.01, "batch_size": 4, "micro_batch_size": 4, "rank": 4, "alpha": 8}
    return parse_settings(
        {"model": {"base": str(model), "prompts": "shapes", "device": "cpu"}, "train": values | changes}, where="test"
    )


def train_on(run: RunFolder, model: Path, images: dict[str, Path], *, traces=TRACES, iteration=1, watch=None,
             parent: Path | None = None, **changes):  # fmt: skip
    progress = Progress(run, RunState(run=run.name, state="running"), watch=watch)
    bench = StageBench(run).stands(
        iteration, settings=settings_for(model, **changes), pack=load_pack("shapes"), images=images, progress=progress
    )
    return train(bench, traces, PAIRS_BY_ID, parent_adapter=parent)


def weights(folder: Path):
    return load_file(folder / "adapter_model.safetensors")


def furthest(one: Path, other: Path) -> float:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def test_rows_show_the_responses_in_the_order_of_the_trace(images):
    rows = training_rows(
        TRACES[:2], pairs=PAIRS_BY_ID, images=images, pack=load_pack("shapes"), settings=TrainSettings(), seed=0
    )
    shown = [row["prompt"][0]["text"] for row in rows]
    assert shown[0].index("answer is three") < shown[0].index("answer is four")
    assert shown[1].index("answer is four") < shown[1].index("answer is three")
    assert [row["completion"] for row in rows] == [one.reasoning for one in TRACES[:2]]
    assert rows[0]["images"] == [str(images["image-0"])]


def test_train_writes_adapter_steps_version_and_leaves_no_checkpoint(run, model, images):
    summary = train_on(run, model, images)
    folder = run.stage(1, "train")
    steps = folder.read("steps", Step)
    assert [step.step for step in steps] == list(range(1, 21))
    assert steps[-1].loss < 0.6 * steps[0].loss
    assert all(later.tokens > earlier.tokens for earlier, later in pairwise(steps))
    assert folder.read("versions", VersionRow) == [
        VersionRow(judge="judge-v1", parent="judge-v0", adapter="runs/trial/iteration-01/train/adapter", trained_on=20)
    ]
    assert run.workspace.root / summary.adapter == run.adapter(1)
    assert sorted(path.name for path in folder.folder.iterdir() if path.is_dir()) == ["adapter"]
    names = weights(run.adapter(1)).keys()
    assert names
    assert all(".language_model." in name for name in names)


def test_train_on_the_eyes_with_responses_and_changed_pictures_adapts_no_word_of_the_language(run, model, images):
    summary = train_on(
        run, model, images, layers="eyes", responses=True, augment=["haze", "blur"], augment_strength=0.7, epochs=2
    )
    folder = run.stage(1, "train")
    assert summary.trained_on == 20
    assert len(folder.read("steps", Step)) == 16  # 20 traces and 10 responses, by fours, twice
    names = weights(run.adapter(1)).keys()
    assert any("vision" in name for name in names)
    assert any("projector" in name for name in names)
    assert not [name for name in names if "language_model" in name or "lm_head" in name]
    base, tuned, base_again = odds_of_versions(model, run.adapter(1), images)
    assert base == base_again != tuned


def odds_of_versions(model, adapter, images):
    """As the base, as the version, and as the base again."""
    backend = TransformersBackend(model, device="cpu")
    backend.load_judge("judge-v1", adapter)
    request = Request(
        key="k", messages=(Message(role="user", text="What?"),), image=images["image-0"], choices=("[[A]]", "[[B]]"),
        sampling=Sampling(max_tokens=1),
    )  # fmt: skip
    return [
        next(iter(backend.generate([replace(request, judge=judge)]))).choice_probabilities
        for judge in ("judge-v0", "judge-v1", "judge-v0")
    ]


def test_full_training_changes_the_layers_themselves_and_loads_like_any_version(run, model, images, monkeypatch):
    train_on(run, model, images, method="full", learning_rate=1e-3, epochs=1)
    assert not [name for name in weights(run.adapter(1)) if "lora" in name]
    merged = odds_of_versions(model, run.adapter(1), images)
    assert merged[0] == merged[2] != merged[1]
    monkeypatch.setattr("engine.backends.local.adapters._SMALL", 0)
    beside = odds_of_versions(model, run.adapter(1), images)
    assert beside == [pytest.approx(odds, abs=1e-5) for odds in merged], "as in a large model"


def test_train_again_after_it_is_done_does_nothing(run, model, images):
    summary = train_on(run, model, images, epochs=1)
    before = (run.adapter(1) / "adapter_model.safetensors").stat().st_mtime_ns
    assert train_on(run, model, images, epochs=1) == summary
    assert (run.adapter(1) / "adapter_model.safetensors").stat().st_mtime_ns == before


def test_train_with_nothing_kept_says_what_to_change(run, model, images):
    with pytest.raises(TrainingError, match=r"kept no trace.*judge\.traces_per_order"):
        train_on(run, model, images, traces=[])
    assert not run.stage(1, "train").folder.exists()


def test_train_stopped_and_resumed_ends_where_an_undisturbed_one_does(run, model, images, tmp_path):
    def stop_at_step_7(state: RunState) -> None:
        if state.stage == "train" and state.unit == "steps" and state.done == 7:
            (run.folder / "stop-requested").touch()

    with pytest.raises(StopRequested):
        train_on(run, model, images, watch=stop_at_step_7)
    folder = run.stage(1, "train")
    assert [step.step for step in folder.read("steps", Step)] == list(range(1, 8))
    assert not run.adapter(1).exists()
    (run.folder / "stop-requested").unlink()
    train_on(run, model, images)
    steps = folder.read("steps", Step)

    whole = open_workspace(tmp_path / "other").run("trial")
    whole.folder.mkdir(parents=True)
    train_on(whole, model, images)
    undisturbed = whole.stage(1, "train").read("steps", Step)
    assert [step.step for step in steps] == [step.step for step in undisturbed]
    assert [step.tokens for step in steps] == [step.tokens for step in undisturbed]
    assert furthest(run.adapter(1), whole.adapter(1)) < 1e-5


def test_train_after_a_kill_in_a_checkpoint_records_no_step_twice(run, model, images):
    def stop_at_step_5(state: RunState) -> None:
        if state.unit == "steps" and state.done == 5:
            (run.folder / "stop-requested").touch()

    with pytest.raises(StopRequested):
        train_on(run, model, images, watch=stop_at_step_5)
    (run.folder / "stop-requested").unlink()
    folder = run.stage(1, "train")
    (folder.folder / "checkpoints" / "checkpoint-5" / "whole").unlink()  # as if killed while it was written
    (folder.folder / "adapter.unfinished").mkdir()
    train_on(run, model, images)
    assert [step.step for step in folder.read("steps", Step)] == list(range(1, 21))


def test_train_killed_before_done_keeps_the_adapter_and_one_version(run, model, images):
    summary = train_on(run, model, images, epochs=1)
    folder = run.stage(1, "train")
    (folder.folder / "done.json").unlink()
    before = (run.adapter(1) / "adapter_model.safetensors").stat().st_mtime_ns
    again = train_on(run, model, images, epochs=1)
    assert again.judge == summary.judge
    assert (run.adapter(1) / "adapter_model.safetensors").stat().st_mtime_ns == before
    assert len(folder.read("versions", VersionRow)) == 1


def test_train_with_the_same_seed_gives_the_same_adapter(run, model, images):
    train_on(run, model, images, epochs=1)
    again = run.workspace.run("again")
    again.folder.mkdir()
    train_on(again, model, images, epochs=1)
    assert furthest(run.adapter(1), again.adapter(1)) == 0.0


def test_train_continued_starts_from_what_the_parent_learned(run, model, images):
    train_on(run, model, images)
    train_on(run, model, images, iteration=2, parent=run.adapter(1))
    first, second = (run.stage(number, "train").read("steps", Step) for number in (1, 2))
    assert second[0].loss < 0.6 * first[0].loss


def test_train_with_other_settings_refuses_naming_the_field(run, model, images):
    train_on(run, model, images, epochs=1)
    (run.stage(1, "train").folder / "done.json").unlink()
    with pytest.raises(IdentityError, match=r"rank was 4, now 8"):
        train_on(run, model, images, epochs=1, rank=8)


def test_train_on_a_model_that_gives_no_numbers_says_so(run, tmp_path, images):
    broken = save_tiny_llava(tmp_path / "broken", width=64, vision_layers=1, layers=2)
    stored = load_file(broken / "model.safetensors")
    name = next(name for name in stored if name.endswith("norm.weight"))
    stored[name] = stored[name] * float("nan")
    save_file(stored, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainingError, match=r"loss became nan at step 1.*learning_rate"):
        train_on(run, broken, images)
    assert not run.adapter(1).exists()


def test_train_on_a_full_disk_says_so_and_goes_on_when_there_is_room(run, model, images):
    def stop_at_step_3(state: RunState) -> None:
        if state.unit == "steps" and state.done == 3:
            (run.folder / "stop-requested").touch()

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, before[1]))  # what any larger file meets: "no more"
    try:
        with pytest.raises(WorkspaceError, match="Free some space, then resume"):
            train_on(run, model, images, watch=stop_at_step_3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    (run.folder / "stop-requested").unlink()
    train_on(run, model, images)
    assert [step.step for step in run.stage(1, "train").read("steps", Step)] == list(range(1, 21))


def test_train_that_changes_nothing_is_refused(run, model, images):
    with pytest.raises(TrainingError, match="did not change"):
        train_on(run, model, images, max_steps=1, learning_rate=1e-60)  # zero as a float32


def test_train_of_a_single_step_changes_the_adapter(run, model, images):
    summary = train_on(run, model, images, max_steps=1)
    (step,) = run.stage(1, "train").read("steps", Step)
    assert step.learning_rate > 0
    assert (summary.steps, summary.loss) == (1, round(step.loss, 4))


@pytest.mark.parametrize("backend", ["vllm", "openai"])
def test_eyes_are_not_trained_for_an_engine_that_would_leave_them_out(backend):
    settings = parse_settings({"model": {"backend": backend}, "train": {"layers": "all"}}, where="test")
    with pytest.raises(SettingsError, match=f"train.layers=all: model.backend={backend}"):
        check_layers(settings)
    check_layers(parse_settings({"model": {"backend": backend}}, where="test"))
    check_layers(parse_settings({"train": {"layers": "eyes"}}, where="test"))
