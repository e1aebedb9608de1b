"""Alterations: edits applied where they were meant, and whatever would give the altered response away refused."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.prompts import load_pack, sentences
from engine.stages.synthesize.alterations import Altered, Refused, apply_edit, check, difference, words

PATTERN = load_pack("shapes").alteration.edit_pattern or ""
RESPONSE = "Three men stand here.\n\nA man  holds a red umbrella. Behind him a man with a hat waits!"
LONG = "A red bus stands on the left of the street. Two people wait beside it in the rain under one umbrella."


def edit(n: object, old: str, new: str) -> str:
    return f"A{n}: some quote, {old} to {new}."


def test_edit_changes_its_word_and_keeps_all_else_white_space_included():
    assert apply_edit(RESPONSE, edit(2, "red", "blue"), PATTERN) == RESPONSE.replace("red", "blue")


def test_edit_changes_the_sentence_that_was_named_and_no_other():
    assert apply_edit(RESPONSE, edit(3, "man", "woman"), PATTERN) == RESPONSE.replace("a man with", "a woman with")


def test_edit_keeps_the_capital_letter_at_the_start():
    assert apply_edit(RESPONSE, edit(1, "three", "four"), PATTERN) == RESPONSE.replace("Three", "Four")


def test_edit_matches_whole_words_only():
    assert apply_edit("The pattern is red. A cat sits.", edit(1, "pat", "dog"), PATTERN) == Refused(
        "bad-edit", edit(1, "pat", "dog")
    )


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("I would change the umbrella.", "bad-edit"),
        (edit(0, "red", "blue"), "bad-edit"),
        (edit(4, "red", "blue"), "bad-edit"),
        (edit(99999999999999999999, "red", "blue"), "bad-edit"),
        (edit(1, "red", "blue"), "bad-edit"),
        (edit(2, "a", "the"), "bad-edit"),
        (edit(2, "red", "Red"), "unchanged"),
    ],
)
def test_edit_that_cannot_be_meant_is_refused(reply, reason):
    outcome = apply_edit(RESPONSE, reply, PATTERN)
    assert isinstance(outcome, Refused)
    assert outcome.reason == reason


WORD = st.text(alphabet="abcdefgh", min_size=1, max_size=6)
TEXT = st.lists(st.lists(WORD, min_size=1, max_size=7).map(" ".join), min_size=1, max_size=5)


@given(parts=TEXT, gap=st.sampled_from([" ", "\n", "\n\n  "]), data=st.data())
def test_edit_of_a_word_that_is_there_once_changes_exactly_that_word(parts, gap, data):
    response = gap.join(f"{part}." for part in parts)
    number = data.draw(st.integers(1, len(parts)))
    old = data.draw(st.sampled_from(parts[number - 1].split()))
    assume(parts[number - 1].split().count(old) == 1)
    outcome = apply_edit(response, edit(number, old, "xyz"), PATTERN)
    assert isinstance(outcome, str)
    expected = [part.split() for part in parts]
    expected[number - 1] = ["xyz" if word == old else word for word in expected[number - 1]]
    assert [words(sentence) for sentence in sentences(outcome)] == expected
    assert outcome.replace("xyz", old) == response


@given(response=st.text(max_size=60), reply=st.text(max_size=60), n=st.integers(-3, 9), old=st.text(max_size=8))
def test_edit_of_anything_never_fails(response, reply, n, old):
    for text in (reply, f"A{n}: x, {old} to y."):
        assert isinstance(apply_edit(response, text, PATTERN), str | Refused)


@pytest.mark.parametrize(
    ("old", "new", "altered"),
    [
        ("red", "blue", "red to blue"),
        ("on the left of", "behind", "on the left of to behind"),
        ("Two people wait", "Three people wait", "Two to Three"),
    ],
)
def test_rewrite_of_one_detail_is_sound_and_named(old, new, altered):
    worse = LONG.replace(old, new)
    assert check(LONG, worse, 0.2) == Altered(worse, altered)


def test_rewrite_in_two_places_is_sound_but_not_named():
    worse = LONG.replace("red", "blue").replace("one umbrella", "two trees")
    assert check(LONG, worse, 0.2) == Altered(worse, None)


@pytest.mark.parametrize(
    ("worse", "reason"),
    [
        (LONG.upper(), "unchanged"),
        (LONG.replace(".", "!"), "unchanged"),
        (LONG.replace("Two", "2"), "same-meaning"),
        (LONG.replace("the street", "a street"), "same-meaning"),
        ("Sure, " + LONG.replace("red", "blue"), "commentary"),
        ("Here's a version: " + LONG.replace("red", "blue"), "commentary"),
        ("Altered response: " + LONG.replace("red", "blue"), "commentary"),
        (LONG.replace("red", "blue") + " (changed colour)", "commentary"),
        (LONG.replace("red", "blue") + "\nNote: changed.", "commentary"),
        (LONG.replace("red", "_blue_").replace("_blue_", "__blue__"), "commentary"),
        (LONG.replace("red", "red -> blue"), "commentary"),
        ("“" + LONG.replace("red", "blue") + "”", "commentary"),
        (LONG.replace("in the rain under one umbrella", "there"), "length-leak"),
        (LONG.replace("red", "bright, shiny, newly painted dark blue"), "length-leak"),
        ("I am sorry, but describing pictures falsely is nothing that seems right to do, so no.", "rewritten"),
    ],
)
def test_rewrite_that_gives_itself_away_is_refused(worse, reason):
    outcome = check(LONG, worse, 0.2)
    assert isinstance(outcome, Refused)
    assert outcome.reason == reason


def test_words_that_the_response_has_itself_are_no_commentary():
    response = "Here is a short description: a red bus, the **main** subject, was changed (not repaired) recently."
    worse = response.replace("red bus", "blue bus")
    assert check(response, worse, 0.2) == Altered(worse, "red to blue")


@given(first=st.text(min_size=1, max_size=80), second=st.text(min_size=1, max_size=80))
def test_check_of_anything_is_sound_only_within_the_length_limit(first, second):
    first, second = first.strip(), second.strip()
    assume(first and second)
    outcome = check(first, second, 0.2)
    if isinstance(outcome, Altered):
        assert abs(len(second) - len(first)) <= 0.2 * len(first)
        assert words(first) != words(second)


@given(parts=st.lists(WORD, min_size=3, max_size=12), data=st.data())
def test_difference_names_the_one_word_that_was_exchanged(parts, data):
    place = data.draw(st.integers(0, len(parts) - 1))
    changed = [*parts[:place], "xyz", *parts[place + 1 :]]
    assert difference(" ".join(parts), " ".join(changed)) == f"{parts[place]} to xyz"
