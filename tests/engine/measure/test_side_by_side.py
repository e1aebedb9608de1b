"""Judges beside each other: what is shared, what changed, and what may be said of it."""

from dataclasses import replace

from engine.measure.controls import ALWAYS_A, control_verdicts
from engine.measure.metrics import ALL
from engine.measure.side_by_side import Side, ended, sentence, side_by_side
from engine.records import ORDERS, BenchmarkItem, Verdict, VerdictRow, names_preferred

RIGHT, WRONG, FLIP = ("A", "B"), ("B", "A"), ("A", "A")
"""Verdicts in the orders AB and BA."""


def item(number: int, question: str = "What is it?") -> BenchmarkItem:
    return BenchmarkItem(
        item_id=f"i{number}", benchmark="b", image_id=f"image{number}", image="", question=question, preferred="A star",
        degraded="A square", kind="open", dimension="shape",
    )  # fmt: skip


def side(name: str, said: dict[int, tuple[Verdict, Verdict]], question: str = "What is it?") -> Side:
    items = {f"i{number}": item(number, question) for number in said}
    rows = [
        VerdictRow(
            judge=name, benchmark="b", item_id=f"i{number}", image_id=f"image{number}", kind="open", dimension="shape",
            order=order, verdict=verdict, correct=names_preferred(verdict, order), reasoning="", tokens=1,
        )
        for number, verdicts in said.items()
        for order, verdict in zip(ORDERS, verdicts, strict=True)
    ]  # fmt: skip
    return Side(name=name, items=items, verdicts=rows)


def test_both_orders_together_are_right_wrong_flip_tie_or_invalid() -> None:
    def of(*verdicts: Verdict) -> str:
        return ended(side("one", {0: (verdicts[0], verdicts[1])}).verdicts)

    assert [of(*RIGHT), of(*WRONG), of(*FLIP), of("tie", "B"), of("tie", "invalid")] == [
        "right", "wrong", "order-flip", "tie", "invalid",
    ]  # fmt: skip


def test_changes_are_told_apart_by_what_the_first_side_had() -> None:
    result = side_by_side([
        side("old", {0: RIGHT, 1: WRONG, 2: WRONG, 3: RIGHT, 4: FLIP}),
        side("new", {0: FLIP, 1: RIGHT, 2: FLIP, 3: RIGHT, 4: FLIP}),
    ])  # fmt: skip
    found = {kind: [row.item_id for row in result.of(kind)] for kind in ("worse", "better", "other", "same")}
    assert found == {"worse": ["i0"], "better": ["i1"], "other": ["i2"], "same": ["i3", "i4"]}


def test_paired_gain_stands_on_shared_items_alone() -> None:
    old = side("old", dict.fromkeys(range(30), WRONG))
    new = side("new", dict.fromkeys(range(10, 50), RIGHT))
    result = side_by_side([old, new])
    assert result.against[0].shared == 20
    assert (result.against[0].gains[ALL].n, result.against[0].gains[ALL].gain) == (20, 1.0)
    assert "on 20 shared items" in sentence(result, 1)
    assert "a clear gain" in sentence(result, 1)
    assert "20 items that only one of them was asked about do not count here" in sentence(result, 1)
    assert {row.ended for row in result.rows} == {("wrong", None), ("wrong", "right"), (None, "right")}


def test_same_id_with_another_question_is_not_a_shared_item() -> None:
    result = side_by_side([side("old", {0: RIGHT}), side("new", {0: WRONG}, "What colour is it?")])
    assert result.against[0].shared == 0
    assert result.against[0].gains == {}
    assert "no paired test can be made" in sentence(result, 1)
    assert result.of("worse") == []


def test_control_without_a_model_is_a_side_like_any_other() -> None:
    judge = side("judge", {0: RIGHT, 1: RIGHT})
    control = replace(judge, name="control", verdicts=control_verdicts(ALWAYS_A, judge.items.values()))
    result = side_by_side([control, judge])
    assert [row.ended for row in result.rows] == [("order-flip", "right")] * 2


def test_difference_that_chance_explains_is_called_not_clear() -> None:
    result = side_by_side([side("old", {0: RIGHT, 1: WRONG, 2: WRONG}), side("new", {0: WRONG, 1: RIGHT, 2: RIGHT})])
    assert "not clear" in sentence(result, 1)
