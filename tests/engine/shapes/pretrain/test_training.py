from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from engine.prompts import load_pack
from engine.shapes.pretrain.batches import pixels, pool
from engine.shapes.pretrain.curriculum import phase_at
from engine.shapes.pretrain.model import BICUBIC, build_model, inherit, portable_name, save_model
from engine.shapes.pretrain.tokens import build_tokenizer
from engine.shapes.pretrain.training import Plan, pretrain
from engine.shapes.scenes import scene_image

PLAN = Plan(seeing_steps=2, steps=16, tokens=300, words_from=100)


@pytest.fixture(autouse=True)
def _one_thread():  # type: ignore[no-untyped-def]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_pretraining_from_nothing_leaves_a_folder_that_loads_and_takes_a_scene(tmp_path: Path) -> None:
    pretrain(PLAN, tmp_path / "vlm", work=tmp_path / "work", resume=False, device="cpu", save_every=500)
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "vlm")
    processor = AutoProcessor.from_pretrained(tmp_path / "vlm")
    image = scene_image(0, 0)
    messages = [{"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": "Hi."}]}]
    inputs = processor.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    assert (inputs["input_ids"] == model.config.image_token_id).sum() == 9
    seen = image.resize((48, 48), Image.Resampling(BICUBIC))
    assert torch.allclose(inputs["pixel_values"][0], pixels(seen), atol=1.01 / 127.5)  # one level: rounding
    assert model.generate(**inputs, max_new_tokens=3, do_sample=False).shape[0] == 1
    assert not (tmp_path / "work").exists()
    names = load_file(tmp_path / "vlm" / "model.safetensors").keys()
    parts = ("vision_tower.vision_model.", "multi_modal_projector.", "language_model.model.")
    assert all(name.startswith(parts) for name in names)


def test_pretraining_resumed_from_a_checkpoint_ends_as_if_never_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken, work = tmp_path / "whole", tmp_path / "broken", tmp_path / "work"
    pretrain(PLAN, whole, work=tmp_path / "other", resume=False, device="cpu", save_every=8)

    with monkeypatch.context() as patch:

        def pull_the_plug(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        patch.setattr("engine.shapes.pretrain.training.save_model", pull_the_plug)
        with pytest.raises(KeyboardInterrupt):
            pretrain(PLAN, broken, work=work, resume=False, device="cpu", save_every=8)
    assert torch.load(work / "state.pt", weights_only=True)["step"] == 8
    pretrain(PLAN, broken, work=work, resume=True, device="cpu", save_every=8)

    left, right = load_file(whole / "model.safetensors"), load_file(broken / "model.safetensors")
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_checkpoint_of_another_plan_is_refused(tmp_path: Path) -> None:
    torch.save({"plan": "{}", "step": 8}, tmp_path / "state.pt")
    with pytest.raises(ValueError, match="made by another plan"):
        pretrain(PLAN, tmp_path / "out", work=tmp_path, resume=True, device="cpu", save_every=8)


def test_batches_are_the_same_for_the_same_step() -> None:
    pack = load_pack("shapes")
    tokenizer = build_tokenizer(pack, examples=300)
    first, second = (pool(1, 8, phase_at(0.8), tokenizer, pack, 400) for _ in range(2))
    assert all(torch.equal(a.ids_BT, b.ids_BT) for a, b in zip(first, second, strict=True))
    assert all(torch.equal(a.pixels_BCHW, b.pixels_BCHW) for a, b in zip(first, second, strict=True))
    other = pool(1, 16, phase_at(0.8), tokenizer, pack, 400)
    assert any(a.ids_BT.shape != b.ids_BT.shape or not torch.equal(a.ids_BT, b.ids_BT)
               for a, b in zip(first, other, strict=True))  # fmt: skip


def test_loss_covers_the_reply_and_of_prompts_only_the_second_of_two_like_descriptions() -> None:
    pack = load_pack("shapes")
    tokenizer = build_tokenizer(pack, examples=300)
    echoed = 0
    for batch in pool(1, 0, phase_at(0.3), tokenizer, pack, 400):
        starts = (batch.ids_BT == tokenizer.convert_tokens_to_ids("<assistant>")).int().argmax(1)
        ends = (batch.ids_BT == tokenizer.convert_tokens_to_ids("<eos>")).int().argmax(1)
        for row, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            wanted = batch.weights_BT[row] > 0
            echoes = batch.tasks[row] in ("pair", "check", "judge-open")
            assert wanted[: start + 1].any() == echoes
            if echoes:
                assert wanted[: start + 1].sum() < start / 2
                echoed += 1
            assert wanted[start + 1 : end + 1].all()
            assert not wanted[end + 1 :].any()
    assert echoed


def test_parameter_names_are_those_other_engines_read() -> None:
    model = build_model(build_tokenizer(load_pack("shapes"), examples=50))
    names = {portable_name(name) for name, _ in model.named_parameters()}
    assert "vision_tower.vision_model.embeddings.patch_embedding.weight" in names
    assert "multi_modal_projector.linear_1.weight" in names
    assert "language_model.model.embed_tokens.weight" in names
    assert "language_model.model.layers.0.self_attn.q_proj.weight" in names


def test_model_begun_with_another_keeps_its_eyes_and_the_meaning_of_its_words(tmp_path: Path) -> None:
    pack = load_pack("shapes")
    few, many = (build_tokenizer(pack, examples=number) for number in (20, 300))
    earlier, later = build_model(few), build_model(many)
    save_model(earlier, few, tmp_path / "earlier")
    few.save_pretrained(tmp_path / "earlier")
    inherit(later, many, tmp_path / "earlier")
    old, new = (dict(model.named_parameters()) for model in (earlier, later))
    table = "model.language_model.embed_tokens.weight"
    assert all(torch.equal(old[name], new[name]) for name in old if name != table)
    for word in (" star", "<image>", " top"):
        rows = [tokenizer(word, add_special_tokens=False).input_ids[0] for tokenizer in (few, many)]
        assert torch.equal(old[table][rows[0]], new[table][rows[1]])


def test_model_of_another_shape_is_refused_as_a_beginning(tmp_path: Path) -> None:
    tokenizer = build_tokenizer(load_pack("shapes"), examples=20)
    model = build_model(tokenizer)
    save_model(model, tokenizer, tmp_path / "narrow")
    tokenizer.save_pretrained(tmp_path / "narrow")
    weights = load_file(tmp_path / "narrow" / "model.safetensors")
    weights["multi_modal_projector.linear_1.weight"] = torch.zeros(4, 4)
    save_file(weights, tmp_path / "narrow" / "model.safetensors")
    with pytest.raises(ValueError, match=r"linear_1.weight is \(4, 4\), not \(128, 128\)"):
        inherit(model, tokenizer, tmp_path / "narrow")
