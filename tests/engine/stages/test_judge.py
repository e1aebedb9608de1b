"""Judging with a scripted judge: what is asked, what a trace says, and what a stop leaves behind."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from engine.backends.base import Request
from engine.config import Settings, parse_settings
from engine.errors import BackendError, IdentityError, ModelError, StopRequested
from engine.records import ORDERS, Pair, ScoreRow, Trace
from engine.stages.judge import judge
from engine.workspace.conclusions import Judged
from engine.workspace.progress import Progress
from engine.workspace.tables import read_parts
from tests.fake_backend import Cut, FakeBackend, Refused
from tests.stage_bench import StageBench, stage_bench


@pytest.fixture
def bench(tmp_path: Path) -> StageBench:
    return stage_bench(tmp_path)


def pair(number: int, *, dropped: str | None = None) -> Pair:
    return Pair(
        pair_id=f"pair-{number:04d}",
        instruction_id=f"instruction-{number:04d}",
        image_id=f"image-{number:04d}",
        question=f"Question {number}?",
        kind="open",
        strategy="alteration",
        dimension="count" if number % 2 else "text",
        preferred="A true thing.",
        degraded="A false thing.",
        votes=None,
        altered=None,
        writer="judge-v0",
        dropped=dropped,
    )


def truthful(request: Request, _sample: int) -> str:
    text = request.messages[-1].text
    first = text.index("A true thing.") < text.index("A false thing.")
    return f"I looked. [[{'A' if first else 'B'}]]"


def random_judge(request: Request, sample: int) -> str:
    dice = random.Random(f"{request.seed} {sample}")
    return f"Hm, {dice.random():.6f}. {dice.choice(['[[A]]', '[[B]]', '[[C]]', 'I cannot say.', '[[A]] or [[B]]'])}"


def run(
    bench: StageBench,
    pairs: list[Pair],
    backend: FakeBackend,
    *,
    settings: Settings | None = None,
    progress: Progress | None = None,
    other_pictures: bool = False,
) -> Judged:
    chosen = settings or Settings()
    measured = chosen.evaluate.model_copy(update={"wrong_image": other_pictures, "control_items": 10})
    settings = chosen.model_copy(update={"evaluate": measured})
    return judge(bench.stands(backend=backend, settings=settings, progress=progress), pairs)


def traces(bench: StageBench) -> dict[str, Trace]:
    rows = bench.folder("judge").read("traces", Trace)
    assert len({row.trace_id for row in rows}) == len(rows), "trace ids are unique"
    per_pair = Counter(row.pair_id for row in rows)
    assert set(per_pair.values()) <= {6}, "every pair has all its traces or none"
    return {row.trace_id: row for row in rows}


def test_judge_asks_every_usable_pair_in_both_orders_with_all_samples(bench):
    backend = FakeBackend(truthful, shuffle=1)
    run(bench, [pair(0), pair(1, dropped="tied"), pair(2)], backend)
    assert [request.key for request in backend.requests] == [
        "pair-0000/AB",
        "pair-0000/BA",
        "pair-0002/AB",
        "pair-0002/BA",
    ]
    assert {request.n for request in backend.requests} == {3}
    assert len({request.seed for request in backend.requests}) == 4
    keys = {(row.pair_id, row.order, row.sample) for row in traces(bench).values()}
    assert keys == {(p, order, k) for p in ("pair-0000", "pair-0002") for order in ORDERS for k in range(3)}


def test_judge_shows_the_preferred_response_first_in_ab_and_second_in_ba(bench):
    backend = FakeBackend(truthful)
    run(bench, [pair(0)], backend)
    ab, ba = (request.messages[-1].text for request in backend.requests)
    assert ab.index("A true thing.") < ab.index("A false thing.")
    assert ba.index("A true thing.") > ba.index("A false thing.")
    assert all(row.verdict == ("A" if row.order == "AB" else "B") for row in traces(bench).values())


def test_judge_keeps_the_whole_reply_and_leaves_selection_open(bench):
    run(bench, [pair(0)], FakeBackend(truthful))
    row = next(iter(traces(bench).values()))
    assert row.reasoning.startswith("I looked. [[")
    assert (row.tokens, row.kept, row.reason, row.dimension) == (3, None, None, "text")


def test_judge_counts_a_reply_that_was_cut_off_as_invalid(bench):
    run(bench, [pair(0)], FakeBackend(lambda _request, _sample: Cut("Surely [[A]], but")))
    assert {row.verdict for row in traces(bench).values()} == {"invalid"}


def test_judge_summary_shows_how_right_and_how_biased_the_judge_is(bench):
    summary = run(bench, [pair(n) for n in range(10)], FakeBackend(lambda _request, _sample: "[[A]]"))
    assert summary.verdicts == {"A": 60, "B": 0, "tie": 0, "invalid": 0}
    assert (summary.right, summary.says_a) == (0.5, 1.0)
    assert summary.right_by_order == {"AB": 1.0, "BA": 0.0}
    assert summary == bench.folder("judge").conclusion(Judged)


def test_judge_of_no_usable_pair_is_done_with_an_empty_summary(bench):
    summary = run(bench, [pair(0, dropped="tied")], FakeBackend(truthful))
    assert (summary.pairs, summary.traces, summary.right) == (0, 0, None)


@pytest.mark.parametrize("moment", [1, 100, 400, 599])
def test_judge_stopped_and_resumed_asks_only_what_is_missing_and_ends_the_same(tmp_path, moment):
    pairs = [pair(n) for n in range(100)]
    whole, broken = stage_bench(tmp_path / "whole"), stage_bench(tmp_path / "broken")
    run(whole, pairs, FakeBackend(random_judge))
    progress = broken.progress()
    backend = FakeBackend(random_judge, shuffle=2)
    backend.after = lambda count: setattr(progress, "stop", count >= moment)
    with pytest.raises(StopRequested):
        run(broken, pairs, backend, progress=progress)
    kept = {row.pair_id for row in traces(broken).values()}
    again = FakeBackend(random_judge, shuffle=7)
    run(broken, pairs[::-1], again)
    assert traces(broken) == traces(whole)
    assert {request.key[:9] for request in again.requests} == {p.pair_id for p in pairs} - kept


def test_judge_after_a_lost_backend_keeps_whole_pairs(bench):
    with pytest.raises(BackendError):
        run(bench, [pair(n) for n in range(100)], FakeBackend(random_judge, fail_after=301))
    assert len(traces(bench)) == 300


def test_judge_resumed_as_another_judge_is_refused(bench):
    with pytest.raises(BackendError):
        run(bench, [pair(0), pair(1)], FakeBackend(random_judge, fail_after=7))
    path = bench.folder("judge").folder / "identity.json"
    path.write_text(path.read_text("utf-8").replace("judge-v0", "judge-v1"), "utf-8")
    with pytest.raises(IdentityError, match="judge was 'judge-v1', now 'judge-v0'"):
        run(bench, [pair(0), pair(1)], FakeBackend(random_judge))


def test_judge_resumed_with_other_pairs_is_refused(bench):
    with pytest.raises(BackendError):
        run(bench, [pair(0), pair(1)], FakeBackend(random_judge, fail_after=7))
    with pytest.raises(IdentityError, match="inputs"):
        run(bench, [pair(0), replace(pair(1), pair_id="pair-9999")], FakeBackend(random_judge))


def test_judge_writes_parts_of_whole_pairs(bench):
    settings = parse_settings({"judge": {"traces_per_order": 3}}, where="test")
    run(bench, [pair(n) for n in range(700)], FakeBackend(random_judge, shuffle=4), settings=settings)
    parts = [read_parts([part], Trace) for part in bench.folder("judge").parts("traces")]
    assert len(parts) == 5
    homes = [{row.pair_id for row in part} for part in parts]
    assert sum(map(len, homes)) == len(set.union(*homes)) == 700


def test_request_that_a_server_refuses_is_an_invalid_trace_that_says_why(bench):
    def reply(request, sample):
        return Refused("answered 400 (too long)") if request.key.startswith("pair-0001") else truthful(request, sample)

    run(bench, [pair(number) for number in range(4)], FakeBackend(reply))
    traces = bench.folder("judge").read("traces", Trace)
    refused = [trace for trace in traces if trace.verdict == "invalid"]
    assert {trace.pair_id for trace in refused} == {"pair-0001"}
    assert {trace.reasoning for trace in refused} == {"[no reply] answered 400 (too long)"}


def test_judge_that_mostly_says_nothing_ends_the_stage_and_keeps_what_was_said(bench):
    with pytest.raises(ModelError, match=r"judge-v0: \d+ of its first 200 replies give no verdict"):
        run(bench, [pair(number) for number in range(100)], FakeBackend(lambda _request, _sample: "Hm."))
    assert len(bench.folder("judge").read("traces", Trace)) >= 200


def test_judge_shows_some_pairs_with_another_picture_and_tells_a_leak_before_anything_is_trained(bench):
    backend = FakeBackend(truthful)
    summary = run(bench, [pair(number) for number in range(30)], backend, other_pictures=True)
    wrong = [request for request in backend.requests if "/" in request.key and request.n == 1]
    assert len(wrong) == 10 * 2
    own = {request.key: request.image for request in backend.requests if request.n > 1}
    assert all(request.image not in (None, own[request.key]) for request in wrong)
    assert {request.sampling.temperature for request in wrong} == {0.0}
    rows = bench.folder("judge").read("scores", ScoreRow)
    assert {(row.judge, row.benchmark) for row in rows} == {("control:wrong-image", "pairs")}
    (sentence,) = summary.leaks
    assert "judge-v0, shown another item's picture, names the preferred response in 100.0%" in sentence


def test_judge_that_guesses_without_its_picture_tells_no_leak(bench):
    summary = run(bench, [pair(number) for number in range(30)], FakeBackend(lambda *_: "[[A]]"), other_pictures=True)
    assert summary.leaks == ()


def test_judge_of_pairs_about_one_picture_has_no_other_to_show(bench):
    pairs = [replace(pair(number), image_id="image-0000") for number in range(5)]
    backend = FakeBackend(truthful)
    assert run(bench, pairs, backend, other_pictures=True).leaks == ()
    assert bench.folder("judge").read("scores", ScoreRow) == []
