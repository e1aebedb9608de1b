import random
from collections import Counter

import pytest

from engine.prompts import load_pack
from engine.shapes.pretrain.corpus import CLOSED_DIMENSIONS
from engine.shapes.questions import SLOTS, TEMPLATES, ask, contested, wrong_answer
from engine.shapes.scenes import Scene, Thing, scene_of, scene_seed

SCENE = Scene(
    things=(
        Thing(cell=0, size="big", colour="red", shape="circle"),
        Thing(cell=2, size="small", colour="red", shape="star"),
        Thing(cell=4, size="big", colour="blue", shape="circle"),
    ),
    difficulty="normal",
)


@pytest.mark.parametrize(
    ("question", "slots", "answer", "evidence"),
    [
        ("How many objects are there?", {}, "three", "The objects are at top left, top right, middle centre."),
        ("How many {colour} objects are there?", {"colour": "red"}, "two", "The colour red is at top left, top right."),
        ("How many {shapes} are there?", {"shapes": "circles"}, "two",
         "The shape circle is at top left, middle centre."),
        ("How many objects are in the {row} row?", {"row": "bottom"}, "zero", "The bottom row has objects nowhere."),
        ("What colour is the object in the {place}?", {"place": "middle centre"}, "blue",
         "The middle centre shows a big blue circle."),
        ("What size is the object in the {place}?", {"place": "top right"}, "small",
         "The top right shows a small red star."),
        ("What shape is the object in the {place}?", {"place": "bottom left"}, "nothing",
         "The bottom left shows nothing."),
        ("Is there any {colour} object?", {"colour": "green"}, "no", "The colour green is nowhere."),
        ("Is there anything in the {place}?", {"place": "middle centre"}, "yes",
         "The middle centre shows a big blue circle."),
        ("Where is the {colour} object?", {"colour": "red"}, "top left", "The colour red is at top left, top right."),
        ("Where is the {shape}?", {"shape": "cross"}, "nowhere", "The shape cross is nowhere."),
        ("Are there more {colour} objects than {other_colour} objects?", {"colour": "red", "other_colour": "blue"},
         "yes",
         "The colour red is at top left, top right. That is two. The colour blue is at middle centre. That is one."),
        ("Are there more than {number} objects?", {"number": "three"}, "no",
         "The objects are at top left, top right, middle centre. That is three."),
    ],
)  # fmt: skip
def test_question_is_answered_from_the_key(question: str, slots: dict[str, str], answer: str, evidence: str) -> None:
    template = next(t for t in TEMPLATES if t.text == question)
    found = template.solve(SCENE, slots)
    assert (found.text, found.evidence) == (answer, evidence)


def test_bank_of_the_prompt_pack_is_the_bank_the_model_learned() -> None:
    bank = load_pack("shapes").questions
    assert [(q.question, q.answer_type, q.dimension) for q in bank.closed] == [
        (t.text, t.answer_type, t.dimension) for t in TEMPLATES
    ]
    assert {name: tuple(values) for name, values in bank.slots.items()} == SLOTS


def test_wrong_answer_is_never_the_right_one() -> None:
    rng = random.Random(0)
    for index in range(400):
        scene = scene_of(scene_seed("test", 0, index))
        question = ask(scene, rng, CLOSED_DIMENSIONS[index % len(CLOSED_DIMENSIONS)])
        assert question.template.dimension == CLOSED_DIMENSIONS[index % len(CLOSED_DIMENSIONS)]
        assert wrong_answer(question, scene, rng) != question.answer.text


def test_right_and_wrong_answers_of_contested_questions_come_alike_often() -> None:
    rng = random.Random(0)
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for index in range(20_000):
        found = contested(scene_of(scene_seed("test", 0, index)), rng, rng.choice(CLOSED_DIMENSIONS))
        if found:
            right[found[0].answer.text] += 1
            wrong[found[1]] += 1
    for answer, often in right.items():
        assert abs(often - wrong[answer]) < 5 * (often + wrong[answer]) ** 0.5, answer


def test_yes_and_no_are_both_asked_for() -> None:
    rng = random.Random(0)
    for dimension in ("existence", "comparison"):
        answers = [ask(scene_of(scene_seed("test", 0, i)), rng, dimension).answer.text for i in range(300)]
        assert 0.2 < answers.count("yes") / len(answers) < 0.8
