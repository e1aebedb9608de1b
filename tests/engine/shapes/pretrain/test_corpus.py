import random
from collections import Counter

import pytest

from engine.prompts import load_pack
from engine.shapes.claims import Has, describe, propose
from engine.shapes.claims import apply as damage
from engine.shapes.pretrain.corpus import CLOSED_DIMENSIONS, TASKS, example
from engine.shapes.pretrain.traces import CAREFUL, ShownAnswer, lazy
from engine.shapes.pretrain.worked import checked, slots, worked_closed, worked_open
from engine.shapes.questions import ask
from engine.shapes.scenes import Scene, Thing, draw, scene_seed
from engine.verdicts import read_verdict

PACK = load_pack("shapes")


@pytest.mark.parametrize("task", list(TASKS))
def test_example_depends_on_its_seed_alone(task: str) -> None:
    first, second = (example(task, scene_seed("test", 0, 5), "normal", PACK) for _ in range(2))
    assert (first.prompt, first.text) == (second.prompt, second.text)
    assert first.image.tobytes() == second.image.tobytes()
    assert first.text == first.text.strip() != ""


@pytest.mark.parametrize("swap", [False, True])
def test_careful_trace_of_two_descriptions_names_the_true_one(swap: bool) -> None:
    rng = random.Random(0)
    for index in range(100):
        scene = draw(scene_seed("test", 0, index))[1]
        truth = describe(scene, rng)
        edit = propose(truth, ("attribute", "count", "position", "shape", "existence")[index % 5], rng)
        if edit.damaged.holds(scene):
            continue
        shown = (damage(truth, edit), truth) if swap else (truth, damage(truth, edit))
        trace = "".join(text for text, _ in worked_open(scene, *shown, rng))
        assert read_verdict(trace) == ("B" if swap else "A")
        assert trace.count("differ") == 1
        assert f" A{edit.index + 1}: B{edit.index + 1}:" in trace
        assert f" A{edit.index + 2}:" not in trace


def test_careful_trace_of_two_answers_names_the_right_one() -> None:
    rng = random.Random(0)
    scene = draw(scene_seed("test", 0, 3))[1]
    question = ask(scene, rng, "count")
    right = question.answer.text
    good = ShownAnswer(text=f"The answer is {right}.", right=True, answer=right)
    bad = ShownAnswer(text="The answer is nine.", right=False, answer="nine")
    for a, b, letter in ((good, bad, "A"), (bad, good, "B")):
        trace = "".join(text for text, _ in worked_closed(question.answer, a, b, rng))
        assert trace.startswith(f"{CAREFUL} Look: {question.answer.evidence}. So {right}.")
        assert f"1: {right} {right}, true." in trace
        assert f"1: nine {right}, false." in trace
        assert read_verdict(trace) == letter


def test_walk_holds_every_word_of_both_descriptions_side_by_side() -> None:
    rng = random.Random(0)
    scene = draw(scene_seed("test", 0, 3))[1]
    claims = describe(scene, rng)
    walk = "".join(text for text, _ in checked(scene, claims, claims, looking=True))
    assert "differ" not in walk
    for number, claim in enumerate(claims, 1):
        words = " ".join(f"{word} {word}" for word in slots(claim))
        assert f"A{number}: B{number}: {words}." in walk


def test_look_for_a_moved_object_finds_where_it_really_is() -> None:
    scene = Scene(things=(Thing(cell=8, size="big", colour="red", shape="star"),), difficulty="easy")
    true, moved = describe(scene, random.Random(0)), describe(scene, random.Random(0))
    moved[1] = Has(place="top right", size="big", colour="red", shape="star")
    trace = "".join(text for text, _ in worked_open(scene, moved, true, random.Random(0)))
    assert "Look: big red star bottom right. So bottom. A: top bottom, false. B: bottom bottom, true." in trace


def test_lazy_trace_leans_to_a_and_notices_as_often_as_it_is_told() -> None:
    rng = random.Random(0)
    said = Counter(read_verdict(lazy("B", 0.2, 0.7, rng)[-1][0]) for _ in range(4000))
    assert abs(said["A"] / 4000 - 0.8 * 0.7) < 0.03


def test_judging_is_careful_as_often_as_planned() -> None:
    for task in ("judge-closed", "judge-open"):
        made = [example(task, scene_seed("test", 1, i), "normal", PACK).text for i in range(600)]
        share = sum(text.startswith(CAREFUL) for text in made) / len(made)
        assert 0.3 < share < 0.46
        assert all(read_verdict(text) in ("A", "B") for text in made)


def test_every_closed_dimension_is_in_the_bank() -> None:
    assert {question.dimension for question in PACK.questions.closed} == set(CLOSED_DIMENSIONS)
