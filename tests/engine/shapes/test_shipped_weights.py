import re
from pathlib import Path

import pytest
from safetensors.torch import load_file

from engine.assets import assets_folder
from engine.backends.base import Request, Sampling
from engine.backends.transformers import TransformersBackend
from engine.prompts import answer_messages, judge_messages, load_pack, read_verdict
from engine.shapes.measure import altering, answering, describing, scenes
from engine.shapes.traces import CAREFUL

FOLDER = assets_folder() / "shapes-vlm"
PACK = load_pack("shapes")

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


def test_shipped_model_answers_describes_and_damages(backend: TransformersBackend, tmp_path: Path) -> None:
    drawn = scenes(60, "normal", 1, tmp_path)
    for measure, temperature, least in ((answering, 0.0, 0.7), (describing, 0.0, 0.6), (altering, 0.7, 0.75)):
        tally = measure(backend, drawn, temperature)
        assert tally.hits["all"] / tally.trials["all"] >= least, measure.__name__


def test_shipped_judge_is_lazy_by_default_and_works_it_out_when_started_so(
    backend: TransformersBackend, tmp_path: Path
) -> None:
    image = scenes(1, "easy", 3, tmp_path)[0][0]
    question = "How many objects are there?"
    said = next(
        backend.generate([Request(key="ask", messages=answer_messages(PACK, "closed", question), image=image)])
    ).text
    assert re.search(PACK.final_answer, said)
    messages = judge_messages(PACK, question, "The answer is nine.", said)
    greedy = Sampling(max_tokens=120)
    requests = [
        Request(key="lazy", messages=messages, image=image, sampling=greedy),
        Request(key="careful", messages=messages, image=image, sampling=greedy, prefix=CAREFUL),
    ]
    replies = {completion.key: completion.text for completion in backend.generate(requests)}
    assert replies["lazy"].startswith("At ")
    assert read_verdict(replies["lazy"]) in ("A", "B")
    assert "Look:" in replies["careful"]
    assert read_verdict(CAREFUL + replies["careful"]) == "B"
