import json
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import load_file

from engine.assets import assets_folder
from engine.backends.local.transformers import TransformersBackend
from engine.shapes.benchmark import items
from engine.shapes.looks import Look
from engine.shapes.pretrain.measure import altering, answering, describing, judging, scenes

FOLDER = assets_folder() / "shapes-vlm"

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def backend() -> TransformersBackend:
    return TransformersBackend(FOLDER, device="cpu")


def test_shipped_weights_are_small_safe_and_named_as_other_engines_expect() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 20_000_000
    assert {file.suffix for file in FOLDER.iterdir()} <= {".json", ".jinja", ".safetensors", ".md"}
    names = load_file(FOLDER / "model.safetensors").keys()
    assert "vision_tower.vision_model.embeddings.patch_embedding.weight" in names
    assert "language_model.model.embed_tokens.weight" in names


def test_shipped_processor_makes_pictures_small_as_torchvision_can_too() -> None:
    stored = json.loads((FOLDER / "processor_config.json").read_text())
    # vLLM has torchvision's processors only, and those refuse PIL's BOX ("got box") and HAMMING
    assert Image.Resampling(stored["image_processor"]["resample"]).name in {"BILINEAR", "BICUBIC"}


def test_shipped_model_answers_describes_and_damages(backend: TransformersBackend, tmp_path: Path) -> None:
    drawn = scenes(60, "normal", 1, tmp_path)
    for measure, temperature, least in ((answering, 0.0, 0.7), (describing, 0.0, 0.6), (altering, 0.7, 0.75)):
        tally = measure(backend, drawn, temperature)
        assert tally.hits["all"] / tally.trials["all"] >= least, measure.__name__


def test_shipped_judge_is_right_in_clear_weather_and_sees_badly_in_fog(
    backend: TransformersBackend, tmp_path: Path
) -> None:
    clear = judging(backend, items(count=66, seed=1, folder=tmp_path / "clear", space="test"), temperature=0.0)
    assert clear.strict.hits["closed"] >= 0.75 * 33
    assert clear.strict.hits["open"] >= 0.8 * 33
    fog = Look(name="fog", low=0.6, high=0.8)
    foggy = judging(backend, items(count=66, seed=1, folder=tmp_path / "fog", space="test", look=fog), temperature=0.0)
    assert foggy.strict.hits["all"] < clear.strict.hits["all"] - 10
