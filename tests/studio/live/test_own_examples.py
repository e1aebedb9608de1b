"""Examples of a run from its own benchmark: a gain first, then a regression, with the rulings that were given."""

from pathlib import Path

import pytest

from engine.judging.asking import verdict_row
from engine.records import ORDERS
from engine.workspace.catalog.database import open_catalog
from engine.workspace.folders import RunFolder
from studio.live.own_examples import own_examples
from studio.queries.verdicts import items
from tests.arena_run import arena_run


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """judge-v1 of the arena's run, and a judge-v0 that is right where judge-v1 is wrong: on every eighth item."""
    made = arena_run(tmp_path / "ws")
    catalog = open_catalog(made.workspace)
    item = items(catalog, made.name, "held-out", ["item-08"])["item-08"][0]
    stage = made.stage(2, "evaluate")
    stage.begin({})
    rows = [
        verdict_row("judge-v2", one, order, ("B" if order == "AB" else "A") if one == item else order[0], reasoning="x")
        for one, _ in items(catalog, made.name, "held-out", [f"item-{n:02d}" for n in range(24)]).values()
        for order in ORDERS
    ]
    stage.write("verdicts", rows)
    stage.finish({"judge": "judge-v2"})
    return made


def test_first_example_is_a_gain_whose_rulings_name_the_examples_own_letters(run):
    found = own_examples(open_catalog(run.workspace), run.name, "judge-v2")
    assert [one.label for one in found] == ["judge-v0 got it wrong, judge-v2 right"] * 2
    for one in found:
        right = "A" if one.a.startswith("A right answer") else "B"
        best, base = one.said
        assert (best.ruling.verdict, base.ruling.verdict) == (right, "order-flip")
        assert one.judges == ("arena-01/judge-v2", "arena-01/judge-v0")
        assert all((run.workspace.root / image).is_file() for image in one.images)


def test_untrained_judge_has_one_that_it_got_right_and_one_that_it_got_wrong(run):
    found = own_examples(open_catalog(run.workspace), run.name, "judge-v0")
    assert {one.label for one in found} == {"judge-v0 got it wrong"}  # it always says A
    assert all(one.judges == ("arena-01/judge-v0",) and len(one.said) == 1 for one in found)
    assert found[0].said[0].ruling.verdict == "order-flip"


def test_version_that_was_not_measured_has_none(run):
    assert own_examples(open_catalog(run.workspace), run.name, "judge-v9") == []
