import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.look import words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.04, "0.1 s"),
        (0.9, "0.9 s"),
        (9.96, "10 s"),
        (53, "53 s"),
        (59.6, "1 min"),
        (60, "1 min"),
        (122, "2 min 02 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h"),
        (18_720, "5 h 12 min"),
        (90_000, "1 d 1 h"),
        (None, "not known"),
        (math.inf, "not known"),
    ],
)
def test_duration_takes_two_units_at_most(seconds: float | None, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (72, "1 min 12 s"),
        (158, "3 min"),
        (9000, "2 h 30 min"),
        (119.7, "2 min"),
        (None, "not known"),
        (math.inf, "not known"),
    ],
)
def test_expected_time_has_no_seconds_from_two_minutes_on(seconds: float | None, text: str) -> None:
    assert words.about(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.17, "+0.17"), (-0.12, "−0.12"), (0.0, "0.00"), (-0.001, "0.00"), (0.004, "0.00"), (None, "x")],
)
def test_signed_number_shows_its_sign_unless_it_rounds_to_zero(value: float | None, text: str) -> None:
    assert words.signed(value, missing="x") == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (84_000_000, "84 MB"),
        (1_340_000_000, "1.3 GB"),
        (999_600, "1 MB"),
        (5e15, "5,000.0 TB"),
    ],
)
def test_size_is_read_in_thousands(amount: float, text: str) -> None:
    assert words.size(amount) == text


def test_interval_has_words_and_signs() -> None:
    assert words.interval(0.57, 0.65) == "0.57 to 0.65"
    assert words.interval(-0.021, 0.029, 3, sign=True) == "−0.021 to +0.029"
    assert words.interval(None, 0.1) == "interval not known"


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0001, "p < 0.001"), (0.001, "p = 0.001"), (0.04, "p = 0.04"), (1.0, "p = 1"), (None, "p not known")],
)
def test_p_value_has_three_decimals_at_most(p: float | None, text: str) -> None:
    said = words.p_value(p)
    assert said.replace("\u00a0", " ") == text
    assert p is None or len(said.split(" ")) == 1, "no line of a narrow column ends in it"


def test_counts_percentages_and_ages_read_as_on_the_page() -> None:
    assert words.number(1171) == "1,171"
    assert words.number(-36) == "−36"
    assert words.percent(0.4) == "40 %"
    assert words.percent(0.063, 1) == "6.3 %"
    assert words.plural(1, "item") == "1 item"
    assert words.plural(3214, "image") == "3,214 images"
    assert words.ago(125) == "2 min ago"
    assert words.ago(None) == "at an unknown time"


@given(value=st.floats())
def test_no_number_has_an_ascii_minus_or_fails(value: float) -> None:
    shown = [words.number(value), words.decimal(value), words.signed(value), words.percent(value), words.size(value)]

    assert not any(text.startswith("-") for text in shown)
    words.duration(value), words.about(value), words.ago(value), words.p_value(value)
