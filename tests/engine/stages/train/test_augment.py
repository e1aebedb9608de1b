"""Pictures of training rows: changed to a bounded degree, the same for the same row, nothing moved."""

from typing import get_args

import numpy as np
import pytest

from engine.config import TrainSettings
from engine.shapes.scenes import draw, scene_seed
from engine.stages.train.augment import CHANGES, augmented

PICTURE = draw(scene_seed("test", 0, 1))[0]


def levels(names, strength: float, seed: int) -> np.ndarray:
    return np.asarray(augmented(PICTURE, names, strength, str(seed)), dtype=float)


def test_settings_name_exactly_the_changes_there_are() -> None:
    (names, _) = get_args(TrainSettings.model_fields["augment"].annotation)
    assert set(get_args(names)) == set(CHANGES)


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_change_depends_on_its_seed_and_leaves_about_a_quarter_as_they_are(name: str) -> None:
    before = np.asarray(PICTURE, dtype=float)
    assert np.array_equal(levels([name], 0.7, 3), levels([name], 0.7, 3))
    same = sum(np.array_equal(levels([name], 0.7, seed), before) for seed in range(100))
    assert 12 <= same <= 40


def test_haze_lowers_contrast_no_further_than_its_strength() -> None:
    before = np.asarray(PICTURE, dtype=float).std()
    kept = [levels(["haze"], 0.7, seed).std() / before for seed in range(200)]
    assert 0.28 < min(kept) < 0.36
    assert max(kept) < 1.02


def test_several_changes_are_all_made() -> None:
    both = levels(["haze", "brightness"], 0.7, 5)
    assert not np.array_equal(both, levels(["haze"], 0.7, 5))
    assert both.shape == np.asarray(PICTURE).shape
