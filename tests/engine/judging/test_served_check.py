"""The served check: real training, then the same model behind a backend, and servers that rule otherwise."""

from pathlib import Path

import pytest

from engine.backends.local.transformers import TransformersBackend
from engine.errors import TrainingError
from engine.judging.adapter_check import check_adapter, probes
from engine.judging.served_check import OPINIONS, check_served
from engine.prompts import load_pack
from engine.records import BenchmarkItem
from engine.runs.loop import run_loop
from engine.stages.train.stage import train
from engine.workspace.files import read_json
from engine.workspace.folders import open_workspace
from tests.engine.runs.test_loop import reply, start
from tests.engine.runs.test_loop import settings_for as loop_settings
from tests.engine.stages.train.test_stage import PAIRS_BY_ID, TRACES, settings_for
from tests.fake_backend import FakeBackend, by_judge
from tests.stage_bench import StageBench
from tests.tiny_models import save_scenes, save_tiny_adapter, save_tiny_llava

PACK = load_pack("shapes")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    base = save_tiny_llava(folder / "tiny", width=64, vision_layers=1, layers=2)
    scenes = {f"image-{number}": path for number, path in enumerate(save_scenes(folder / "scenes", 5))}
    run = open_workspace(folder / "workspace").run("trial")
    run.folder.mkdir(parents=True)
    bench = StageBench(run).stands(settings=settings_for(base, epochs=16), pack=PACK, images=scenes)
    train(bench, TRACES, PAIRS_BY_ID, parent_adapter=None)
    return base, run, scenes


def check(trained, backend, judge="judge-v1", folder=None):
    _, run, scenes = trained
    return check_served(
        backend=backend, judge=judge, trained=run.stage(1, "train"), traces=TRACES, pairs=PAIRS_BY_ID, images=scenes,
        pack=PACK, folder=folder,
    )  # fmt: skip


def test_trained_model_behind_a_backend_has_the_opinions_it_had_in_training(trained):
    base, run, _ = trained
    backend = TransformersBackend(base, device="cpu")
    backend.load_judge("judge-v1", run.adapter(1))
    folder = run.stage(1, "evaluate")
    result = check(trained, backend, folder=folder)
    assert result is not None
    assert result.agreement == 1.0
    assert result.probes >= 3
    assert result.mean_difference < 1e-3
    written = read_json(folder.folder / "served-check.json")
    assert written is not None
    assert written["agreement"] == 1.0


def test_another_adapter_than_the_trained_one_has_other_opinions(trained, tmp_path):
    base, _, _ = trained
    backend = TransformersBackend(base, device="cpu")
    backend.load_judge("other", save_tiny_adapter(base, tmp_path / "other", scale=0.5))
    try:
        result = check(trained, backend, judge="other")
    except TrainingError:
        return
    assert result is not None
    assert result.mean_difference > 0.1


def test_server_that_rules_otherwise_is_refused(trained):
    _, run, _ = trained
    recorded = read_json(run.stage(1, "train").folder / OPINIONS)
    assert recorded is not None

    def contrary(request):
        return [0.1, 0.9] if recorded["log_odds"][request.key] > 0 else [0.9, 0.1]

    backend = FakeBackend(lambda _request, _sample: "", choose=contrary)
    backend.load_judge("judge-v1", Path("a"))
    with pytest.raises(TrainingError, match="the server rules otherwise than the trained model"):
        check(trained, backend)


def test_version_without_recorded_opinions_is_not_checked(tmp_path):
    other = open_workspace(tmp_path).run("old")
    assert (
        check_served(
            backend=FakeBackend(lambda _request, _sample: ""), judge="judge-v1", trained=other.stage(1, "train"),
            traces=TRACES, pairs=PAIRS_BY_ID, images={}, pack=PACK,
        )
        is None
    )  # fmt: skip


def test_trained_adapter_passes_the_adapter_check(trained):
    base, run, scenes = trained
    backend = TransformersBackend(base, device="cpu")
    backend.load_judge("judge-v1", run.adapter(1))
    items = [
        BenchmarkItem(
            item_id=pair.pair_id, benchmark="b", image_id=pair.image_id, image="", question=pair.question,
            preferred=pair.preferred, degraded=pair.degraded, kind=pair.kind, dimension=pair.dimension,
        )
        for pair in PAIRS_BY_ID.values()
    ]  # fmt: skip
    found = probes(items, images=scenes, pack=PACK)
    assert check_adapter(backend=backend, judge="judge-v1", parent="judge-v0", probes=found).largest > 0.1


def test_loop_with_a_server_asks_it_for_the_opinions_of_training(trained, tmp_path):
    base, _, _ = trained
    server = {"model.backend": "openai", "model.url": "http://127.0.0.1:1/v1"}
    served = {**server, "train.layers": "language", "loop.iterations": 1}
    run = start(tmp_path, loop_settings(base, **served))

    def as_trained(request):
        recorded = (read_json(run.stage(1, "train").folder / OPINIONS) or {}).get("log_odds", {})
        if request.key not in recorded:
            return by_judge(request)
        return [0.9, 0.1] if recorded[request.key] > 0 else [0.1, 0.9]

    assert run_loop(run, opener=lambda _settings, _root: FakeBackend(reply, choose=as_trained)).state == "done"
    written = read_json(run.stage(1, "evaluate").folder / "served-check.json")
    assert written is not None
    assert (written["judge"], written["agreement"]) == ("judge-v1", 1.0)
