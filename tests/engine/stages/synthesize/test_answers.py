"""Closed answers: how they are found, brought to one form, and voted on. The cases are in answers_cases.yaml."""

from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.prompts import PromptPack, load_pack
from engine.records import AnswerType
from engine.stages.synthesize.answers.final import final_answer
from engine.stages.synthesize.answers.normal import normalise
from engine.stages.synthesize.answers.numbers import NUMBER_WORDS
from engine.stages.synthesize.answers.votes import comparable, vote

TYPES: list[AnswerType] = ["number", "option", "phrase", "yes_no"]
OPTIONS = ("red", "green", "blue")
"""Of every case of the type option."""
# BaseLoader: every scalar is the text that stands there, also 3.10 and yes.
CASES = yaml.load(Path(__file__).with_name("answers_cases.yaml").read_text("utf-8"), Loader=yaml.BaseLoader)
PLAIN = st.text(max_size=80) | st.text(alphabet="0123456789.,-+/ $%^'\"abxMKin°½²()", max_size=14)
WORDS = (
    "a the it is think correct answer option B (b) [B] [c] red "
    "green yes no or three 3 3.0 1,000 twenty-one minus ? . ** ' half 1/2 ½ 2½ "
    "cm $ 50% $5 √2 -5 <5 C++ x = 2x+1 on left side March 5 2020 10:30 am pm o'clock and hundred million dozen point "
    'five \\frac{1}{2} \\boxed{3} \\text{B} * _ " & / A+ dogs café हाँ 5\' 10" °C km/h per square m^2 noon past quarter '
    "to 22:30 U.S. e.g. <b> </b> # 👍 $x$ Mw 1e5 10^5 5k 's ies oui , ; ="
)
WORDY = st.lists(st.sampled_from(WORDS.split()), max_size=7).flatmap(
    lambda words: st.sampled_from([" ".join(words), "".join(words)])
)
UNITS = "cm mm m km in ft kg g mg lb % $ € £ °C °F ° s min h day week month year L mL km/h mph kW MW GB MB m^2 ¢"


def read(text: str, answer_type: AnswerType) -> str | None:
    return normalise(text, answer_type, OPTIONS if answer_type == "option" else ())


@pytest.mark.parametrize(
    ("answer_type", "form", "texts"),
    [(answer_type, form, texts) for answer_type in TYPES for form, texts in CASES[answer_type]["meet"].items()],
)
def test_answer_in_other_dress_has_the_same_form(answer_type: AnswerType, form: str, texts: list[str]) -> None:
    assert {text: read(text, answer_type) for text in (*texts, form)} == dict.fromkeys((*texts, form), form)


@pytest.mark.parametrize(
    ("answer_type", "texts"),
    [(answer_type, texts) for answer_type in TYPES for texts in CASES[answer_type].get("differ", ())],
)
def test_answers_that_say_different_things_have_different_forms(answer_type: AnswerType, texts: list[str]) -> None:
    forms = [read(text, answer_type) for text in texts]
    assert None not in forms
    assert len(set(forms)) == len(texts), forms


@pytest.mark.parametrize("answer_type", TYPES)
def test_answer_that_says_too_little_or_too_much_is_unreadable(answer_type: AnswerType) -> None:
    texts = CASES[answer_type]["unread"]
    assert {text: read(text, answer_type) for text in texts} == dict.fromkeys(texts)


def test_option_whose_text_is_another_options_letter_is_not_guessed() -> None:
    assert normalise("A", "option", ("B", "A")) is None
    assert normalise("(A) B", "option", ("B", "A")) == "A"


@pytest.mark.parametrize(
    ("choices", "text", "letter"),
    [
        (("A. a cup", "B. a fork"), "a fork", "B"),
        (("A. a cup", "B. a fork"), "B. a fork", "B"),
        (("5", "-5", "<5"), "-5", "B"),
        (("cat", "cats"), "cats", "B"),
        (("25 cm", "25 mm"), "25 millimetres", "B"),
        (("1/2", "1/3"), "1/3", "B"),
        (("yes", "no"), "No", "B"),
        (("3", "4", "5"), "4", "B"),
        (("3", "4", "5"), "2", None),
        (("a cup", "a fork"), "A cup", "A"),
        (("cup", "red cup"), "cup", "A"),
        (("green", "light green"), "B) light green", "B"),
        (("green", "light green"), "A) light green", None),
        (("on the left", "on the right"), "left", "A"),
        (("all of these", "none of these"), "None of these.", "B"),
        ((), "(B) a fork", "B"),
        ((), "[b]", "B"),
    ],
)
def test_option_is_known_by_its_text_too(choices: tuple[str, ...], text: str, letter: str | None) -> None:
    assert normalise(text, "option", choices) == letter


@given(text=PLAIN | WORDY, answer_type=st.sampled_from([*TYPES, None]), choices=st.sampled_from([(), OPTIONS]))
def test_normal_form_is_text_and_its_own_normal_form(
    text: str, answer_type: AnswerType | None, choices: tuple[str, ...]
) -> None:
    form = normalise(text, answer_type, choices)
    if form is not None:
        assert form.strip()
        assert normalise(form, answer_type, choices) == form


@given(text=st.text(alphabet=st.characters(categories=["Cs", "Mn", "Me", "Cf", "So", "No", "Nl"]), max_size=30))
def test_odd_characters_are_no_error(text: str) -> None:
    for answer_type in TYPES:
        (normalise(text, answer_type) or "").encode("utf-8")


@given(number=st.integers(-10_000, 10_000), zeros=st.integers(0, 3))
def test_every_way_to_write_a_number_reads_the_same(number: int, zeros: int) -> None:
    written = [
        f"{number}",
        f"{number:,}",
        f"**{number}**.",
        f"I see {number} things",
        f"\\boxed{{{number}}}",
        f"${number}$",
    ]
    if zeros:
        written.append(f"{number}.{'0' * zeros}")
    assert {normalise(text, "number") for text in written} == {str(number)}


@given(
    numbers=st.tuples(st.integers(0, 3000), st.integers(0, 3000)),
    units=st.tuples(st.sampled_from(UNITS.split()), st.sampled_from(UNITS.split())),
    answer_type=st.sampled_from(["number", "phrase"]),
    space=st.sampled_from([" ", ""]),
)
def test_quantity_meets_no_other_number_or_unit(
    numbers: tuple[int, int], units: tuple[str, str], answer_type: AnswerType, space: str
) -> None:
    assume((numbers[0], units[0]) != (numbers[1], units[1]))
    one, other, bare = (f"{numbers[0]}{space}{units[0]}", f"{numbers[1]}{space}{units[1]}", str(numbers[0]))
    forms = [normalise(text, answer_type) for text in (one, other, bare)]
    assert forms[0] is None or forms[0] not in forms[1:]


@given(one=st.fractions(-50, 50, max_denominator=12), other=st.fractions(-50, 50, max_denominator=12))
def test_fractions_meet_exactly_if_they_are_equal(one, other) -> None:
    forms = [normalise(f"{part.numerator}/{part.denominator}", "number") for part in (one, other)]
    if None not in forms:
        assert (forms[0] == forms[1]) == (one == other)


@given(text=st.text(alphabet="ab 12-+<>=%√^*/.", min_size=1, max_size=8), sign=st.sampled_from("-<>√$%=^"))
def test_sign_more_is_another_phrase(text: str, sign: str) -> None:
    assume(text.strip(" .") == text and text[-1] not in "*" and text[0] not in "*")
    with_sign, without = normalise(f"{sign}7 {text}", "phrase"), normalise(f"7 {text}", "phrase")
    assert with_sign is None or with_sign != without


@pytest.mark.parametrize(("word", "value"), sorted(NUMBER_WORDS.items()))
def test_every_number_word_reads_as_its_value(word: str, value: int) -> None:
    assert normalise(word, "number") == str(value)


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
        ("Answer: red\nThe answer is hard to be sure of.", "red"),
        ("The answer is blue. Answer: red", "red"),
        ("The answer is two. No, the answer is three.", "three"),
        ("3", "3"),
        ("a red car", "a red car"),
        ("```\nblue\n```", "blue"),
        ("<answer>B</answer>", "B"),
        ("I looked.\n<answer>\nblue\n</answer>", "blue"),
        ("<answer>red</answer> or rather <answer>blue</answer>", "blue"),
        ("[ANSWER] blue [/ANSWER]", "blue"),
        ('{"reason": "it is so", "answer": "blue"}', "blue"),
        ('```json\n{"answer": 3}\n```', "3"),
        ("### Answer\nBlue", "Blue"),
        ("## Final Answer\n\n**Blue**", "Blue"),
        ("**Answer**\n\nBlue", "Blue"),
        ("- **Answer:** blue", "blue"),
        ("> Answer: blue", "blue"),
        ("1. Answer: blue", "blue"),
        ("ANSWER = 5", "5"),
        ("Answer - 5", "5"),
        ("Answer: -5", "-5"),
        ("Ans: 5", "5"),
        ("So, the final answer is: **B**", "B"),
        ("Réponse : bleu", "bleu"),
        ("Antwort: blau", "blau"),
        ("Answer: >5", ">5"),
        ("Answer: > 5", "> 5"),
        ("Answer: #5", "#5"),
        ("Answer: 2**3", "2**3"),
        ("**Answer: B**: red", "B: red"),
        ("| Answer: | 5 |", "5"),
        ("Answer (one word): blue", "blue"),
        ("Answer:\n- blue", "blue"),
        ("Answer:\n```\nblue\n```", "blue"),
        ("{'answer': 'blue'}", "blue"),
        ("Final Answer: The final answer is 5. I hope it is correct.", "The final answer is 5"),
        ("答案：蓝色", "蓝色"),
        ("最终答案：蓝色", "蓝色"),
        ("答案是蓝色。", "蓝色"),
        ("答えは青です。", "青"),
        ("정답은 파란색입니다.", "파란색"),
        ("La respuesta es azul.", "azul"),
        ("Respuesta final: azul", "azul"),
        ("La réponse est bleu.", "bleu"),
        ("Die Antwort ist blau.", "blau"),
        ("Итоговый ответ: синий", "синий"),
        ("الإجابة هي أزرق", "أزرق"),
        ("Đáp án: xanh", "xanh"),
        ("Svar: blå", "blå"),
        ("Answer → blue", "blue"),
        ("Answer => blue", "blue"),
        ("[Answer] blue", "blue"),
        ("[Answer]: blue", "blue"),
        ("Answer\n------\nblue", "blue"),
        ("It is 2 and 3 more.\n#### 5", "5"),
        ("Two and three.\nResult: 5", "5"),
        ("Final answer:<|begin_of_box|>blue<|end_of_box|>", "blue"),
        ("<|begin_of_box|>blue<|end_of_box|>", "blue"),
        ("Answer: blue<|im_end|>", "blue"),
        ("Answer: blue</s>", "blue"),
        ("Answer: No. The dog is black.", "No"),
        ("Answer: No. 5", "No. 5"),
        ("Initial answer: blue\nFinal answer: red", "red"),
        ("Answer: red\nIncorrect answers: blue", "red"),
        ("Answer:", None),
        ("The answer is", None),
        ("The answer, based on the image, is blue.", "blue"),
        ("The answer to the question is 5.", "5"),
        ("I think the correct option is (C).", "(C)"),
        ("The correct answer would be blue.", "blue"),
        ("We get \\boxed{\\frac{1}{2}} in the end, as was to be shown by all of this", "\\frac{1}{2}"),
        ("It is \\boxed{\\text{B}} here, as everybody can easily see", "\\text{B}"),
        ("Answer: Blue. The sky is blue.", "Blue"),
        ("Answer: Yes. There is a dog.", "Yes"),
        ("Answer: B, because the cup is red", "B"),
        ("Answer: blue because it is", "blue"),
        ("Answer: St. Louis", "St. Louis"),
        ("Answer: Mr. Smith", "Mr. Smith"),
        ("Answer: B. A cup", "B. A cup"),
        ("Answer: 3.5", "3.5"),
        ("Answer: U.S. Army", "U.S. Army"),
        ("<think>Answer: 3, or is it?</think>\nAnswer: 4", "4"),
        ("Answer: 3, or is it?</think>\nAnswer: 4", "4"),
        ("<think>Answer: 3", None),
        ("Answer the question in one word, they said, so here is a word or two about it", None),
        ("I have looked at it for a long time but nothing in it is certain to me", None),
        ("", None),
        (" \n ", None),
    ],
)
def test_final_answer_in_the_words_of_the_default_pack(text: str, expected: str | None) -> None:
    assert final_answer(text, pattern_of("default")) == expected


def test_final_answer_in_the_words_of_the_shapes_pack():
    text = "I see a red circle. The answer is two."
    assert final_answer(text, pattern_of("shapes")) == "two"
    assert final_answer("The answer is one. No, the answer is two.", pattern_of("shapes")) == "two"


@given(text=PLAIN)
def test_final_answer_of_anything_is_text_or_none(text):
    for name in ("default", "shapes"):
        found = final_answer(text, pattern_of(name))
        assert found is None or (found and found == found.strip())


@pytest.mark.parametrize(
    "filler",
    [
        " ",
        "\n",
        "answer ",
        "answer:",
        "* ",
        "answer is ",
        "\t \n",
        "<answer>",
        "[answer]",
        "\\boxed{",
        "{",
        "the answer, ",
        '"answer":',
        "<think>",
        ". A",
        "-\n",
        "la respuesta ",
        "</s>",
        "答案是",
    ],
)
def test_final_answer_in_a_long_repetitive_reply_is_looked_for_to_an_end(filler):
    # A pattern that goes back and forth would take hours, and the limit of every test ends it.
    for pattern in (pattern_of("default"), pattern_of("shapes"), PromptPack.model_fields["final_answer"].default):
        final_answer("answer" + filler * 10_000 + "x", pattern)


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


@pytest.mark.parametrize(
    ("answers", "kept"),
    [
        (["25 cm", "25", "30 cm"], ["25 cm", None, "30 cm"]),
        (["25 cm", "25 mm", "25"], ["25 cm", "25 mm", None]),
        (["50%", "50", "40"], ["50%", None, "40"]),
        (["$5", "5", None], ["$5", None, None]),
        (["-3 °C", "3", "-3"], ["-3 °C", "3", None]),
        (["2.5 m^2", "2.5"], ["2.5 m^2", None]),
        (["3", "4"], ["3", "4"]),
        (["3 dog and 2 cat", "3"], ["3 dog and 2 cat", "3"]),
        (["red", "3"], ["red", "3"]),
    ],
)
def test_bare_number_beside_the_same_with_a_unit_is_not_counted(
    answers: list[str | None], kept: list[str | None]
) -> None:
    assert comparable(answers) == kept
