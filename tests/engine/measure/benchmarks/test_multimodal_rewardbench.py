import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import SourceError
from engine.measure.benchmarks import benchmark_name
from engine.measure.benchmarks.multimodal_rewardbench import (
    OFFICIAL,
    load_multimodal_rewardbench,
    official_scores,
    read_official_verdict,
    stored_order,
)
from engine.records import BenchmarkItem, Verdict, VerdictRow
from tests.engine.measure.benchmarks.published import verdict
from tests.engine.sources.picture_files import file_bytes, picture


def row(number: int, better: str, category: str = "vqa", **more: Any) -> dict[str, Any]:
    return {
        "ID": f"MMBench:{number}",
        "Text": f"Question {number}?",
        "Image": "images/a.png",
        "Output1": "first",
        "Output2": "second",
        "Better": better,
        "Category": category,
        **more,
    }


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A clone of the authors' repository after their download script."""
    (tmp_path / "data" / "images").mkdir(parents=True)
    (tmp_path / "data" / "images" / "a.png").write_bytes(file_bytes(picture()))
    rows = [
        row(1, "Output1", "open_generation/correctness_task"),
        row(2, "Output2", "safety"),
        row(3, "Output2", "vqa"),
        row(3, "Output1", "vqa", Text="The same id again?"),
        row(4, "Output1", "vqa", Image="images/not downloaded.png"),
    ]
    (tmp_path / "data" / "all_data.json").write_text(json.dumps(rows))
    return tmp_path


@pytest.fixture
def items(release: Path) -> dict[str, BenchmarkItem]:
    return {item.question: item for item in load_multimodal_rewardbench(str(release), folder=release / "scratch")}


def test_rows_become_items_and_rows_without_their_picture_are_left_out(items: dict[str, BenchmarkItem]) -> None:
    assert set(items) == {"Question 1?", "Question 2?", "Question 3?", "The same id again?"}
    first, second = items["Question 1?"], items["Question 2?"]
    assert (first.preferred, first.degraded, first.dimension) == ("first", "second", "correctness")
    assert (second.preferred, second.degraded, second.dimension) == ("second", "first", "safety")
    assert {item.benchmark for item in items.values()} == {benchmark_name("multimodal-rewardbench=x")}
    assert len({item.item_id for item in items.values()}) == 4


def test_id_keeps_the_order_of_the_file(items: dict[str, BenchmarkItem]) -> None:
    assert stored_order(items["Question 1?"].item_id) == "AB"
    assert stored_order(items["Question 2?"].item_id) == "BA"


def test_mirror_with_embedded_pictures_gives_the_same_items(release: Path, items: dict[str, BenchmarkItem]) -> None:
    image = {"bytes": file_bytes(picture()), "path": None}
    rows = [row(1, "Output1", "open_generation/correctness_task", Image=image)]
    (release / "mirror").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), release / "mirror" / "test-00000.parquet")
    (item,) = load_multimodal_rewardbench(str(release / "mirror"), folder=release / "scratch")
    assert item.item_id == items["Question 1?"].item_id
    assert Path(item.image).is_file()


def test_official_verdict_prefers_a_then_b_then_the_coin() -> None:
    coin = random.Random(0)
    assert read_official_verdict("[[B]] no, [[A]]", coin) == "A"
    assert read_official_verdict("it is [[B]]", coin) == "B"
    flips = [read_official_verdict("no idea", coin) for _ in range(400)]
    assert 150 < flips.count("A") < 250


def replies(items: dict[str, BenchmarkItem], text: str, said: Verdict) -> list[VerdictRow]:
    return [verdict(item, order, said, text) for item in items.values() for order in ("AB", "BA")]


def test_official_score_counts_the_stored_order_alone(items: dict[str, BenchmarkItem]) -> None:
    scores = {one.dimension: one for one in official_scores("judge-v0", replies(items, "[[A]]", "A"))}
    assert {name: (one.accuracy, one.n) for name, one in scores.items()} == {
        "all": (0.5, 4),
        "correctness": (1.0, 1),
        "safety": (0.0, 1),
        "vqa": (0.5, 2),
    }
    assert scores["all"].position_lean == 0.5
    assert {one.protocol for one in scores.values()} == {OFFICIAL}


def test_official_score_reads_a_contradiction_as_a_and_counts_it_as_invalid(items: dict[str, BenchmarkItem]) -> None:
    scores = official_scores("judge-v0", replies(items, "[[B]] or rather [[A]]", "invalid"))
    assert (scores[0].dimension, scores[0].accuracy, scores[0].invalid) == ("all", 0.5, 1.0)


def test_official_score_is_the_same_however_the_rows_are_ordered(items: dict[str, BenchmarkItem]) -> None:
    rows = replies(items, "no verdict at all", "invalid")
    assert official_scores("judge-v0", rows) == official_scores("judge-v0", rows[::-1])
    assert official_scores("judge-v0", []) == []


def test_release_whose_pictures_were_not_fetched_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "all_data.json").write_text(json.dumps([row(1, "Output1")]))
    with pytest.raises(SourceError, match=r"Fetch the pictures with the authors' scripts/0_download_data\.py"):
        load_multimodal_rewardbench(str(tmp_path), folder=tmp_path)


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ('[{"ID": "x"}]', "has no text in 'Text'"),
        (json.dumps([row(1, "neither")]), "calls 'neither' better"),
        ("[1]", "a row is a int"),
        ("{broken", "cannot be read"),
    ],
)
def test_file_of_another_kind_is_one_sentence(tmp_path: Path, rows: str, found: str) -> None:
    (tmp_path / "all_data.json").write_text(rows)
    with pytest.raises(SourceError, match=found):
        load_multimodal_rewardbench(str(tmp_path / "all_data.json"), folder=tmp_path)
