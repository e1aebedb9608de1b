import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageCms, ImageOps

from engine.sources.pictures.upright import ImageRefused, Limits, as_upright, read_upright
from tests.engine.sources.picture_files import SVG, animated, file_bytes, picture, png_header, rotated_jpeg

LIMITS = Limits()
_TURNED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""What a camera did to the scene before it wrote the orientation."""


def distance(one: Image.Image, other: Image.Image) -> float:
    """Root mean square difference per channel, 8-bit levels."""
    assert one.size == other.size
    histogram = ImageChops.difference(one, other).histogram()
    total = sum(count * (level % 256) ** 2 for level, count in enumerate(histogram))
    return math.sqrt(total / (3 * one.width * one.height))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photograph_with_rotation_metadata_comes_out_upright(orientation: int) -> None:
    scene = picture(64, 48)
    turn = _TURNED[orientation]
    held = scene if turn is None else scene.transpose(turn)
    assert distance(read_upright(rotated_jpeg(orientation, held), LIMITS), scene) < 3


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_animated_file_gives_its_first_frame(kind: str) -> None:
    red, _, blue = read_upright(animated(kind), LIMITS).getpixel((16, 12))  # type: ignore[misc]
    assert red > 240
    assert blue < 16


SCENE = picture(32, 32)
GREY = ImageOps.autocontrast(SCENE.convert("L"))
MODES = {
    "1": (SCENE.convert("1"), SCENE.convert("1"), "PNG"),
    "L": (GREY, GREY, "PNG"),
    "LA": (GREY.convert("LA"), GREY, "PNG"),
    "P": (SCENE.quantize(200), SCENE.quantize(200), "PNG"),
    "RGBA": (SCENE.convert("RGBA"), SCENE, "PNG"),
    "CMYK": (SCENE.convert("CMYK"), SCENE, "TIFF"),
    "16 bit": (GREY.convert("I").point(lambda value: value * 257).convert("I;16"), GREY, "PNG"),
    "16 bit, high byte first": (
        Image.frombytes("I;16B", GREY.size, b"".join(bytes((value, value)) for value in GREY.tobytes())),
        GREY,
        "TIFF",
    ),
    "32 bit": (GREY.convert("I").point(lambda value: value * 70_000), GREY, "TIFF"),
    "float": (GREY.convert("F").point(lambda value: value * 0.001 - 5.0), GREY, "TIFF"),
}


@pytest.mark.parametrize("mode", MODES)
def test_every_pixel_mode_comes_out_as_the_rgb_picture_it_shows(mode: str) -> None:
    stored, shown, kind = MODES[mode]
    out = read_upright(file_bytes(stored, kind), LIMITS)
    assert out.mode == "RGB"
    assert distance(out, shown.convert("RGB")) < 3


def test_cmyk_jpeg_keeps_its_colours() -> None:
    scene = picture(64, 64)
    out = read_upright(file_bytes(scene.convert("CMYK"), "JPEG", quality=95, subsampling=0), LIMITS)
    assert distance(out, scene) < 6


def test_transparent_parts_become_white() -> None:
    image = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    image.paste((10, 20, 30, 255), (0, 0, 10, 20))
    out = read_upright(file_bytes(image), LIMITS)
    assert out.getpixel((0, 0)) == (10, 20, 30)
    assert out.getpixel((19, 0)) == (255, 255, 255)


def test_transparent_palette_entry_becomes_white() -> None:
    image = Image.new("P", (20, 20), 1)
    image.putpalette([9, 9, 9, 200, 0, 0])
    image.paste(0, (0, 0, 10, 20))
    out = read_upright(file_bytes(image, "GIF", transparency=0), LIMITS)
    assert out.getpixel((0, 0)) == (255, 255, 255)
    assert out.getpixel((19, 0)) == (200, 0, 0)


def test_picture_with_another_colour_profile_is_converted_to_srgb() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # The same profile under another name, in which what is called red is blue.
    swapped = srgb.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")
    swapped = swapped.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    assert swapped != srgb
    red, green, blue = SCENE.split()
    out = read_upright(file_bytes(SCENE, icc_profile=swapped), LIMITS)
    assert distance(out, Image.merge("RGB", (blue, green, red))) < 3
    assert out.info == {}


def test_srgb_profile_changes_no_pixel() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert read_upright(file_bytes(SCENE, icc_profile=srgb), LIMITS).tobytes() == SCENE.tobytes()


def test_broken_colour_profile_costs_nothing_but_the_profile() -> None:
    scene = picture(32, 32)
    out = read_upright(file_bytes(scene, icc_profile=b"no profile at all"), LIMITS)
    assert out.tobytes() == scene.tobytes()


def test_broken_rotation_metadata_costs_nothing_but_the_rotation() -> None:
    data = rotated_jpeg(6, picture(64, 48))
    broken = data.replace(b"Exif\0\0MM\0*\0\0\0\x08", b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert broken != data
    assert read_upright(broken, LIMITS).size == (64, 48)


@pytest.mark.parametrize(("size", "expected"), [((400, 100), (50, 12)), ((100, 400), (12, 50)), ((50, 50), (50, 50))])
def test_large_picture_is_scaled_so_that_its_longer_side_fits(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert read_upright(file_bytes(picture(*size)), Limits(max_side=50)).size == expected


def test_large_jpeg_is_scaled_to_the_same_size_as_the_same_png() -> None:
    scene = picture(1601, 1203)
    limits = Limits(max_side=100)
    jpeg = read_upright(file_bytes(scene, "JPEG", quality=95), limits)
    assert distance(jpeg, read_upright(file_bytes(scene), limits)) < 3


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes"),
        (b"just some words\n", "it is text"),
        ("schöne Grüße".encode(), "it is text"),
        (SVG, "SVG"),
        (b"\xef\xbb\xbf  " + SVG, "SVG"),
        (b"%PDF-1.7 \x00", "PDF"),
        (b"PK\x03\x04" + bytes(40), "archive"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
        (b"\0\0\0\x18ftypisom" + bytes(40), "video"),
        (b"\0\0\0\x18ftyphevx" + bytes(40), "HEIC"),
        (b"\0\0\0\x18ftypavif" + bytes(40), "AVIF picture that is damaged"),
        (b"\xff", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "it is text"),
        (bytes(range(256)), "not an image"),
        (b"\x89PNG\r\n\x1a\n", "not an image"),
        (file_bytes(picture())[:-400], "damaged or cut off"),
        (file_bytes(picture(200, 200), "JPEG")[:2000], "damaged or cut off"),
        (png_header(20_000, 10_000), "pixels"),
        (png_header(10_001, 10_000), "10001 × 10000 pixels"),
        (file_bytes(Image.new("RGB", (1, 1))), "1 × 1"),
        (file_bytes(Image.new("RGB", (5000, 9))), "nothing to see"),
    ],
)
def test_unusable_file_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ImageRefused, match=reason):
        read_upright(data, LIMITS)


def test_file_larger_than_allowed_is_refused_undecoded() -> None:
    with pytest.raises(ImageRefused, match=r"source\.max_bytes"):
        read_upright(b"x" * 2001, Limits(max_bytes=2000))


def test_bomb_of_every_format_is_refused_by_its_header_before_decoding() -> None:
    limits = Limits(max_pixels=1000)
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "PPM"):
        with pytest.raises(ImageRefused, match=r"source\.max_pixels"):
            read_upright(file_bytes(picture(50, 40), kind), limits)


def test_pasted_picture_of_floats_without_finite_values_is_refused() -> None:
    with pytest.raises(ImageRefused, match="finite"):
        as_upright(Image.new("F", (20, 20), float("nan")), LIMITS)


SEEDS = [file_bytes(picture(16, 16), kind) for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "PPM")]


def read_or_refusal(data: bytes, limits: Limits) -> Image.Image | str:
    try:
        return read_upright(data, limits)
    except ImageRefused as refusal:
        return str(refusal)


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_refused_in_one_sentence(data: bytes) -> None:
    outcome = read_or_refusal(data, LIMITS)
    assert isinstance(outcome, str)
    assert outcome
    assert "\n" not in outcome


@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=8))
def test_sound_file_with_damaged_bytes_is_read_or_refused_but_never_crashes(
    data: bytes, flips: list[tuple[float, int]]
) -> None:
    damaged = bytearray(data)
    for place, value in flips:
        damaged[int(place * len(damaged))] = value
    outcome = read_or_refusal(bytes(damaged), Limits(max_pixels=1_000_000))
    if isinstance(outcome, str):
        assert "\n" not in outcome
    else:
        assert outcome.mode == "RGB"
        assert max(outcome.size) <= LIMITS.max_side


def test_reading_leaves_no_trace_of_metadata() -> None:
    out = read_upright(rotated_jpeg(3, picture(64, 48)), LIMITS)
    saved = io.BytesIO()
    out.save(saved, "PNG")
    assert b"SECRET" not in saved.getvalue()
    assert not out.getexif()
