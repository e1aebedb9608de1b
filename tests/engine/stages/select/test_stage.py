"""The select stage: what it writes, and that stopping it loses nothing."""

from pathlib import Path
from typing import Any

import pytest

from engine.config import SelectSettings
from engine.errors import StopRequested
from engine.records import Pair, PairFate, Trace
from engine.stages.select.rule import selection
from engine.stages.select.stage import select
from engine.workspace.conclusions import Selected
from tests.engine.stages.select.rule_worlds import random_world
from tests.stage_bench import StageBench, stage_bench


@pytest.fixture
def bench(tmp_path: Path) -> StageBench:
    return stage_bench(tmp_path)


def run(bench: StageBench, pairs: list[Pair], rows: list[Trace], *, flagged: set[str] | None = None, **more: Any):
    return select(bench.stands(**more), pairs, rows, flagged=flagged or set())


def test_stage_writes_complete_rows_and_fates_and_a_summary_that_adds_up(bench):
    pairs, rows = random_world(200)
    summary = run(bench, pairs, rows)
    chosen, fates = selection(pairs, rows, SelectSettings(), 0)
    folder = bench.folder("select")
    assert folder.read("traces", Trace) == chosen
    assert folder.read("fates", PairFate) == fates
    assert folder.conclusion(Selected) == summary
    assert summary.pairs == 200
    assert summary.kept == sum(row.kept is True for row in chosen) > 0
    assert summary.kept_says_a == 0.5
    assert summary.preferred_longer == 1.0


def test_stage_stopped_and_resumed_keeps_the_flags_it_began_with(bench, monkeypatch):
    monkeypatch.setattr("engine.stages.select.stage.TRACES_PER_PART", 100)
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
