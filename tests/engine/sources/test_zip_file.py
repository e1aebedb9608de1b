import io
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import SourceError
from engine.records import Skipped
from engine.sources import zip_file
from engine.sources.entry import Entry
from engine.sources.pictures.upright import ImageRefused, Limits
from engine.sources.zip_file import open_zip, read_member

LIMITS = Limits(max_bytes=3_000_000)


def read(path: Path) -> tuple[dict[str, bytes], dict[str, str]]:
    found = list(open_zip(path, LIMITS).entries)
    taken = {entry.name: entry.data for entry in found if isinstance(entry, Entry)}
    return taken, {entry.name: entry.reason for entry in found if isinstance(entry, Skipped)}  # type: ignore[return-value]


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_zip_is_read_member_by_member_without_hidden_ones(tmp_path: Path) -> None:
    members = {"a.png": b"a", "sub/": b"", "win\\": b"", "sub/b.png": b"b", "__MACOSX/._a.png": b"x", ".DS_Store": b"x"}
    path = zipped(tmp_path / "p.zip", members)
    assert read(path) == ({"a.png": b"a", "sub/b.png": b"b"}, {})
    assert open_zip(path, LIMITS).total == 2


@pytest.mark.parametrize("name", ["../evil.png", "a/../../evil.png", "/etc/evil.png", "..\\evil.png", "C:\\evil.png"])
def test_member_with_a_path_outside_is_skipped(tmp_path: Path, name: str) -> None:
    info = zipfile.ZipInfo()
    info.filename = name
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, b"evil")
    taken, skipped = read(path)
    assert not taken
    assert ["outside" in reason for reason in skipped.values()] == [True]


def test_link_in_a_zip_is_skipped(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    assert read(path) == ({}, {"link.png": "it is a link, not a file"})


def test_zip_bomb_is_skipped_by_its_ratio_and_the_rest_is_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "p.zip", {"bomb.png": bytes(2_900_000), "huge.png": bytes(3_100_000), "a.png": b"a"})
    taken, skipped = read(path)
    assert taken == {"a.png": b"a"}
    assert "zip bomb" in skipped["bomb.png"]
    assert "source.max_bytes" in skipped["huge.png"]


def test_member_that_unpacks_to_more_than_it_claims_is_skipped(tmp_path: Path) -> None:
    path = zipped(tmp_path / "p.zip", {"liar.png": bytes(500_000)})
    data = bytearray(path.read_bytes())
    directory = data.rfind(b"PK\x01\x02")
    struct.pack_into("<L", data, directory + 24, 100)  # uncompressed size in the central directory
    path.write_bytes(data)
    taken, skipped = read(path)
    assert not taken
    assert set(skipped) == {"liar.png"}


def test_archive_that_unpacks_to_too_much_in_all_ends_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_file, "MAX_TOTAL_BYTES", 15)
    taken, skipped = read(zipped(tmp_path / "p.zip", {f"{i}.png": b"0123456789" for i in range(4)}))
    assert list(taken) == ["0.png", "1.png"]
    assert all("more than may be read" in reason for reason in skipped.values())


def test_encrypted_member_is_skipped_with_its_reason(tmp_path: Path) -> None:
    path = zipped(tmp_path / "p.zip", {"a.png": b"a"})
    data = bytearray(path.read_bytes())
    directory = data.rfind(b"PK\x01\x02")
    data[6] |= 1
    data[directory + 8] |= 1
    path.write_bytes(data)
    _, skipped = read(path)
    assert "encrypted" in skipped["a.png"]


def test_damaged_member_is_skipped_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w") as archive:  # stored, so that the bytes can be found and changed
        archive.writestr("broken.png", b"x" * 50)
        archive.writestr("a.png", b"a")
    path.write_bytes(path.read_bytes().replace(b"x" * 50, b"x" * 49 + b"y"))
    taken, skipped = read(path)
    assert taken == {"a.png": b"a"}
    assert "damaged" in skipped["broken.png"]


@pytest.mark.parametrize("limit", ["MAX_MEMBERS", "MAX_DIRECTORY_BYTES"])
def test_zip_with_an_absurd_number_of_members_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    path = zipped(tmp_path / "p.zip", {f"{i}.png": b"" for i in range(30)})
    monkeypatch.setattr(zip_file, limit, 20)
    with pytest.raises(SourceError, match="members"):
        open_zip(path, LIMITS)


def as_zip64(path: Path) -> Path:
    """The same zip with its counts in the long form alone, as tools write it for more than 65,535 members."""
    data = path.read_bytes()
    end = data.rfind(b"PK\x05\x06")
    count, size, offset = struct.unpack_from("<H2L", data, end + 10)
    long_form = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    short_form = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path.write_bytes(data[:end] + long_form + locator + short_form)
    return path


def test_long_form_zip_is_read_and_limited_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = as_zip64(zipped(tmp_path / "p.zip", {"a.png": b"a", "b.png": b"b"}))
    assert read(path) == ({"a.png": b"a", "b.png": b"b"}, {})
    monkeypatch.setattr(zip_file, "MAX_DIRECTORY_BYTES", 20)
    with pytest.raises(SourceError, match="list of members claims"):
        open_zip(path, LIMITS)


@pytest.mark.parametrize("data", [b"", b"not a zip", b"PK\x05\x06" + bytes(10), b"PK\x03\x04" + bytes(100)])
def test_file_that_is_no_zip_is_one_sentence(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "p.zip"
    path.write_bytes(data)
    with pytest.raises(SourceError, match="not a readable zip"):
        open_zip(path, LIMITS)


def test_missing_zip_and_folder_are_one_sentence(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.zip", tmp_path):
        with pytest.raises(SourceError, match="Name an existing zip"):
            open_zip(path, LIMITS)


def small_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", b"hello" * 20)
        archive.writestr("b.png", b"world", zipfile.ZIP_STORED)
    return file.getvalue()


@given(st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), min_size=1, max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_zip_with_damaged_bytes_is_read_skipped_or_refused_but_never_crashes(
    tmp_path: Path, flips: list[tuple[float, int]]
) -> None:
    data = bytearray(small_zip())
    for place, value in flips:
        data[int(place * len(data))] = value
    path = tmp_path / "p.zip"
    path.write_bytes(data)
    try:
        entries = list(open_zip(path, LIMITS).entries)
    except SourceError:
        return
    assert len(entries) <= 2


def test_member_packed_with_deflate64_is_named_as_such(tmp_path: Path) -> None:
    path = zipped(tmp_path / "p.zip", {"a.png": b"a" * 100, "b.png": b"b"})
    data = bytearray(path.read_bytes())
    for signature, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):  # the method of the first member, twice
        start = data.index(signature)
        data[start + place : start + place + 2] = struct.pack("<H", 9)
    path.write_bytes(data)
    taken, skipped = read(path)
    assert list(taken) == ["b.png"]
    assert (
        skipped["a.png"]
        == "it is packed with Deflate64, which is not read here; pack it again as an ordinary zip (Deflate)"
    )


def test_pointer_in_place_of_a_zip_is_named(tmp_path: Path) -> None:
    (tmp_path / "p.zip").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 42\n")
    with pytest.raises(SourceError, match="git-lfs pointer"):
        read(tmp_path / "p.zip")


def test_single_member_is_read_under_the_same_checks(tmp_path: Path) -> None:
    path = zipped(tmp_path / "p.zip", {"sub/a.png": b"a", "../b.png": b"b", "large.png": b"x" * 4_000_000})
    assert read_member(path, "sub/a.png", LIMITS) == b"a"
    for name, reason in (("c.png", "no such file"), ("../b.png", "outside"), ("large.png", "more than")):
        with pytest.raises(ImageRefused, match=reason):
            read_member(path, name, LIMITS)
    (tmp_path / "broken.zip").write_bytes(b"PK")
    with pytest.raises(ImageRefused, match="archive cannot be read"):
        read_member(tmp_path / "broken.zip", "a.png", LIMITS)
