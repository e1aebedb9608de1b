"""The four numbers by hand, and the sentence that follows from their fall."""

import json
from pathlib import Path

import pytest

from engine.measure.self_confirmation import narrowing, narrowing_lines, note_narrowing
from engine.records import Pair, Trace
from engine.workspace.folders import RunFolder, open_workspace


def pair(number: int, *, votes: dict[str, int] | None = None, text: str = "a red box") -> Pair:
    return Pair(
        pair_id=f"pair-{number}", instruction_id="i", image_id="m", question="q",
        kind="open" if votes is None else "closed", strategy="alteration" if votes is None else "majority",
        dimension="count", preferred=text, degraded="no", votes=None if votes is None else json.dumps(votes),
        altered=None, writer="judge-v0", dropped=None,
    )  # fmt: skip


def trace(number: int, order: str, verdict: str, sample: int) -> Trace:
    return Trace(
        trace_id=f"{number}{order}{sample}", pair_id=f"pair-{number}", image_id="m", dimension="count",
        judge="judge-v0", order=order, sample=sample, reasoning="", verdict=verdict, tokens=1, kept=None, reason=None,  # type: ignore[arg-type]
    )  # fmt: skip


def test_numbers_are_the_entropies_and_shares_of_their_definition() -> None:
    pairs = [pair(0, votes={"3": 8, "4": 8}), pair(1, votes={"3": 16}), pair(2, text="a red box a red box")]
    traces = [
        *(trace(0, "AB", said, n) for n, said in enumerate(("A", "A", "B", "B"))),  # one bit, half right
        *(trace(1, "BA", said, n) for n, said in enumerate(("B", "B", "B", "B"))),  # none, all right
    ]
    found = narrowing(pairs, traces)
    assert found["vote_entropy"] == 0.5  # (1 + 0) / 2; the open pair has no votes
    # Word pairs: "a red", "red box" three times in all and "box a" once: 3 different of 2 + 2 + 5.
    assert found["text_variety"] == pytest.approx(3 / 9, abs=1e-4)
    assert found["verdict_entropy"] == 0.5
    assert found["parent_right"] == 0.75
    assert narrowing([], []) == {
        "vote_entropy": None, "text_variety": None, "verdict_entropy": None, "parent_right": None,
    }  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    made = open_workspace(tmp_path).run("mine")
    for number in (1, 2):
        made.stage(number, "evaluate").folder.mkdir(parents=True)
    return made


def test_sentence_names_what_fell_by_a_fifth_since_the_first_iteration(run: RunFolder) -> None:
    assert narrowing_lines(run) == []
    note_narrowing(run, 1, [pair(0, votes={"3": 8, "4": 8})], [])
    note_narrowing(run, 2, [pair(0, votes={"3": 15, "4": 1})], [])
    (sentence,) = (line for line in narrowing_lines(run) if "narrower" in line)
    assert "answers to closed questions vary less (1.00 to 0.34)" in sentence
    assert "words" not in sentence


def test_nothing_is_said_while_nothing_falls(run: RunFolder) -> None:
    for number in (1, 2):
        note_narrowing(run, number, [pair(0, votes={"3": 8, "4": 8})], [])
    assert not [line for line in narrowing_lines(run) if "narrower" in line]
