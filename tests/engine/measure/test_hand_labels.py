"""Labelling by hand in a run's folder: blind, in an order that is drawn once, kept, undone, and summed up."""

import ast
from pathlib import Path

import pytest

from engine.errors import UsageError
from engine.judging.asking import verdict_row
from engine.measure.hand_labels import (
    judged_by_hand,
    next_to_label,
    picture_of,
    record_answer,
    sheet_of,
    undo_last,
)
from engine.records import ORDERS, BenchmarkItem, Verdict, names_preferred
from engine.workspace.catalog.database import open_catalog
from engine.workspace.folders import RunFolder, open_workspace
from engine.workspace.hand_labels import read_labels

COUNT = 60


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run measured twice: judge-v0 flips on every third item, judge-v1 is right on all but every tenth."""
    made = open_workspace(tmp_path).run("mine")
    made.folder.mkdir(parents=True)
    made.config.write_text("settings: {}\n")
    items = [item(number) for number in range(COUNT)]
    benchmark = made.stage(0, "benchmark")
    benchmark.begin({})
    benchmark.write("items", items)
    for version, says in (("judge-v0", lambda n: ("A", "A") if n % 3 == 0 else ("A", "B")),
                          ("judge-v1", lambda n: ("B", "A") if n % 10 == 0 else ("A", "B"))):  # fmt: skip
        folder = made.stage(int(version[-1]), "evaluate")
        folder.begin({})
        rows = []
        for number, one in enumerate(items):
            said: tuple[Verdict, Verdict] = says(number)
            rows += [verdict_row(version, one, order, verdict) for order, verdict in zip(ORDERS, said, strict=True)]
        folder.write("verdicts", rows)
    return made


def item(number: int) -> BenchmarkItem:
    return BenchmarkItem(
        item_id=f"item-{number:02d}",
        benchmark="held-out",
        image_id=f"{number:064x}",
        image="",
        question=f"Question {number}?",
        preferred="the preferred response",
        degraded="the degraded response",
        kind="open",
        dimension="count",
    )


def label(run: RunFolder, count: int, side: str = "preferred", rater: str = "me") -> None:
    for _ in range(count):
        shown = next_to_label(run, rater=rater)
        assert shown is not None
        if side in ("preferred", "degraded"):
            first = (shown.order == "AB") == (side == "preferred")
            record_answer(run, shown, "A" if first else "B", rater=rater, seconds=2.5)
        else:
            record_answer(run, shown, side, rater=rater)  # type: ignore[arg-type]


def test_items_come_once_each_in_a_fixed_order_with_responses_in_an_order_of_their_own(run: RunFolder) -> None:
    seen = []
    while (shown := next_to_label(run)) is not None:
        seen.append((shown.item.item_id, shown.order, shown.done))
        assert {shown.first, shown.second} == {shown.item.preferred, shown.item.degraded}
        assert (shown.first == shown.item.preferred) == names_preferred("A", shown.order)
        record_answer(run, shown, "A")
    assert len({one[0] for one in seen}) == COUNT
    assert [one[2] for one in seen] == list(range(COUNT))
    assert 15 < sum(one[1] == "AB" for one in seen) < 45
    assert [one[0] for one in seen] == list(sheet_of(run, "held-out").item_ids)


def test_items_on_which_verdicts_are_split_come_earlier(run: RunFolder) -> None:
    sheet = sheet_of(run, "held-out")
    weight = dict(zip(sheet.item_ids, sheet.weights, strict=True))
    # item 1: all four verdicts right; item 3: one of four wrong; item 10: judge-v1 contradicts judge-v0.
    assert weight["item-01"] == pytest.approx(1 / 3, abs=1e-6)
    assert weight["item-03"] == pytest.approx(1 / 3 + 2 / 3 * 0.75, abs=1e-6)
    assert weight["item-10"] == pytest.approx(1.0, abs=1e-6)
    place = {item_id: number for number, item_id in enumerate(sheet.item_ids)}
    split = [place[f"item-{number:02d}"] for number in range(0, COUNT, 10)]
    sure = [place[f"item-{number:02d}"] for number in range(COUNT) if number % 3 and number % 10]
    assert sum(split) / len(split) < sum(sure) / len(sure)


def test_order_stays_when_more_versions_are_measured(run: RunFolder) -> None:
    before = sheet_of(run, "held-out")
    folder = run.stage(2, "evaluate")
    folder.begin({})
    folder.write("verdicts", [verdict_row("judge-v2", item(n), order, "A") for n in range(COUNT) for order in ORDERS])
    assert sheet_of(run, "held-out") == before


def test_answer_is_kept_by_response_and_can_be_undone(run: RunFolder) -> None:
    label(run, 2)
    shown = next_to_label(run)
    assert shown is not None
    record_answer(run, shown, "cannot tell")
    assert [one.said for one in read_labels(run)] == ["preferred", "preferred", "cannot tell"]
    undone = undo_last(run)
    assert undone is not None
    assert undone.item_id == shown.item.item_id
    again = next_to_label(run)
    assert again == shown
    assert len(read_labels(run)) == 2


def test_persons_answer_apart(run: RunFolder) -> None:
    label(run, 3)
    label(run, 1, "degraded", rater="you")
    shown = next_to_label(run, rater="you")
    assert shown is not None
    assert shown.done == 1
    estimate = judged_by_hand(run, "judge-v1", rater="you")
    assert estimate is not None
    assert estimate.labels == 1


def test_line_cut_off_by_a_power_loss_costs_that_answer_alone(run: RunFolder) -> None:
    label(run, 3)
    path = run.folder / "labels.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    label(run, 1)
    assert len(read_labels(run)) == 3


def test_labels_on_all_items_give_the_exact_share_and_kappa_with_its_base_rate(run: RunFolder) -> None:
    label(run, COUNT)  # this person sides with the key everywhere
    estimate = judged_by_hand(run, "judge-v1")
    assert estimate is not None
    assert estimate.right.share == pytest.approx(54 / 60)
    assert estimate.right.low == estimate.right.high
    assert estimate.key.share == 1.0
    assert estimate.kappa is not None
    assert (estimate.kappa.agreement, estimate.kappa.base_rate) == pytest.approx((0.9, 1.0))
    assert estimate.kappa.kappa == pytest.approx(0.0)  # "always the key" would agree as often


def test_some_labels_and_all_verdicts_tell_more_than_the_labels_alone(run: RunFolder) -> None:
    label(run, 25)
    estimate = judged_by_hand(run, "judge-v1")
    assert estimate is not None
    assert estimate.right.low <= 0.9 <= estimate.right.high
    told, alone = estimate.right, estimate.labels_alone
    assert told.high - told.low < 0.8 * (alone.high - alone.low)


def test_ties_and_cannot_tell_are_counted_apart(run: RunFolder) -> None:
    label(run, 4, "tie")
    label(run, 3, "cannot tell")
    label(run, 10)
    estimate = judged_by_hand(run, "judge-v0")
    assert estimate is not None
    assert (estimate.labels, estimate.ties, estimate.cannot_tell, estimate.right.labels) == (17, 4, 3, 10)


def test_labels_are_a_table_of_the_workspace(run: RunFolder) -> None:
    catalog = open_catalog(run.workspace)
    assert catalog.sql("select count(*) from labels").rows == [(0,)]
    label(run, 2)
    label(run, 1, "tie")
    question = (
        "select run, said, count(*), min(seconds), min(\"order\" in ('AB', 'BA')) from labels group by all order by 2"
    )
    assert catalog.sql(question).rows == [("mine", "preferred", 2, 2.5, True), ("mine", "tie", 1, None, True)]
    assert {"run", "item_id", "rater", "said", "time"} <= {column.name for column in catalog.schema()["labels"]}


def test_without_labels_or_items_it_is_said_what_to_do(run: RunFolder, tmp_path: Path) -> None:
    assert judged_by_hand(run, "judge-v0") is None
    assert undo_last(run) is None
    with pytest.raises(UsageError, match="no items of ghost to label"):
        next_to_label(run, benchmark="ghost")
    label(run, 1)
    with pytest.raises(UsageError, match="judge-v7: has no verdicts on 60"):
        judged_by_hand(run, "judge-v7")
    shown = next_to_label(run)
    assert shown is not None
    with pytest.raises(UsageError, match="'C' is no answer"):
        record_answer(run, shown, "C")  # type: ignore[arg-type]
    assert picture_of(run, shown.item) is None
    assert tmp_path.exists()


def test_nothing_that_trains_reads_a_hand_label() -> None:
    stages = Path(__file__).parents[3] / "engine" / "stages"
    for path in stages.rglob("*.py"):
        names = {node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
        assert not any(name and "hand_labels" in name for name in names), path
