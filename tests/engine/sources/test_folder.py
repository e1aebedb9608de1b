import os
from pathlib import Path

import pytest

from engine.errors import SourceError
from engine.records import Skipped
from engine.sources.entry import Entry
from engine.sources.folder import open_folder
from engine.sources.pictures.upright import Limits

LIMITS = Limits(max_bytes=2000)


def read(folder: Path) -> tuple[dict[str, bytes], dict[str, str]]:
    """Names and bytes of what was found, names and reasons of what was skipped."""
    found = list(open_folder(folder, LIMITS).entries)
    taken = {entry.name: entry.data for entry in found if isinstance(entry, Entry)}
    assert all(isinstance(data, bytes) for data in taken.values())
    return taken, {entry.name: entry.reason for entry in found if isinstance(entry, Skipped)}  # type: ignore[return-value]


def test_folder_is_read_recursively_in_order_without_hidden_files(tmp_path: Path) -> None:
    for name in ("b.png", "a/2.png", "a/1.png", ".hidden.png", ".git/x.png", "a/.cache/y.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    source = open_folder(tmp_path, LIMITS)
    assert source.total == 3
    taken, skipped = read(tmp_path)
    assert list(taken.items()) == [("b.png", b"b.png"), ("a/1.png", b"a/1.png"), ("a/2.png", b"a/2.png")]
    assert not skipped


def test_link_to_outside_is_skipped_and_link_inside_is_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    (folder / "real.png").write_bytes(b"real")
    (folder / "inside.png").symlink_to(folder / "real.png")
    (folder / "outside.png").symlink_to(secret)
    (folder / "relative.png").symlink_to("../secret.png")
    (folder / "broken.png").symlink_to("nowhere.png")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "up").symlink_to(tmp_path)
    (folder / "again").symlink_to(folder / "sub")
    taken, skipped = read(folder)
    assert taken == {"real.png": b"real", "inside.png": b"real"}
    assert {name: "outside" in reason for name, reason in skipped.items()} == {
        "outside.png": True,
        "relative.png": True,
        "up": True,
        "broken.png": False,
        "loop.png": False,
        "again": False,
    }


def test_folder_named_through_a_link_is_read(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.png").write_bytes(b"a")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert read(tmp_path / "link") == ({"a.png": b"a"}, {})


def test_pipe_and_oversized_file_are_skipped_without_reading(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "big.png").write_bytes(bytes(3000))
    taken, skipped = read(tmp_path)
    assert not taken
    assert "not a regular file" in skipped["pipe.png"]
    assert "source.max_bytes" in skipped["big.png"]


def test_file_name_that_is_no_utf8_becomes_a_valid_name(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")).write_bytes(b"x")
    taken, _ = read(tmp_path)
    (name,) = taken
    assert name == "caf�.png"
    name.encode("utf-8")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_folder_without_permission_is_skipped_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    _, skipped = read(tmp_path)
    assert "cannot be read" in skipped["closed"]


@pytest.mark.parametrize(("name", "found"), [("nowhere", "no such folder"), ("file.txt", "a file, not a folder")])
def test_folder_that_is_none_is_one_sentence(tmp_path: Path, name: str, found: str) -> None:
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(SourceError, match=found):
        open_folder(tmp_path / name, LIMITS)
