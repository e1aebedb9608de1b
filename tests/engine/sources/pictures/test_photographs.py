from pathlib import Path

import pytest
from PIL import Image

from engine.config import SourceSettings
from engine.sources.take_in import take_in
from tests.bench.photo_folder import make_photo_folder


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_folder_of_real_photographs_and_files_gone_wrong_is_taken_in(tmp_path: Path) -> None:
    made = make_photo_folder(tmp_path / "photos")
    intake = take_in(SourceSettings(kind="folder", path=str(tmp_path / "photos"), max_side=640), tmp_path / "ws")
    assert intake is not None
    assert len(intake.images) == len(made.photographs)
    assert intake.duplicates == len(made.copies) >= 1
    assert {skipped.name for skipped in intake.skipped} == set(made.unusable)
    names = {row.name: row for row in intake.images}
    for row in intake.images:
        with Image.open(tmp_path / "ws" / row.path) as image:
            image.load()
            assert (image.mode, image.size) == ("RGB", (row.width, row.height))
            assert max(image.size) <= 640
            assert not image.getexif()
    with Image.open(tmp_path / "photos" / "more" / "held sideways.jpg") as image:
        stored_width, stored_height = image.size
    upright = names["more/held sideways.jpg"]
    assert (upright.width > upright.height) == (stored_height > stored_width)
