import numpy as np
import pytest

from engine.errors import SettingsError
from engine.shapes.looks import CLEAR, Look, seen_through
from engine.shapes.scenes import draw, scene_image, scene_seed

PICTURE = draw(scene_seed("test", 0, 1))[0]


def _levels(look: Look, seed: int = 1) -> np.ndarray:
    return np.asarray(seen_through(PICTURE, look, seed), dtype=float)


def test_clear_weather_changes_no_pixel() -> None:
    assert seen_through(PICTURE, CLEAR, 1) is PICTURE


def test_fog_draws_every_pixel_toward_its_grey_and_thick_fog_hides_everything() -> None:
    before = np.asarray(PICTURE, dtype=float)
    half = _levels(Look(name="fog", low=0.5, high=0.5))
    assert np.abs(half - (before + 200) / 2).max() <= 1
    assert set(_levels(Look(name="fog", low=1, high=1)).ravel()) == {200.0}


def test_night_darkens_and_turns_blue() -> None:
    before, after = np.asarray(PICTURE, dtype=float), _levels(Look(name="night", low=0.5, high=0.5))
    assert after.mean() < 0.6 * before.mean()
    assert after[..., 2].mean() / before[..., 2].mean() > 1.4 * after[..., 0].mean() / before[..., 0].mean()


def test_thickness_belongs_to_the_scene_and_fills_the_range() -> None:
    fog = Look(name="fog", low=0.2, high=0.8)
    assert np.array_equal(_levels(fog, 7), _levels(fog, 7))
    spreads = [_levels(fog, seed).std() / np.asarray(PICTURE, dtype=float).std() for seed in range(60)]
    assert 0.18 < min(spreads) < 0.3
    assert 0.7 < max(spreads) < 0.82


def test_scene_of_the_loop_is_drawn_in_its_look() -> None:
    fog = Look(name="fog", low=0.6, high=0.8)
    assert np.asarray(scene_image(0, 3, look=fog)).std() < 0.5 * np.asarray(scene_image(0, 3)).std()


def test_range_that_holds_nothing_is_refused_in_words() -> None:
    with pytest.raises(SettingsError, match=r"look_from 0.8 is above look_to 0.2"):
        Look(name="fog", low=0.8, high=0.2)
