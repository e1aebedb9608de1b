"""How a source's pictures are read: as every model sees them, within the limits of the settings.

The reading itself is in `engine.backends.pictures`, because models look through it too.
"""

from engine.backends.pictures import (
    MIN_SIDE,
    ImageRefused,
    Limits,
    as_upright,
    read_limited,
    read_upright,
    too_many_bytes,
    too_many_pixels,
)
from engine.config import SourceSettings

__all__ = [
    "MIN_SIDE",
    "ImageRefused",
    "Limits",
    "as_upright",
    "limits_of",
    "read_limited",
    "read_upright",
    "too_many_bytes",
    "too_many_pixels",
]


def limits_of(settings: SourceSettings) -> Limits:
    """The limits that a run's settings ask for."""
    return Limits(max_side=settings.max_side, max_pixels=settings.max_pixels, max_bytes=settings.max_bytes)
