"""Hand-label statistics against textbook numbers, closed forms and simulated persons."""

import numpy as np
import pytest

from engine.measure.agreement import cohens_kappa, drawn_order, inclusion_chances, share_by_labels
from tests.bench.bench_hand_labels import Raters, simulate


def table(both: int, judge_only: int, person_only: int, neither: int):
    cells = [(1, 1)] * both + [(1, 0)] * judge_only + [(0, 1)] * person_only + [(0, 0)] * neither
    judge, person = zip(*cells, strict=True)
    return np.array(judge, dtype=bool), np.array(person, dtype=bool)


def test_kappa_is_cohens_and_says_the_base_rate():
    # Two readers of 50 proposals (Wikipedia's example): agreement .7, chance .5, κ .4.
    found = cohens_kappa(*table(20, 5, 10, 15))
    assert found.kappa == pytest.approx(0.4)
    assert (found.agreement, found.chance) == pytest.approx((0.7, 0.5))
    assert found.base_rate == pytest.approx(0.6)
    assert found.low < 0.4 < found.high


def test_kappa_interval_is_near_the_textbooks_where_labels_are_many():
    # Fleiss, Cohen, Everitt (1969) for 20/5/10/15 times ten: standard error 0.04 to two digits.
    found = cohens_kappa(*table(200, 50, 100, 150))
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * 0.0404, abs=0.002)


def test_judge_that_always_sides_with_the_key_agrees_by_the_base_rate_and_has_no_kappa_beyond_it():
    found = cohens_kappa(*table(90, 10, 0, 0))
    assert (found.agreement, found.base_rate, found.kappa) == pytest.approx((0.9, 0.9, 0.0))
    nothing = cohens_kappa(*table(10, 0, 0, 0))
    assert nothing.kappa is None
    assert (nothing.low, nothing.high) == (-1.0, 1.0)


def test_kappa_of_weighted_labels_is_that_of_the_items_they_stand_for():
    judge, person = table(1, 1, 1, 1)
    weights = np.array([20.0, 5.0, 10.0, 15.0])
    assert cohens_kappa(judge, person, weights).kappa == pytest.approx(0.4)


def test_chances_are_proportional_to_weights_sum_to_the_labels_and_never_exceed_one():
    weights = np.array([1.0, 1, 1, 1, 10])
    chances = inclusion_chances(weights, 3)
    assert chances.sum() == pytest.approx(3)
    assert chances.tolist() == pytest.approx([0.5, 0.5, 0.5, 0.5, 1.0])
    assert inclusion_chances(weights, 9).tolist() == [1.0] * 5


def test_every_beginning_of_the_order_holds_items_as_often_as_their_chances_say():
    draw = np.random.default_rng(0)
    weights = np.array([1 / 3, 2 / 3, 1.0] * 10)
    counts = np.zeros(30)
    for _ in range(4000):
        counts[drawn_order(weights, draw)[:12]] += 1
    assert counts / 4000 == pytest.approx(inclusion_chances(weights, 12), abs=0.035)


def test_estimate_from_labels_on_every_item_is_exact():
    verdicts, right = np.array([1.0, 0, 1, 1]), np.array([1.0, 1, 1, 0])
    everything = np.arange(4)
    found = share_by_labels(verdicts, everything, right, np.ones(4, dtype=bool), np.ones(4))
    assert (found.share, found.low, found.high, found.labels) == (0.75, 0.75, 0.75, 4)


def test_estimate_without_a_named_response_says_nothing():
    found = share_by_labels(np.ones(9), np.arange(3), np.zeros(3), np.zeros(3, dtype=bool), np.ones(9))
    assert (found.low, found.high, found.labels) == (0.0, 1.0, 0)


def test_estimate_uses_the_key_where_the_labels_bear_it_out():
    draw = np.random.default_rng(1)
    verdicts = (draw.random(400) < 0.7).astype(float)
    some = np.arange(60)
    right = verdicts[some]  # the person agrees with the key on every labelled item
    found = share_by_labels(verdicts, some, right, np.ones(60, dtype=bool), np.ones(400))
    assert found.share == pytest.approx(verdicts.mean())
    alone = share_by_labels(verdicts, some, right, np.ones(60, dtype=bool), np.ones(400), use=False)
    assert found.high - found.low < 0.6 * (alone.high - alone.low)


def test_estimate_holds_the_truth_of_simulated_raters_and_is_a_fifth_narrower_than_labels_alone():
    found = simulate(Raters(items=600, labels=100, agree=0.9, accuracy=0.6), 500)
    assert found.covered >= 0.95
    assert found.narrower >= 0.2
    assert found.kappa_covered >= 0.95
