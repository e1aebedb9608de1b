"""The order of examples: complete, grouped, and the same again."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.stages.train.order import LengthOrder


@given(st.lists(st.integers(1, 500), max_size=200), st.integers(1, 16), st.integers(0, 3))
def test_every_example_comes_once_per_epoch(lengths, batch, epoch):
    order = LengthOrder(lengths, batch=batch, seed=1)
    order.set_epoch(epoch)
    assert sorted(order) == list(range(len(lengths)))
    assert len(order) == len(lengths)


def test_order_depends_on_seed_and_epoch_alone():
    lengths = list(range(100))
    order = LengthOrder(lengths, batch=4, seed=7)
    first = list(order)
    order.set_epoch(1)
    second = list(order)
    assert first != second
    again = LengthOrder(lengths, batch=4, seed=7)
    again.set_epoch(1)
    assert list(again) == second
    assert list(LengthOrder(lengths, batch=4, seed=8)) != first


def test_batches_hold_like_lengths_and_come_mixed():
    lengths = np.random.default_rng(0).integers(50, 300, size=640)
    order = list(LengthOrder(lengths.tolist(), batch=16, seed=0))
    batches = lengths[order].reshape(-1, 16)
    padded = (batches.max(axis=1) * 16).sum()
    assert padded / lengths.sum() < 1.12  # unsorted: about 1.65
    means = batches.mean(axis=1)
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.5
