"""What a row of training is made of: the judge's prompt, a response as its own answer, a right or a wrong picture."""

from pathlib import Path

import pytest

from engine.config import TrainSettings
from engine.prompts import answer_messages, load_pack
from engine.records import Pair, Trace
from engine.stages.train.rows import training_rows

PACK = load_pack("shapes")
IMAGES = {f"image-{number}": Path(f"/pictures/{number}.png") for number in range(6)}


def pair(number: int) -> Pair:
    return Pair(
        pair_id=f"pair-{number}", instruction_id=f"one-{number}", image_id=f"image-{number}",
        question="How many objects are there?", kind="closed", strategy="majority", dimension="count",
        preferred="The answer is three.", degraded="The answer is four.", votes=None, altered=None, writer="judge-v0",
        dropped=None,
    )  # fmt: skip


def trace(number: int, order: str, verdict: str) -> Trace:
    return Trace(
        trace_id=f"trace-{number}-{order}", pair_id=f"pair-{number}", image_id=f"image-{number}", dimension="count",
        judge="judge-v0", order=order, sample=0, reasoning=f"So the answer is three. [[{verdict}]]", verdict=verdict,
        tokens=9, kept=True, reason="agrees",
    )  # fmt: skip


PAIRS = {f"pair-{number}": pair(number) for number in range(6)}
TRACES = [trace(number, order, order[0]) for number in range(6) for order in ("AB", "BA")]


def rows(traces=TRACES, seed: int = 0, **settings):
    return training_rows(
        traces, pairs=PAIRS, images=IMAGES, pack=PACK, settings=TrainSettings(**settings), seed=seed
    )  # fmt: skip


def test_rows_as_usual_are_the_traces_alone_on_their_own_pictures() -> None:
    made = rows()
    assert [row["trace_id"] for row in made] == [one.trace_id for one in TRACES]
    assert [row["images"] for row in made] == [[str(IMAGES[one.image_id])] for one in TRACES]
    assert {row["change"] for row in made} == {""}


def test_responses_are_asked_for_by_their_question_and_come_once_per_pair() -> None:
    made = rows(responses=True)[len(TRACES) :]
    asked = [{"role": one.role, "text": one.text} for one in answer_messages(PACK, "closed", PAIRS["pair-0"].question)]
    assert len(made) == 6
    assert all(row["prompt"] == asked and row["completion"] == "The answer is three." for row in made)
    assert not any(row["probe"] for row in made)


@pytest.mark.parametrize(("order", "verdict", "said"), [
    ("AB", "A", "three"), ("AB", "B", "four"), ("BA", "A", "four"), ("BA", "B", "three"),
])  # fmt: skip
def test_response_is_the_one_that_the_trace_names_whatever_the_construction_says(order, verdict, said) -> None:
    (row,) = rows([trace(0, order, verdict)], responses=True)[1:]
    assert row["completion"] == f"The answer is {said}."


def test_shuffled_pictures_leave_no_pair_its_own_and_keep_a_pair_together() -> None:
    made = rows(pictures="shuffled", responses=True)
    assert all(row["images"] != [row["own"]] for row in made)
    shown = {(row["own"], row["images"][0]) for row in made}
    assert len(shown) == 6
    assert {path for _, path in shown} == {str(path) for path in IMAGES.values()}
    assert {row["images"][0] for row in rows(pictures="shuffled", seed=1)} == {path for _, path in shown}


def test_changes_differ_from_row_to_row_and_with_the_seed() -> None:
    made = rows(augment=("haze",))
    assert len({row["change"] for row in made}) == len(made)
    assert {row["change"] for row in made}.isdisjoint(row["change"] for row in rows(augment=("haze",), seed=1))
