"""Synthesis with a scripted writer: how pairs are made, why they are dropped, and what a resume asks for."""

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.backends.base import Request
from engine.config import Settings, parse_settings
from engine.errors import BackendError, IdentityError, SettingsError, StopRequested
from engine.prompts import PromptPack, load_pack
from engine.records import Instruction, Pair, ScoreRow
from engine.stages.synthesize.stage import synthesize
from engine.workspace.conclusions import Synthesized
from engine.workspace.progress import Progress
from engine.workspace.state import read_events
from engine.workspace.tables import read_parts
from tests.fake_backend import Cut, FakeBackend, Refused, Reply
from tests.stage_bench import StageBench, closed, opened, stage_bench

DESCRIPTION = "A red bus stands on the left. Two people wait beside it in the rain."


@pytest.fixture
def bench(tmp_path: Path) -> StageBench:
    return stage_bench(tmp_path)


def settings_of(**values: Any) -> Settings:
    small = {"synthesize.samples": 8, "synthesize.min_votes": 3, **values}
    nested: dict[str, dict[str, Any]] = {}
    for key, value in small.items():
        group, name = key.split(".")
        nested.setdefault(group, {})[name] = value
    return parse_settings(nested, where="test")


def run(
    bench: StageBench,
    instructions: list[Instruction],
    backend: FakeBackend,
    *,
    settings: Settings | None = None,
    pack: PromptPack | None = None,
    iteration: int = 1,
    progress: Progress | None = None,
) -> Synthesized:
    return synthesize(
        bench.stands(iteration, backend=backend, settings=settings or settings_of(), pack=pack, progress=progress),
        instructions,
    )


def pairs(bench: StageBench, iteration: int = 1) -> dict[str, Pair]:
    rows = bench.folder("synthesize", iteration).read("pairs", Pair)
    assert len({row.instruction_id for row in rows}) == len(rows), "one row per instruction"
    assert len({row.pair_id for row in rows}) == len(rows), "pair ids are unique"
    return {row.instruction_id: row for row in rows}


def only_pair(bench: StageBench) -> Pair:
    (pair,) = pairs(bench).values()
    return pair


def says(*texts: str | Cut) -> Reply:
    """Sample i says texts[i], starting over when they are used up."""
    return lambda _request, sample: texts[sample % len(texts)]


def is_alteration(request: Request) -> bool:
    return "Rewrite the response" in request.messages[0].text


def alters(*rewrites: str | Cut, response: str | Cut = DESCRIPTION) -> Callable[[Request, int], str | Cut]:
    """Describes, then answers each alteration prompt with the next of `rewrites`."""
    left = list(rewrites)
    return lambda request, _sample: left.pop(0) if is_alteration(request) else response


def random_writer(request: Request, sample: int) -> str:
    """Draws from the request's own seed only, as a backend promises to."""
    dice = random.Random(f"{request.seed} {sample}")
    if is_alteration(request):
        return DESCRIPTION.replace(*dice.choice([("red", "blue"), ("Two", "Four"), ("rain", "snow"), ("red", "red")]))
    if request.n == 1:
        return DESCRIPTION
    return f"I count them. Answer: {dice.choice([3, 3, 3, 4, 5])}"


# --- closed questions ------------------------------------------------------------------------------------------


def test_closed_question_with_a_majority_becomes_a_pair_of_its_own_samples(bench):
    replies = ["There are three. Answer: 3", "Answer: three", "Answer: 3.0", "Answer: 4", *["Answer: 3"] * 4]
    run(bench, [closed(0)], FakeBackend(says(*replies)))
    pair = only_pair(bench)
    assert pair.dropped is None
    assert pair.strategy == "majority"
    assert pair.dimension == "count"
    assert pair.preferred in set(replies) - {"Answer: 4"}
    assert pair.degraded == "Answer: 4"
    assert json.loads(pair.votes or "") == {"3": 7, "4": 1}
    assert list(json.loads(pair.votes or "")) == ["3", "4"]


def test_closed_question_asks_all_samples_in_one_request_with_the_settings_of_the_run(bench):
    backend = FakeBackend(says("Answer: 3", "Answer: 4", "Answer: 3"))
    run(bench, [closed(0)], backend)
    (request,) = backend.requests
    assert request.n == 8
    assert (request.sampling.temperature, request.sampling.top_p, request.sampling.top_k) == (0.6, 0.9, 50)
    assert request.image == Path("/images/0000.png")
    assert request.judge == "judge-v0"


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        (["Answer: 3"], "unanimous"),
        (["Answer: 3", "Answer: 4"], "tied"),
        (["Answer: 1", "Answer: 2", "Answer: 3", "Answer: 4"], "no-majority"),
        (["I would rather talk about the weather, which is lovely today."], "unreadable"),
        (["  "], "empty"),
        ([Cut("Answer: 3"), Cut("Answer: 4"), Cut("Answer: 3")], "unreadable"),
    ],
)
def test_closed_question_without_a_lesson_is_dropped_with_its_reason(bench, replies, reason):
    summary = run(bench, [closed(0)], FakeBackend(says(*replies)))
    assert only_pair(bench).dropped == reason
    assert summary.dropped == {reason: 1}
    assert summary.pairs == 0


def test_closed_question_with_options_reads_letters_and_texts_and_shows_the_options(bench):
    one = closed(0, answer_type="option", choices=("red", "green"), dimension=None)
    run(bench, [one], FakeBackend(says("Answer: (B) green", "Answer: green", "Answer: B", "Answer: red")))
    pair = only_pair(bench)
    assert json.loads(pair.votes or "") == {"B": 6, "A": 2}
    assert pair.dimension == "option"
    assert "(A) red\n(B) green" in pair.question


def test_oracle_prefers_the_answer_of_the_source_against_the_majority(bench):
    settings = settings_of(**{"synthesize.strategy": "oracle"})
    replies = says("Answer: 3", "Answer: 3", "Answer: 3", "Answer: 4")
    run(bench, [closed(0, answer="four")], FakeBackend(replies), settings=settings)
    pair = only_pair(bench)
    assert (pair.strategy, pair.preferred, pair.degraded) == ("oracle", "Answer: 4", "Answer: 3")


@pytest.mark.parametrize(("answer", "reason"), [(None, "no-answer"), ("7", "never-right"), ("many", "no-answer")])
def test_oracle_without_a_usable_answer_is_dropped(bench, answer, reason):
    settings = settings_of(**{"synthesize.strategy": "oracle"})
    run(bench, [closed(0, answer=answer)], FakeBackend(says("Answer: 3", "Answer: 4")), settings=settings)
    assert only_pair(bench).dropped == reason


def test_even_answers_leave_each_answer_as_many_wins_as_losses_but_for_one(bench):
    asked = [closed(number) for number in range(24)]
    answer = {one.instruction_id: ("3", "3", "4")[number % 3] for number, one in enumerate(asked)}
    other = {"3": "4", "4": "3"}
    backend = FakeBackend(
        lambda request, sample: f"Answer: {answer[request.key] if sample % 4 else other[answer[request.key]]}"
    )
    summary = run(bench, asked, backend, settings=settings_of(**{"synthesize.even_answers": True}))
    kept = Counter(answer[key] for key, pair in pairs(bench).items() if pair.dropped is None)
    assert kept == {"4": 8, "3": 9}  # the lead that is left is one
    assert summary.dropped == {"usual-answer": 7}
    assert len(pairs(bench)) == 24


def test_even_answers_resumed_after_a_stop_end_as_without_one(bench, tmp_path):
    asked = [closed(number) for number in range(12)]
    settings = settings_of(**{"synthesize.even_answers": True})
    said: Reply = lambda request, sample: f"Answer: {sample % 3 + int(request.key[-1], 16) % 2}"  # noqa: E731
    whole = stage_bench(tmp_path / "whole")
    run(whole, asked, FakeBackend(said), settings=settings)
    seen = 0

    def stops(request: Request, sample: int) -> str:
        nonlocal seen
        seen += 1
        if seen == 50:
            raise StopRequested("enough")
        return str(said(request, sample))

    with pytest.raises(StopRequested):
        run(bench, asked, FakeBackend(stops), settings=settings)
    assert not bench.folder("synthesize", 1).parts("pairs")  # nobody reads pairs that may yet be dropped
    run(bench, asked, FakeBackend(said), settings=settings)
    assert pairs(bench) == pairs(whole)


# --- open questions --------------------------------------------------------------------------------------------


def test_open_question_becomes_a_response_and_its_alteration(bench):
    worse = DESCRIPTION.replace("red", "blue")
    run(bench, [opened(0)], FakeBackend(alters(worse)))
    pair = only_pair(bench)
    assert (pair.preferred, pair.degraded, pair.altered) == (DESCRIPTION, worse, "red to blue")
    assert (pair.strategy, pair.dropped, pair.votes) == ("alteration", None, None)
    assert pair.dimension in load_pack("default").alteration.dimensions


def test_open_question_after_a_refused_alteration_tries_again_with_another_seed(bench):
    worse = DESCRIPTION.replace("left", "right")
    backend = FakeBackend(alters("Sure! Here is the response: " + worse, worse))
    run(bench, [opened(0)], backend)
    assert only_pair(bench).degraded == worse
    first, second = [request for request in backend.requests if is_alteration(request)]
    assert first.seed != second.seed
    assert first.messages == second.messages, "commentary is no fault of the dimension"


def test_open_question_whose_dimension_does_not_apply_tries_another_dimension(bench):
    backend = FakeBackend(alters("NOT APPLICABLE.", DESCRIPTION.replace("Two", "Six")))
    run(bench, [opened(0)], backend)
    first, second = [request for request in backend.requests if is_alteration(request)]
    assert first.messages != second.messages
    assert only_pair(bench).dropped is None


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (DESCRIPTION, "unchanged"),
        (DESCRIPTION.replace("Two", "2"), "same-meaning"),
        ("Here is the altered response: " + DESCRIPTION.replace("red", "blue"), "commentary"),
        (DESCRIPTION.replace("red", "**blue**"), "commentary"),
        (f'"{DESCRIPTION.replace("red", "blue")}"', "commentary"),
        (DESCRIPTION.replace("red", "blue") + " A dog and a cat look on from the pavement.", "length-leak"),
        ("I'm sorry, but false statements about pictures are nothing I could write.", "rewritten"),
        ("", "empty"),
        ("not applicable", "not-applicable"),
        (Cut(DESCRIPTION.replace("red", "blue")), "truncated"),
    ],
)
def test_open_question_without_a_sound_alteration_is_dropped_with_the_last_reason(bench, reply, reason):
    backend = FakeBackend(alters(reply, reply))
    run(bench, [opened(0)], backend)
    pair = only_pair(bench)
    assert pair.dropped == reason
    assert pair.preferred == DESCRIPTION
    assert len(backend.requests) == 3, "one response and both tries"


@pytest.mark.parametrize(("response", "reason"), [("   ", "empty"), (Cut("A red bus stands"), "truncated")])
def test_open_question_without_a_whole_response_is_never_altered(bench, response, reason):
    backend = FakeBackend(alters(response=response))
    run(bench, [opened(0)], backend)
    assert only_pair(bench).dropped == reason
    assert len(backend.requests) == 1


def test_edit_pack_applies_the_edit_that_the_model_proposes(bench):
    response = "The total number of objects here is two. The top left has a big red circle."

    def reply(request: Request, _sample: int) -> str:
        changing = "Change" in request.messages[0].text
        return "A2: The top left has a big red circle, red to blue." if changing else response

    run(bench, [opened(0)], FakeBackend(reply), pack=load_pack("shapes"))
    pair = only_pair(bench)
    assert pair.degraded == response.replace("red", "blue")
    assert pair.altered == "red to blue"


def test_dimensions_of_the_settings_are_the_only_ones_used(bench):
    settings = settings_of(**{"synthesize.dimensions": ["count", "text"]})
    run(bench, [opened(n) for n in range(40)], FakeBackend(random_writer), settings=settings)
    assert {pair.dimension for pair in pairs(bench).values()} == {"count", "text"}


def test_dimension_that_the_pack_does_not_know_is_refused_before_anything_is_written(bench):
    with pytest.raises(SettingsError, match=r"synthesize\.dimensions.*'smell'.*attribute"):
        run(bench, [opened(0)], FakeBackend(says("x")), settings=settings_of(**{"synthesize.dimensions": ["smell"]}))
    assert not bench.folder("synthesize").folder.exists()


def test_majority_that_leaves_no_sample_for_another_answer_is_refused(bench):
    settings = settings_of(**{"synthesize.min_votes": 8})
    with pytest.raises(SettingsError, match=r"synthesize\.min_votes: 8 of 8 samples"):
        run(bench, [closed(0)], FakeBackend(says("x")), settings=settings)


# --- the whole stage -------------------------------------------------------------------------------------------


def many(count: int) -> list[Instruction]:
    return [closed(n) if n % 2 else opened(n) for n in range(count)]


def test_stage_summary_adds_up_and_is_what_done_json_holds(bench):
    summary = run(bench, many(100), FakeBackend(random_writer, shuffle=3))
    rows = pairs(bench).values()
    assert summary == bench.folder("synthesize").conclusion(Synthesized)
    assert summary.instructions == len(rows) == 100
    assert summary.pairs == sum(row.dropped is None for row in rows)
    assert summary.pairs + sum(summary.dropped.values()) == 100
    assert sum(kind["instructions"] for kind in summary.kinds.values()) == 100
    assert 0.375 <= summary.agreement <= 1


def test_stage_that_is_done_asks_nothing_more(bench):
    first = run(bench, many(20), FakeBackend(random_writer))
    idle = FakeBackend(random_writer)
    assert run(bench, many(20), idle) == first
    assert idle.requests == []


@pytest.mark.parametrize("moment", [1, 57, 150, 400, 451, 470])
def test_stage_stopped_and_resumed_ends_with_the_rows_of_an_uninterrupted_one(tmp_path, moment):
    whole, broken = stage_bench(tmp_path / "whole"), stage_bench(tmp_path / "broken")
    run(whole, many(100), FakeBackend(random_writer))
    progress = broken.progress()
    backend = FakeBackend(random_writer, shuffle=5)
    backend.after = lambda count: setattr(progress, "stop", count >= moment)
    with pytest.raises(StopRequested):
        run(broken, many(100), backend, progress=progress)
    assert broken.folder("synthesize").summary() is None
    before = pairs(broken)
    again = FakeBackend(random_writer, shuffle=9)
    run(broken, list(reversed(many(100))), again)
    assert pairs(broken) == pairs(whole)
    assert {request.key for request in again.requests}.isdisjoint(before), "finished instructions are not asked again"


def test_stage_after_a_lost_backend_keeps_what_was_finished(bench):
    with pytest.raises(BackendError):
        run(bench, many(100), FakeBackend(random_writer, fail_after=300))
    assert 20 < len(pairs(bench)) < 100


def test_stage_after_a_kill_between_parts_skips_the_unfinished_file(bench):
    with pytest.raises(BackendError):
        run(bench, many(60), FakeBackend(random_writer, fail_after=200))
    leftover = bench.folder("synthesize").folder / ".pairs-00001.parquet.77.tmp"
    leftover.write_bytes(b"half a part")
    run(bench, many(60), FakeBackend(random_writer))
    assert len(pairs(bench)) == 60
    assert not leftover.exists()


def test_stage_resumed_with_other_settings_is_refused_naming_the_setting(bench):
    with pytest.raises(BackendError):
        run(bench, many(10), FakeBackend(random_writer, fail_after=30))
    other = settings_of(**{"synthesize.temperature": 0.9})
    with pytest.raises(IdentityError, match=r"synthesize\.temperature was 0\.6, now 0\.9"):
        run(bench, many(10), FakeBackend(random_writer), settings=other)


def test_same_instructions_in_another_iteration_get_other_seeds_and_ids(bench):
    first, second = FakeBackend(random_writer), FakeBackend(random_writer)
    second.load_judge("judge-v1", Path("/adapter"))
    run(bench, many(10), first, iteration=1)
    run(bench, many(10), second, iteration=2)
    assert {request.judge for request in second.requests} == {"judge-v1"}, "the version before writes"
    assert {request.seed for request in first.requests}.isdisjoint(request.seed for request in second.requests)
    assert {p.pair_id for p in pairs(bench, 1).values()}.isdisjoint(p.pair_id for p in pairs(bench, 2).values())


def test_stage_writes_many_instructions_in_parts_and_keeps_calls_full(bench):
    backend = FakeBackend(random_writer)
    run(bench, many(1200), backend)
    parts = bench.folder("synthesize").parts("pairs")
    assert [len(read_parts([part], Pair)) for part in parts[:-1]] == [256] * (len(parts) - 1)
    assert all(size == 512 for size in backend.calls[:2])
    assert len(backend.calls) <= 6


def test_request_that_a_server_refuses_is_one_dropped_row_that_says_why_and_costs_the_others_nothing(bench):
    refused = Refused("server x: answered 400 (cannot identify image file)")

    def reply(request, sample):
        if request.key.endswith("1"):
            return refused
        if is_alteration(request):
            return refused if request.key.endswith("3") else DESCRIPTION.replace("red", "blue")
        return f"I see. Answer: {sample % 3}" if request.key.startswith("closed") else DESCRIPTION

    asked = [opened(1), closed(11), opened(2), opened(3), closed(12)]
    run(bench, asked, FakeBackend(reply))
    found = pairs(bench)
    assert len(found) == 5
    dropped = [one for one in found.values() if one.dropped == "refused"]
    assert {one.instruction_id for one in dropped} == {one.instruction_id for one in (asked[0], asked[1], asked[3])}
    assert all("cannot identify image file" in one.preferred + one.degraded for one in dropped)


def test_response_of_a_thinking_writer_is_what_it_says_afterwards(bench):
    def reply(request, _sample):
        said = DESCRIPTION.replace("red", "blue") if is_alteration(request) else DESCRIPTION
        return f"<think>The user wants this. A green car?</think>\n\n{said}"

    run(bench, [opened(1)], FakeBackend(reply))
    pair = only_pair(bench)
    assert (pair.preferred, pair.degraded) == (DESCRIPTION, DESCRIPTION.replace("red", "blue"))


def numbers(_request: Request, sample: int) -> str:
    """The same majority and minority for every picture: the texts alone give the preferred answer away."""
    return f"The answer is {'three' if sample < 5 else 'four'}."


def test_pairs_whose_texts_give_them_away_are_told_at_the_end_of_synthesis(bench):
    summary = run(bench, [closed(number) for number in range(80)], FakeBackend(numbers))
    (sentence,) = summary.leaks
    assert sentence.startswith("This iteration's pairs: a classifier that sees the texts alone")
    scores = bench.folder("synthesize").read("scores", ScoreRow)
    assert {(row.judge, row.benchmark) for row in scores} == {("control:text-only", "pairs")}
    told = [event for event in read_events(bench.run) if event["event"] == "control"]
    assert [(event["leaks"], event["sentence"]) for event in told] == [(True, sentence)]


def test_held_out_pairs_are_a_benchmark_and_not_looked_at_here(bench):
    assert run(bench, [closed(number) for number in range(80)], FakeBackend(numbers), iteration=0).leaks == ()
