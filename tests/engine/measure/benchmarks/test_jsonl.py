import base64
import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import SourceError
from engine.measure.benchmarks import benchmark_name, load_items
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
        ("[1]", r"line 3: is a list"),
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
    (item,) = load_items(name, count=5, seed=0, folder=tmp_path / "scratch")
    assert item.benchmark == benchmark_name(name) == "mine"
    assert benchmark_name("vl-rewardbench=/some/where") == "vl-rewardbench"
    assert benchmark_name("shapes") == "shapes"
