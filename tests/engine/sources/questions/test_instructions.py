from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.assets import assets_folder
from engine.config import SourceSettings
from engine.errors import SettingsError, SourceError
from engine.prompts import ClosedQuestion, QuestionBank, load_pack
from engine.records import ImageRow, Instruction, content_id
from engine.sources.questions.instructions import (
    bank_instructions,
    check_question_settings,
    held_out_images,
    own_instructions,
)
from engine.sources.take_in import Asked
from engine.stages.synthesize.answers.normal import normalise

BANK = QuestionBank(
    open=["Describe it.", "What is there?", "Tell me."],
    closed=[
        ClosedQuestion(question="How many {things}?", answer_type="number", dimension="count"),
        ClosedQuestion(question="Are there more {things} than {other_things}?", answer_type="yes_no", dimension="more"),
        ClosedQuestion(question="Is it day?", answer_type="yes_no", dimension="time"),
    ],
    slots={"things": ["cats", "dogs", "cows"], "other_things": ["cats", "dogs", "cows"]},
)


def images(count: int) -> list[ImageRow]:
    return [
        ImageRow(image_id=content_id("image", n) * 4, path=f"images/{n}.png", width=8, height=8, source="s", name="n")
        for n in range(count)
    ]


def from_bank(rows: list[ImageRow], bank: QuestionBank = BANK, seed: int = 0, **settings: object) -> list[Instruction]:
    source = SourceSettings.model_validate(settings)
    held_out = held_out_images((row.image_id for row in rows), source.held_out)
    return list(bank_instructions(rows, bank, source, held_out=held_out, seed=seed))


def test_every_image_gets_the_asked_number_of_different_questions() -> None:
    made = from_bank(images(50), questions_per_image=4)
    assert Counter(Counter(one.image_id for one in made).values()) == {4: 50}
    assert len({one.instruction_id for one in made}) == len({(one.image_id, one.question) for one in made}) == 200


def test_questions_of_an_image_depend_on_it_and_the_seed_alone() -> None:
    rows = images(40)
    forth = {one.instruction_id: one for one in from_bank(rows)}
    back = {one.instruction_id: one for one in from_bank(rows[::-1])}
    assert forth == back
    alone = from_bank(rows[7:8], held_out=0)
    assert {one.question for one in alone} == {
        one.question for one in forth.values() if one.image_id == rows[7].image_id
    }
    assert set(forth) != {one.instruction_id for one in from_bank(rows, seed=1)}


@pytest.mark.parametrize(("per_image", "share"), [(1, 0.45), (2, 0.45), (3, 0.8), (2, 0.0), (2, 1.0)])
def test_open_share_is_met_over_many_images(per_image: int, share: float) -> None:
    made = from_bank(images(2000), questions_per_image=per_image, open_share=share)
    assert sum(one.kind == "open" for one in made) / len(made) == pytest.approx(share, abs=0.03)


def test_slots_are_filled_and_the_other_one_differs() -> None:
    made = [one.question for one in from_bank(images(200), questions_per_image=3, open_share=0)]
    assert not any("{" in question for question in made)
    compared = [question.rstrip("?").split() for question in made if " than " in question]
    assert compared
    assert all(words[3] != words[5] for words in compared)


def test_closed_questions_carry_answer_type_and_dimension() -> None:
    made = [one for one in from_bank(images(50), open_share=0) if one.question == "Is it day?"]
    assert made
    assert {(one.kind, one.answer_type, one.dimension) for one in made} == {("closed", "yes_no", "time")}


def test_more_questions_than_the_bank_holds_gives_what_it_holds() -> None:
    tiny = QuestionBank(open=["Describe it."], closed=[BANK.closed[2]])
    made = from_bank(images(3), tiny, questions_per_image=10, open_share=0.5)
    assert Counter(one.question for one in made) == {"Describe it.": 3, "Is it day?": 3}


def test_bank_without_closed_questions_asks_open_ones() -> None:
    made = from_bank(images(5), QuestionBank(open=["a", "b", "c"]), open_share=0, questions_per_image=2)
    assert {one.kind for one in made} == {"open"}
    assert len(made) == 10


def test_template_with_a_slot_without_values_is_one_sentence() -> None:
    broken = QuestionBank(open=["a"], closed=[ClosedQuestion(question="{x}?", answer_type="phrase", dimension="d")])
    with pytest.raises(SettingsError, match=r"slot \{x\} without values"):
        from_bank(images(1), broken, open_share=0)


def test_held_out_is_decided_by_the_image_and_never_splits_one() -> None:
    made = from_bank(images(500), questions_per_image=3, held_out=0.2)
    splits: dict[str, set[str]] = {}
    for one in made:
        splits.setdefault(one.image_id, set()).add(one.split)
    assert all(len(split) == 1 for split in splits.values())
    share = sum(split == {"held-out"} for split in splits.values()) / len(splits)
    assert share == pytest.approx(0.2, abs=0.05)


ids = st.lists(st.integers(0, 10_000).map(lambda n: content_id(n) * 4), min_size=0, max_size=60, unique=True)


@given(ids, ids, st.floats(0, 0.9))
def test_image_falls_on_the_same_side_whatever_else_is_there(one: list[str], other: list[str], share: float) -> None:
    base, more = held_out_images(one, share), held_out_images([*one, *other], share)
    # The one image that a side is never left without may change.
    assert len((base ^ more) & set(one)) <= 1


@given(ids, st.floats(0.001, 0.9))
def test_neither_side_is_empty_where_there_are_two_images(one: list[str], share: float) -> None:
    held_out = held_out_images(one, share)
    assert held_out <= set(one)
    if len(one) >= 2:
        assert 0 < len(held_out) < len(one)


@given(ids, st.floats(0, 0.9), st.floats(0, 0.9))
def test_larger_share_only_adds_images(one: list[str], small: float, large: float) -> None:
    small, large = sorted((small, large))
    assert held_out_images(one, small) <= held_out_images(one, large)


def test_no_share_holds_nothing_out() -> None:
    assert not held_out_images([row.image_id for row in images(50)], 0.0)


@pytest.mark.parametrize("answer", ["a dog", "A DOG", "B", "(b)", "b.", "1"])
def test_own_answer_of_a_choice_becomes_its_letter_as_answers_are_compared(answer: str) -> None:
    asked = Asked(image_id="i", question="What is it?", choices=("a cat", "a dog"), answer=answer)
    (made,) = own_instructions([asked], held_out=frozenset())
    assert (made.kind, made.answer_type, made.answer) == ("closed", "option", "B")
    assert normalise(made.answer or "", made.answer_type, made.choices) == "B"


def test_own_answer_that_is_a_choice_and_a_number_is_the_choice() -> None:
    asked = Asked(image_id="i", question="How many?", choices=("2", "1", "0"), answer="1")
    (made,) = own_instructions([asked], held_out=frozenset())
    assert made.answer == "B"


def test_own_questions_are_taken_once_and_keep_their_split() -> None:
    asked = Asked(image_id="i", question="How many?", choices=(), answer="3")
    made = list(own_instructions([asked, asked], held_out=frozenset({"i"})))
    assert [(one.question, one.kind, one.answer_type, one.answer, one.split) for one in made] == [
        ("How many?", "closed", "number", "3", "held-out")
    ]


def test_source_without_own_questions_is_one_sentence() -> None:
    with pytest.raises(SourceError, match="no row of the source has a question"):
        list(own_instructions([], held_out=frozenset()))


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"questions": "own"}, "Name the column with the question"),
        ({"questions": "bank", "question_column": "q"}, "would not read it"),
    ],
)
def test_question_settings_that_contradict_each_other_are_one_sentence(settings: dict[str, str], found: str) -> None:
    with pytest.raises(SettingsError, match=found):
        check_question_settings(SourceSettings.model_validate(settings))
    check_question_settings(SourceSettings(questions="own", question_column="q"))


@pytest.mark.parametrize("pack", sorted(path.stem for path in (assets_folder() / "prompts").glob("*.yaml")))
def test_bank_of_every_shipped_pack_fills_all_its_slots(pack: str) -> None:
    bank = load_pack(pack).questions
    made = from_bank(images(300), bank, questions_per_image=4, open_share=0.25)
    assert len(made) == 1200
    assert not [one.question for one in made if "{" in one.question]
    assert {one.dimension for one in made} - {None} == {one.dimension for one in bank.closed}


def test_twins_of_an_image_are_on_its_side_whatever_their_own_hashes_say() -> None:
    ids = [row.image_id for row in images(60)]
    twins = {image_id: min(ids[place : place + 3]) for place in range(0, 60, 3) for image_id in ids[place : place + 3]}
    held_out = held_out_images(ids, 0.4, twins)
    assert held_out
    assert len(held_out) < 60
    for group in set(twins.values()):
        members = {image_id for image_id in ids if twins[image_id] == group}
        assert members <= held_out or not members & held_out
