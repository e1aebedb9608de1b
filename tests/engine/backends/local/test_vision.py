"""Image features made apart: the same as inside the prompt, split and joined for any selection of images."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.backends.base import Message, Request
from engine.backends.local.chat import ImageSlot
from engine.backends.local.transformers import TransformersBackend
from engine.backends.local.vision import ImageFeatures, _join, _MisfitError, _split


@given(count=st.integers(1, 4), each=st.integers(1, 3), chosen=st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_features_split_by_image_are_joined_in_any_order(count, each, chosen):
    chosen = [index % count for index in chosen]
    rows = torch.arange(count * each * 2.0).view(count * each, 2)
    expected = torch.cat([rows[index * each : (index + 1) * each] for index in chosen])
    as_tensor = _split(rows, count)
    as_list = _split(list(rows.unbind()), count)
    as_layers = _split([list(rows.unbind()), list((rows + 100).unbind())], count)
    assert _join([as_tensor[index] for index in chosen]).equal(expected)
    assert torch.stack(_join([as_list[index] for index in chosen])).equal(expected)
    first, second = _join([as_layers[index] for index in chosen])
    assert torch.stack(first).equal(expected)
    assert torch.stack(second).equal(expected + 100)


def test_rows_that_do_not_divide_among_the_images_are_noticed():
    with pytest.raises(_MisfitError):
        _split(torch.zeros(5, 2), 2)
    with pytest.raises(_MisfitError):
        _split([torch.zeros(2)] * 5, 2)


@torch.inference_mode()
def test_images_encoded_together_are_as_encoded_alone_even_where_the_family_drops_rows(models, scenes):
    backend = TransformersBackend(models / "llava", device="cpu")

    def slots():
        made = []
        for scene in scenes[:5]:
            slot = ImageSlot(scene)
            backend.encoder.encode(Request(key="", messages=(Message(role="user", text="?"),), image=scene), slot)
            made.append(slot)
        return made

    features = ImageFeatures(backend.model)
    together, alone, dropped = slots(), slots(), slots()
    features.encode(together)
    for slot in alone:
        features.encode([slot])
    original = features._encode

    def forgetful(**inputs):
        made = original(**inputs)
        if len(inputs["pixel_values"]) > 1:
            made.pooler_output = torch.cat(list(made.pooler_output))[1:]
        return made

    features._encode = forgetful
    features.encode(dropped)
    for one, two, three in zip(together, alone, dropped, strict=True):
        expected = torch.cat(list(one.features.fields["pooler_output"]))
        for other in (two, three):
            assert (torch.cat(list(other.features.fields["pooler_output"])) - expected).abs().max() < 1e-5
        assert not any(name.startswith("pixel_values") for name in one.inputs)


def test_a_family_without_the_two_doors_is_not_claimed(models):
    assert not ImageFeatures(TransformersBackend(models / "mllama", device="cpu").model).usable
    assert ImageFeatures(TransformersBackend(models / "gemma3", device="cpu").model).usable
