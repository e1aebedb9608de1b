import json

import numpy as np
import pytest
from PIL import Image

from engine.assets import assets_folder
from engine.shapes.scenes import STYLES, Difficulty, draw, glimpse, scene_image, scene_of, scene_seed


@pytest.mark.parametrize("difficulty", ["easy", "normal", "hard"])
def test_scene_drawn_twice_has_the_same_pixels_and_key(difficulty: Difficulty) -> None:
    first, key = draw(scene_seed("test", 0, 7), difficulty)
    second, again = draw(scene_seed("test", 0, 7), difficulty)
    assert first.size == (384, 384)
    assert first.mode == "RGB"
    assert first.tobytes() == second.tobytes()
    assert key == again


@pytest.mark.parametrize("difficulty", ["easy", "normal", "hard"])
def test_scenes_keep_the_object_range_of_their_difficulty_and_reading_order(difficulty: Difficulty) -> None:
    low, high = STYLES[difficulty].objects
    counts = set()
    for index in range(60):
        scene = draw(scene_seed("test", 1, index), difficulty)[1]
        cells = [thing.cell for thing in scene.things]
        assert cells == sorted(set(cells))
        counts.add(len(cells))
    assert counts == set(range(low, high + 1))


def test_seed_spaces_never_meet() -> None:
    spaces = ("pretrain", "loop", "benchmark", "measure", "test")
    tops = [{scene_seed(space, seed, i) >> 56 for seed in range(5) for i in range(50)} for space in spaces]
    assert all(len(top) == 1 for top in tops)
    assert len(set.union(*tops)) == len(spaces)


def test_loop_scene_is_that_of_its_seed_and_index() -> None:
    assert scene_image(3, 4).tobytes() == draw(scene_seed("loop", 3, 4))[0].tobytes()
    assert scene_image(3, 4).tobytes() != scene_image(3, 5).tobytes()
    assert scene_image(3, 4).tobytes() != scene_image(4, 4).tobytes()


def test_objects_stand_in_the_cells_the_key_names() -> None:
    for index in range(30):
        image, scene = draw(scene_seed("test", 2, index), "easy")
        pixels = np.asarray(image.reduce(8), dtype=float)
        filled = {thing.cell for thing in scene.things}
        for cell in range(9):
            row, column = divmod(cell, 3)
            patch = pixels[16 * row + 1 : 16 * row + 15, 16 * column + 1 : 16 * column + 15]
            centre, corner = patch[6:8, 6:8].mean(axis=(0, 1)), patch[:2, :2].mean(axis=(0, 1))
            assert (np.abs(centre - corner).max() > 30) == (cell in filled)


def test_small_picture_of_pretraining_is_what_the_processor_makes_of_the_large_one_but_for_noise() -> None:
    stored = json.loads((assets_folder() / "shapes-vlm" / "processor_config.json").read_text())
    resample = Image.Resampling(stored["image_processor"]["resample"])
    for index in range(10):
        seed = scene_seed("test", 3, index)
        large, small = draw(seed, "easy")[0], glimpse(seed, "easy")[0]
        assert small.size == (48, 48)
        difference = np.asarray(large.resize((48, 48), resample), float) - np.asarray(small, float)
        assert np.abs(difference).mean() < 4
        assert draw(seed, "easy")[1] == glimpse(seed, "easy")[1] == scene_of(seed, "easy")
