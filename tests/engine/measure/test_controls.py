"""The rules that should not work, on items whose lengths are known."""

import pytest

from engine.measure.controls import (
    ALWAYS_A,
    LONGER_WINS,
    PROMPTED,
    SHORTER_WINS,
    control_sample,
    control_verdicts,
    image_blind,
    is_control,
    is_wrong_image,
    judge_behind,
    other_pictures,
    wrong_image,
)
from engine.records import BenchmarkItem, names_preferred


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
    assert not is_wrong_image(name)
    assert judge_behind(name) == judge
    assert judge_behind(judge) == judge


@pytest.mark.parametrize(
    ("judge", "name"),
    [("judge-v0", "control:wrong-image"), ("judge-v2", "control:wrong-image:judge-v2")],
)
def test_wrong_image_name_leads_back_to_its_judge(judge, name):
    assert wrong_image(judge) == name
    assert judge_behind(name) == judge
    assert is_wrong_image(name)


def test_prompted_control_is_answered_by_the_base():
    assert judge_behind(PROMPTED) == "judge-v0"
    assert is_control(PROMPTED)
    assert not is_wrong_image(PROMPTED)


def test_other_pictures_use_each_once_and_never_its_own():
    names = [f"image-{number}" for number in range(50)]
    others = other_pictures([*names, *names[:9]])
    assert sorted(others) == sorted(others.values()) == sorted(names)
    assert all(image != other for image, other in others.items())
    assert others == other_pictures(reversed(names))
    assert other_pictures(["one", "one"]) == {}


def test_control_sample_is_the_same_whatever_the_order():
    items = [item("a", "b", item_id=str(number)) for number in range(40)]
    some = {one.item_id for one in control_sample(items, 10)}
    assert len(some) == 10
    assert {one.item_id for one in control_sample(items[::-1], 10)} == some
    assert control_sample(items, None) == control_sample(items, 40) == items
