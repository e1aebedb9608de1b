"""The answer key as answers of drawn scenes: right, and refused everywhere but in the oracle ablation."""

import random
from pathlib import Path

import pytest

from engine.config import parse_settings
from engine.errors import SettingsError
from engine.prompts import load_pack
from engine.records import ImageRow
from engine.shapes.questions import TEMPLATES, ask
from engine.shapes.scenes import draw, scene_seed
from engine.sources.questions.instructions import bank_instructions
from engine.sources.questions.key import answer_of, check_answers, with_key
from engine.sources.take_in import take_in

ORACLE = {"source": {"answers": "key"}, "synthesize": {"strategy": "oracle"}}


def test_every_question_of_the_bank_is_answered_by_the_scene_it_is_about():
    dice = random.Random(0)
    for number in range(40):
        _, scene = draw(scene_seed("test", 0, number))
        for template in TEMPLATES:
            question = ask(scene, dice, template.dimension)
            assert answer_of(scene, question.text) == question.answer.text


def test_a_question_that_is_not_of_the_bank_has_no_answer():
    _, scene = draw(scene_seed("test", 0, 0))
    assert answer_of(scene, "Describe the picture.") is None


def test_pictures_of_a_drawn_source_lead_back_to_their_own_scenes(tmp_path: Path):
    settings = parse_settings({"source": {"count": 6, "open_share": 0.3, **ORACLE["source"]}}, where="test").source
    taken = take_in(settings, tmp_path, seed=4)
    assert taken is not None
    asked = bank_instructions(taken.images, load_pack("shapes").questions, settings, held_out=frozenset(), seed=4)
    made = list(with_key(asked, taken.images, seed=4))
    assert {one.kind for one in made if one.answer is None} <= {"open"}
    for one in made:
        if one.kind == "closed":
            image = next(row for row in taken.images if row.image_id == one.image_id)
            assert one.answer == answer_of(_scene_of(image), one.question)


def _scene_of(image: ImageRow):
    number, difficulty = image.name.removeprefix("scene ").split()
    return draw(scene_seed("loop", 4, int(number)), difficulty.strip("()"))[1]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"synthesize": {"strategy": "majority"}}, "synthesize.strategy is 'majority'"),
        ({"source": {"answers": "key", "kind": "folder"}}, "source.kind is 'folder'"),
        ({"source": {"answers": "key", "questions": "model"}}, "source.questions is 'model'"),
    ],
)
def test_key_is_refused_outside_the_oracle_ablation(changes, named):
    with pytest.raises(SettingsError, match=named):
        check_answers(parse_settings({**ORACLE, **changes}, where="test"))


def test_key_is_let_into_the_oracle_ablation():
    check_answers(parse_settings(ORACLE, where="test"))
