from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.backends.base import Sampling
from engine.errors import SettingsError
from engine.prompts import Alteration, PromptPack, QuestionBank
from engine.records import ImageRow
from engine.sources.questions.written import Written, WrittenQuestion, read_questions, write_questions
from tests.fake_backend import FakeBackend

PACK = PromptPack(
    name="test",
    questions=QuestionBank(open=["Describe it."]),
    ask="Write {count} questions.",
    alteration=Alteration(form="rewrite", dimensions={"count": "{response}"}),
    judge="{question} {a} {b}",
)
IMAGES = [
    ImageRow(image_id=f"{n}" * 64, path=f"images/{n}.png", width=8, height=8, source="s", name="n") for n in range(3)
]


def written(backend: FakeBackend, pack: PromptPack = PACK, count: int = 3) -> dict[str, Written]:
    made = write_questions(
        IMAGES,
        backend,
        pack,
        workspace=Path("/ws"),
        count=count,
        held_out=frozenset({IMAGES[0].image_id}),
        sampling=Sampling(temperature=0.7, max_tokens=99),
        seed=5,
    )
    return {one.image_id: one for one in made}


def test_every_kind_of_line_is_read() -> None:
    text = """
        1. open: Describe how the people are dressed.
        2) **number**: How many chairs are there?
        - [yes/no] Is it?
        - [Yes/No]: Is the door open?
        * Phrase - What colour is the car?
        (5) option: What is he holding? | a phone | a cup
        multiple-choice: Who is it? | Ann | Bob | Eve
        yes_no: Is it  raining?
    """
    questions, dropped = read_questions(text)
    assert dropped == 1
    assert questions == [
        WrittenQuestion(question="Describe how the people are dressed.", kind="open", answer_type=None, choices=()),
        WrittenQuestion(question="How many chairs are there?", kind="closed", answer_type="number", choices=()),
        WrittenQuestion(question="Is the door open?", kind="closed", answer_type="yes_no", choices=()),
        WrittenQuestion(question="What colour is the car?", kind="closed", answer_type="phrase", choices=()),
        WrittenQuestion(
            question="What is he holding?", kind="closed", answer_type="option", choices=("a phone", "a cup")
        ),
        WrittenQuestion(question="Who is it?", kind="closed", answer_type="option", choices=("Ann", "Bob", "Eve")),
        WrittenQuestion(question="Is it raining?", kind="closed", answer_type="yes_no", choices=()),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "Here are three questions:",
        "What is it?",
        "colour: What is it like?",
        "number: How many chairs are there",
        "number: How?",
        "option: What is it?",
        "option: What is it? | a cup",
        "option: What is it? | a cup | A CUP",
        "option: What is it? | a cup | ",
        "phrase: What is it? | a cup | a phone",
        "open: ????????????",
        "open: " + "x" * 301,
    ],
)
def test_line_that_is_no_usable_question_is_dropped_and_counted(line: str) -> None:
    assert read_questions(line) == ([], 1)


def test_repeated_question_is_dropped_and_counted() -> None:
    questions, dropped = read_questions("open: Describe it all.\nopen: describe IT all.")
    assert (len(questions), dropped) == (1, 1)


@given(st.text(max_size=300))
def test_any_reply_is_read_and_every_line_is_accounted_for(text: str) -> None:
    questions, dropped = read_questions(text)
    assert len(questions) + dropped == sum(bool(line.strip()) for line in text.splitlines())


def test_model_is_asked_once_per_image_with_the_packs_prompt() -> None:
    backend = FakeBackend(lambda *_: "open: Describe it all.", shuffle=3)
    assert set(written(backend)) == {image.image_id for image in IMAGES}
    assert {request.messages[0].text for request in backend.requests} == {"Write 3 questions."}
    assert {request.image for request in backend.requests} == {Path("/ws") / image.path for image in IMAGES}
    assert len({request.seed for request in backend.requests}) == 3


def test_written_questions_become_instructions_of_their_image_up_to_the_count() -> None:
    reply = (
        "Sure!\nopen: Describe it all.\nnumber: How many are there?\nyes_no: Is it raining?\nopen: What is up there?"
    )
    made = written(FakeBackend(lambda *_: reply))
    assert {one.dropped for one in made.values()} == {1}
    first, second = made[IMAGES[0].image_id].instructions, made[IMAGES[1].image_id].instructions
    assert [(one.question, one.kind, one.answer_type) for one in first] == [
        ("Describe it all.", "open", None),
        ("How many are there?", "closed", "number"),
        ("Is it raining?", "closed", "yes_no"),
    ]
    assert {one.split for one in first} == {"held-out"}
    assert {one.split for one in second} == {"train"}
    assert not {one.instruction_id for one in first} & {one.instruction_id for one in second}


def test_pack_that_cannot_ask_is_one_sentence() -> None:
    with pytest.raises(SettingsError, match="cannot ask for questions"):
        written(FakeBackend(lambda *_: ""), PACK.model_copy(update={"ask": None}))
