"""Odds of next texts from a server's most likely tokens."""

import math

import pytest

from engine.backends.served.top_tokens import choice_shares


def rows(**odds: float) -> list[tuple[str, float]]:
    return [(token.replace("_", " "), math.log(share)) for token, share in odds.items()]


def test_shares_are_normalised_over_the_choices_alone():
    assert choice_shares(("A", "B"), rows(A=0.3, B=0.1, x=0.6)) == pytest.approx((0.75, 0.25))


def test_the_same_text_with_and_without_space_counts_together():
    assert choice_shares(("A", "B"), rows(A=0.2, _A=0.1, B=0.1)) == pytest.approx((0.75, 0.25))


def test_a_token_that_begins_one_choice_speaks_for_it():
    assert choice_shares(("left", "right"), rows(le=0.6, r=0.2)) == pytest.approx((0.75, 0.25))


def test_a_token_that_begins_several_choices_speaks_for_none_unless_it_is_one():
    assert choice_shares(("one", "once"), rows(on=0.9, one=0.1)) == pytest.approx((1.0, 0.0))


def test_a_choice_that_no_token_begins_gets_nothing():
    assert choice_shares(("A", "B"), rows(A=0.2)) == (1.0, 0.0)


def test_no_choice_seen_at_all_says_nothing():
    assert choice_shares(("A", "B"), rows(x=0.9)) == (0.5, 0.5)
