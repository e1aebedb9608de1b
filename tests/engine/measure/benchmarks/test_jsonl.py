import base64
import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import SettingsError, SourceError, UsageError
from engine.measure.benchmarks import benchmark_name, benchmark_names, load_items
from engine.measure.benchmarks.jsonl import load_jsonl
from engine.records import BenchmarkItem
from tests.engine.sources.picture_files import file_bytes, picture

PNG = file_bytes(picture())
ROW = {"image": "a.png", "question": "How many cats?", "preferred": "3", "degraded": "4"}


def load(folder: Path, *rows: Any) -> list[BenchmarkItem]:
    (folder / "a.png").write_bytes(PNG)
    path = folder / "mine.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n\n" for row in rows))
    return load_jsonl(path, folder=folder / "scratch")


def test_both_forms_of_a_row_give_the_same_comparison(tmp_path: Path) -> None:
    other = {"image": "a.png", "question": "How many cats?", "a": "4", "b": "3", "better": "b", "id": 7}
    first, second = load(tmp_path, {**ROW, "id": "x", "dimension": "count"}, other)
    assert first == BenchmarkItem(
        item_id="x",
        benchmark="mine",
        image_id=first.image_id,
        image=str(tmp_path / "a.png"),
        question="How many cats?",
        preferred="3",
        degraded="4",
        kind="closed",
        dimension="count",
    )
    assert (second.preferred, second.degraded, second.item_id, second.dimension) == ("3", "4", "7", "other")
    assert second.image_id == first.image_id


def test_item_without_an_id_gets_the_same_one_wherever_the_file_lies(tmp_path: Path) -> None:
    ids = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        ids.append([item.item_id for item in load(tmp_path / name, ROW, {**ROW, "degraded": "5"})])
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2


def test_kind_is_taken_from_the_row_or_the_answer(tmp_path: Path) -> None:
    long = {**ROW, "question": "What is it?", "preferred": "A long description of all there is to see."}
    assert [item.kind for item in load(tmp_path, ROW, {**ROW, "kind": "open", "id": 1}, long)] == [
        "closed",
        "open",
        "open",
    ]


def test_embedded_image_is_written_to_the_scratch_folder(tmp_path: Path) -> None:
    (item,) = load(tmp_path, {**ROW, "image": base64.b64encode(PNG).decode()})
    assert Path(item.image).read_bytes() == PNG
    assert Path(item.image).parent == tmp_path / "scratch"


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("{broken", r"line 3: not JSON"),
        ("[1]", r"line 3: expected an object, found a list"),
        ({**ROW, "id": "x"}, r"line 3: the comparison 'x' was there before"),
        ({**ROW, "question": " "}, r"line 3: has no text in 'question'"),
        ({**ROW, "degraded": None}, r"line 3: has no text in 'degraded'"),
        ({"image": "a.png", "question": "?", "a": "1", "b": "2", "better": "C"}, r"line 3: 'better' is 'C'"),
        ({"image": "a.png", "question": "?", "a": "1", "b": "2"}, r"line 3: 'better' is None"),
        ({**ROW, "kind": "half"}, r"line 3: 'kind' is 'half'"),
        ({**ROW, "image": "gone.png"}, r"line 3: the image cannot be used: there is no such file"),
        ({**ROW, "image": "../gone.png"}, r"line 3: the image cannot be used: its path points outside"),
        ({**ROW, "image": None}, r"line 3: the image cannot be used"),
    ],
)
def test_line_that_is_no_comparison_is_one_sentence_with_its_number(tmp_path: Path, row: Any, found: str) -> None:
    with pytest.raises(SourceError, match=found):
        load(tmp_path, {**ROW, "id": "x"}, row)


def test_missing_and_empty_file_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="Name an existing"):
        load_jsonl(tmp_path / "gone.jsonl", folder=tmp_path)
    with pytest.raises(SourceError, match="holds no comparison"):
        load(tmp_path)


def test_benchmark_is_called_in_the_tables_what_its_items_say(tmp_path: Path) -> None:
    load(tmp_path, ROW)
    name = str(tmp_path / "mine.jsonl")
    (item,) = load_items(name, count=5, seed=0, folder=tmp_path / "scratch").items
    assert item.benchmark == benchmark_name(name) == "mine"
    assert benchmark_name("vl-rewardbench=/some/where") == "vl-rewardbench"
    assert benchmark_name("shapes") == "shapes"


def test_small_pictures_in_base64_are_decoded_though_they_might_be_paths(tmp_path: Path) -> None:
    for seed in range(40):
        small = base64.b64encode(file_bytes(picture(12, 10, seed), "PNG" if seed % 2 else "JPEG")).decode()
        (item,) = load(tmp_path, {**ROW, "image": small})
        assert Path(item.image).read_bytes() == base64.b64decode(small)


def test_name_too_long_for_a_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"line 1: the image cannot be used") as caught:
        load(tmp_path, {**ROW, "image": "no-base64-" * 40 + ".png"})
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"preferred": "3", "degraded": "3"}, "both responses are the same"),
        ({"preferred": "3 ", "degraded": " 3"}, "both responses are the same"),
        ({"preferred": "4", "degraded": "3", "id": 9}, "prefers the response that an earlier line calls the worse one"),
        ({"dimension": "all", "degraded": "5"}, "'all' is the name of a row of every score table"),
    ],
)
def test_line_that_no_judge_could_be_measured_on_is_refused(tmp_path: Path, second: dict[str, Any], said: str) -> None:
    with pytest.raises(SourceError, match=f"line 3: .*{said}"):
        load(tmp_path, ROW, {**ROW, **second})


def test_line_in_another_form_is_told_both_known_ones(tmp_path: Path) -> None:
    row = {"image": "a.png", "question": "q", "chosen": "x", "rejected": "y"}
    with pytest.raises(SourceError, match="'preferred' and 'degraded', or 'a', 'b' and which is 'better'"):
        load(tmp_path, row)


def test_files_of_one_name_are_two_benchmarks(tmp_path: Path) -> None:
    names = [str(tmp_path / place) for place in ("ocr/test.jsonl", "count/test.JSONL", "own.jsonl", "shapes.jsonl")]
    called = benchmark_names([*names, "shapes", "vl-rewardbench=/x/data.jsonl"])
    folder = tmp_path.name
    assert list(called.values()) == [
        "ocr/test",
        "count/test",
        "own",
        f"{folder}/shapes",
        "shapes",
        "vl-rewardbench",
    ]
    assert benchmark_name(names[3]) == f"{folder}/shapes"


@pytest.mark.parametrize(
    "names", [["shapes", "shapes"], ["a.jsonl", "./a.jsonl"], ["vl-rewardbench=a", "vl-rewardbench=b"]]
)
def test_benchmark_that_is_named_twice_is_refused(names: list[str]) -> None:
    with pytest.raises(SettingsError, match="is there twice"):
        benchmark_names(names)


@pytest.mark.parametrize("count", [0, -3])
def test_count_that_measures_nothing_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(UsageError, match="Ask for 1 or more"):
        load_items("shapes", count=count, seed=0, folder=tmp_path)


def test_benchmark_in_a_snapshot_of_the_hub_finds_its_images_through_links(tmp_path: Path) -> None:
    repository = tmp_path / "datasets--owner--name"
    snapshot = repository / "snapshots" / "0a1b"
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    (repository / "blobs" / "1").write_bytes(PNG)
    (repository / "blobs" / "2").write_text(json.dumps(ROW))
    (snapshot / "a.png").symlink_to("../../blobs/1")
    (snapshot / "mine.jsonl").symlink_to("../../blobs/2")
    (item,) = load_jsonl(snapshot / "mine.jsonl", folder=tmp_path / "scratch")
    assert Path(item.image).read_bytes() == PNG
