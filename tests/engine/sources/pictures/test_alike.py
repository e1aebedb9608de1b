"""Which pictures count as the same, on drawn scenes and on photos made up of smooth colours."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.shapes.looks import Look, seen_through
from engine.shapes.scenes import draw, scene_seed
from engine.sources.pictures.alike import groups_of, look_of, twins

FOGGY = (170, 374, 386, 598)
"""Benchmark scenes that differ by less than saving a photograph as JPEG does, though they show other objects."""


def photo(seed: int) -> Image.Image:
    grid = np.random.default_rng(seed).integers(0, 255, (9, 9, 3), dtype=np.uint8)
    return Image.fromarray(grid).resize((320, 240), Image.Resampling.BICUBIC)


def pale(image: Image.Image) -> Image.Image:
    """An eighth of the contrast on a light ground, as in fog or on a faded print."""
    return Image.eval(image, lambda level: round(190 + (level - 128) / 8))


def saved_again(image: Image.Image, how: str, path: Path) -> str:
    """The look of a copy: as JPEG, at half the size, both, or with a hundredth cut off at every side."""
    width, height = image.size
    if how in ("half", "both"):
        image = image.resize((width // 2, height // 2))
    elif how == "cut":
        image = image.crop((width // 100, height // 100, width - width // 100, height - height // 100))
    image.save(path, "PNG" if how == "half" else "JPEG", **({} if how == "half" else {"quality": 40}))
    return look_of(path) or ""


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


def test_different_scenes_in_thick_fog_are_no_twins(tmp_path: Path) -> None:
    thick, images = Look(name="fog", low=0.6, high=0.8), {}
    for index in FOGGY:
        seed = scene_seed("benchmark", 0, index)
        images[f"{index:03d}"] = seen_through(draw(seed, "normal")[0], thick, seed)
    looks = looks_of(images, tmp_path)
    assert groups_of(looks) == {name: name for name in looks}


@pytest.mark.parametrize("seen", ["bright", "pale"])
@pytest.mark.parametrize("how", ["jpeg", "half", "both", "cut"])
def test_picture_saved_again_is_a_twin_of_itself_alone(tmp_path: Path, how: str, seen: str) -> None:
    images = {f"p{i}": photo(i) if seen == "bright" else pale(photo(i)) for i in range(20)}
    looks = looks_of(images, tmp_path)
    again = {f"again-{name}": saved_again(image, how, tmp_path / f"again-{name}") for name, image in images.items()}
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
