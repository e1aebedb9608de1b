"""Cells of tables as people have them: which text is asked, which options there are, which answer is given."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.sources.pictures.upright import ImageRefused
from engine.sources.questions.asked import answer_in, choices_in, first_reply_in, question_in

LLAVA = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "A cat."}]
PARTS = [
    {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
    {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What?"}]},
    {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]},
    {"role": "user", "content": "And where?"},
    {"role": "assistant", "content": "There."},
]


@pytest.mark.parametrize(
    "cell",
    [
        LLAVA,
        PARTS,
        [{"role": "user", "content": "What?"}, {"role": "assistant", "content": "A cat."}],
        [{"role": "user", "content": {"text": "What?"}}, {"role": "assistant", "content": {"text": "A cat."}}],
        [{"role": "user", "parts": [{"text": "What?"}]}, {"role": "model", "parts": [{"text": "A cat."}]}],
        {"from": ["human", "gpt"], "value": ["<image>\nWhat?", "A cat."]},
        {"role": ["user", "assistant"], "content": ["What?", "A cat."]},
        {"role": ["system", "user", "assistant"], "content": ["no", [{"type": "text", "text": "What?"}], "A cat."]},
        [{"user": "What?", "assistant": "A cat."}, {"user": "And where?", "assistant": "There."}],
        [{"question": "What?", "answer": "A cat."}],
        {"question": "What?", "chosen": "A cat.", "rejected": "A dog."},
        {"instruction": "What?", "output": "A cat."},
        {"messages": PARTS},
        {"conversations": LLAVA},
        [LLAVA],
        json.dumps(LLAVA),
        json.dumps({"question": "What?", "chosen": "A cat.", "rejected": "A dog."}),
        json.dumps({"messages": PARTS}),
    ],
)
def test_first_question_and_first_reply_of_a_conversation_are_read(cell: Any) -> None:
    assert (question_in(cell), first_reply_in(cell)) == ("What?", "A cat.")


@pytest.mark.parametrize(
    ("cell", "question"),
    [
        ("What is it?", "What is it?"),
        ("Was ist es, schön?".encode(), "Was ist es, schön?"),
        ("<image>\nWhat is it?", "What is it?"),
        ("<|image|>What is it?", "What is it?"),
        (["What is it?"], "What is it?"),
        (["What is it?", "Where is it?"], "What is it?"),
        ([{"type": "image"}, {"type": "text", "text": "What is it?"}], "What is it?"),
        ({"role": "user", "content": "What is it?"}, "What is it?"),
        ('"What is it?" says the sign. True?', '"What is it?" says the sign. True?'),
        ("[1] What is it?", "[1] What is it?"),
        ("{a} or {b}?", "{a} or {b}?"),
        ("cut \ud83d", "cut \ufffd"),
        ("whole \U0001f600", "whole \U0001f600"),
        ([{"from": "human", "value": "half \ude00?"}], "half \ufffd?"),
    ],
)
def test_question_is_the_text_that_a_person_would_be_asked(cell: Any, question: str) -> None:
    assert question_in(cell) == question


@pytest.mark.parametrize(
    "cell",
    [
        None,
        "",
        " <image> ",
        3,
        [],
        {},
        [3],
        [[], [[]]],
        [{"from": "gpt", "value": "no"}],
        [{"role": "system", "content": "no"}],
        json.dumps({"chosen": "Red.", "rejected": "Blue."}),
        json.dumps([1, 2]),
        {"role": "user", "content": None},
        {"type": "image"},
    ],
)
def test_cell_without_a_question_asks_nothing(cell: Any) -> None:
    assert question_in(cell) is None


def test_answers_never_stand_in_the_question() -> None:
    cell = json.dumps({"question": "What colour is it?", "chosen": "Red.", "rejected": "Blue."})
    assert question_in(cell) == "What colour is it?"


@pytest.mark.parametrize(
    ("cell", "answer"),
    [
        ("a cat", "a cat"),
        (3, "3"),
        (3.0, "3"),
        (2.5, "2.5"),
        (float("nan"), None),
        (None, None),
        ("  ", None),
        (True, "yes"),
        (False, "no"),
        ("<answer> 3.5 </answer>", "3.5"),
        (["a cat"], "a cat"),
        (["cat", "dog", "cat"], "cat"),
        ([{"answer": "cat"}, {"answer": "dog"}, {"answer": "dog"}], "dog"),
        ('["cat", "cat", "dog"]', "cat"),
        ([], None),
        (LLAVA, "A cat."),
        (PARTS, "A cat."),
        ({"answer": "cat", "confidence": "yes"}, "cat"),
        ({"text": ["cat", "cat"], "answer_start": [1, 9]}, "cat"),
        ({"text": "cat"}, "cat"),
        (b"cat", "cat"),
        (b"\xff", None),
        ("half \ud83d", "half \ufffd"),
    ],
)
def test_answer_is_a_text_a_number_the_most_frequent_or_the_first_reply(cell: Any, answer: str | None) -> None:
    assert answer_in(cell) == answer


@pytest.mark.parametrize(
    "cell",
    [
        ["cat", "dog"],
        ("cat", "dog"),
        ["cat", "dog", None],
        ["cat", "dog", "", None],
        ["cat", "dog", float("nan")],
        ["A. cat", "B. dog"],
        ["(a) cat", "(b) dog"],
        [{"text": "cat"}, {"text": "dog"}],
        [{"label": "A", "text": "cat"}, {"label": "B", "text": "dog"}],
        [{"A": "cat"}, {"B": "dog"}],
        {"A": "cat", "B": "dog"},
        {"B": "dog", "A": "cat"},
        {"A": "cat", "B": "dog", "C": None},
        {"text": ["cat", "dog"], "label": ["A", "B"]},
        {"option_a": "cat", "option_b": "dog"},
        {"0": "cat", "1": "dog"},
        "['cat', 'dog']",
        '["cat", "dog"]',
        "('cat', 'dog')",
        '{"A": "cat", "B": "dog"}',
        "cat\ndog",
        "A. cat\nB. dog\n",
        "(A) cat (B) dog",
        "cat | dog",
        "cat; dog",
    ],
)
def test_options_are_read_in_every_shape(cell: Any) -> None:
    assert choices_in(cell) == ("cat", "dog")


@pytest.mark.parametrize(
    "cell", [None, "", " ", [], [None], ["", None], ["cat"], ["cat", None], {"text": [], "label": []}]
)
def test_fewer_than_two_options_are_none(cell: Any) -> None:
    assert choices_in(cell) == ()


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (["cat", None, "dog"], "its choice B is empty"),
        ([None, "dog"], "its choice A is empty"),
        ({"A": None, "B": "dog"}, "its choice A is empty"),
        ("cat or dog", "one text"),
        (7, "not a list"),
        ([["cat"], ["dog"]], "lists themselves"),
    ],
)
def test_options_that_would_get_wrong_letters_are_refused(cell: Any, reason: str) -> None:
    with pytest.raises(ImageRefused, match=reason):
        choices_in(cell)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["role", "from", "content", "value", "text", "type", "question", "answer", "messages", "A"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(cell=ANY_JSON, as_text=st.booleans())
def test_cell_of_any_shape_is_a_text_or_nothing(cell: Any, as_text: bool) -> None:
    cell = json.dumps(cell) if as_text else cell
    for text in (question_in(cell), answer_in(cell), first_reply_in(cell)):
        assert text is None or (text.strip() == text and text)
    with contextlib.suppress(ImageRefused):
        assert all(isinstance(option, str) and option for option in choices_in(cell))
