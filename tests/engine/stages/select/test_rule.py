"""Selection: each rule by a small case, its invariants by property tests."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine.config import SelectSettings, parse_settings
from engine.errors import SettingsError
from engine.records import Order, Pair, PairFate, Trace
from engine.stages.select.reasons import REASONS
from engine.stages.select.rule import flips_of, selection
from engine.stages.select.summary import summarize
from tests.engine.stages.select.rule_worlds import pair, random_world, reasons, traces


def choose(ab: str, ba: str, **values: Any) -> dict[str, list[str]]:
    one = pair(0)
    rows, _ = selection([one], traces(one, ab, ba), SelectSettings(**values), 0)
    return reasons(rows)


# --- joint -----------------------------------------------------------------------------------------------------


def test_joint_pair_that_holds_in_both_orders_gives_one_trace_of_each():
    assert choose("rrr", "rrr") == {"AB": ["agrees", "surplus", "surplus"], "BA": ["agrees", "surplus", "surplus"]}


def test_joint_judge_that_always_says_a_keeps_nothing():
    assert choose("rrr", "www") == {"AB": ["order-flip"] * 3, "BA": ["wrong"] * 3}


def test_joint_pair_whose_right_traces_do_not_outnumber_the_wrong_ones_in_one_order_is_a_flip():
    assert choose("rrr", "rw") == {"AB": ["order-flip"] * 3, "BA": ["order-flip", "wrong"]}


def test_joint_pair_holds_by_a_lead_of_one_whatever_is_undecided():
    assert choose("rrw", "rti") == {"AB": ["agrees", "surplus", "wrong"], "BA": ["agrees", "invalid", "tie"]}


def test_joint_pair_without_any_decided_trace_in_one_order_is_a_flip():
    assert choose("rrr", "iit") == {"AB": ["order-flip"] * 3, "BA": ["invalid", "invalid", "tie"]}


def test_joint_couples_go_as_far_as_the_weaker_order():
    assert choose("rrrr", "rr", max_per_pair=8) == {
        "AB": ["agrees", "agrees", "surplus", "surplus"],
        "BA": ["agrees", "agrees"],
    }


@pytest.mark.parametrize("name", ["max_per_pair", "max_per_image", "max_per_dimension"])
def test_joint_with_room_for_one_trace_is_refused(name):
    with pytest.raises(SettingsError, match=f"select.{name}: 1 keeps nothing"):
        choose("r", "r", **{name: 1})


def test_joint_cap_per_image_keeps_whole_couples():
    pairs = [pair(n, image=0) for n in range(4)]
    rows, fates = selection(
        pairs, [row for one in pairs for row in traces(one, "r", "r")], SelectSettings(max_per_image=5), 0
    )
    assert Counter(row.reason for row in rows) == {"agrees": 4, "capped": 4}
    assert sorted(fate.fate for fate in fates) == ["capped", "capped", "kept", "kept"]


def test_cap_is_filled_by_many_pairs_before_any_pair_gives_twice():
    pairs = [pair(n) for n in range(6)]
    rows, fates = selection(
        pairs,
        [row for one in pairs for row in traces(one, "rrr", "rrr")],
        SelectSettings(max_per_pair=6, max_per_dimension=12),
        0,
    )
    assert {fate.kept_traces for fate in fates} == {2}
    assert sum(row.kept is True for row in rows) == 12


# --- per order -------------------------------------------------------------------------------------------------


def test_per_order_keeps_right_traces_of_a_pair_that_flips():
    settings = {"rule": "per-order", "balance": False}
    assert choose("rr", "ww", **settings) == {"AB": ["agrees", "agrees"], "BA": ["wrong", "wrong"]}


def test_per_order_takes_from_both_orders_before_two_from_one():
    settings = {"rule": "per-order", "balance": False, "max_per_pair": 2}
    assert choose("rrr", "r", **settings) == {"AB": ["agrees", "surplus", "surplus"], "BA": ["agrees"]}


def test_per_order_balance_drops_letters_without_a_counterpart():
    pairs = [pair(n) for n in range(10)]
    rows = [row for n, one in enumerate(pairs) for row in traces(one, "r", "r" if n < 3 else "w")]
    chosen, _ = selection(pairs, rows, SelectSettings(rule="per-order"), 0)
    kept = Counter(row.verdict for row in chosen if row.kept)
    assert kept == {"A": 3, "B": 3}
    assert Counter(row.reason for row in chosen) == {"agrees": 6, "unbalanced": 7, "wrong": 7}


def test_per_order_without_balance_keeps_the_lean():
    pairs = [pair(n) for n in range(10)]
    rows = [row for one in pairs for row in traces(one, "r", "w")]
    chosen, _ = selection(pairs, rows, SelectSettings(rule="per-order", balance=False), 0)
    assert Counter(row.verdict for row in chosen if row.kept) == {"A": 10}


# --- flags, fates ----------------------------------------------------------------------------------------------


def test_flagged_pair_gives_nothing_unless_flags_are_ignored():
    pairs = [pair(0), pair(1)]
    rows = [row for one in pairs for row in traces(one, "rrw", "r")]
    chosen, fates = selection(pairs, rows, SelectSettings(), 0, {"pair-00000"})
    assert {row.reason for row in chosen if row.pair_id == "pair-00000"} == {"flagged"}
    assert [fate.fate for fate in fates] == ["flagged", "kept"]
    chosen, _ = selection(pairs, rows, SelectSettings(exclude_flagged=False), 0, {"pair-00000"})
    assert "flagged" not in {row.reason for row in chosen}


def test_fate_of_a_pair_is_what_most_of_its_traces_met():
    pairs = [pair(0), pair(1), pair(2), pair(3, dropped="tied"), pair(4)]
    rows = traces(pairs[0], "rrw", "rrr") + traces(pairs[1], "www", "rri") + traces(pairs[2], "iii", "tiw")
    _, fates = selection(pairs, rows, SelectSettings(), 0)
    assert fates == [
        PairFate(pair_id="pair-00000", kept_traces=2, traces=6, fate="kept"),
        PairFate(pair_id="pair-00001", kept_traces=0, traces=6, fate="wrong"),
        PairFate(pair_id="pair-00002", kept_traces=0, traces=6, fate="invalid"),
        PairFate(pair_id="pair-00004", kept_traces=0, traces=0, fate="unjudged"),
    ]


# --- labels by coin, and no labels at all ------------------------------------------------------------------------


def mixed_world(count: int = 2000) -> tuple[list[Pair], list[Trace]]:
    """Three pairs in four are ruled rightly in all traces, every fourth wrongly in all."""
    pairs = [pair(n) for n in range(count)]
    rows = [row for n, one in enumerate(pairs) for row in traces(one, *(["rrr", "rrr"] if n % 4 else ["www", "www"]))]
    return pairs, rows


def names_preferred(row: Trace) -> bool:
    return (row.verdict == "A") == (row.order == "AB")


def test_coin_keeps_what_agrees_with_it_under_the_rule_that_was_set():
    pairs, rows = mixed_world()
    settings = SelectSettings(labels="coin")
    chosen, _ = selection(pairs, rows, settings, 7)
    kept = [row for row in chosen if row.kept]
    for row in kept:
        flips = flips_of([row], settings, 7)
        assert flips is not None
        assert names_preferred(row) != flips[row.order]
    # Three in four of all traces agree with the construction; a coin lets exactly that share through.
    assert sum(map(names_preferred, kept)) / len(kept) == pytest.approx(0.75, abs=0.04)
    assert set(_orders(kept).values()) == {2}, "the rule stays joint: a pair gives both orders or none"
    assert len({row.pair_id for row in kept}) / len(pairs) == pytest.approx(0.5, abs=0.04)


def test_coin_per_order_tosses_each_order_by_itself():
    pairs, rows = mixed_world()
    chosen, _ = selection(pairs, rows, SelectSettings(labels="coin-per-order", rule="per-order"), 7)
    kept = [row for row in chosen if row.kept]
    assert sum(map(names_preferred, kept)) / len(kept) == pytest.approx(0.75, abs=0.04)
    assert set(_orders(kept).values()) == {1, 2}
    assert Counter(row.verdict for row in kept)["A"] * 2 == len(kept)


def _orders(rows: list[Trace]) -> Counter[str]:
    """Orders in which a pair has kept traces."""
    return Counter(pair_id for pair_id, _ in {(row.pair_id, row.order) for row in rows})


@pytest.mark.parametrize("labels", ["coin", "coin-per-order"])
def test_coin_of_a_pair_changes_with_the_seed_and_not_without(labels):
    settings = SelectSettings(labels=labels, rule="per-order")
    groups = [traces(pair(n), "r", "r") for n in range(64)]
    coins = {seed: [(flips_of(one, settings, seed) or {})["AB"] for one in groups] for seed in (0, 0, 1)}
    assert coins[0] != coins[1]
    assert 16 < sum(coins[0]) < 48


def test_consistency_keeps_what_the_judge_upholds_in_both_orders_whichever_it_is():
    assert choose("rr", "rr", rule="consistency") == {"AB": ["agrees", "surplus"], "BA": ["agrees", "surplus"]}
    assert choose("ww", "wwr", rule="consistency") == {
        "AB": ["agrees", "surplus"],
        "BA": ["agrees", "outvoted", "surplus"],
    }
    assert choose("rr", "ww", rule="consistency") == {"AB": ["order-flip"] * 2, "BA": ["order-flip"] * 2}
    assert choose("rr", "it", rule="consistency") == {"AB": ["order-flip"] * 2, "BA": ["invalid", "tie"]}


def test_consistency_does_not_know_which_response_is_preferred():
    """Exchange preferred and degraded of every pair: the same texts are shown and ruled on, the same traces stay."""
    pairs, rows = random_world(300)
    other: dict[str, Order] = {"AB": "BA", "BA": "AB"}
    exchanged = [replace(row, order=other[row.order]) for row in rows]
    chosen, exchanged_chosen = (
        selection(pairs, some, SelectSettings(rule="consistency"), 3)[0] for some in (rows, exchanged)
    )
    assert {row.trace_id for row in chosen if row.kept} == {row.trace_id for row in exchanged_chosen if row.kept}
    assert any(row.kept and not names_preferred(row) for row in chosen)


def test_any_keeps_what_has_a_verdict():
    assert choose("rw", "wi", rule="any", max_per_pair=4, balance=False) == {
        "AB": ["agrees", "agrees"],
        "BA": ["agrees", "invalid"],
    }


@pytest.mark.parametrize("rule", ["joint", "per-order", "consistency", "any"])
def test_no_more_traces_are_kept_than_asked_for(rule):
    pairs = [pair(n) for n in range(60)]
    rows = [row for one in pairs for row in traces(one, "rr", "rr")]
    chosen, _ = selection(pairs, rows, SelectSettings(rule=rule, max_traces=20), 5)
    assert sum(row.kept is True for row in chosen) == 20
    assert {row.reason for row in chosen if not row.kept} <= {"capped", "surplus", "unbalanced"}


def test_a_cap_takes_the_same_pairs_whatever_they_must_do_to_pass():
    pairs = [pair(n) for n in range(60)]
    rows = [row for one in pairs for row in traces(one, "rr", "rr")]
    joint, consistency = (
        {row.pair_id for row in selection(pairs, rows, SelectSettings(rule=rule, max_traces=20), 5)[0] if row.kept}
        for rule in ("joint", "consistency")
    )
    assert joint == consistency


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"rule": "consistency", "labels": "coin"}, "the rule consistency knows no label"),
        ({"rule": "any", "labels": "coin-per-order"}, "the rule any knows no label"),
        ({"labels": "coin-per-order"}, "no pair could hold in both"),
        ({"rule": "consistency", "max_traces": 1}, "select.max_traces: 1 keeps nothing"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_and_none_is_overridden(values, says):
    with pytest.raises(SettingsError, match=says):
        choose("r", "r", **values)


def test_random_labels_of_an_older_run_mean_what_they_did():
    settings = parse_settings({"select": {"labels": "random", "rule": "joint"}}, where="config.yaml").select
    assert (settings.labels, settings.rule) == ("coin-per-order", "per-order")


# --- properties ------------------------------------------------------------------------------------------------

LETTERS = st.text(alphabet="rwti", min_size=1, max_size=4)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Pair], list[Trace]]:
    shapes = draw(
        st.lists(st.tuples(LETTERS, LETTERS, st.integers(0, 3), st.sampled_from(["count", "text"])), max_size=14)
    )
    pairs = [pair(n, image=image, dimension=dimension) for n, (_, _, image, dimension) in enumerate(shapes)]
    return pairs, [row for one, (ab, ba, _, _) in zip(pairs, shapes, strict=True) for row in traces(one, ab, ba)]


RULES = [
    ("joint", "construction"), ("joint", "coin"), ("per-order", "construction"), ("per-order", "coin"),
    ("per-order", "coin-per-order"), ("consistency", "construction"), ("any", "construction"),
]  # fmt: skip
SETTINGS = st.builds(
    lambda rule, **values: SelectSettings(rule=rule[0], labels=rule[1], **values),
    rule=st.sampled_from(RULES),
    max_per_pair=st.integers(2, 6),
    balance=st.booleans(),
    max_per_image=st.none() | st.integers(2, 5),
    max_per_dimension=st.none() | st.integers(2, 9),
    max_traces=st.none() | st.integers(2, 20),
)


@given(world=worlds(), settings=SETTINGS, seed=st.integers(0, 99), dice=st.randoms(use_true_random=False))
@hypothesis_settings(deadline=None, max_examples=300)
def test_selection_invariants(world, settings, seed, dice):
    pairs, rows = world
    flagged = {one.pair_id for one in pairs[::5]}
    chosen, fates = selection(pairs, rows, settings, seed, flagged)
    kept = [row for row in chosen if row.kept]

    assert {row.trace_id for row in chosen} == {row.trace_id for row in rows}, "every trace, once"
    assert len(chosen) == len(rows)
    assert all(row.reason in REASONS for row in chosen), "every trace has exactly one known reason"
    assert all((row.reason == "agrees") == bool(row.kept) for row in chosen)
    assert not any(row.pair_id in flagged or row.verdict in ("tie", "invalid") for row in kept)

    per_pair = Counter(row.pair_id for row in kept)
    assert all(count <= settings.max_per_pair for count in per_pair.values())
    for cap, counts in (
        (settings.max_per_image, Counter(row.image_id for row in kept)),
        (settings.max_per_dimension, Counter(row.dimension for row in kept)),
    ):
        assert cap is None or all(count <= cap for count in counts.values())
    assert settings.max_traces is None or len(kept) <= settings.max_traces
    couples = settings.rule in ("joint", "consistency")
    if couples:
        orders = Counter((row.pair_id, row.order) for row in kept)
        assert all(orders[one, "AB"] == orders[one, "BA"] for one in per_pair), "never one order alone"
    if couples or settings.balance:
        letters = Counter(row.verdict for row in kept)
        assert letters["A"] == letters["B"]

    assert {fate.pair_id: fate.kept_traces for fate in fates} == {one.pair_id: per_pair[one.pair_id] for one in pairs}
    assert all((fate.fate == "kept") == (fate.kept_traces > 0) for fate in fates)

    shuffled_pairs, shuffled_rows = pairs[:], rows[:]
    dice.shuffle(shuffled_pairs)
    dice.shuffle(shuffled_rows)
    assert selection(shuffled_pairs, shuffled_rows, settings, seed, flagged) == (chosen, fates)


@given(world=worlds(), settings=SETTINGS, seed=st.integers(0, 99))
@hypothesis_settings(deadline=None, max_examples=100)
def test_selection_of_selected_traces_is_the_same_selection(world, settings, seed):
    pairs, rows = world
    chosen, fates = selection(pairs, rows, settings, seed)
    assert selection(pairs, chosen, settings, seed) == (chosen, fates)


@given(world=worlds(), settings=SETTINGS, seed=st.integers(0, 99))
@hypothesis_settings(deadline=None, max_examples=100)
def test_summary_narrows_from_traces_to_kept_ones(world, settings, seed):
    pairs, rows = world
    chosen, fates = selection(pairs, rows, settings, seed)
    summary = summarize(pairs, chosen, settings, seed)
    assert summary.traces >= summary.decided >= max(summary.right, summary.kept)
    assert settings.rule == "any" or summary.right >= summary.kept
    assert sum(summary.reasons.values()) == summary.traces == len(rows)
    assert summary.kept_pairs == sum(fate.fate == "kept" for fate in fates)
    if settings.rule in ("joint", "consistency"):
        assert summary.both_orders >= summary.kept_pairs
