"""Shared prefixes against plain decoding: the same logits, whatever rows leave, move and join."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.backends.base import Message, Request
from engine.backends.local.chat import ImageSlot
from engine.backends.local.decoding import PlainState, batch_inputs
from engine.backends.local.shared_prefix import (
    SharedPrefixState,
    UnsupportedAttentionError,
    shared_prefix_attention,
    supports,
)
from engine.backends.local.transformers import TransformersBackend
from engine.backends.local.vision import ImageFeatures
from tests.tiny_models import eyes_only_qwen_processor

LENGTHS = (1, 9, 2, 5)
"""How often each prompt repeats its question: prompts of different lengths."""


@pytest.fixture(scope="module")
def backends(models):
    qwen = eyes_only_qwen_processor(models / "qwen2_vl")
    return {
        "llava": TransformersBackend(models / "llava", device="cpu"),
        "qwen2_vl": TransformersBackend(models / "qwen2_vl", device="cpu", processor=qwen),
    }


@pytest.fixture(scope="module")
def prompts(backends, scenes):
    """Per family four encoded prompts, two of them about large images."""

    def encoded(backend):
        made = []
        for number, length in enumerate(LENGTHS):
            image = scenes[number if number % 2 else 6 + number]
            messages = (Message(role="user", text="How many? " * length),)
            made.append(backend.encoder.encode(Request(key="", messages=messages, image=image), ImageSlot(image)))
        return made

    return {family: encoded(backend) for family, backend in backends.items()}


def start(kind, backend, prompts):
    own = [replace(prompt, image=replace(prompt.image)) for prompt in prompts]
    features = ImageFeatures(backend.model)
    return kind(backend.model, batch_inputs(own, model=backend.model, features=features, pad=0))


class Reference:
    """Every row on its own, decoded plainly: nothing to share, to pad, or to mix up."""

    def __init__(self, backend, prompts):
        self._backend = backend
        self.rows = [start(PlainState, backend, [prompt]) for prompt in prompts]
        self.written = [[] for _ in prompts]
        self.prompts = list(prompts)

    def select(self, rows):
        self.written = [list(self.written[row]) for row in rows]
        self.prompts = [self.prompts[row] for row in rows]

    def logits(self):
        """Computed from scratch from the prompt and what was written."""
        states = []
        for prompt, written in zip(self.prompts, self.written, strict=True):
            state = start(PlainState, self._backend, [prompt])
            for token in written:
                state.step(torch.tensor([token]))
            states.append(state.logits_RV)
        return torch.cat(states)


@pytest.mark.parametrize("family", ["llava", "qwen2_vl"])
@settings(max_examples=12)
@given(data=st.data())
@torch.inference_mode()
def test_logits_equal_plain_decoding_through_any_leaving_moving_and_joining(backends, prompts, family, data):
    backend, pool = backends[family], prompts[family]
    first = data.draw(st.lists(st.sampled_from(pool), min_size=1, max_size=3))
    state, reference = start(SharedPrefixState, backend, first), Reference(backend, first)
    counts = data.draw(st.lists(st.integers(1, 3), min_size=len(first), max_size=len(first)))
    rows = [row for row, count in enumerate(counts) for _ in range(count)]
    state.select(torch.tensor(rows))
    reference.select(rows)
    for action in data.draw(st.lists(st.sampled_from(["step", "step", "step", "leave", "join"]), max_size=9)):
        if action == "step":
            tokens = data.draw(
                st.lists(st.integers(10, 300), min_size=len(reference.prompts), max_size=len(reference.prompts))
            )
            state.step(torch.tensor(tokens))
            for written, token in zip(reference.written, tokens, strict=True):
                written.append(token)
        elif action == "leave":
            kept = data.draw(
                st.permutations(range(len(reference.prompts))).map(lambda order: order[: max(1, len(order) // 2)])
            )
            state.select(torch.tensor(kept))
            reference.select(kept)
        else:
            more = data.draw(st.lists(st.sampled_from(pool), min_size=1, max_size=2))
            state.join(start(SharedPrefixState, backend, more))
            reference.prompts += more
            reference.written += [[] for _ in more]
    assert (state.logits_RV - reference.logits()).abs().max() < 1e-4


@torch.inference_mode()
def test_packing_away_what_is_stale_frees_memory_and_keeps_the_logits(backends, prompts):
    backend, pool = backends["llava"], prompts["llava"]
    long_first = sorted(pool, key=lambda prompt: -prompt.length)
    state, reference = start(SharedPrefixState, backend, long_first), Reference(backend, long_first)
    for _ in range(3):
        state.step(torch.full((4,), 50))
    before = state.cache_bytes()
    state.select(torch.tensor([3]))
    reference.select([3])
    reference.written = [[50, 50, 50]]
    assert state.cache_bytes() < before / 4
    assert (state.logits_RV - reference.logits()).abs().max() < 1e-4
    state.step(torch.tensor([60]))
    reference.written[0].append(60)
    assert (state.logits_RV - reference.logits()).abs().max() < 1e-4


@torch.inference_mode()
def test_samples_of_a_prompt_share_its_keys(backends, prompts):
    backend, pool = backends["llava"], prompts["llava"]
    state, plain = start(SharedPrefixState, backend, pool[:1]), start(PlainState, backend, pool[:1])
    alone = state.cache_bytes()
    for each in (state, plain):
        each.select(torch.zeros(16, dtype=torch.long))
    assert state.cache_bytes() == alone
    assert plain.cache_bytes() == 16 * alone


def test_the_models_own_attention_is_back_after_a_step(backends, prompts):
    backend = backends["llava"]
    before = backend.model.config.text_config._attn_implementation
    state = start(SharedPrefixState, backend, prompts["llava"][:1])
    with torch.inference_mode():
        state.step(torch.tensor([40]))
    assert backend.model.config.text_config._attn_implementation == before == "sdpa"


def test_families_with_windows_or_cross_attention_are_not_claimed(models, backends):
    assert supports(backends["llava"].model)
    assert not supports(TransformersBackend(models / "gemma3", device="cpu").model)
    assert not supports(TransformersBackend(models / "mllama", device="cpu").model)


def test_an_attention_option_that_would_be_ignored_is_refused():
    key = torch.zeros(1, 1, 1, 8)
    with pytest.raises(UnsupportedAttentionError):
        shared_prefix_attention(None, torch.zeros(1, 1, 1, 8), key, key, None, softcap=30.0)
