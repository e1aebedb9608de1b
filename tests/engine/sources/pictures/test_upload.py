from pathlib import Path

import pytest

from engine.errors import SourceError
from engine.sources.pictures.upload import check_upload
from tests.engine.sources.picture_files import SVG, file_bytes, picture, png_header, rotated_jpeg


def test_sound_upload_comes_back_upright(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(rotated_jpeg(8, picture(64, 48)))
    image = check_upload(path)
    assert (image.mode, image.size) == ("RGB", (48, 64))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"hello", r"photo\.png: it is text, not an image\. Choose a PNG, JPEG or WebP file\."),
        (b"", r"photo\.png: the file is empty \(0 bytes\)\."),
        (SVG, r"photo\.png: it is an SVG drawing"),
        (png_header(20_000, 10_000), r"photo\.png: it has 200,000,000 pixels, more than the 100,000,000 allowed"),
        (png_header(12_000, 10_000), r"photo\.png: it has 12000 × 10000 pixels, more than the 100,000,000 allowed"),
        (file_bytes(picture(200, 200))[:500], r"photo\.png: the picture is damaged"),
    ],
    ids=["text renamed", "0 bytes", "SVG with script", "200 megapixels", "120 megapixels", "cut off"],
)
def test_wrong_upload_is_refused_with_a_sentence(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=reason):
        check_upload(path)


def test_upload_is_held_to_the_limits_given(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(file_bytes(picture(100, 100)))
    with pytest.raises(SourceError, match=r"source\.max_bytes"):
        check_upload(path, max_bytes=100)
    with pytest.raises(SourceError, match="more than the 5,000 allowed"):
        check_upload(path, max_pixels=5000)


def test_missing_upload_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        check_upload(tmp_path / "gone.png")
