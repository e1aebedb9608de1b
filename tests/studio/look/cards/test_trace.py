from dataclasses import replace

import pytest

from studio.look.cards import TraceHalf, fate, reasoning, trace_card, why
from studio.look.cards.trace import agreement
from tests.studio.look.cards.every_card import trace


def _half(order: str, verdict: str, text: str = "") -> TraceHalf:
    return TraceHalf(order=order, verdict=verdict, reasoning=text, tokens=1, sample=0)


@pytest.mark.parametrize(
    ("reason", "first", "second", "sentence"),
    [
        ("kept", "A", "B", "Both orders name the preferred response."),
        ("order-flip", "A", "A", "The first response won in both orders."),
        ("order-flip", "B", "B", "The second response won in both orders."),
        ("order-flip", "A", "tie", "The two orders contradict each other."),
        ("wrong", "B", "A", "Both orders agree on the degraded response."),
        ("invalid", "invalid", "invalid", "Neither order states exactly one verdict."),
        (None, "A", "B", "Select has not run yet."),
        ("something-new", "A", "B", ""),
    ],
)
def test_why_follows_from_fate_and_verdicts(reason: str | None, first: str, second: str, sentence: str) -> None:
    assert why(reason, _half("AB", first), _half("BA", second)) == sentence


def test_why_of_one_invalid_order_says_which_and_whether_it_said_too_much() -> None:
    fine = _half("AB", "A", "[[A]]")

    assert why("invalid", fine, _half("BA", "invalid", "[[A]] or [[B]]")) == (
        "Order BA states both verdicts, so none is read."
    )
    assert why("invalid", fine, _half("BA", "invalid", "hm")) == "Order BA states no verdict."


def test_why_of_a_single_order_speaks_of_one() -> None:
    assert why("kept", _half("AB", "A"), None) == "It names the preferred response."


def test_card_shows_each_verdict_and_its_meaning_in_its_own_order() -> None:
    shown = trace_card(trace("x", fate="order-flip", ab=_half("AB", "A"), ba=_half("BA", "A")))

    assert "rejected: order-flip" in shown
    assert "The orders disagree" in shown
    assert shown.count("<em>right</em>") == 1
    assert shown.count("<em>wrong</em>") == 1


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [("A", "B", "right"), ("B", "A", "wrong"), ("A", "A", "order-flip"), ("tie", "tie", "tie"), ("A", "?", "invalid")],
)
@pytest.mark.parametrize("ended", [None, "kept", "order-flip", "wrong", "surplus"])
def test_lens_comes_from_the_cards_own_verdicts_whatever_select_did(
    first: str, second: str, code: str, ended: str | None
) -> None:
    ab, ba = _half("AB", first), _half("BA", second)
    assert agreement(ab, ba)[0] == code
    shown = trace_card(trace("x", fate=ended, ab=ab, ba=ba))
    assert fate(*agreement(ab, ba)) in shown
    assert shown.count('class="st-lens"') == 1


def test_orders_that_ended_differently_each_say_how() -> None:
    ab = replace(_half("AB", "A"), reason="kept")
    ba = replace(_half("BA", "B"), reason="surplus")
    shown = trace_card(trace("x", fate="kept", why="Order AB is kept.", ab=ab, ba=ba))
    assert shown.count(">kept<") == 1
    assert "rejected: surplus" in shown
    assert "Both orders right" in shown


def test_card_with_one_order_missing_says_so() -> None:
    shown = trace_card(trace("x", fate=None, ab=_half("AB", "A"), ba=None))

    assert "Not written yet." in shown
    assert "not selected yet" in shown


def test_reasoning_of_eight_lines_is_whole_and_of_nine_is_folded() -> None:
    assert "<details" not in reasoning("\n".join(["line"] * 8))
    assert "<details" in reasoning("\n".join(["line"] * 9))
    assert "<details" in reasoning("long " * 200)


def test_reasoning_that_is_being_written_has_a_caret_and_is_never_folded() -> None:
    shown = reasoning("word " * 400, caret=True)

    assert shown.count('class="caret"') == 1
    assert "<details" not in shown


def test_reasoning_puts_verdict_tokens_in_mono_even_among_hostile_text() -> None:
    shown = reasoning("<b>[[A]]</b> and [[b]] but not [[D]]")

    assert shown.count("<mark>") == 2
    assert "&lt;b&gt;<mark>[[A]]</mark>&lt;/b&gt;" in shown


def test_reasoning_keeps_every_word_when_folded() -> None:
    text = "\n".join(f"line {n}" for n in range(40))

    assert all(f"line {n}<" in reasoning(text) for n in range(40))
