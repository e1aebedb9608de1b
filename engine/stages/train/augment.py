"""Pictures as training shows them: changed in light, colour or sharpness. Nothing moves, so no word turns false.

The judge ruled on the picture as it is; what it said is taught on a harder one, so it learns to see through what it
could see before (FixMatch, arXiv 2001.07685; Noisy Student, arXiv 1911.04252). Taught on the same picture, a judge
learns next to nothing from its own rulings.
"""

import random
from collections.abc import Callable, Sequence

from PIL import Image, ImageEnhance, ImageFilter

_AS_IT_IS = 0.25
"""Share of rows whose picture is shown unchanged, so that nothing easy is forgotten."""
_GREYS = (60, 220)


def augmented(image: Image.Image, names: Sequence[str], strength: float, seed: str) -> Image.Image:
    """The RGB picture after each of the named changes, in an order and to a degree drawn from `seed`."""
    dice = random.Random(f"augment/{seed}")
    if dice.random() < _AS_IT_IS:
        return image
    for name in dice.sample(list(names), len(names)):
        image = CHANGES[name](image, strength, dice)
    return image


def _haze(image: Image.Image, strength: float, dice: random.Random) -> Image.Image:
    """Toward one grey for the whole picture."""
    grey = round(dice.uniform(*_GREYS))
    return Image.blend(image, Image.new("RGB", image.size, (grey,) * 3), dice.uniform(0, strength))


def _brightness(image: Image.Image, strength: float, dice: random.Random) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(dice.uniform(1 - strength, 1 + strength))


def _contrast(image: Image.Image, strength: float, dice: random.Random) -> Image.Image:
    return ImageEnhance.Contrast(image).enhance(dice.uniform(1 - strength, 1 + strength / 2))


def _colour(image: Image.Image, strength: float, dice: random.Random) -> Image.Image:
    return ImageEnhance.Color(image).enhance(dice.uniform(1 - strength, 1 + strength / 2))


def _blur(image: Image.Image, strength: float, dice: random.Random) -> Image.Image:
    """Up to a sixty-fourth of the shorter side."""
    return image.filter(ImageFilter.GaussianBlur(dice.uniform(0, strength * min(image.size) / 64)))


CHANGES: dict[str, Callable[[Image.Image, float, random.Random], Image.Image]] = {
    "haze": _haze, "brightness": _brightness, "contrast": _contrast, "colour": _colour, "blur": _blur,
}  # fmt: skip
"""The names that `train.augment` knows."""
