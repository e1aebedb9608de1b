"""Which layers are adapted, for three model families, and adapters that do not fit."""

import re
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageTextToText

from engine.config import TrainSettings
from engine.errors import ModelError
from engine.stages.train.lora import (
    adapted,
    eye_layers,
    language_linears,
    largest_change,
    layers_kept_whole,
    trained_layers,
    weights_of,
)
from tests.tiny_models import save_tiny_gemma3, save_tiny_llava, save_tiny_mllama

MAKERS = {"llava": save_tiny_llava, "gemma3": save_tiny_gemma3, "mllama": save_tiny_mllama}


@pytest.fixture(scope="module", params=sorted(MAKERS))
def folder(request, tmp_path_factory) -> Path:
    return MAKERS[request.param](tmp_path_factory.mktemp(request.param))


def load(folder: Path):
    return AutoModelForImageTextToText.from_pretrained(folder)


def test_adapted_layers_are_all_linears_of_the_language_model_and_no_others(folder):
    model = load(folder)
    pattern = re.compile(language_linears(model))
    decoder = {id(module) for module in model.get_decoder().modules()}
    for name, module in model.named_modules():
        wanted = isinstance(module, torch.nn.Linear) and id(module) in decoder
        assert bool(pattern.fullmatch(name)) is wanted, name


def test_eyes_are_all_that_makes_tokens_of_pixels_and_nothing_of_the_language(folder):
    model = load(folder)
    pattern = re.compile(eye_layers(model))
    spoken = {id(module) for module in model.get_decoder().modules()} | {id(model.get_output_embeddings())}
    for name, module in model.named_modules():
        wanted = isinstance(module, torch.nn.Linear | torch.nn.Conv2d) and id(module) not in spoken
        assert bool(pattern.fullmatch(name)) is wanted, name


def test_all_layers_are_those_of_language_and_eyes(folder):
    model = load(folder)
    found = {
        which: {name for name, _ in model.named_modules() if re.fullmatch(trained_layers(model, which), name)}
        for which in ("language", "eyes", "all")
    }
    assert found["language"].isdisjoint(found["eyes"])
    assert found["all"] == found["language"] | found["eyes"]


def test_layers_that_are_shared_out_whole_are_in_the_model_and_hold_its_decoder(folder):
    model = load(folder)
    names = layers_kept_whole(model)
    assert names
    assert set(names) <= {type(module).__name__ for module in model.modules()}
    shared = [module for module in model.get_decoder().modules() if type(module).__name__ in names]
    inside = {id(weight) for layer in shared for weight in layer.parameters()}
    linears = [module for module in model.get_decoder().modules() if isinstance(module, torch.nn.Linear)]
    assert all(id(linear.weight) in inside for linear in linears)


def test_only_the_adapter_is_trainable(folder):
    model = adapted(load(folder), TrainSettings(rank=4), parent=None)
    trainable = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert trainable
    assert all("lora_" in name for name in trainable)
    assert not [name for name in trainable if "vision" in name or "projector" in name or "lm_head" in name]


def test_full_training_trains_exactly_the_chosen_layers_from_where_the_base_is_in_float32(folder):
    model = load(folder).to(torch.bfloat16)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    layers = [name for name, _ in model.named_modules() if re.fullmatch(trained_layers(model, "language"), name)]
    found = weights_of(adapted(model, TrainSettings(method="full"), parent=None))
    plain = {name.removeprefix("base_model.model.").replace("modules_to_save.default.", ""): weight
             for name, weight in found.items()}  # fmt: skip
    assert {name.rpartition(".")[0] for name in plain} == set(layers)
    for name, weight in plain.items():
        assert weight.dtype == torch.float32
        assert torch.equal(weight, before[name].float()), name


@pytest.mark.parametrize("method", ["lora", "full"])
def test_continued_adapter_starts_with_its_parents_weights(tmp_path, method):
    base = save_tiny_llava(tmp_path / "base", width=64, vision_layers=1, layers=2)
    first = adapted(load(base), TrainSettings(rank=4, method=method), parent=None)
    with torch.no_grad():
        for weight in first.parameters():
            if weight.requires_grad:
                weight.add_(0.25)
    first.save_pretrained(tmp_path / "parent")
    second = adapted(load(base), TrainSettings(rank=4, method=method), parent=tmp_path / "parent")
    assert largest_change(second, weights_of(first)) == 0.0
    assert len(weights_of(second)) == len(weights_of(first)) > 0


def test_continued_adapter_of_another_base_is_refused(tmp_path):
    small = save_tiny_llava(tmp_path / "small", width=64, vision_layers=1, layers=2)
    large = save_tiny_llava(tmp_path / "large", width=128, vision_layers=1, layers=2)
    adapted(load(small), TrainSettings(rank=4), parent=None).save_pretrained(tmp_path / "parent")
    with pytest.raises(ModelError, match="cannot be continued on this base model"):
        adapted(load(large), TrainSettings(rank=4), parent=tmp_path / "parent")
