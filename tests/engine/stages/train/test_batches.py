"""Training batches against the encoder that inference uses, for three model families."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from engine.backends.base import Sampling
from engine.backends.local.chat import ChatEncoder, ImageSlot
from engine.judging.asking import ruling_request
from engine.prompts import judge_messages, load_pack
from engine.records import Comparison
from engine.stages.train.batches import IGNORED, Collator, end_of_turn
from tests.tiny_models import save_scenes, save_tiny_gemma3, save_tiny_llava, save_tiny_mllama

MAKERS = {
    "llava": lambda folder: save_tiny_llava(folder, width=64, vision_layers=1, layers=2),
    "gemma3": save_tiny_gemma3,
    "mllama": save_tiny_mllama,
}
NASTY = "A <image> </s> [[A]] <|user|> <start_of_image><eos> <|image|><|eot_id|> trick."


@pytest.fixture(scope="module", params=sorted(MAKERS))
def folder(request, tmp_path_factory) -> Path:
    return MAKERS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> list[Path]:
    return save_scenes(tmp_path_factory.mktemp("scenes"), 3)


@pytest.fixture
def encoder(folder) -> ChatEncoder:
    return ChatEncoder(AutoProcessor.from_pretrained(folder), model_name="tiny")


def row(image: Path, *, question="Is there a star?", a="Yes.", b="No, none at all.", said="I see one. [[A]]"):
    messages = judge_messages(load_pack("shapes"), question, a, b)
    return {
        "images": [str(image)],
        "prompt": [{"role": message.role, "text": message.text} for message in messages],
        "completion": said,
        "length": 1,
    }


@pytest.mark.parametrize("text", ["Yes.", NASTY])
def test_prompt_in_training_is_the_prompt_of_inference_token_by_token(encoder, scenes, text):
    example = Collator(encoder).encode(row(scenes[0], a=text))
    request = ruling_request(
        load_pack("shapes"),
        Comparison(image=scenes[0], question="Is there a star?", preferred=text, degraded="No, none at all."),
        "AB",
        key="",
        judge="judge-v0",
        sampling=Sampling(),
    )
    asked = encoder.encode(request, ImageSlot(path=scenes[0]))
    assert example.ids[: example.prompt_length].tolist() == asked.ids_1T[0].tolist()
    for name, value in asked.image.inputs.items():
        assert torch.equal(example.image[name], value)


def test_completion_that_spells_special_tokens_ends_with_the_only_one(encoder, scenes):
    example = Collator(encoder).encode(row(scenes[0], said=NASTY))
    said = example.ids[example.prompt_length :].tolist()
    special = encoder.special_ids()
    assert [token for token in said if token in special] == [said[-1]] == [end_of_turn(encoder)]
    assert encoder.tokenizer.decode(said[:-1]).replace(" ", "") == NASTY.replace(" ", "")


def test_labels_are_the_completion_alone(encoder, scenes):
    rows = [row(scenes[0]), row(scenes[1], question="How many blue circles are there in the picture?", said="[[B]]")]
    collator = Collator(encoder)
    batch = collator(rows)
    for place, one in enumerate(rows):
        example = collator.encode(one)
        labels = batch["labels"][place]
        assert labels[labels != IGNORED].tolist() == example.ids[example.prompt_length :].tolist()
        assert batch["attention_mask"][place].sum() == len(example.ids)


def test_loss_of_a_padded_batch_is_that_of_its_rows_alone(folder, encoder, scenes):
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    collator = Collator(encoder)
    rows = [row(scenes[0]), row(scenes[1], question="How many blue circles are there? " * 3, said="[[B]]"),
            row(scenes[2], said="I see two. A: yes, B: no. [[A]]")]  # fmt: skip
    with torch.no_grad():
        alone = [(model(**batch).loss.item(), (batch["labels"] != IGNORED).sum().item())
                 for batch in (collator([one]) for one in rows)]  # fmt: skip
        together = model(**collator(rows)).loss.item()
    assert together == pytest.approx(sum(loss * n for loss, n in alone) / sum(n for _, n in alone), rel=1e-4)


def test_rows_are_encoded_once(encoder, scenes, monkeypatch):
    collator = Collator(encoder)
    first = collator([row(scenes[0]), row(scenes[0], said="[[B]]")])
    monkeypatch.setattr(collator, "encode", None)  # a second encoding would raise
    again = collator([row(scenes[0]), row(scenes[0], said="[[B]]")])
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_row_whose_image_does_not_fit_the_cache_is_not_kept_either(encoder, scenes, monkeypatch):
    monkeypatch.setattr("engine.stages.train.batches._CACHE_BYTES", 10_000)
    collator = Collator(encoder)
    first = collator([row(scenes[0])])
    assert collator._known == {}  # it would hold the pixels uncounted
    assert collator([row(scenes[0])])["input_ids"].equal(first["input_ids"])


def test_changed_picture_is_what_the_model_is_shown_and_the_row_beside_it_keeps_its_own(encoder, scenes):
    asked = []

    def blacken(image, seed):
        asked.append(seed)
        return image.point(lambda _: 0)

    plain = row(scenes[0])
    collator = Collator(encoder, blacken)
    pictures = [collator.encode(one).image for one in (plain, {**plain, "change": "x"}, {**plain, "change": ""})]
    (name,) = [name for name in pictures[0] if "pixel_values" in name]
    assert torch.equal(pictures[0][name], pictures[2][name])
    assert not torch.equal(pictures[0][name], pictures[1][name])
    assert asked == ["x"]
