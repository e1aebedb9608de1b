import pytest

from studio.look.cards import LiveHalf, LiveResult, live_result
from studio.look.cards.live import ruling_of


def _half(first: str, verdict: str | None, **more: object) -> LiveHalf:
    state = "writing" if verdict is None else "done"
    return LiveHalf(first=first, state=state, text="t", verdict=verdict, **more)  # type: ignore[arg-type]


def _result(a_first: str | None, b_first: str | None, failed: str | None = None) -> LiveResult:
    return LiveResult(
        judge="judge-v3", about="", a_first=_half("A", a_first), b_first=_half("B", b_first), failed=failed
    )


@pytest.mark.parametrize(
    ("a_first", "b_first", "code", "title"),
    [
        ("A", "A", "agree", "Both orders prefer A"),
        ("B", "B", "agree", "Both orders prefer B"),
        ("A", "B", "order-flip", "Order-flip: no ruling"),
        ("tie", "tie", "tie", "Both orders say tie"),
        ("A", "tie", "order-flip", "Order-flip: no ruling"),
        ("invalid", "B", "invalid", "Invalid: no ruling"),
        ("A", None, "waiting", "Waiting for order BA"),
        (None, None, "waiting", "Waiting for order AB"),
    ],
)
def test_ruling_comes_from_both_orders(a_first: str | None, b_first: str | None, code: str, title: str) -> None:
    assert ruling_of(_result(a_first, b_first))[:2] == (code, title)


@pytest.mark.parametrize(("verdicts", "place"), [("AB", "first"), ("BA", "second")])
def test_order_flip_says_which_place_won(verdicts: str, place: str) -> None:
    assert f"whichever response came {place}" in ruling_of(_result(*verdicts))[2]


def test_failed_result_shows_the_sentence_and_gives_no_ruling() -> None:
    shown = live_result(_result("A", "A", failed="the adapter is missing"))

    assert "No ruling" in shown
    assert 'role="alert"' in shown
    assert "the adapter is missing" in shown


def test_second_order_explains_which_response_its_letter_means() -> None:
    assert "the second shown, your A" in live_result(_result("A", "A"))


def test_unfinished_result_is_busy_and_has_one_caret() -> None:
    shown = live_result(
        LiveResult(judge="j", about="", a_first=_half("A", None), b_first=LiveHalf(first="B", state="next"))
    )

    assert 'aria-busy="true"' in shown
    assert shown.count('class="caret"') == 1


def test_finished_result_shows_tokens_time_and_confidence() -> None:
    half = _half("A", "A", tokens=21, seconds=0.9, confidence=0.942)
    shown = live_result(LiveResult(judge="j", about="", a_first=half, b_first=_half("B", "A")))

    assert "21 tokens, 0.9 s" in shown
    assert "confidence 94 %" in shown
