"""Closed answers: how they are found, brought to one form, and voted on."""

import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.prompts import PromptPack, load_pack
from engine.records import AnswerType
from engine.stages.synthesize.answers import NUMBER_WORDS, final_answer, normalise, vote

TYPES: list[AnswerType] = ["number", "option", "phrase", "yes_no"]
PLAIN = st.text(alphabet=st.characters(codec="utf-8"), max_size=80)
_WORDS = "a the it is answer option B (b) red green yes no or three 3 3.0 1,000 twenty-one minus ? . ** '"
WORDY = st.lists(st.sampled_from(_WORDS.split()), max_size=6).map(" ".join)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", "3"),
        ("three", "3"),
        ("Three objects.", "3"),
        ("3.0", "3"),
        ("03", "3"),
        ("+3", "3"),
        ("**3**", "3"),
        ("(3)", "3"),
        ("１２", "12"),
        ("1,000", "1000"),
        ("2.50", "2.5"),
        ("-4", "-4"),
        ("−4", "-4"),
        ("-0", "0"),
        ("twenty-one", "21"),
        ("Twenty one cars", "21"),
        ("one hundred", "100"),
        ("a dozen", "12"),
        ("none", "0"),
        ("There are no dogs", "0"),
        ("3, that is three", "3"),
        (r"\boxed{7}", "7"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("3 or 4", None),
        ("2:30", None),
        ("1/2", None),
        ("more than 3", None),
        ("at least three", None),
        ("minus three", None),
        ("two red and one blue", None),
        ("two hundred", None),
        ("many", None),
        ("3rd", None),
        ("", None),
    ],
)
def test_number_is_read_as_digits_or_not_at_all(text, expected):
    assert normalise(text, "number") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yes", "yes"),
        ("yes, there is no doubt", "yes"),
        ("No.", "no"),
        ("no, it isn't", "no"),
        ("**Yes**", "yes"),
        ("true", "yes"),
        ("The answer is no", "no"),
        ("Yes or no", None),
        ("yes/no", None),
        ("There is one", None),
        ("Maybe", None),
        ("not really", None),
        ("", None),
    ],
)
def test_yes_or_no_is_read_from_the_first_word(text, expected):
    assert normalise(text, "yes_no") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("B", "B"),
        ("(b)", "B"),
        ("B.", "B"),
        ("B) green", "B"),
        ("(B) Green.", "B"),
        ("Green", "B"),
        ("the green", "B"),
        ("Option B", "B"),
        ("The correct option is (B)", "B"),
        ("it's green", "B"),
        ("(A) green", None),
        ("A and B", None),
        ("(A) and (B)", None),
        ("red or green", None),
        ("D", None),
        ("purple", None),
        ("", None),
    ],
)
def test_option_is_its_letter_if_nothing_contradicts_it(text, expected):
    assert normalise(text, "option", ("red", "green", "blue")) == expected


def test_option_whose_text_is_another_options_letter_is_not_guessed():
    assert normalise("A", "option", ("B", "A")) is None
    assert normalise("(A) B", "option", ("B", "A")) == "A"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The red car.", "red car"),
        ("It is a red car", "RED CAR!"),
        ("two dogs", "2 dogs"),
        ("a dog's bowl", "the dogs bowl"),
        ("“Top left”", "top-left"),
        ("Straße", "STRASSE"),
    ],
)
def test_phrases_that_differ_in_dress_only_are_equal(one, other):
    assert normalise(one, "phrase") == normalise(other, "phrase") is not None


@pytest.mark.parametrize(("one", "other"), [("grey", "gray"), ("3.5 m", "35 m"), ("red car", "car red"), ("?", "!")])
def test_phrases_that_differ_in_more_stay_different(one, other):
    assert normalise(one, "phrase") != normalise(other, "phrase")


def test_phrase_of_nothing_is_unreadable():
    assert normalise("  ", "phrase") is None
    assert normalise("the", "phrase") == "the"


@given(text=PLAIN | WORDY, answer_type=st.sampled_from([*TYPES, None]))
def test_normalising_never_fails_and_never_gives_empty_text(text, answer_type):
    answer = normalise(text, answer_type, ("red", "green"))
    assert answer is None or answer.strip()


@given(text=WORDY, answer_type=st.sampled_from(TYPES))
def test_normal_form_of_a_normal_form_is_itself(text, answer_type):
    answer = normalise(text, answer_type, ("red", "green"))
    assert answer is None or normalise(answer, answer_type, ("red", "green")) == answer


@given(number=st.integers(-10_000, 10_000), zeros=st.integers(0, 3))
def test_every_way_to_write_a_number_reads_the_same(number, zeros):
    written = [f"{number}", f"{number:,}", f"**{number}**.", f"I see {number} things"]
    if zeros:
        written.append(f"{number}.{'0' * zeros}")
    assert {normalise(text, "number") for text in written} == {str(number)}


@pytest.mark.parametrize(("word", "value"), sorted(NUMBER_WORDS.items()))
def test_every_number_word_reads_as_its_value(word, value):
    assert normalise(word.replace(" ", "-") if " " in word and word[0] != "a" else word, "number") == str(value)


# --- finding the answer ----------------------------------------------------------------------------------------


def pattern_of(name: str) -> str:
    pack: PromptPack = load_pack(name)
    return pack.final_answer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I see three cars.\nAnswer: 3", "3"),
        ("**Answer:** 3.", "3"),
        ("**Final answer**: yes", "yes"),
        ("The final answer is three.", "three"),
        ("Answer:\n 5", "5"),
        ("The answer is clear from the sign.\n\nAnswer: (B) red", "(B) red"),
        ("Answer: 3\nNo, wait.\nAnswer: 4", "4"),
        ("3", "3"),
        ("a red car", "a red car"),
        ("I have looked at it for a long time but nothing in it is certain to me", None),
        ("", None),
        (" \n ", None),
    ],
)
def test_final_answer_in_the_words_of_the_default_pack(text, expected):
    assert final_answer(text, pattern_of("default")) == expected


def test_final_answer_in_the_words_of_the_shapes_pack():
    text = "I see a red circle. The answer is two."
    assert final_answer(text, pattern_of("shapes")) == "two"


@given(text=PLAIN)
def test_final_answer_of_anything_is_text_or_none(text):
    for name in ("default", "shapes"):
        found = final_answer(text, pattern_of(name))
        assert found is None or (found and found == found.strip())


@pytest.mark.parametrize("filler", [" ", "\n", "answer ", "answer:", "* ", "answer is ", "\t \n"])
def test_final_answer_in_a_long_repetitive_reply_takes_no_time(filler):
    started = time.process_time()
    for pattern in (pattern_of("default"), pattern_of("shapes"), PromptPack.model_fields["final_answer"].default):
        final_answer("answer" + filler * 3000 + "x", pattern)
    assert time.process_time() - started < 2.0


# --- votes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "winner", "reason"),
    [
        (["3", "3", "3", "4"], "3", None),
        (["3", "3", "3", None], "3", "unanimous"),
        (["3", "3", "4", "5"], None, "no-majority"),
        (["3", "3", "3", "4", "4", "4"], None, "tied"),
        ([None, None], None, "unreadable"),
        ([], None, "unreadable"),
        (["3", "3", None, None], None, "no-majority"),
    ],
)
def test_vote_needs_three_votes_and_a_lead(answers, winner, reason):
    counted = vote(answers, 3)
    assert (counted.winner, counted.reason) == (winner, reason)


@given(answers=st.lists(st.sampled_from(["1", "2", "3", None]), max_size=20), least=st.integers(1, 8))
def test_vote_counts_every_readable_answer_and_has_a_winner_only_with_a_lead(answers, least):
    counted = vote(answers, least)
    assert counted.counts == Counter(answer for answer in answers if answer is not None)
    assert list(counted.counts.values()) == sorted(counted.counts.values(), reverse=True)
    assert vote(answers[::-1], least) == counted, "the order of the samples does not matter"
    if counted.winner is not None:
        top = counted.counts[counted.winner]
        assert top >= least
        assert all(count < top for answer, count in counted.counts.items() if answer != counted.winner)
    assert (counted.reason is None) <= (counted.winner is not None)
