"""Drawing tokens: the right odds, the right tokens left out, and independence of the other rows."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.backends.local.sampling import chances, next_tokens


def draw(
    logits_RV: torch.Tensor,
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    chance: float | np.ndarray = 0.5,
    blocked: tuple[int, ...] = (),
) -> list[int]:
    rows, vocabulary = logits_RV.shape
    blocked_V = torch.zeros(vocabulary)
    blocked_V[list(blocked)] = -math.inf
    chance_R = torch.as_tensor(np.broadcast_to(np.asarray(chance, dtype=np.float64), (rows,)).copy())
    tokens: list[int] = next_tokens(
        logits_RV,
        blocked_V=blocked_V,
        temperature_R=torch.full((rows,), temperature),
        top_k_R=torch.full((rows,), top_k),
        top_p_R=torch.full((rows,), top_p),
        chance_R=chance_R,
    ).tolist()
    return tokens


def frequencies(odds: list[float], **settings: float) -> list[float]:
    """Share of each token over evenly spread chances: what the odds should come out as."""
    count = 4000
    spread = (np.arange(count) + 0.5) / count
    tokens = draw(torch.tensor(odds).log().repeat(count, 1), chance=spread, **settings)
    return [tokens.count(token) / count for token in range(len(odds))]


def test_drawing_at_temperature_one_gives_the_models_own_odds():
    assert frequencies([0.5, 0.1, 0.3, 0.1]) == pytest.approx([0.5, 0.1, 0.3, 0.1], abs=0.001)


def test_drawing_at_other_temperatures_sharpens_and_flattens():
    odds = np.array([0.6, 0.3, 0.1])
    for temperature in (0.5, 2.0):
        expected = odds ** (1 / temperature)
        shares = frequencies([0.6, 0.3, 0.1], temperature=temperature)
        assert shares == pytest.approx(list(expected / expected.sum()), abs=0.001)


def test_temperature_zero_takes_the_most_likely_token_that_is_allowed():
    logits = torch.tensor([[1.0, 3.0, 2.0], [5.0, 0.0, 0.0]])
    assert draw(logits, temperature=0.0, chance=0.999) == [1, 0]
    assert draw(logits, temperature=0.0, blocked=(1,)) == [2, 0]


def test_top_k_leaves_the_k_most_likely_in_their_proportion():
    assert frequencies([0.1, 0.4, 0.3, 0.2], top_k=2) == pytest.approx([0, 4 / 7, 3 / 7, 0], abs=0.001)


def test_top_p_leaves_the_smallest_set_that_holds_p():
    odds = [0.1, 0.5, 0.25, 0.15]
    assert frequencies(odds, top_p=0.6) == pytest.approx([0, 2 / 3, 1 / 3, 0], abs=0.001)
    assert frequencies(odds, top_p=0.01) == [0, 1, 0, 0]


def test_top_p_is_measured_within_what_top_k_left():
    # Of the two most likely, 0.5 is 2/3; a nucleus of 0.6 needs no more. Over all four tokens it would take two.
    assert frequencies([0.1, 0.5, 0.25, 0.15], top_k=2, top_p=0.6) == [0, 1, 0, 0]


def test_top_p_over_a_flat_vocabulary_wider_than_the_first_look_is_exact():
    odds = [1 / 1000] * 1000
    shares = frequencies(odds, top_p=0.5)
    assert sum(share > 0 for share in shares) in (499, 500, 501)  # rounding of a thousandth


@given(chance=st.floats(0, 1, exclude_max=True), blocked=st.sets(st.integers(0, 9), max_size=9))
def test_blocked_tokens_are_never_drawn(chance, blocked):
    tokens = draw(torch.zeros(1, 10), chance=chance, blocked=tuple(blocked))
    assert tokens[0] not in blocked


@given(seed=st.integers(0, 2**31 - 1), others=st.integers(0, 6))
def test_a_row_draws_the_same_alone_and_among_rows_with_other_settings(seed, others):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(1 + others, 300, generator=generator) * 2
    chance = torch.rand(1 + others, generator=generator, dtype=torch.float64)

    def draw_first(rows: int) -> int:
        return int(
            next_tokens(
                logits[:rows],
                blocked_V=torch.zeros(300),
                temperature_R=torch.tensor([0.8, 0.0, 1.0, 2.0, 1.0, 0.5, 1.0])[:rows],
                top_k_R=torch.tensor([40, 0, 0, 5, 299, 0, 0])[:rows],
                top_p_R=torch.tensor([0.9, 1.0, 0.999, 1.0, 0.3, 1.0, 1.0])[:rows],
                chance_R=chance[:rows],
            )[0]
        )

    assert draw_first(1) == draw_first(1 + others)


def test_chances_depend_on_seed_and_sample_alone_and_grow_at_the_end():
    assert np.array_equal(chances(7, 2, 10), chances(7, 2, 100)[:10])
    streams = {tuple(chances(seed, sample, 3)) for seed in range(20) for sample in range(20)}
    assert len(streams) == 400


def test_chances_are_spread_evenly():
    drawn = np.concatenate([chances(seed, sample, 50) for seed in range(20) for sample in range(20)])
    counts = np.histogram(drawn, bins=10, range=(0, 1))[0]
    assert abs(counts - 2000).max() < 200  # 4.7 standard deviations
