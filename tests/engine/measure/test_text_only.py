"""The text-only control: it finds leaks that were put in on purpose, and none where there is none."""

import random
from dataclasses import replace

import pytest

from engine.measure.leaks import findings, leak_sentences
from engine.measure.metrics import score_rows
from engine.measure.text_only import FEWEST, TEXT_ONLY, text_only_verdicts
from engine.records import BenchmarkItem, content_id
from tests.leaky_pairs import LEAKS, by_wording, comparisons


def scores(items: list[BenchmarkItem]):
    return score_rows(TEXT_ONLY, "made", text_only_verdicts(items), {item.item_id: item for item in items})


@pytest.mark.parametrize("leak", sorted(LEAKS))
def test_classifier_fires_on_pairs_that_leak_on_purpose(leak):
    fired = [bool(leak_sentences(scores(comparisons(seed, LEAKS[leak])))) for seed in range(3)]
    assert all(fired)  # 39 or 40 of 40 by tests/bench/leak_rates.py


def test_classifier_stays_silent_on_pairs_that_do_not_leak():
    found = [findings(scores(comparisons(seed)))[0] for seed in range(8)]
    assert sum(finding.leaks for finding in found) <= 1  # 1 in 40 of them are, by its definition
    assert 0.45 < sum(finding.accuracy for finding in found) / len(found) < 0.54


def test_a_leak_in_one_dimension_is_named():
    def in_places(_preferred, degraded, _dice):
        degraded[0] = degraded[0].replace("there is", "one sees")

    items = [
        altered if altered.dimension == "place" else clean
        for altered, clean in zip(comparisons(0, in_places), comparisons(0), strict=True)
    ]
    (sentence,) = leak_sentences(scores(items))
    assert "most of all in place (" in sentence
    assert "thing (" not in sentence


def test_verdicts_do_not_hang_on_the_order_of_the_items():
    items = comparisons(3, by_wording)
    shuffled = random.Random(1).sample(items, len(items))
    said = {(row.item_id, row.order): row.verdict for row in text_only_verdicts(items)}
    assert {(row.item_id, row.order): row.verdict for row in text_only_verdicts(shuffled)} == said


def test_same_response_wins_in_both_orders():
    rows = text_only_verdicts(comparisons(3, by_wording))
    assert all(ab.correct == ba.correct for ab, ba in zip(rows[::2], rows[1::2], strict=True))


def test_items_about_one_image_do_not_teach_each_other():
    """Every image's two items have the same unique answer: only by having seen the image's other item is it known."""
    items = []
    for number in range(200):
        sides = [f"word{number // 2}", f"term{number // 2}"]
        if random.Random(number // 2).random() < 0.5:
            sides.reverse()
        items.append(replace(comparisons(0, count=1)[0], item_id=str(number), image_id=content_id(number // 2),
                             preferred=sides[0], degraded=sides[1]))  # fmt: skip
    overall = next(row for row in scores(items) if row.dimension == "all")
    assert 0.3 < overall.accuracy < 0.7


def test_too_few_items_say_nothing():
    items = comparisons(0, by_wording, count=FEWEST - 1)
    assert text_only_verdicts(items) == []
    assert findings(scores(items)) == []


def test_of_very_many_items_a_sample_is_looked_at(monkeypatch):
    monkeypatch.setattr("engine.measure.text_only._MOST", 100)
    rows = text_only_verdicts(comparisons(0, by_wording))
    assert len({row.item_id for row in rows}) == 100
    assert findings(score_rows(TEXT_ONLY, "made", rows, {item.item_id: item for item in comparisons(0, by_wording)}))
