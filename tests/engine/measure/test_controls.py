"""The rules that should not work, on items whose lengths are known."""

import pytest

from engine.judging.asking import names_preferred
from engine.measure.controls import (
    ALWAYS_A,
    LONGER_WINS,
    SHORTER_WINS,
    control_verdicts,
    image_blind,
    judge_behind,
)
from engine.records import BenchmarkItem


def item(preferred: str, degraded: str, item_id: str = "i") -> BenchmarkItem:
    return BenchmarkItem(
        item_id=item_id,
        benchmark="b",
        image_id="m",
        image="",
        question="q",
        preferred=preferred,
        degraded=degraded,
        kind="open",
        dimension="count",
    )


@pytest.mark.parametrize(
    ("control", "expected"),
    [(SHORTER_WINS, [("A", True), ("B", True)]), (LONGER_WINS, [("B", False), ("A", False)])],
)
def test_length_rules_follow_the_response_not_the_place(control, expected):
    rows = control_verdicts(control, [item("short", "a longer one")])
    assert [(row.verdict, row.correct) for row in rows] == expected


def test_always_a_is_right_in_one_order_only():
    rows = control_verdicts(ALWAYS_A, [item("x", "yy")])
    assert [(row.order, row.verdict, row.correct) for row in rows] == [("AB", "A", True), ("BA", "A", False)]


def test_length_rules_on_equal_lengths_are_a_fixed_coin_per_item():
    items = [item("same", "size", item_id=str(number)) for number in range(200)]
    rows = control_verdicts(SHORTER_WINS, items)
    right = [row.correct for row in rows]
    assert right[::2] == right[1::2]  # the same response in both orders
    assert 70 < sum(right[::2]) < 130
    assert rows == control_verdicts(SHORTER_WINS, items)


@pytest.mark.parametrize(
    ("verdict", "order", "right"),
    [("A", "AB", True), ("B", "AB", False), ("A", "BA", False), ("B", "BA", True), ("tie", "AB", False),
     ("invalid", "BA", False)],
)  # fmt: skip
def test_verdict_names_the_preferred_response_by_order(verdict, order, right):
    assert names_preferred(verdict, order) is right


@pytest.mark.parametrize(
    ("judge", "name"),
    [("judge-v0", "control:image-blind"), ("judge-v2", "control:image-blind:judge-v2")],
)
def test_image_blind_name_leads_back_to_its_judge(judge, name):
    assert image_blind(judge) == name
    assert judge_behind(name) == judge
    assert judge_behind(judge) == judge
