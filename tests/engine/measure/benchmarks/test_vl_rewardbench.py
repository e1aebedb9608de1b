import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import SourceError
from engine.measure.benchmarks import benchmark_name, load_items
from engine.measure.benchmarks.vl_rewardbench import (
    OFFICIAL,
    group_of,
    load_vl_rewardbench,
    official_scores,
    read_official_verdict,
)
from engine.records import BenchmarkItem, ScoreRow, VerdictRow
from tests.engine.measure.benchmarks.published import verdict
from tests.engine.sources.picture_files import file_bytes, picture


def row(row_id: str, ranking: list[int], image: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "id": row_id,
        "query": "<image>\nWhat is it?",
        "response": ["a cat", "a dog"],
        "image": image if image is not None else {"bytes": file_bytes(picture(seed=len(row_id))), "path": "x.png"},
        "human_ranking": ranking,
        "models": ["m", "n"],
        "judge": "human",
        "rationale": None,
        "query_source": "COCO",
        "ground_truth": None,
        **more,
    }


ROWS = [row("RLAIF-V-14", [0, 1]), row("mmmu_12", [1, 0]), row("wildvision-3", [0, 1])]


@pytest.fixture
def items(tmp_path: Path) -> list[BenchmarkItem]:
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "test-00000-of-00001.parquet")
    return load_vl_rewardbench(str(tmp_path), folder=tmp_path / "scratch")


def by_group(items: list[BenchmarkItem]) -> dict[str, BenchmarkItem]:
    return {item.dimension: item for item in items}


def test_rows_become_items_with_the_lower_rank_preferred(items: list[BenchmarkItem]) -> None:
    found = by_group(items)
    assert set(found) == {"hallucination", "reasoning", "general"}
    assert (found["hallucination"].preferred, found["hallucination"].degraded) == ("a cat", "a dog")
    assert (found["reasoning"].preferred, found["reasoning"].degraded) == ("a dog", "a cat")
    assert {item.question for item in items} == {"What is it?"}
    assert {item.benchmark for item in items} == {benchmark_name("vl-rewardbench=x")}
    for item in items:
        assert Path(item.image).read_bytes().startswith(b"\x89PNG")


def test_published_benchmark_is_loaded_by_name_and_place(tmp_path: Path, items: list[BenchmarkItem]) -> None:
    assert load_items(f"vl-rewardbench={tmp_path}", count=2, seed=0, folder=tmp_path / "scratch") == items[:2]


def test_rows_with_the_same_id_stay_apart_and_exact_repeats_merge(tmp_path: Path) -> None:
    rows = [row("mmmu_1", [0, 1]), row("mmmu_1", [0, 1]), row("mmmu_1", [0, 1], query="How many?")]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert len(load_vl_rewardbench(str(tmp_path / "a.parquet"), folder=tmp_path / "scratch")) == 2


def test_repository_form_reads_pictures_beside_it_and_leaves_out_missing_ones(tmp_path: Path) -> None:
    (tmp_path / "data" / "images").mkdir(parents=True)
    (tmp_path / "data" / "images" / "a.png").write_bytes(file_bytes(picture()))
    rows = [row("RLHF-V-1", [0, 1]), row("RLHF-V-2", [0, 1])]
    for one, name in zip(rows, ("images/a.png", "images/gone.png"), strict=True):
        del one["image"]
        one["image_path"] = name
    (tmp_path / "data" / "data.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    (item,) = load_vl_rewardbench(str(tmp_path), folder=tmp_path / "scratch")
    assert item.image == str((tmp_path / "data" / "images" / "a.png").resolve())


@pytest.mark.parametrize(
    ("row_id", "group"),
    [
        ("hallucination_pair-7685", "hallucination"),
        ("RLAIF-V-14", "hallucination"),
        ("RLHF-V-3", "hallucination"),
        ("mathverse_12", "reasoning"),
        ("mmmu-dev_3", "reasoning"),
        ("wildvision-battle_9", "general"),
        ("LRVInstruction-000000007746", "general"),
        ("", "general"),
    ],
)
def test_group_follows_the_first_part_of_the_id(row_id: str, group: str) -> None:
    assert group_of(row_id) == group


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Overall Judgment: Answer 1 is better.", "A"),
        ("**Overall Judgment:** Answer 2 is\nslightly better", "B"),
        ("Therefore, Answer 2 is the better one", "B"),
        ("overall judgment: answer 1 is better. Therefore Answer 2 is better.", "B"),
        ("Answer 1 is better.", "invalid"),
        ("Overall Judgment: both are good", "invalid"),
        ("Overall Judgment: Answer 3 is better", "invalid"),
        ("Answer 1 is better. Overall Judgment: a tie", "invalid"),
        ("", "invalid"),
    ],
)
def test_official_verdict_is_read_by_the_authors_rule(text: str, said: str) -> None:
    assert read_official_verdict(text) == said


def rows_for(item: BenchmarkItem, *right: bool | None) -> list[VerdictRow]:
    """Replies in alternating orders that name the preferred response, the other, or neither."""
    rows = []
    for number, one in enumerate(right):
        order = ("AB", "BA")[number % 2]
        says_a = one == (order == "AB")
        rows.append(verdict(item, order, "invalid" if one is None else "A" if says_a else "B"))  # type: ignore[arg-type]
    return rows


def score(rows: list[VerdictRow]) -> dict[str, ScoreRow]:
    return {one.dimension: one for one in official_scores("judge-v0", rows)}


def test_official_score_takes_the_majority_of_the_first_five(items: list[BenchmarkItem]) -> None:
    item = items[0]
    assert score(rows_for(item, True, True, True, False, False, False, False))["all"].accuracy == 1.0
    assert score(rows_for(item, True, True, False, False, False, True, True))["all"].accuracy == 0.0


def test_official_score_leaves_out_items_with_an_unparsed_reply_or_no_majority(items: list[BenchmarkItem]) -> None:
    found = by_group(items)
    rows = [
        *rows_for(found["general"], True, True, True, True, True),
        *rows_for(found["reasoning"], True, True, True, True, None),
        *rows_for(found["hallucination"], True, False),
    ]
    scores = score(rows)
    assert scores["all"].n == 1
    assert scores["all"].accuracy == 1.0
    assert scores["all"].invalid == pytest.approx(1 / 12)
    assert set(scores) == {"all", "general"}
    assert {one.protocol for one in scores.values()} == {OFFICIAL}


def test_official_macro_is_the_mean_of_the_groups(items: list[BenchmarkItem]) -> None:
    found = by_group(items)
    rows = [
        *rows_for(found["general"], True),
        *rows_for(found["reasoning"], False),
        *rows_for(found["hallucination"], False),
    ]
    scores = score(rows)
    assert scores["macro"].accuracy == pytest.approx(1 / 3)
    assert scores["macro"].low < 1 / 3 < scores["macro"].high
    assert score([]) == {}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"response": ["one"]}, "no two ranked responses"),
        ({"human_ranking": [1, 1]}, "no two ranked responses"),
        ({"query": None}, "has no text in 'query'"),
    ],
)
def test_file_of_another_kind_is_one_sentence(tmp_path: Path, change: dict[str, Any], found: str) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({**row("mmmu_1", [0, 1], image="a.png"), **change}))
    with pytest.raises(SourceError, match=found):
        load_vl_rewardbench(str(tmp_path / "a.jsonl"), folder=tmp_path)


def test_missing_place_and_missing_pictures_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file or folder"):
        load_vl_rewardbench(str(tmp_path / "gone"), folder=tmp_path)
    with pytest.raises(SourceError, match=r"holds none of data/data\.jsonl, data\.jsonl, \*\.parquet"):
        load_vl_rewardbench(str(tmp_path), folder=tmp_path)
    (tmp_path / "a.jsonl").write_text(json.dumps(row("mmmu_1", [0, 1], image="gone.png")))
    with pytest.raises(SourceError, match="holds no usable item"):
        load_vl_rewardbench(str(tmp_path / "a.jsonl"), folder=tmp_path)


def test_hub_without_network_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="hub cannot be reached"):
        load_vl_rewardbench(None, folder=tmp_path)
