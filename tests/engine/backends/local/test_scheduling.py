"""Running out of memory, and keeping many rows busy."""

import pytest
import torch

from engine.backends.base import Message, Request, Sampling
from engine.backends.local.memory import RowBudget, is_out_of_memory, row_tokens
from engine.backends.local.transformers import TransformersBackend
from engine.errors import BackendError

HOW_MEMORY_ENDS = (
    torch.OutOfMemoryError("CUDA out of memory."),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
    MemoryError(),
)


def ask(key, image, *, n=1, repeats=1, choices=()):
    sampling = Sampling(temperature=1.0, max_tokens=10)
    text = "How many? " * repeats
    messages = (Message(role="user", text=text),)
    return Request(key=key, messages=messages, image=image, n=n, seed=len(key), sampling=sampling, choices=choices)


def limit_rows(model, most, error, *, after=0):
    """Let the model's forward fail with more than `most` rows once it ran `after` times. Returns rows of each call."""
    calls = []

    def check(_model, _args, options):
        calls.append(len(options["input_ids"]))
        if len(calls) > after and calls[-1] > most:
            raise error

    handle = model.register_forward_pre_hook(check, with_kwargs=True)
    return calls, handle


@pytest.mark.parametrize("error", HOW_MEMORY_ENDS)
def test_every_way_of_running_out_of_memory_is_recognised(error):
    assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("shape mismatch"))


@pytest.mark.parametrize("family", ["llava", "mllama"])
@pytest.mark.parametrize("after", [0, 4])
def test_out_of_memory_halves_the_batch_and_every_sample_comes_once_and_the_same(models, scenes, family, after):
    backend = TransformersBackend(models / family, device="cpu", rows=32)
    requests = [ask(str(i), scenes[i], n=5, repeats=1 + i % 3) for i in range(8)]
    expected = {(found.key, found.sample): found for found in backend.generate(requests)}
    calls, _ = limit_rows(backend.model, 6, HOW_MEMORY_ENDS[1], after=after)
    found = list(backend.generate(requests))
    assert len(found) == 40
    assert {(one.key, one.sample): one for one in found} == expected
    assert max(calls) > 6
    assert max(calls[-5:]) <= 6


def test_out_of_memory_with_one_row_is_a_sentence(models, scenes):
    backend = TransformersBackend(models / "llava", device="cpu", rows=4)
    list(backend.generate([ask("warm", scenes[0])]))
    limit_rows(backend.model, 0, HOW_MEMORY_ENDS[0])
    with pytest.raises(BackendError, match="out of memory with one sample at a time"):
        list(backend.generate([ask("a", scenes[0], n=4)]))


def test_choices_survive_running_out_of_memory(models, scenes):
    backend = TransformersBackend(models / "llava", device="cpu", rows=32)
    requests = [ask(str(i), scenes[i], repeats=1 + i % 3, choices=("yes", "no", "tie")) for i in range(6)]
    expected = {found.key: found.choice_probabilities for found in backend.generate(requests)}
    limit_rows(backend.model, 4, HOW_MEMORY_ENDS[1])
    found = {one.key: one.choice_probabilities for one in backend.generate(requests)}
    assert found.keys() == expected.keys()
    for key, odds in found.items():
        assert odds == pytest.approx(expected[key], abs=1e-4)


def test_other_errors_are_not_mistaken_for_a_lack_of_memory(models, scenes):
    backend = TransformersBackend(models / "llava", device="cpu", rows=4)
    list(backend.generate([ask("warm", scenes[0])]))
    limit_rows(backend.model, 0, RuntimeError("shape mismatch"))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        list(backend.generate([ask("a", scenes[0])]))


def test_rows_that_finish_are_replaced_by_waiting_ones(models, scenes):
    backend = TransformersBackend(models / "llava", device="cpu", rows=8)
    requests = [
        Request(
            key=str(i),
            messages=(Message(role="user", text="How many?"),),
            image=scenes[i % 12],
            sampling=Sampling(temperature=1.0, max_tokens=20 if i % 4 == 0 else 2),
        )
        for i in range(32)
    ]
    list(backend.generate(requests[:1]))
    calls, handle = limit_rows(backend.model, 10**9, MemoryError())
    assert len(list(backend.generate(requests))) == 32
    handle.remove()
    steps = [rows for rows in calls if rows]
    # One batch after the other would need 4 × 20 steps; rows that join keep it well below.
    assert len(steps) < 70
    assert max(steps) <= 8


def test_budget_counts_what_a_row_really_takes(models):
    backend = TransformersBackend(models / "llava", device="cpu")
    budget = RowBudget(backend.model)
    config = backend.model.config.text_config
    per_token = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * 4
    assert budget._bytes_per_token == per_token
    assert row_tokens(prompt=2080, reply=256, samples=8, shared=True) == 516, "the prompt is held once for its samples"
    assert row_tokens(prompt=2080, reply=256, samples=8, shared=False) == 2336
    assert budget.rows(10**12) == 1
    assert 1 <= budget.rows(100) <= 256
