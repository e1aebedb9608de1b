"""The statistics against closed forms, brute force and simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.measure.intervals import clustered_interval, paired_gain, sign_flip_p, t_quantile
from tests.bench.bench_coverage import World, accuracy_coverage, gain_coverage


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


@pytest.mark.parametrize("images", [10, 20, 50])
@pytest.mark.parametrize("sizes", ["equal", "unequal"])
def test_intervals_hold_the_truth_as_often_as_they_say(images, sizes):
    # Fewer draws than tests/bench/bench_coverage.py: 800 tell .95 from .90 (and from 1.00) safely.
    world = World(images=images, sizes=sizes, share=0.3, alike=0.4)
    assert 0.92 <= accuracy_coverage(world, 800) <= 0.985
    assert 0.92 <= gain_coverage(world, 800) <= 0.985


def test_quantile_of_students_t_is_the_tables_and_between_them_close():
    assert t_quantile(9) == 2.2622
    assert t_quantile(25) == pytest.approx(2.0595, abs=5e-4)  # Student's table
    assert t_quantile(math.inf) == pytest.approx(1.95996, abs=1e-5)
    assert t_quantile(0.3) == t_quantile(1) == 12.7062


def test_unequal_clusters_count_as_fewer():
    values, even = arrays([1] * 30 + [0] * 70, [i // 10 for i in range(100)])
    uneven = np.array([0] * 55 + [1 + i // 5 for i in range(45)])
    narrow, wide = (clustered_interval(values, one, replies=100) for one in (even, uneven))
    assert narrow[1] - narrow[0] < wide[1] - wide[0]


def test_gain_of_equal_judges_is_zero_with_p_one_and_an_interval_that_says_how_little_was_seen():
    few = paired_gain(*[np.array([1.0, 0, 1, 0])] * 2, np.arange(4))
    many = paired_gain(*[np.array([1.0, 0] * 300)] * 2, np.arange(600))
    assert (few.gain, few.p, few.n) == (0.0, 1.0, 4)
    assert few.low == -few.high
    assert 0.5 < few.high <= 1.0
    assert 0.002 < many.high < 0.01


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
    assert gain.low < 1.0
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
