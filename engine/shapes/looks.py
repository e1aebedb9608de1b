"""Weather over drawn scenes: looks that pre-training never had. Nothing here knows what a scene holds."""

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from engine.errors import SettingsError

if TYPE_CHECKING:
    from PIL import Image

Weather = Literal["clear", "fog", "night"]

_FOG = 200.0
"""Grey level of fog."""
_MOON = (0.75, 0.85, 1.15)
"""What night leaves of red, green and blue, beside making all darker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A kind of weather and how thick it may be. Each picture draws its own thickness from its own seed."""

    name: Weather
    low: float
    """0 is clear."""
    high: float
    """1 hides everything."""

    def __post_init__(self) -> None:
        """Raises `SettingsError` if the thinnest is thicker than the thickest."""
        if self.low > self.high:
            raise SettingsError(
                f"look_from {self.low:g} is above look_to {self.high:g}: no weather lies between. Exchange them."
            )


CLEAR = Look(name="clear", low=0.0, high=0.0)


def seen_through(image: "Image.Image", look: Look, seed: int) -> "Image.Image":
    """The RGB picture under this weather. `seed` is the scene's, so a picture always has the same thickness."""
    if look.name == "clear":
        return image
    import numpy as np
    from PIL import Image

    thickness = random.Random(f"weather/{seed}").uniform(look.low, look.high)
    pixels = np.asarray(image, dtype=np.float32) * (1 - thickness)
    pixels = pixels + thickness * _FOG if look.name == "fog" else pixels * np.asarray(_MOON, dtype=np.float32)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
