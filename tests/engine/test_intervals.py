"""The statistics against closed forms, brute force and simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.intervals import Gain, clustered_interval, paired_gain, sign_flip_p


def arrays(values, clusters):
    return np.array(values, dtype=np.float64), np.array(clusters, dtype=np.int64)


def test_interval_of_unclustered_items_is_wilsons():
    # Wilson 95 % for 81 of 263, Newcombe, Statistics in Medicine 1998, table I: 0.2553 to 0.3662.
    values, clusters = arrays([1] * 81 + [0] * 182, range(263))
    assert clustered_interval(values, clusters, replies=263) == pytest.approx((0.2553, 0.3662), abs=5e-4)


def test_interval_of_items_repeated_in_clusters_counts_clusters():
    once = arrays([1] * 30 + [0] * 70, range(100))
    five_times = np.repeat(once[0], 5), np.repeat(once[1], 5)
    narrow = clustered_interval(*once, replies=100)
    assert clustered_interval(*five_times, replies=500) == pytest.approx(narrow, abs=2e-3)


@pytest.mark.parametrize("value", [0, 1])
def test_interval_of_a_perfect_score_keeps_a_width_by_clusters(value):
    low, high = clustered_interval(*arrays([value] * 40, [i // 4 for i in range(40)]), replies=40)
    width = 1.96**2 / (10 + 1.96**2)
    assert high - low == pytest.approx(width, abs=1e-3)
    assert (high if value else low) == value


def test_interval_of_nothing_says_nothing():
    assert clustered_interval(*arrays([], []), replies=0) == (0.0, 1.0)


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 9)), min_size=1, max_size=60),
)
def test_interval_always_holds_the_mean_within_zero_and_one(rows):
    values, clusters = arrays(*zip(*rows, strict=True))
    low, high = clustered_interval(values, clusters, replies=2 * len(values))
    assert 0 <= low <= values.mean() <= high <= 1


def test_interval_covers_the_truth_as_often_as_it_says():
    draw = np.random.default_rng(3)
    covered = 0
    for _ in range(1000):
        images = draw.beta(1.2, 2.8, size=80)  # each image has its own difficulty; mean 0.3
        values = (draw.random((80, 5)) < images[:, None]).astype(float).ravel()
        low, high = clustered_interval(values, np.repeat(np.arange(80), 5), replies=400)
        covered += low <= 0.3 <= high
    assert 0.93 <= covered / 1000 <= 0.975  # unclustered Wilson covers about .80 here


def test_gain_of_equal_judges_is_zero_with_p_one():
    values, clusters = arrays([1, 0, 1, 0], [0, 1, 2, 3])
    assert paired_gain(values, values, clusters) == Gain(gain=0.0, low=0.0, high=0.0, p=1.0, n=4)


def mcnemar_exact(better: int, worse: int) -> float:
    n, k = better + worse, min(better, worse)
    return min(1.0, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n)


@pytest.mark.parametrize(("better", "worse"), [(3, 0), (8, 2), (6, 6), (11, 1)])
def test_p_with_one_item_per_image_is_mcnemars_exact_p(better, worse):
    sums = np.array([1.0] * better + [-1.0] * worse + [0.0] * 30)
    assert sign_flip_p(sums, np.random.default_rng(0)) == pytest.approx(mcnemar_exact(better, worse))


@pytest.mark.parametrize(("better", "worse"), [(30, 15), (20, 18), (40, 30)])
def test_p_by_drawn_signs_approaches_mcnemars_exact_p(better, worse):
    sums = np.array([1.0] * better + [-1.0] * worse)
    assert sign_flip_p(sums, np.random.default_rng(0)) == pytest.approx(mcnemar_exact(better, worse), abs=0.015)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=8))
def test_p_equals_brute_force_over_all_signs(sums):
    total = abs(sum(sums))
    patterns = list(itertools.product((1, -1), repeat=len(sums)))
    extreme = sum(abs(sum(s * x for s, x in zip(signs, sums, strict=True))) >= total for signs in patterns)
    assert sign_flip_p(np.array(sums, dtype=float), np.random.default_rng(0)) == pytest.approx(extreme / len(patterns))


def test_gain_interval_follows_the_cluster_robust_normal():
    draw = np.random.default_rng(1)
    clusters = np.repeat(np.arange(200), 3)
    old = (draw.random(600) < 0.3).astype(float)
    new = np.where(draw.random(600) < 0.3, (draw.random(600) < 0.6).astype(float), old)
    gain = paired_gain(new, old, clusters)
    sums = np.bincount(clusters, weights=new - old - gain.gain)
    error = math.sqrt((sums**2).sum()) / 600
    assert gain.low == pytest.approx(gain.gain - 1.96 * error, abs=0.006)
    assert gain.high == pytest.approx(gain.gain + 1.96 * error, abs=0.006)


def test_gain_is_the_same_with_the_same_seed():
    new, clusters = arrays([1, 1, 0, 1, 0, 1] * 10, list(range(30)) * 2)
    old = np.roll(new, 1)
    assert paired_gain(new, old, clusters, seed=5) == paired_gain(new, old, clusters, seed=5)


def test_gain_of_a_few_lucky_items_does_not_exclude_zero():
    new, clusters = arrays([1] * 4, range(4))
    gain = paired_gain(new, np.zeros(4), clusters)
    assert gain.low == 1.0
    assert gain.p == pytest.approx(2 / 16)
    assert not gain.excludes_zero


@settings(max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 20)), min_size=1, max_size=80))
def test_gain_turned_round_is_the_negative_gain(rows):
    new, old, clusters = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    there = paired_gain(new, old, clusters.astype(np.int64))
    back = paired_gain(old, new, clusters.astype(np.int64))
    assert there.gain == pytest.approx(-back.gain)
    assert there.p == pytest.approx(back.p)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
