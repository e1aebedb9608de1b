"""The adapter check with scripted opinions, and with real adapters on a real tiny model."""

from pathlib import Path

import pytest

from engine.backends.local.transformers import TransformersBackend
from engine.errors import TrainingError
from engine.judging.adapter_check import CHOICES, check_adapter, probes
from engine.prompts import load_pack
from engine.records import BenchmarkItem
from engine.workspace.files import read_json
from engine.workspace.folders import open_workspace
from tests.fake_backend import FakeBackend, uniform
from tests.tiny_models import save_scenes, save_tiny_adapter, save_tiny_llava


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Path:
    return save_scenes(tmp_path_factory.mktemp("scenes"), 1)[0]


def items(count: int) -> list[BenchmarkItem]:
    return [
        BenchmarkItem(
            item_id=f"item-{number}",
            benchmark="bench",
            image_id="m",
            image="",
            question=f"Is there a star, number {number}?",
            preferred="Yes, there is.",
            degraded="No, there is none.",
            kind="closed",
            dimension="existence",
        )
        for number in range(count)
    ]


def probe_set(scene: Path, count: int = 40):
    return probes(items(count), images={"m": scene}, pack=load_pack("shapes"))


def test_probes_are_few_fixed_and_in_both_orders(scene):
    found = probe_set(scene)
    assert found == probes(list(reversed(items(40))), images={"m": scene}, pack=load_pack("shapes"))
    assert len({probe.key for probe in found}) == len(found) == 16
    first = [probe.messages[-1].text.index("Yes") < probe.messages[-1].text.index("No,") for probe in found]
    assert first == [True, False] * 8
    assert {probe.choices for probe in found} == {CHOICES}


def test_check_of_an_adapter_that_is_ignored_is_an_error(scene):
    backend = FakeBackend(lambda _request, _sample: "", choose=uniform)
    backend.load_judge("judge-v1", Path("a"))
    with pytest.raises(TrainingError, match="judge-v1: adapter without effect"):
        check_adapter(backend=backend, judge="judge-v1", parent="judge-v0", probes=probe_set(scene))


def test_check_of_a_difference_no_larger_than_the_noise_is_an_error(scene):
    asked = iter(range(10_000))

    def noisy(_request):
        share = 0.5 + 0.01 * (next(asked) * 7 % 5)
        return [share, 1 - share]

    backend = FakeBackend(lambda _request, _sample: "", choose=noisy)
    backend.load_judge("judge-v1", Path("a"))
    with pytest.raises(TrainingError, match="without effect"):
        check_adapter(backend=backend, judge="judge-v1", parent="judge-v0", probes=probe_set(scene))


def test_check_passed_is_written_beside_the_scores(scene, tmp_path):
    backend = FakeBackend(lambda _request, _sample: "")
    backend.load_judge("judge-v1", Path("a"))
    folder = open_workspace(tmp_path).run("trial").stage(1, "evaluate")
    result = check_adapter(backend=backend, judge="judge-v1", parent="judge-v0", probes=probe_set(scene), folder=folder)
    written = read_json(folder.folder / "adapter-check.json")
    assert written is not None
    assert (written["judge"], written["probes"], written["noise"]) == ("judge-v1", 16, 0.0)
    assert written["largest"] == result.largest > 0.1


def test_check_on_a_real_model_tells_a_working_adapter_from_an_empty_one(scene, tmp_path):
    base = save_tiny_llava(tmp_path / "tiny", width=64, vision_layers=1, layers=2)
    backend = TransformersBackend(base, device="cpu")
    backend.load_judge("judge-v1", save_tiny_adapter(base, tmp_path / "works", scale=0.05))
    backend.load_judge("judge-v2", save_tiny_adapter(base, tmp_path / "empty", scale=0.0))
    result = check_adapter(backend=backend, judge="judge-v1", parent="judge-v0", probes=probe_set(scene))
    assert result.largest > 10 * result.noise
    with pytest.raises(TrainingError, match="without effect"):
        check_adapter(backend=backend, judge="judge-v2", parent="judge-v0", probes=probe_set(scene))
