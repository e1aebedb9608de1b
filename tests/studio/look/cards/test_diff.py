import re
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.export.word_diff import aligned, word_runs
from studio.look.cards import pair_text, without_equal_sentences

WORDS = st.lists(st.sampled_from(["a", "red", "star", "is", ".", ",", "  ", "\n", "two", "don't"]), max_size=40).map(
    " ".join
)


def _marks(markup: str, tag: str) -> list[str]:
    return [unescape(found) for found in re.findall(f"<{tag}>(.*?)</{tag}>", markup, flags=re.DOTALL)]


@settings(max_examples=200, deadline=None)
@given(left=WORDS | st.text(max_size=60), right=WORDS | st.text(max_size=60))
def test_runs_joined_give_back_both_texts_and_equal_parts_agree(left: str, right: str) -> None:
    ours, theirs = word_runs(left, right)

    assert "".join(text for text, _ in ours) == left
    assert "".join(text for text, _ in theirs) == right
    if left == right:
        assert not any(changed for _, changed in ours + theirs)
    if left.split() != right.split():
        assert any(changed for _, changed in ours + theirs)


@settings(max_examples=60, deadline=None)
@given(left=WORDS, right=WORDS)
def test_runs_of_long_texts_give_back_both_texts_too(left: str, right: str) -> None:
    filler = "word " * 3000
    ours, theirs = word_runs(filler + left, filler + right)

    assert "".join(text for text, _ in ours) == filler + left
    assert "".join(text for text, _ in theirs) == filler + right


def test_runs_of_a_long_text_and_its_continuation_mark_the_continuation_alone() -> None:
    long = "word " * 3000
    ours, theirs = word_runs(long, long + "word word ")

    assert ours == [(long, False)]
    assert theirs == [(long, False), ("word word ", True)]


def test_one_changed_word_is_the_only_mark_on_each_side() -> None:
    shown = pair_text("The center has a small blue star.", "The center has a small green star.")

    assert _marks(shown, "ins") == ["blue"]
    assert _marks(shown, "del") == ["green"]


def test_a_changed_phrase_is_one_mark() -> None:
    shown = pair_text("It is in the top left corner.", "It is in the bottom right corner.")

    assert _marks(shown, "ins") == ["top left"]
    assert _marks(shown, "del") == ["bottom right"]


def test_an_added_sentence_is_marked_on_its_side_only() -> None:
    shown = pair_text("There is a star.", "There is a star. The top right has a small pink cross.")

    assert _marks(shown, "ins") == []
    assert _marks(shown, "del") == ["The top right has a small pink cross."]


def test_both_sides_are_named_for_readers() -> None:
    shown = pair_text("a", "b")

    assert 'class="st-sr">preferred<' in shown
    assert 'class="st-sr">degraded<' in shown


def test_shared_sentences_collapse_to_an_ellipsis() -> None:
    left, right = without_equal_sentences("One. Two is blue. Three. Four.", "One. Two is green. Three. Four.")

    assert (left, right) == ("… Two is blue. …", "… Two is green. …")


@pytest.mark.parametrize(("left", "right"), [("Yes.", "No."), ("Same. Text.", "Same. Text."), ("", "")])
def test_texts_with_nothing_to_collapse_stay_whole(left: str, right: str) -> None:
    assert without_equal_sentences(left, right) == (left, right)


def test_very_long_texts_are_compared_to_an_end_and_shown_cut() -> None:
    left = " ".join(f"w{i % 977}" for i in range(60_000))
    right = " ".join(f"w{i % 983}" for i in range(60_000))

    assert len(pair_text(left, right)) < 20_000


def test_shared_sentences_stand_on_one_line_and_the_rest_beside_each_other() -> None:
    lines = aligned("It is red. Small big. So A.", "It is red. Big big. It is round. So A.")
    texts = [("".join(text for text, _ in left), "".join(text for text, _ in right)) for left, right in lines]
    assert texts == [("It is red.", "It is red."), ("Small big.", "Big big."), ("", "It is round."), ("So A.", "So A.")]
    assert lines[1][0][0] == ("Small", True)


def test_long_equal_stretch_is_folded_to_the_words_beside_the_difference() -> None:
    before = " ".join(f"w{number}" for number in range(60))
    shown = pair_text(f"{before} three", f"{before} four", collapse=True)
    assert "w59" in shown
    assert "w30" not in shown
    assert "w30" in pair_text(f"{before} three", f"{before} four")
    assert "w30" in pair_text(f"{before} three", f"{before} three", collapse=True), "nothing differs"
