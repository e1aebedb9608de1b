"""Bytes of a picture file → upright RGB pixels without metadata: what is stored, and what every model sees.

Nothing that arrives here is trusted: sizes are checked from the header before a pixel is decoded, only plain
raster formats are tried, and every way of being broken ends in one `ImageRefused`.
"""

import io
import math
import re
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageCms, UnidentifiedImageError

from engine.config import SourceSettings
from engine.errors import SourceError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "AVIF", "PPM")
"""What Pillow may try. Left out on purpose: EPS (starts Ghostscript), PSD, ICO, and other rarities."""

MIN_SIDE = 8
"""Pixels. Processors of several model families mistake a side of 1 or 3 for the colour axis."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → what undoes it (EXIF 2.32, tag 0x0112)."""
_ORIENTATION = 0x0112

_DECODING = threading.Lock()
"""One decode at a time: Python's warning filters are process-wide, and two huge pictures would need twice the
memory. The studio decodes uploads in several threads."""


class ImageRefused(SourceError):
    """One picture cannot be taken; the message is the reason, a sentence without the picture's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large a picture may be, and how large it is kept. The defaults are those of the settings."""

    max_side: int = SourceSettings.model_fields["max_side"].default
    """Pixels of the longer side of the stored picture."""
    max_pixels: int = SourceSettings.model_fields["max_pixels"].default
    max_bytes: int = SourceSettings.model_fields["max_bytes"].default


DOOR = Limits(max_side=8192, max_bytes=1_000_000_000)
"""Of pictures on their way to a model: whoever took them in has set the size; none stored is larger."""


def read_upright(data: bytes, limits: Limits) -> Image.Image:
    """The first frame of a picture file: RGB, upright per EXIF, sRGB, on white where it was transparent, and
    scaled so that no side exceeds `limits.max_side`.

    Raises `ImageRefused` for anything that is not a sound picture within the limits.
    """
    if not data:
        raise ImageRefused("the file is empty (0 bytes)")
    if len(data) > limits.max_bytes:
        raise ImageRefused(too_many_bytes(len(data), limits))
    with _DECODING, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd metadata and large sizes; what matters is checked below
        try:
            return _decoded(io.BytesIO(data), limits)
        except ImageRefused:
            raise
        except UnidentifiedImageError:
            raise ImageRefused(_what_it_is(data)) from None
        except Image.DecompressionBombError as error:  # Pillow's own limit, above which it does not even look
            pixels = next(iter(re.findall(r"\d+", str(error))), "0")
            raise ImageRefused(too_many_pixels(f"{int(pixels):,} pixels", limits)) from None
        except Exception as error:  # a hostile file can make a decoder raise anything
            raise ImageRefused(f"the picture is damaged or cut off: {_one_line(error)}") from None


def read_limited(path: Path, limits: Limits) -> bytes:
    """The bytes of a regular file. Raises `ImageRefused` if it is too large, none, or unreadable."""
    try:
        if not path.is_file():  # opening a pipe or a device could wait for ever
            raise ImageRefused("it is not a regular file" if path.exists() else "there is no such file")
        size = path.stat().st_size
        if size > limits.max_bytes:
            raise ImageRefused(too_many_bytes(size, limits))
        with path.open("rb") as file:
            return file.read(limits.max_bytes + 1)
    except OSError as error:
        raise ImageRefused(f"the file cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a NUL in the name
        raise ImageRefused(f"its name cannot be a file name: {error}") from error


def picture_for_model(path: Path) -> Image.Image:
    """The pixels that a model sees of the picture at `path`: upright RGB, whatever the file holds.

    Raises `ImageRefused`.
    """
    return read_upright(read_limited(path, DOOR), DOOR)


def shown_bytes(data: bytes, limits: Limits) -> tuple[bytes, str]:
    """The picture as others who decode it without our care will see it upright, and its media type: the file itself
    where nothing has to be done to it, else made anew.

    Raises `ImageRefused`.
    """
    if (kind := _plain_kind(io.BytesIO(data), limits)) is not None:
        return data, kind
    file = io.BytesIO()
    read_upright(data, limits).save(file, "PNG")
    return file.getvalue(), "image/png"


def is_plain(path: Path) -> bool:
    """Whether any decoder shows the picture file as `picture_for_model` does, as far as its header tells."""
    return _plain_kind(path, DOOR) is not None


def _plain_kind(file: Path | io.BytesIO, limits: Limits) -> str | None:
    """Media type of a PNG or JPEG that needs nothing done to it; None for all others, broken ones too."""
    try:
        with _DECODING, warnings.catch_warnings(), Image.open(file, formats=("PNG", "JPEG")) as image:
            warnings.simplefilter("ignore")
            is_plain = image.mode == "RGB" and not image.has_transparency_data and _orientation(image) == 1
            is_alone = getattr(image, "n_frames", 1) == 1 and "icc_profile" not in image.info
            fits = max(image.size) <= limits.max_side and min(image.size) >= MIN_SIDE
            return Image.MIME[image.format or ""] if is_plain and is_alone and fits else None
    except Exception:  # a hostile file can make a decoder raise anything; `read_upright` will say what is wrong
        return None


def as_upright(image: Image.Image, limits: Limits) -> Image.Image:
    """The same for an opened picture, e.g. one just drawn or pasted. Raises `ImageRefused`."""
    with _DECODING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _finished(image, limits)
        except ImageRefused:
            raise
        except Exception as error:
            raise ImageRefused(f"the picture cannot be used: {_one_line(error)}") from None


def too_many_bytes(size: int, limits: Limits) -> str:
    """The reason for refusing a file of `size` bytes."""
    return (
        f"the file has {size / 1e6:,.1f} MB, more than the {limits.max_bytes / 1e6:,.1f} MB allowed (source.max_bytes)"
    )


def too_many_pixels(size: str, limits: Limits) -> str:
    """The reason for refusing a picture of this size."""
    return f"it has {size}, more than the {limits.max_pixels:,} allowed (source.max_pixels)"


def _decoded(file: io.BytesIO, limits: Limits) -> Image.Image:
    with Image.open(file, formats=FORMATS) as image:
        width, height = image.size
        if width * height > limits.max_pixels:
            raise ImageRefused(
                f"it has {width} × {height} pixels, more than the {limits.max_pixels:,} allowed (source.max_pixels)"
            )
        # JPEG can be decoded at 1/2, 1/4 or 1/8; twice the final size keeps the quality of the scaling after.
        image.draft(None, _fitted((width, height), 2 * limits.max_side))
        image.load()
        return _finished(image, limits)


def _finished(image: Image.Image, limits: Limits) -> Image.Image:
    turn = _UPRIGHT.get(_orientation(image))
    profile = image.info.get("icc_profile")
    image = _scalable(image)
    size = _fitted(image.size, limits.max_side)
    if min(size) < MIN_SIDE:
        raise ImageRefused(f"at {size[0]} × {size[1]} pixels there is nothing to see on it")
    if size != image.size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    # Only now: what follows holds several copies of the picture at once.
    if image.mode == "RGBA":
        image = _on_white(image)
    if profile and image.mode in ("RGB", "CMYK"):
        image = _to_srgb(image, profile)
    if image.mode != "RGB":
        image = image.convert("RGB")
    image = image.copy() if turn is None else image.transpose(turn)
    image.info = {}  # Pillow would write the profile and comments in it into the new file
    return image


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # broken EXIF is no reason to lose the photograph
        return 1


def _scalable(image: Image.Image) -> Image.Image:
    """The picture in a mode that can be scaled: L, RGB, RGBA or CMYK."""
    if image.mode.startswith("I;16"):
        image = image.convert("I")  # of I;16B, as Macs and scanners write it, nothing else can be asked
        return _grey(image, 0.0, _white_of(image))
    if image.mode in ("I", "F"):
        # No agreed white: stretched over the values that occur.
        low, high = image.getextrema()
        return _grey(image, float(low), float(high))  # type: ignore[arg-type]
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _white_of(image: Image.Image) -> float:
    """White of a picture with 16 bits per pixel: cameras and scanners often fill only 8, 10, 12 or 14 of them."""
    high = float(image.getextrema()[1])  # type: ignore[arg-type]
    return next(white for bits in (8, 10, 12, 14, 16) if high <= (white := 2.0**bits - 1))


def _grey(image: Image.Image, low: float, high: float) -> Image.Image:
    """Mode I or F with values from `low` to `high` → L."""
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ImageRefused("its pixel values are not finite numbers")
    scale = 255.0 / (high - low) if high > low else 0.0
    return image.convert("F").point(lambda value: value * scale + (-low * scale)).convert("L")


def _on_white(image: Image.Image) -> Image.Image:
    paper = Image.new("RGBA", image.size, "white")
    paper.alpha_composite(image)
    return paper.convert("RGB")


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Wide-gamut and print colours look wrong once the profile is stripped, so they are converted first."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return image
        target = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    except Exception:  # a broken or unfitting profile: take the colours as they are
        return image
    return image if converted is None else converted


def _fitted(size: tuple[int, int], side: int) -> tuple[int, int]:
    """`size` scaled down, never up, so that its longer side is at most `side`."""
    longer = max(size)
    if longer <= side:
        return size
    width, height = (max(1, round(length * side / longer)) for length in size)
    return width, height


def _what_it_is(data: bytes) -> str:
    if data.startswith(b"version https://git-lfs.github.com/spec/"):
        return "it is a git-lfs pointer, not the picture; fetch it with 'git lfs pull'"
    head = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in head:
        return "it is an SVG drawing, not pixels; export it as PNG"
    if head.startswith((b"<!doctype html", b"<html")):
        return "it is a web page, not an image"
    if head.startswith(b"%pdf"):
        return "it is a PDF document, not an image; export its pages as PNG"
    if data[4:8] == b"ftyp":
        if data[8:12] in (b"avif", b"avis"):
            return "it is an AVIF picture that is damaged or cut off"
        heif = data[8:11] in (b"hei", b"hev") or data[8:12] in (b"mif1", b"msf1")
        return "it is a HEIC photograph; convert it to JPEG" if heif else "it is a video, not an image"
    if data.startswith((b"PK\x03\x04", b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b")):
        return "it is an archive, not an image; unpack it first"
    if _is_text(data[:4096]):
        return "it is text, not an image"
    return "it is not an image, or one in a format that is not read here; convert it to PNG or JPEG"


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # not merely a character cut in two at the end
            return False
        text = head[: error.start].decode("utf-8")
    return bool(text) and all(letter.isprintable() or letter in "\t\r\n\f" for letter in text)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else text[:159] + "…"
