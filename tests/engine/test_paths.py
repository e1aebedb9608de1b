import os
from pathlib import Path

import pytest

from engine.config import load_settings
from engine.errors import UsageError
from engine.paths import expanded, file_to_write, with_absolute_paths


def test_home_that_nobody_knows_is_one_sentence() -> None:
    with pytest.raises(UsageError, match=r"^~nosuchuser/photos: .* Write the whole path\.$"):
        expanded("~nosuchuser/photos")


def test_what_can_be_no_file_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for out, found in (
        ("/dev/null", "a device"),
        (tmp_path / "pipe", "a pipe"),
        (tmp_path, "is a folder"),
        ("", "is a folder"),
        (Path(""), "is a folder"),
        (tmp_path / "no" / "o.html", f"there is no folder {tmp_path / 'no'}"),
    ):
        with pytest.raises(UsageError, match=found):
            file_to_write(out)
    assert file_to_write(tmp_path / "o.html") == tmp_path / "o.html"


def test_every_path_of_the_settings_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "llava").mkdir()
    settings = load_settings(
        overrides={
            "model.base": "llava",
            "model.prompts": "pack.yaml",
            "source.kind": "folder",
            "source.path": "~/photos",
            "evaluate.benchmarks": "[own.JSONL, vl-rewardbench=data/v.jsonl, shapes]",
        }
    )
    whole = with_absolute_paths(settings)
    assert whole.model.base == str(tmp_path / "llava")
    assert whole.model.prompts == str(tmp_path / "pack.yaml")
    assert whole.source.path == str(tmp_path / "home/photos")
    own, published, shapes = whole.evaluate.benchmarks
    assert (own, published, shapes) == (f"{tmp_path}/own.JSONL", f"vl-rewardbench={tmp_path}/data/v.jsonl", "shapes")
    assert with_absolute_paths(whole) == whole


def test_name_on_the_hub_stays_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shapes-vlm").mkdir()
    settings = load_settings(overrides={"source.kind": "dataset", "source.path": "org/data", "model.base": "org/model"})
    assert with_absolute_paths(settings) == settings
    assert with_absolute_paths(load_settings()).model.base == "shapes-vlm"


def test_link_is_kept_so_that_it_may_be_pointed_elsewhere(tmp_path: Path) -> None:
    os.symlink(tmp_path, tmp_path / "here")
    settings = load_settings(overrides={"source.kind": "folder", "source.path": str(tmp_path / "here")})
    assert with_absolute_paths(settings).source.path == str(tmp_path / "here")
