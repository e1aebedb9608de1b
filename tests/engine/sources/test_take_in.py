import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine.config import SourceSettings
from engine.errors import SettingsError, SourceError, StopRequested
from engine.sources.take_in import Count, Intake, entries, take_in
from tests.engine.sources.picture_files import SVG, animated, file_bytes, picture, png_header, rotated_jpeg


def taken(workspace: Path, **settings: Any) -> Intake:
    intake = take_in(SourceSettings(**settings), workspace)
    assert intake is not None
    return intake


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Seven sound files of which two show the same, and seven that are not."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    files = {
        "a.jpg": file_bytes(picture(400, 300, 1), "JPEG"),
        "b.png": file_bytes(picture(40, 30, 2)),
        "b again.bmp": file_bytes(picture(40, 30, 2), "BMP"),
        "cmyk.jpg": file_bytes(picture(300, 300, 3).convert("CMYK"), "JPEG"),
        "sub/animated.gif": animated("GIF"),
        "sub/animated.webp": animated("WEBP"),
        "sub/turned.jpg": rotated_jpeg(6, picture(64, 48, 4)),
        "x broken.jpg": file_bytes(picture(400, 300, 5), "JPEG")[:3000],
        "x bomb.png": png_header(30_000, 30_000),
        "x empty.png": b"",
        "x notes.txt": b"some words",
        "x renamed.png": b"some words",
        "x vector.svg": SVG,
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "x outside.png").symlink_to("/etc/hostname")
    return folder


def test_folder_of_all_sorts_is_taken_in_merged_and_its_rest_listed(tmp_path: Path, photos: Path) -> None:
    intake = taken(tmp_path / "ws", kind="folder", path=str(photos))
    assert [(row.name, row.width, row.height) for row in intake.images] == [
        ("a.jpg", 400, 300),
        ("b again.bmp", 40, 30),
        ("cmyk.jpg", 300, 300),
        ("sub/animated.gif", 32, 24),
        ("sub/animated.webp", 32, 24),
        ("sub/turned.jpg", 48, 64),
    ]
    assert intake.duplicates == 1
    assert {row.source for row in intake.images} == {"folder photos"}
    reasons = {skipped.name: skipped.reason for skipped in intake.skipped}
    for name, word in {
        "x broken.jpg": "cut off",
        "x bomb.png": "pixels",
        "x empty.png": "0 bytes",
        "x notes.txt": "text",
        "x renamed.png": "text",
        "x vector.svg": "SVG",
        "x outside.png": "outside",
    }.items():
        assert word in reasons.pop(name)
    assert not reasons
    for row in intake.images:
        assert hashlib.sha256((tmp_path / "ws" / row.path).read_bytes()).hexdigest() == row.image_id


def test_zip_table_and_folder_of_the_same_pictures_give_the_same_ids(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(3):
        (folder / f"{seed}.png").write_bytes(file_bytes(picture(seed=seed)))
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    (folder / "table.jsonl").write_text("".join(json.dumps({"image": f"{seed}.png"}) + "\n" for seed in range(3)))
    ids = {
        kind: [row.image_id for row in taken(tmp_path / "ws", kind=kind, path=str(path)).images]
        for kind, path in {
            "zip": tmp_path / "photos.zip",
            "table": folder / "table.jsonl",
            "folder": folder,
        }.items()
    }
    assert ids["zip"] == ids["table"] == ids["folder"]
    assert len(set(ids["zip"])) == 3


def test_drawn_scenes_are_the_same_for_the_same_seed_and_differ_for_another(tmp_path: Path) -> None:
    settings = SourceSettings(kind="drawn", count=6)
    ids = [
        [row.image_id for row in intake.images]
        for seed in (0, 0, 1)
        if (intake := take_in(settings, tmp_path, seed=seed)) is not None
    ]
    assert ids[0] == ids[1]
    assert not set(ids[0]) & set(ids[2])
    assert len(ids[0]) == 6


def test_drawn_scenes_of_unknown_difficulty_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"source\.difficulty: no difficulty called 'absurd'"):
        taken(tmp_path, kind="drawn", difficulty="absurd")


def test_limit_counts_images_not_entries(tmp_path: Path, photos: Path) -> None:
    intake = taken(tmp_path / "ws", kind="folder", path=str(photos), limit=3)
    assert [row.name for row in intake.images] == ["a.jpg", "b again.bmp", "cmyk.jpg"]


def test_progress_counts_every_entry_once(tmp_path: Path, photos: Path) -> None:
    counts: list[Count] = []
    take_in(SourceSettings(kind="folder", path=str(photos)), tmp_path / "ws", on_progress=counts.append)
    assert [count.entries for count in counts] == list(range(1, 15))
    assert counts[-1] == Count(entries=14, total=14, images=6, duplicates=1, skipped=7)


def test_stopped_intake_goes_on_where_it_was(tmp_path: Path, photos: Path) -> None:
    settings = SourceSettings(kind="folder", path=str(photos))
    seen = 0

    def enough() -> bool:
        nonlocal seen
        seen += 1
        return seen > 4

    assert take_in(settings, tmp_path / "ws", should_stop=enough) is None
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "ws" / "images").rglob("*.??g")}
    assert len(before) == 3
    whole = take_in(settings, tmp_path / "ws")
    assert whole == take_in(settings, tmp_path / "other")
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_stop_raised_by_the_progress_callback_passes_through(tmp_path: Path, photos: Path) -> None:
    def stop(count: Count) -> None:
        if count.images == 2:
            raise StopRequested("stopped")

    with pytest.raises(StopRequested):
        take_in(SourceSettings(kind="folder", path=str(photos)), tmp_path / "ws", on_progress=stop)


def test_source_with_questions_hands_them_over_with_the_images(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(file_bytes(picture()))
    rows = [
        {"image": "a.png", "q": "What?", "c": ["x", "y"], "a": "y"},
        {"image": "a.png", "q": "How many?", "c": None, "a": "3"},
        {"image": "a.png", "q": None, "c": None, "a": None},
    ]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    intake = taken(
        tmp_path / "ws",
        kind="table",
        path=str(tmp_path / "t.jsonl"),
        question_column="q",
        choices_column="c",
        answer_column="a",
        questions="own",
    )
    (image,) = intake.images
    assert intake.duplicates == 2
    assert [(one.image_id, one.question, one.choices, one.answer) for one in intake.asked] == [
        (image.image_id, "What?", ("x", "y"), "y"),
        (image.image_id, "How many?", (), "3"),
    ]


def test_empty_source_and_source_of_broken_files_are_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    with pytest.raises(SourceError, match="holds no files or rows at all"):
        taken(tmp_path / "ws", kind="folder", path=str(folder))
    (folder / "a.txt").write_text("words")
    (folder / "b.png").write_bytes(b"")
    with pytest.raises(
        SourceError, match=r"not one usable image; 2 entries skipped, the first 'a.txt' because it is text"
    ):
        taken(tmp_path / "ws", kind="folder", path=str(folder))


def test_source_without_a_path_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"source\.path: is empty, but source\.kind is zip"):
        taken(tmp_path, kind="zip")


def test_home_folder_in_a_path_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(b"x")
    assert [entry.name for entry in entries(SourceSettings(kind="folder", path="~/photos"))] == ["a.png"]


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=4))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_folder_of_arbitrary_bytes_is_one_sentence_and_leaves_nothing(tmp_path: Path, contents: list[bytes]) -> None:
    folder = tmp_path / "photos"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for number, data in enumerate(contents):
        (folder / f"{number}.jpg").write_bytes(data)
    with pytest.raises(SourceError, match="not one usable image"):
        taken(tmp_path / "ws", kind="folder", path=str(folder))
    assert not list((tmp_path / "ws" / "images").glob("??/*"))
