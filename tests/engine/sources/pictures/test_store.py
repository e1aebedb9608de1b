import hashlib
import io
import threading
from pathlib import Path

import pytest
from PIL import Image

from engine.errors import WorkspaceError
from engine.records import ImageRow
from engine.sources.pictures import store as store_module
from engine.sources.pictures.store import ImageStore, encoded, store_image
from engine.sources.pictures.upright import ImageRefused, Limits
from tests.engine.sources.picture_files import file_bytes, picture, rotated_jpeg

LIMITS = Limits()


def files(workspace: Path) -> list[Path]:
    return sorted(path for path in (workspace / "images").rglob("*") if path.is_file() and path.name != "seen.jsonl")


def opened(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


def test_stored_file_is_named_by_the_hash_of_its_own_bytes(tmp_path: Path) -> None:
    row = store_image(tmp_path, picture(300, 300), source="upload", name="a.png")
    path = tmp_path / row.path
    assert row.path == f"images/{row.image_id[:2]}/{row.image_id}.jpg"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == row.image_id
    assert opened(path).size == (row.width, row.height) == (300, 300)
    assert files(tmp_path) == [path]


def test_same_picture_in_two_formats_is_stored_once(tmp_path: Path) -> None:
    with ImageStore(tmp_path) as store:
        one = store.put(file_bytes(picture(), "PNG"), LIMITS)
        two = store.put(file_bytes(picture(), "BMP"), LIMITS)
        three = store.put(picture(), LIMITS)
    assert one == two == three
    assert len(files(tmp_path)) == 1


def test_stored_file_carries_no_metadata(tmp_path: Path) -> None:
    for size in ((64, 48), (400, 300)):  # one becomes PNG, the other JPEG
        row = store_image(tmp_path, rotated_jpeg(6, picture(*size)))
        assert b"SECRET" not in (tmp_path / row.path).read_bytes()
        assert (row.width, row.height) == size[::-1]
        assert not opened(tmp_path / row.path).getexif()


def test_small_or_plainly_coloured_picture_becomes_png_and_photograph_jpeg() -> None:
    assert encoded(picture(256, 256))[1] == "png"
    assert encoded(Image.new("RGB", (1000, 800), "teal"))[1] == "png"
    assert encoded(picture(1000, 800))[1] == "jpg"


def test_equal_pixels_give_equal_bytes() -> None:
    for size in ((40, 30), (600, 500)):
        assert encoded(picture(*size)) == encoded(picture(*size))


def test_source_seen_before_is_recognised_without_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = file_bytes(picture(), "PNG")
    with ImageStore(tmp_path) as store:
        first = store.put(data, LIMITS)

    def decode(*_: object) -> Image.Image:
        raise AssertionError("decoded again")

    monkeypatch.setattr(store_module, "read_upright", decode)
    with ImageStore(tmp_path) as store:
        assert store.put(data, LIMITS) == first


def test_source_seen_before_is_stored_again_if_its_file_was_deleted(tmp_path: Path) -> None:
    data = file_bytes(picture(), "PNG")
    with ImageStore(tmp_path) as store:
        path = tmp_path / store.put(data, LIMITS).path
    path.unlink()
    with ImageStore(tmp_path) as store:
        store.put(data, LIMITS)
    assert path.is_file()


def test_source_seen_with_other_limits_is_judged_anew(tmp_path: Path) -> None:
    data = file_bytes(picture(200, 100), "PNG")
    with ImageStore(tmp_path) as store:
        assert store.put(data, LIMITS).width == 200
        assert store.put(data, Limits(max_side=50)).width == 50
        with pytest.raises(ImageRefused):
            store.put(data, Limits(max_pixels=1024))


@pytest.mark.parametrize("damage", [b"", b"not json\n", b'["cut off by a ki', b"[1,2]\n\xff\xfe\n"])
def test_damaged_memory_of_seen_sources_is_harmless(tmp_path: Path, damage: bytes) -> None:
    seen = tmp_path / "images" / "seen.jsonl"
    data = file_bytes(picture(), "PNG")
    with ImageStore(tmp_path) as store:
        first = store.put(data, LIMITS)
    seen.write_bytes(damage)
    with ImageStore(tmp_path) as store:
        assert store.put(data, LIMITS) == first
    with ImageStore(tmp_path) as store:
        assert list(store._seen.values()) == [first]


def test_several_writers_at_once_leave_whole_files_and_no_others(tmp_path: Path) -> None:
    sources = [file_bytes(picture(seed=seed), "PNG") for seed in range(6)]

    def work() -> None:
        with ImageStore(tmp_path) as store:
            for data in sources:
                store.put(data, LIMITS)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = files(tmp_path)
    assert len(stored) == 6
    for path in stored:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem


def test_workspace_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file where the folder belongs")
    with pytest.raises(WorkspaceError, match="cannot write"):
        store_image(tmp_path, picture())


def test_path_is_stored_under_its_file_name(tmp_path: Path) -> None:
    path = tmp_path / "cat.jpg"
    path.write_bytes(file_bytes(picture(), "JPEG"))
    row = store_image(tmp_path / "workspace", path)
    assert isinstance(row, ImageRow)
    assert (row.name, row.source) == ("cat.jpg", "upload")


@pytest.mark.parametrize(("size", "reason"), [(0, "0 bytes"), (3000, r"source\.max_bytes")])
def test_unusable_path_is_refused_and_nothing_stored(tmp_path: Path, size: int, reason: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"x" * size)
    with pytest.raises(ImageRefused, match=reason):
        store_image(tmp_path / "workspace", path, limits=Limits(max_bytes=2000))
    assert not (tmp_path / "workspace" / "images").exists() or not files(tmp_path / "workspace")
