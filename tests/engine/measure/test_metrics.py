"""Scores, leans, gains and the loop's conclusions, on verdicts whose numbers are known by hand."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.measure.controls import ALWAYS_A, MODEL_FREE, control_verdicts
from engine.measure.metrics import (
    BOTH_ORDERS_MEAN,
    STRICT,
    best_version,
    compare,
    comparisons,
    has_halves,
    in_half,
    length_lean,
    outcomes,
    plateau,
    position_lean,
    reported,
    score_rows,
)
from engine.records import ORDERS, BenchmarkItem, VerdictRow, names_preferred
from engine.workspace.conclusions import Against, Measured

VERDICTS = ("A", "B", "tie", "invalid")


def item(number: int, *, kind="open", dimension="count", image=None, preferred="yes it is", degraded="no"):
    return BenchmarkItem(
        item_id=f"item-{number}",
        benchmark="bench",
        image_id=f"image-{number if image is None else image}",
        image="",
        question="q",
        preferred=preferred,
        degraded=degraded,
        kind=kind,
        dimension=dimension,
    )


def said(one: BenchmarkItem, ab: str, ba: str, judge: str = "judge-v0") -> list[VerdictRow]:
    return [
        VerdictRow(
            judge=judge,
            benchmark=one.benchmark,
            item_id=one.item_id,
            image_id=one.image_id,
            kind=one.kind,
            dimension=one.dimension,
            order=order,
            verdict=verdict,
            correct=names_preferred(verdict, order),
            reasoning="",
            tokens=1,
        )
        for order, verdict in zip(ORDERS, (ab, ba), strict=True)
    ]


def scores_of(items, verdicts):
    return {
        (row.protocol, row.dimension): row
        for row in score_rows("judge-v0", "bench", verdicts, {one.item_id: one for one in items})
    }


def test_strict_needs_both_orders_and_the_mean_counts_each():
    items = [item(0), item(1), item(2), item(3)]
    verdicts = [
        *said(items[0], "A", "B"),  # right in both
        *said(items[1], "A", "A"),  # the first place wins
        *said(items[2], "invalid", "B"),  # right in one
        *said(items[3], "B", "A"),  # wrong in both
    ]
    scores = scores_of(items, verdicts)
    assert scores[STRICT, "all"].accuracy == 0.25
    assert scores[BOTH_ORDERS_MEAN, "all"].accuracy == 0.5
    assert scores[STRICT, "all"].invalid == 0.125
    assert scores[STRICT, "all"].n == 4


def test_scores_are_split_by_kind_and_dimension():
    items = [item(0, kind="open", dimension="count"), item(1, kind="closed", dimension="count"), item(2, dimension="x")]
    scores = scores_of(items, [row for one in items for row in said(one, "A", "B" if one.kind == "open" else "A")])
    found = {dimension: row.accuracy for (protocol, dimension), row in scores.items() if protocol == STRICT}
    assert found == pytest.approx({"all": 2 / 3, "kind:open": 1, "kind:closed": 0, "count": 0.5, "x": 1})


def test_items_judged_in_one_order_only_are_left_out():
    whole, half = item(0), item(1)
    verdicts = said(whole, "A", "B") + said(half, "A", "B")[:1]
    assert [outcome.item_id for outcome in outcomes(verdicts)] == ["item-0"]
    assert scores_of([whole, half], verdicts)[STRICT, "all"].n == 1


def test_scores_of_no_verdicts_are_none():
    assert score_rows("judge-v0", "bench", [], {}) == []


def test_position_lean_of_always_a_is_one_half_and_counts_decided_replies_only():
    items = [item(0), item(1)]
    assert position_lean(control_verdicts(ALWAYS_A, items)) == 0.5
    assert position_lean(said(items[0], "A", "invalid")) == 0.5
    assert position_lean(said(items[0], "tie", "invalid")) is None


def test_length_lean_is_the_preference_for_length_beyond_the_keys():
    long_right = item(0, preferred="a long response", degraded="short")
    long_wrong = item(1, preferred="short", degraded="a long response")
    items = {one.item_id: one for one in (long_right, long_wrong)}
    always_long = said(long_right, "A", "B") + said(long_wrong, "B", "A")
    always_right = said(long_right, "A", "B") + said(long_wrong, "A", "B")
    assert length_lean(always_long, items) == 0.5
    assert length_lean(always_right, items) == 0.0
    assert length_lean(said(long_right, "A", "B"), items) == 0.0  # the key itself prefers the longer


def test_length_lean_of_equal_lengths_is_unknown():
    one = item(0, preferred="four", degraded="five")
    assert length_lean(said(one, "A", "B"), {one.item_id: one}) is None


@given(st.lists(st.tuples(st.sampled_from(VERDICTS), st.sampled_from(VERDICTS)), min_size=1, max_size=25))
def test_scores_stay_within_their_ranges_and_strict_is_never_above_the_mean(replies):
    items = [item(number, image=number // 3) for number in range(len(replies))]
    verdicts = [row for one, (ab, ba) in zip(items, replies, strict=True) for row in said(one, ab, ba)]
    scores = scores_of(items, verdicts)
    strict, mean = scores[STRICT, "all"], scores[BOTH_ORDERS_MEAN, "all"]
    assert strict.accuracy <= mean.accuracy
    for row in scores.values():
        assert 0 <= row.low <= row.accuracy <= row.high <= 1
        assert row.position_lean is None or -0.5 <= row.position_lean <= 0.5
        assert row.length_lean is None or -1 <= row.length_lean <= 1


@given(st.permutations(range(8)))
def test_scores_do_not_depend_on_the_order_of_the_rows(places):
    items = [item(number) for number in range(4)]
    verdicts = [row for one in items for row in said(one, "A", "B" if one.item_id < "item-2" else "A")]
    assert scores_of(items, [verdicts[place] for place in places]) == scores_of(items, verdicts)


@pytest.mark.parametrize("control", MODEL_FREE)
def test_model_free_controls_follow_their_closed_form(control):
    items = [item(number, preferred="xx" if number < 30 else "x", degraded="x" if number < 30 else "xx")
             for number in range(100)]  # fmt: skip
    rows = score_rows(control, "bench", control_verdicts(control, items), {one.item_id: one for one in items})
    strict = next(row.accuracy for row in rows if (row.protocol, row.dimension) == (STRICT, "all"))
    assert strict == {"control:shorter-wins": 0.7, "control:longer-wins": 0.3, "control:always-A": 0.0}[control]


def test_gain_counts_only_items_both_judges_were_asked():
    items = [item(number) for number in range(30)]
    old = [row for one in items[:20] for row in said(one, "A", "A")]
    new = [row for one in items for row in said(one, "A", "B", judge="judge-v1")]
    gain = compare(new, old)
    assert (gain.n, gain.gain) == (20, 1.0)
    assert gain.excludes_zero


def test_comparisons_cover_every_slice():
    items = [item(0, dimension="count"), item(1, dimension="position", kind="closed")]
    rows = [row for one in items for row in said(one, "A", "B")]
    assert [values.dimension for values in comparisons("bench", rows, rows)] == [
        "all",
        "kind:closed",
        "kind:open",
        "count",
        "position",
    ]


def summary(judge: str, **against: tuple[float, float]) -> Measured:
    """`v0=(low, p)`: the comparison with judge-v0."""
    return Measured(
        judge=judge,
        against={
            f"judge-{name}": Against(n=600, gain=low + 0.03, gain_low=low, gain_high=low + 0.06, p=p)
            for name, (low, p) in against.items()
        },
    )


def test_best_version_stays_the_base_without_a_gain_that_excludes_zero():
    assert best_version([]) == "judge-v0"
    assert best_version([summary("judge-v1", v0=(-0.01, 0.2))]) == "judge-v0"
    assert best_version([summary("judge-v1", v0=(0.01, 0.2))]) == "judge-v0"


def test_best_version_is_not_simply_the_last():
    history = [
        summary("judge-v1", v0=(0.05, 0.001)),
        summary("judge-v2", v0=(0.04, 0.001), v1=(-0.04, 0.5)),
        summary("judge-v3", v0=(0.04, 0.001), v1=(-0.02, 0.5), v2=(0.02, 0.01)),
    ]
    assert best_version(history) == "judge-v1"


def test_best_version_grows_by_gains_over_the_holder():
    history = [
        summary("judge-v1", v0=(0.001, 0.04)),
        summary("judge-v2", v0=(0.05, 0.001), v1=(-0.01, 0.1)),
        summary("judge-v3", v0=(0.08, 0.001), v1=(0.02, 0.01), v2=(-0.01, 0.1)),
    ]
    assert best_version(history) == "judge-v3"
    assert not plateau(history, 2)


def test_plateau_comes_after_patience_iterations_without_a_gain():
    won, idle = summary("judge-v1", v0=(0.05, 0.001)), summary("judge-v2", v0=(0.1, 0.01), v1=(-0.01, 0.3))
    assert not plateau([won], 1)
    assert plateau([won, idle], 1)
    assert not plateau([won, idle], 2)
    assert plateau([won, idle, summary("judge-v3", v1=(-0.02, 0.3), v2=(0.02, 0.01))], 2)  # only climbed back


def test_plateau_of_a_run_that_has_not_begun_is_not_reached():
    assert not plateau([], 1)


def test_halves_are_by_image_the_same_for_every_judge_and_need_enough_images():
    many = [item(number, image=number // 2) for number in range(200)]
    rows = [row for one in many for row in said(one, "A", "B")]
    halves = {half: {row.image_id for row in in_half(rows, half)} for half in ("choosing", "reporting")}
    assert not halves["choosing"] & halves["reporting"]
    assert 35 <= len(halves["choosing"]) <= 65
    assert has_halves(many)
    assert not has_halves(many[:60])  # 30 images: neither half has twenty


def test_best_of_equal_judges_looks_good_where_it_was_chosen_and_not_where_it_is_reported():
    draw = random.Random(0)
    items = [item(number) for number in range(300)]
    by_id = {one.item_id: one for one in items}
    chosen_on, told = [], []
    for _ in range(20):
        versions = [
            [row for one in items for row in said(one, "A", draw.choice(("A", "B")), judge=f"judge-v{number}")]
            for number in range(5)
        ]  # every one is right on half of the items

        def share(rows, half):
            (found,) = (
                row.accuracy
                for row in score_rows("judge-v0", "bench", in_half(rows, half), by_id)
                if (row.protocol, row.dimension) == (STRICT, "all")
            )
            return found

        best = max(versions, key=lambda rows: share(rows, "choosing"))
        chosen_on.append(share(best, "choosing"))
        told.append(reported("judge-v0", "bench", best, by_id).accuracy)
    assert sum(chosen_on) / 20 > 0.53
    assert abs(sum(told) / 20 - 0.5) < 0.02


def test_nothing_is_reported_apart_where_there_are_no_halves():
    items = [item(number) for number in range(10)]
    rows = [row for one in items for row in said(one, "A", "B")]
    assert reported("judge-v0", "bench", rows, {one.item_id: one for one in items}) is None
