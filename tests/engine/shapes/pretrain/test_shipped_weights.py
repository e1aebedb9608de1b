import json
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import load_file

from engine.assets import SHIPPED, assets_folder
from engine.backends.base import Request
from engine.backends.local.transformers import TransformersBackend
from engine.prompts import judge_messages, load_pack
from engine.shapes.benchmark import items
from engine.shapes.looks import Look
from engine.shapes.pretrain.measure import altering, answering, describing, judging, scenes
from engine.verdicts import read_verdict

FOLDER = assets_folder() / "shapes-vlm"

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def backend() -> TransformersBackend:
    return TransformersBackend(FOLDER, device="cpu")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_are_small_safe_and_named_as_other_engines_expect(name: str) -> None:
    folder = assets_folder() / name
    assert sum(file.stat().st_size for file in folder.iterdir()) < 9_000_000
    assert {file.suffix for file in folder.iterdir()} <= {".json", ".jinja", ".safetensors", ".md"}
    names = load_file(folder / "model.safetensors").keys()
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


def test_hasty_judge_does_not_look_of_itself_and_does_when_its_reply_is_begun(tmp_path: Path) -> None:
    hasty = TransformersBackend(assets_folder() / "shapes-hasty", device="cpu")
    pack, judged = load_pack("shapes"), items(count=20, seed=1, folder=tmp_path, space="test")
    said: dict[str, dict[str, str]] = {}
    for prefix in ("", "Look:"):
        asked = [
            Request(
                key=item.item_id,
                messages=judge_messages(pack, item.question, item.preferred, item.degraded),
                image=Path(item.image),
                prefix=prefix,
            )
            for item in judged
        ]
        said[prefix] = {reply.key: reply.text for reply in hasty.generate(asked)}
    assert sum(text.startswith("Compare:") for text in said[""].values()) >= 14  # 95 of 100 do
    assert sum(read_verdict(text) == "A" for text in said["Look:"].values()) >= 14  # 94 of 100 do


def test_shipped_judge_is_right_in_clear_weather_and_sees_badly_in_fog(
    backend: TransformersBackend, tmp_path: Path
) -> None:
    clear = judging(backend, items(count=66, seed=1, folder=tmp_path / "clear", space="test"), temperature=0.0)
    assert clear.strict.hits["closed"] >= 0.75 * 33
    assert clear.strict.hits["open"] >= 0.8 * 33
    fog = Look(name="fog", low=0.6, high=0.8)
    foggy = judging(backend, items(count=66, seed=1, folder=tmp_path / "fog", space="test", look=fog), temperature=0.0)
    assert foggy.strict.hits["all"] < clear.strict.hits["all"] - 10
