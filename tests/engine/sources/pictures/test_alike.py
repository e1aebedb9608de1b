"""Which pictures count as the same, on drawn scenes and on photos made up of smooth colours."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.shapes.scenes import draw, scene_seed
from engine.sources.pictures.alike import groups_of, look_of, twins


def photo(seed: int) -> Image.Image:
    grid = np.random.default_rng(seed).integers(0, 255, (9, 9, 3), dtype=np.uint8)
    return Image.fromarray(grid).resize((320, 240), Image.Resampling.BICUBIC)


def looks_of(images: dict[str, Image.Image], folder: Path) -> dict[str, str]:
    found = {}
    for name, image in images.items():
        image.save(folder / f"{name}.png")
        look = look_of(folder / f"{name}.png")
        assert look is not None
        found[name] = look
    return found


def test_drawn_scenes_that_differ_in_small_things_are_no_twins(tmp_path: Path) -> None:
    looks = looks_of({f"{i:03d}": draw(scene_seed("benchmark", 0, i), "normal")[0] for i in range(120)}, tmp_path)
    assert groups_of(looks) == {name: name for name in looks}


@pytest.mark.parametrize("how", ["jpeg", "half", "both"])
def test_picture_saved_again_is_a_twin_of_itself_alone(tmp_path: Path, how: str) -> None:
    images = {f"p{i}": photo(i) for i in range(40)}
    looks, again = looks_of(images, tmp_path), {}
    for name, image in images.items():
        small = image if how == "jpeg" else image.resize((160, 120))
        path = tmp_path / f"again-{name}.{'png' if how == 'half' else 'jpg'}"
        small.save(path, **({} if how == "half" else {"quality": 40}))
        again[f"again-{name}"] = look_of(path) or ""
    assert set(twins(again, looks)) == {(f"again-{name}", name) for name in images}


def test_twins_of_twins_are_one_group_named_by_its_smallest_id(tmp_path: Path) -> None:
    image = photo(0)
    looks = looks_of(
        {"b": image, "a": image.resize((300, 225)), "c": image.resize((200, 150)), "z": photo(1)}, tmp_path
    )
    assert groups_of(looks) == {"a": "a", "b": "a", "c": "a", "z": "z"}


def test_file_that_is_no_picture_has_no_look(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("no picture")
    assert look_of(tmp_path / "x.png") is None
    assert look_of(tmp_path / "gone.png") is None
    assert groups_of({}) == {}
