"""Selection: each rule by a small case, its invariants by property tests, the stage by stopping it."""

import random
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine.config import SelectSettings, Settings
from engine.errors import SettingsError, StopRequested
from engine.records import ORDERS, Order, Pair, PairFate, Trace, Verdict
from engine.stages.select.stage import REASONS, is_flipped, rule_in_force, select, selection, summarize
from tests.stage_bench import StageBench, stage_bench


@pytest.fixture
def bench(tmp_path: Path) -> StageBench:
    return stage_bench(tmp_path)


def pair(number: int, *, image: int | None = None, dimension: str = "count", dropped: str | None = None) -> Pair:
    return Pair(
        pair_id=f"pair-{number:05d}",
        instruction_id=f"instruction-{number}",
        image_id=f"image-{number if image is None else image}",
        question="?",
        kind="open" if number % 2 else "closed",
        strategy="alteration",
        dimension=dimension,
        preferred="A true and longer thing.",
        degraded="A false thing.",
        votes=None,
        altered=None,
        writer="judge-v0",
        dropped=dropped,
    )


def traces(one: Pair, ab: str, ba: str) -> list[Trace]:
    """One letter per trace: r right, w wrong, t tie, i invalid."""
    return [
        Trace(
            trace_id=f"{one.pair_id}/{order}/{sample}",
            pair_id=one.pair_id,
            image_id=one.image_id,
            dimension=one.dimension,
            judge="judge-v0",
            order=order,
            sample=sample,
            reasoning=f"Because. {letter}",
            verdict=verdict(order, letter),
            tokens=12,
            kept=None,
            reason=None,
        )
        for order, letters in zip(ORDERS, (ab, ba), strict=True)
        for sample, letter in enumerate(letters)
    ]


def verdict(order: Order, letter: str) -> Verdict:
    if letter in "ti":
        return "tie" if letter == "t" else "invalid"
    return "A" if (order == "AB") == (letter == "r") else "B"


def reasons(rows: Sequence[Trace]) -> dict[str, list[str]]:
    """Order → reasons, sorted, of one pair."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        found[row.order].append(str(row.reason))
    return {order: sorted(some) for order, some in found.items()}


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


# --- flags, labels, fates --------------------------------------------------------------------------------------


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


def test_random_labels_keep_what_agrees_with_the_coin_and_know_nothing_of_the_construction():
    pairs = [pair(n) for n in range(2000)]
    rows = [row for n, one in enumerate(pairs) for row in (traces(one, "rrr", "rrr") if n % 4 else [])]
    rows += [row for one in pairs[::4] for row in traces(one, "www", "www")]
    settings = SelectSettings(labels="random")
    chosen, _ = selection(pairs, rows, settings, 7)
    kept = [row for row in chosen if row.kept]
    for row in kept:
        names_preferred = (row.verdict == "A") == (row.order == "AB")
        assert names_preferred != is_flipped(row.pair_id, row.order, settings, 7)
    # Three in four of all traces agree with the construction; a coin lets exactly that share through.
    assert sum((row.verdict == "A") == (row.order == "AB") for row in kept) / len(kept) == pytest.approx(0.75, abs=0.04)
    assert len({row.pair_id for row in kept} & {pair_id for pair_id, count in _orders(kept).items() if count == 1}) > 0
    assert Counter(row.verdict for row in kept)["A"] * 2 == len(kept)


def _orders(rows: list[Trace]) -> Counter[str]:
    """Orders in which a pair has kept traces: the coins of the two orders are independent."""
    return Counter(pair_id for pair_id, _ in {(row.pair_id, row.order) for row in rows})


def test_coin_of_a_pair_changes_with_the_seed_and_not_without():
    settings = SelectSettings(labels="random")
    coins = {seed: [is_flipped(f"pair-{n}", "AB", settings, seed) for n in range(64)] for seed in (0, 0, 1)}
    assert coins[0] != coins[1]
    assert 16 < sum(coins[0]) < 48


# --- properties ------------------------------------------------------------------------------------------------

LETTERS = st.text(alphabet="rwti", min_size=1, max_size=4)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Pair], list[Trace]]:
    shapes = draw(
        st.lists(st.tuples(LETTERS, LETTERS, st.integers(0, 3), st.sampled_from(["count", "text"])), max_size=14)
    )
    pairs = [pair(n, image=image, dimension=dimension) for n, (_, _, image, dimension) in enumerate(shapes)]
    return pairs, [row for one, (ab, ba, _, _) in zip(pairs, shapes, strict=True) for row in traces(one, ab, ba)]


SETTINGS = st.builds(
    SelectSettings,
    rule=st.sampled_from(["joint", "per-order"]),
    max_per_pair=st.integers(2, 6),
    balance=st.booleans(),
    max_per_image=st.none() | st.integers(2, 5),
    max_per_dimension=st.none() | st.integers(2, 9),
    labels=st.sampled_from(["construction", "random"]),
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
    if rule_in_force(settings) == "joint":
        orders = Counter((row.pair_id, row.order) for row in kept)
        assert all(orders[one, "AB"] == orders[one, "BA"] for one in per_pair), "never one order alone"
    if rule_in_force(settings) == "joint" or settings.balance:
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
    assert summary["traces"] >= summary["decided"] >= summary["right"] >= summary["kept"]
    assert sum(summary["reasons"].values()) == summary["traces"] == len(rows)
    assert summary["kept_pairs"] == sum(fate.fate == "kept" for fate in fates)
    if rule_in_force(settings) == "joint":
        assert summary["both_orders"] >= summary["kept_pairs"]


# --- the stage -------------------------------------------------------------------------------------------------


def random_world(count: int, per_order: int = 3) -> tuple[list[Pair], list[Trace]]:
    dice = random.Random(0)
    pairs = [pair(n, image=n // 2, dimension=dice.choice(["count", "text", "attribute"])) for n in range(count)]
    rows = [
        row for one in pairs for row in traces(one, *("".join(dice.choices("rrrwti", k=per_order)) for _ in ORDERS))
    ]
    return pairs, rows


def run(bench: StageBench, pairs: list[Pair], rows: list[Trace], *, flagged: set[str] | None = None, **more: Any):
    return select(
        folder=bench.folder("select"),
        pairs=pairs,
        traces=rows,
        settings=more.get("settings", Settings()),
        flagged=flagged or set(),
        iteration=1,
        progress=more.get("progress") or bench.progress(),
    )


def test_stage_writes_complete_rows_and_fates_and_a_summary_that_adds_up(bench):
    pairs, rows = random_world(200)
    summary = run(bench, pairs, rows)
    chosen, fates = selection(pairs, rows, SelectSettings(), 0)
    folder = bench.folder("select")
    assert folder.read("traces", Trace) == chosen
    assert folder.read("fates", PairFate) == fates
    assert folder.summary() == summary
    assert summary["pairs"] == 200
    assert summary["kept"] == sum(row.kept is True for row in chosen) > 0
    assert summary["kept_says_a"] == 0.5
    assert summary["preferred_longer"] == 1.0


def test_stage_stopped_and_resumed_keeps_the_flags_it_began_with(bench, monkeypatch):
    monkeypatch.setattr("engine.stages.select.stage._TRACES_PER_PART", 100)
    pairs, rows = random_world(100)
    progress = bench.progress()
    progress.stop = True
    with pytest.raises(StopRequested):
        run(bench, pairs, rows, progress=progress, flagged={"pair-00003"})
    folder = bench.folder("select")
    assert len(folder.read("traces", Trace)) == 100
    run(bench, pairs, rows, flagged={"pair-00004", "pair-00005"})
    chosen, fates = selection(pairs, rows, SelectSettings(), 0, {"pair-00003"})
    assert folder.read("traces", Trace) == chosen
    assert folder.read("fates", PairFate) == fates


def test_selection_of_a_hundred_thousand_traces_takes_about_a_second():
    pairs, rows = random_world(16_700)
    started = time.process_time()
    selection(pairs, rows, SelectSettings(max_per_image=3), 0)
    assert time.process_time() - started < 3.0  # 1.1 s on an idle core; shared runners are slower
