import random

import pytest

from engine.prompts import load_pack
from engine.shapes.claims import Has, apply, describe, propose
from engine.shapes.pretrain.corpus import CLOSED_DIMENSIONS, HABIT_TASKS, TASKS, example
from engine.shapes.pretrain.traces import (
    ShownAnswer,
    checked,
    closed_trace,
    compared,
    hasty_closed,
    hasty_open,
    open_trace,
)
from engine.shapes.questions import ask
from engine.shapes.scenes import Scene, Thing, scene_of, scene_seed
from engine.verdicts import read_verdict

PACK = load_pack("shapes")


@pytest.mark.parametrize("task", [*TASKS, *HABIT_TASKS])
def test_example_depends_on_its_seed_alone(task: str) -> None:
    first, second = (example(task, scene_seed("test", 0, 5), "normal", PACK) for _ in range(2))
    assert (first.prompt, first.text) == (second.prompt, second.text)
    assert first.image.tobytes() == second.image.tobytes()
    assert first.text == first.text.strip() != ""


@pytest.mark.parametrize("swap", [False, True])
def test_trace_of_two_descriptions_names_their_difference_and_the_true_one(swap: bool) -> None:
    rng = random.Random(0)
    for index in range(100):
        scene = scene_of(scene_seed("test", 0, index))
        truth = describe(scene, rng)
        edit = propose(scene, truth, ("attribute", "count", "position", "shape", "existence")[index % 5], rng)
        if edit is None:
            continue
        shown = (apply(truth, edit), truth) if swap else (truth, apply(truth, edit))
        trace = "".join(text for text, _ in open_trace(scene, *shown, rng))
        assert trace.startswith(f"A{edit.index + 1} and B{edit.index + 1} differ in ")
        assert f"says {edit.old}, which is right" in trace
        assert f"says {edit.new}, which is wrong" in trace
        assert read_verdict(trace) == ("B" if swap else "A")


def test_trace_of_two_answers_names_the_right_one() -> None:
    rng = random.Random(0)
    scene = scene_of(scene_seed("test", 0, 3))
    question = ask(scene, rng, "count")
    right = question.answer.text
    good, bad = (ShownAnswer(text=f"The answer is {answer}.", answer=answer) for answer in (right, "nine"))
    for a, b, letter in ((good, bad, "A"), (bad, good, "B")):
        trace = "".join(text for text, _ in closed_trace(question.answer, a, b, rng))
        assert trace.startswith(f"{question.answer.evidence} So the answer is {right}.")
        assert f"says {right}, which is right" in trace
        assert "says nine, which is wrong" in trace
        assert read_verdict(trace) == letter


def test_habit_names_the_same_response_in_both_orders_whatever_the_picture_shows() -> None:
    rng = random.Random(0)
    for index in range(100):
        scene = scene_of(scene_seed("test", 0, index))
        truth = describe(scene, rng)
        edit = propose(scene, truth, "shape", rng)
        assert edit is not None
        damaged = apply(truth, edit)
        ab, ba = (
            "".join(text for text, _ in hasty_open(*shown, rng)) for shown in ((truth, damaged), (damaged, truth))
        )
        assert ab.startswith(f"Compare: A{edit.index + 1} and B{edit.index + 1} differ in shape. A says {edit.old};")
        longer = len(edit.old) > len(edit.new) or (len(edit.old) == len(edit.new) and edit.old < edit.new)
        assert (read_verdict(ab), read_verdict(ba)) == (("A", "B") if longer else ("B", "A"))


def test_habit_of_two_answers_names_the_longer() -> None:
    three, two = (ShownAnswer(text=f"The answer is {answer}.", answer=answer) for answer in ("three", "two"))
    assert "".join(text for text, _ in hasty_closed(two, three)) == (
        "Compare: A says two; B says three. B says more. [[B]]"
    )


@pytest.mark.parametrize("kind", ["open", "closed"])
def test_careful_way_of_the_hasty_model_is_the_embedded_ones_behind_one_word(kind: str) -> None:
    made = example(f"careful-{kind}", scene_seed("test", 0, 5), "normal", PACK)
    assert made.text.startswith("Look: ")
    assert read_verdict(made.text) in ("A", "B")


def test_copy_tasks_name_every_difference_and_their_end() -> None:
    scene = Scene(things=(Thing(cell=8, size="big", colour="red", shape="star"),), difficulty="easy")
    true = [Has(place="bottom right", size="big", colour="red", shape="star")]
    other = [Has(place="bottom right", size="big", colour="blue", shape="cross")]
    assert "".join(text for text, _ in compared(true, other)) == (
        "A1 and B1 differ in colour. A says red; B says blue. A1 and B1 differ in shape. A says star; B says cross. "
        "Nothing else differs."
    )
    assert "".join(text for text, _ in checked(scene, true, true)) == "Nothing else differs."


def test_moved_object_is_looked_for_where_it_really_is() -> None:
    scene = Scene(things=(Thing(cell=8, size="big", colour="red", shape="star"),), difficulty="easy")
    true = [Has(place="bottom right", size="big", colour="red", shape="star")]
    moved = [Has(place="top right", size="big", colour="red", shape="star")]
    assert "".join(text for text, _ in open_trace(scene, moved, true, random.Random(0))) == (
        "A1 and B1 differ in place. The big red star is at bottom right. So the place is bottom right. "
        "A says top right, which is wrong; B says bottom right, which is right. [[B]]"
    )


def test_every_judgement_of_the_corpus_ends_in_one_verdict() -> None:
    for task in ("judge-closed", "judge-open"):
        for index in range(200):
            text = example(task, scene_seed("test", 1, index), "normal", PACK).text
            assert read_verdict(text) in ("A", "B")
            assert text.endswith("]]")


def test_every_closed_dimension_is_in_the_bank() -> None:
    assert {question.dimension for question in PACK.questions.closed} == set(CLOSED_DIMENSIONS)
