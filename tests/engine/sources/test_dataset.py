import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from engine.config import SourceSettings
from engine.errors import SourceError
from engine.records import Skipped
from engine.sources.dataset import open_dataset
from engine.sources.entry import Entry
from engine.sources.pictures.upright import Limits, limits_of
from engine.sources.take_in import entries
from tests.engine.sources.picture_files import file_bytes, picture

datasets = pytest.importorskip("datasets")
PNG = file_bytes(picture())


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def read(path: Path | str, **settings: Any) -> list[Entry | Skipped]:
    source = SourceSettings(kind="dataset", path=str(path), **settings)
    return list(open_dataset(source, limits_of(source)).entries)


def dataset(**columns: list[Any]) -> Any:
    features = {"image": datasets.Image()} if "image" in columns else {}
    made = datasets.Dataset.from_dict(columns)
    for name, feature in features.items():
        made = made.cast_column(name, feature)
    return made


def test_dataset_saved_to_disk_is_read_with_its_bytes_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    dataset(image=[{"bytes": PNG, "path": None}] * 3, text=["a", "b", "c"]).save_to_disk(folder)
    entries = read(folder, question_column="text", questions="own")
    assert [(e.name, e.data, e.question) for e in entries if isinstance(e, Entry)] == [
        ("train row 0", PNG, "a"),
        ("train row 1", PNG, "b"),
        ("train row 2", PNG, "c"),
    ]
    source = SourceSettings(kind="dataset", path=str(folder))
    assert open_dataset(source, Limits()).total == 3


def test_saved_dataset_with_several_splits_is_read_by_split(tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    one = dataset(image=[{"bytes": PNG, "path": None}])
    datasets.DatasetDict({"fit": one, "check": one}).save_to_disk(folder)
    assert len(read(folder, split="check")) == 1
    with pytest.raises(SourceError, match=r"no split 'train'; it has fit, check. Set source.split"):
        read(folder)


def test_folder_of_parquet_parts_is_streamed(tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    (folder / "data").mkdir(parents=True)
    dataset(image=[{"bytes": PNG, "path": None}] * 2).to_parquet(folder / "data" / "train-00000-of-00001.parquet")
    assert [entry.data for entry in read(folder) if isinstance(entry, Entry)] == [PNG, PNG]
    with pytest.raises(SourceError, match=r"source\.split"):
        read(folder, split="nonsense")


def test_folder_of_image_files_is_streamed_and_stays_inside(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.png").write_bytes(PNG)
    (tmp_path / "secret.png").write_bytes(PNG)
    (folder / "b.png").symlink_to(tmp_path / "secret.png")
    first, second = read(folder)
    assert isinstance(first, Entry)
    assert first.data == PNG
    assert isinstance(second, Skipped)
    assert "outside" in second.reason


def test_column_that_lists_one_image_per_row_is_read(tmp_path: Path) -> None:
    features = datasets.Features({"image": datasets.List(datasets.Image())})
    rows = {"image": [[{"bytes": PNG, "path": None}], [{"bytes": PNG, "path": None}] * 2]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "saved")
    first, second = read(tmp_path / "saved")
    assert isinstance(first, Entry)
    assert first.data == PNG
    assert isinstance(second, Skipped)
    assert "2 images" in second.reason


def test_broken_image_in_a_dataset_is_passed_on_undecoded(tmp_path: Path) -> None:
    dataset(image=[{"bytes": b"broken", "path": None}]).save_to_disk(tmp_path / "saved")
    (entry,) = read(tmp_path / "saved")
    assert isinstance(entry, Entry)
    assert entry.data == b"broken"


def test_dataset_without_the_image_column_names_where_images_are(tmp_path: Path) -> None:
    made = dataset(image=[{"bytes": PNG, "path": None}]).rename_column("image", "jpg")
    made.save_to_disk(tmp_path / "saved")
    with pytest.raises(SourceError, match=r"no column 'image'; images are in jpg. Set source.image_column"):
        read(tmp_path / "saved")


def test_dataset_without_images_is_one_sentence(tmp_path: Path) -> None:
    dataset(text=["a"], label=[1]).save_to_disk(tmp_path / "saved")
    with pytest.raises(SourceError, match=r"no column 'image'; its columns are text, label"):
        read(tmp_path / "saved")


def test_jsonl_dataset_is_streamed_with_paths_relative_to_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.bin").write_bytes(PNG)
    (folder / "train.jsonl").write_text('{"image": "a.bin", "n": 1}\n{"image": "../b.png", "n": 2}\n')
    first, second = read(folder)
    assert isinstance(first, Entry)
    assert first.data == PNG
    assert isinstance(second, Skipped)
    assert "outside" in second.reason


def test_empty_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="cannot be loaded"):
        read(tmp_path / "empty")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("someone/none-such", "hub cannot be reached"),
        ("/no/such/folder", "cannot be a Hugging Face id"),
        ("three/part/name", "cannot be a Hugging Face id"),
    ],
)
def test_dataset_that_is_not_here_is_one_sentence_without_network(name: str, found: str) -> None:
    with pytest.raises(SourceError, match=found):
        read(name)


def snapshot(folder: Path, **files: bytes) -> Path:
    """A folder as `hf download --repo-type dataset` leaves it: links to the blobs of its repository."""
    repository = folder / "datasets--owner--name"
    train = repository / "snapshots" / "0a1b" / "train"
    train.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for number, (name, data) in enumerate(files.items()):
        (repository / "blobs" / str(number)).write_bytes(data)
        (train / name.replace("_", ".")).symlink_to(f"../../../blobs/{number}")
    return train.parent


def test_snapshot_of_the_hub_is_read_as_dataset_folder_and_table(tmp_path: Path) -> None:
    folder = snapshot(tmp_path, a_png=PNG)
    (folder / "t.jsonl").write_bytes(b'{"image": "train/a.png"}\n')
    for kind, path in (("dataset", folder / "train"), ("folder", folder / "train"), ("table", folder / "t.jsonl")):
        settings = SourceSettings(kind=kind, path=str(path))
        assert [entry.data for entry in entries(settings) if isinstance(entry, Entry)] == [PNG], kind


def test_link_out_of_a_snapshots_repository_is_not_followed(tmp_path: Path) -> None:
    folder = snapshot(tmp_path, a_png=PNG)
    (tmp_path / "secret.png").write_bytes(PNG)
    (tmp_path / "datasets--other" / "blobs").mkdir(parents=True)
    (tmp_path / "datasets--other" / "blobs" / "1").write_bytes(PNG)
    (folder / "train" / "b.png").symlink_to(tmp_path / "secret.png")
    (folder / "train" / "c.png").symlink_to(tmp_path / "datasets--other" / "blobs" / "1")
    found = list(entries(SourceSettings(kind="folder", path=str(folder))))
    assert [entry.name for entry in found if isinstance(entry, Entry)] == ["train/a.png"]
    assert all("outside" in entry.reason for entry in found if isinstance(entry, Skipped))


def test_zipped_folder_of_images_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    with zipfile.ZipFile(folder / "train.zip", "w") as archive:
        archive.writestr("a.png", PNG)
        archive.writestr("sub/b.png", PNG)
    assert [entry.data for entry in read(folder) if isinstance(entry, Entry)] == [PNG, PNG]


@pytest.mark.parametrize("saved", [True, False], ids=["saved to disk", "parquet"])
def test_class_labels_are_read_by_name(tmp_path: Path, saved: bool) -> None:
    names = datasets.ClassLabel(names=["cat", "dog"])
    features = datasets.Features(
        {"image": datasets.Image(), "q": datasets.Value("string"), "label": names, "options": datasets.List(names)}
    )
    rows = {"image": [{"bytes": PNG, "path": None}] * 2, "q": ["Which?"] * 2, "label": [1, -1], "options": [[1, 0]] * 2}
    made = datasets.Dataset.from_dict(rows, features=features)
    folder = tmp_path / "d"
    if saved:
        made.save_to_disk(folder)
    else:
        folder.mkdir()
        made.to_parquet(str(folder / "train.parquet"))
    first, second = read(folder, questions="own", question_column="q", answer_column="label", choices_column="options")
    assert isinstance(first, Entry)
    assert isinstance(second, Entry)
    assert (first.answer, first.choices, second.answer) == ("dog", ("dog", "cat"), None)


@pytest.mark.parametrize(("name", "kind"), [("t.jsonl", "table"), ("t.parquet", "table"), ("p.zip", "zip")])
def test_file_as_a_dataset_is_told_its_kind(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(SourceError, match=f"is a file.*source.kind={kind}"):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["d[1]", "d*", "d?", "photos #2", "{a}", "50%", "a!b", "d[", "a::b"])
def test_folder_whose_name_looks_like_a_pattern_is_read(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "a.png").write_bytes(PNG)
    (folder / "metadata.jsonl").write_text('{"file_name": "a.png", "question": "What is it?"}\n')
    (entry,) = read(folder)
    assert isinstance(entry, Entry)
    assert (entry.data, entry.question) == (PNG, None)
    (asked,) = read(folder, question_column="question")
    assert isinstance(asked, Entry)
    assert asked.question == "What is it?"


def test_json_array_beside_its_pictures_is_read_as_file_and_as_folder(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(PNG)
    row = {"image": "images/a.png", "conversations": [{"from": "human", "value": "<image>\nHow many?"}]}
    (tmp_path / "data.json").write_text(json.dumps([row]))
    for path in (tmp_path, tmp_path / "data.json"):
        (entry,) = read(path, question_column="conversations")
        assert isinstance(entry, Entry)
        assert (entry.data, entry.question) == (PNG, "How many?")
