import re

import pytest

from studio.look.cards import LeanScale, invalid_rate, lean_scale, position_lean, sparkline


def _lefts(markup: str, kind: str) -> list[float]:
    return [float(found) for found in re.findall(rf'class="{kind}" style="left:([\d.]+)%', markup)]


def test_scale_places_ring_and_dot_and_says_both_numbers() -> None:
    shown = lean_scale(position_lean(0.41, 0.06), "judge-v0", "judge-v3")

    assert _lefts(shown, "ring") == [91.0]
    assert _lefts(shown, "dot") == [56.0]
    assert 'aria-label="Position lean: judge-v0 +0.41, judge-v3 +0.06"' in shown
    assert "+0.41 → <b>+0.06</b>" in shown


def test_scale_of_a_value_beyond_its_ends_stays_on_the_ruler_and_says_the_value() -> None:
    scale = LeanScale(title="t", what="w", older=-3.0, newer=3.0)
    shown = lean_scale(scale, "a", "b")

    assert _lefts(shown, "ring") == [0.0]
    assert _lefts(shown, "dot") == [100.0]
    assert "−3.00" in shown


def test_scale_of_an_unknown_value_draws_no_dot_for_it() -> None:
    shown = lean_scale(position_lean(None, 0.1), "a", "b")

    assert _lefts(shown, "ring") == []
    assert 'class="way"' not in shown
    assert "not known" in shown


@pytest.mark.parametrize(("rate", "end"), [(0.063, "10 %"), (0.2, "25 %"), (0.9, "100 %")])
def test_invalid_rate_takes_the_next_round_end(rate: float, end: str) -> None:
    shown = lean_scale(invalid_rate(rate, 0.008), "a", "b")

    assert f'class="high">{end}<' in shown
    assert "0.8 %" in shown


def test_sparkline_of_an_unfinished_run_stops_short_of_the_right_edge() -> None:
    done = re.findall(r'cx="([\d.]+)"', sparkline((0.4, 0.5, 0.6), places=3))
    half = re.findall(r'cx="([\d.]+)"', sparkline((0.4, 0.5, 0.6), places=5))

    assert float(half[-1]) < float(done[-1]) == 90.0


def test_sparkline_says_its_numbers_and_keeps_extreme_ones_inside() -> None:
    shown = sparkline((0.0, None, 1.0))
    heights = [float(found) for found in re.findall(r'cy="([\d.]+)"', shown)]

    assert 'aria-label="Accuracy 0.00, 1.00"' in shown
    assert all(2 <= height <= 28 for height in heights)


def test_sparkline_without_any_accuracy_is_a_dash() -> None:
    assert "svg" not in sparkline(())
    assert "svg" not in sparkline((None,))
