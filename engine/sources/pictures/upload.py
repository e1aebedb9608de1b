"""One file that a visitor uploaded: usable as an image, or one sentence why not. Nothing is stored."""

from pathlib import Path

from PIL import Image

from engine.errors import SourceError
from engine.sources.entry import readable_name
from engine.sources.pictures.upright import ImageRefused, Limits, read_limited, read_upright


def check_upload(path: Path, *, max_bytes: int | None = None, max_pixels: int | None = None) -> Image.Image:
    """The picture, upright RGB, at most as large as a source's pictures are by default.

    Raises `SourceError` with the file's name, what is wrong, and what to do.
    """
    standard = Limits()
    limits = Limits(
        max_side=standard.max_side,
        max_pixels=max_pixels or standard.max_pixels,
        max_bytes=max_bytes or standard.max_bytes,
    )
    try:
        return read_upright(read_limited(path, limits), limits)
    except ImageRefused as refusal:
        name = readable_name(path.name, 80)
        raise SourceError(f"{name}: {refusal}. Choose a PNG, JPEG or WebP file.") from None
