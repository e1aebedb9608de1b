"""Synthesize, judge and select one after the other, in a made-up world whose truth no stage knows."""

from pathlib import Path

import pytest

from engine.config import SelectSettings
from engine.prompts import load_pack
from engine.records import Pair, Trace
from engine.stages.judge import judge
from engine.stages.select.rule import selection
from engine.stages.select.stage import select
from engine.stages.synthesize.stage import synthesize
from tests.fake_backend import FakeBackend
from tests.scripted_world import ScriptedWorld
from tests.stage_bench import StageBench, closed, opened, stage_bench


def share_right(traces: list[Trace]) -> float:
    decided = [trace for trace in traces if trace.verdict in ("A", "B")]
    return sum((trace.verdict == "A") == (trace.order == "AB") for trace in decided) / len(decided)


def share_looking(traces: list[Trace]) -> float:
    return sum(trace.reasoning.startswith("I look.") for trace in traces) / len(traces)


@pytest.fixture(params=["default", "shapes"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> StageBench:
    """The first two stages done with 300 instructions, by the pack named."""
    pack = load_pack(request.param)
    backend = FakeBackend(ScriptedWorld(pack), shuffle=1)
    bench = stage_bench(tmp_path)
    stage = bench.stands(backend=backend, pack=pack)
    synthesize(stage, [closed(n) if n % 2 else opened(n) for n in range(300)])
    judge(stage, bench.folder("synthesize").read("pairs", Pair))
    return bench


def test_selection_keeps_careful_traces_of_open_and_closed_pairs(bench):
    pairs = bench.folder("synthesize").read("pairs", Pair)
    traces = bench.folder("judge").read("traces", Trace)
    chosen = select(bench.stands(), pairs, traces, flagged=())
    kept = [trace for trace in bench.folder("select").read("traces", Trace) if trace.kept]
    assert chosen.kept_says_a == 0.5
    assert all(kind["kept_pairs"] > 20 for kind in chosen.kinds.values())
    assert share_right(traces) < 0.75
    assert share_right(kept) == 1.0
    assert share_looking(kept) > share_looking(traces) + 0.15


def test_selection_by_coins_keeps_traces_no_better_than_all(bench):
    pairs = bench.folder("synthesize").read("pairs", Pair)
    traces = bench.folder("judge").read("traces", Trace)
    chosen, _ = selection(pairs, traces, SelectSettings(labels="coin-per-order", rule="per-order"), 0)
    kept = [trace for trace in chosen if trace.kept]
    assert len(kept) > 50
    assert share_right(kept) < share_right(traces) + 0.05
    assert share_looking(kept) < share_looking(traces) + 0.1
