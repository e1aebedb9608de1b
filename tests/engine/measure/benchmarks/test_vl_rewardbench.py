import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import SourceError
from engine.measure.benchmarks import benchmark_name, load_items
from engine.measure.benchmarks.vl_rewardbench import (
    BENCHMARK,
    LMMS_EVAL,
    OFFICIAL,
    VLMEVALKIT,
    group_of,
    load_vl_rewardbench,
)
from engine.records import BenchmarkItem, Order, ScoreRow
from tests.engine.measure.benchmarks.published import Family, differing, reply
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
    return load_vl_rewardbench(str(tmp_path), folder=tmp_path / "scratch").items


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
    assert load_items(f"vl-rewardbench={tmp_path}", count=2, seed=0, folder=tmp_path / "scratch").items == items[:2]


def test_rows_with_the_same_id_stay_apart_and_exact_repeats_merge(tmp_path: Path) -> None:
    rows = [row("mmmu_1", [0, 1]), row("mmmu_1", [0, 1]), row("mmmu_1", [0, 1], query="How many?")]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    loaded = load_vl_rewardbench(str(tmp_path / "a.parquet"), folder=tmp_path / "scratch")
    assert (len(loaded.items), loaded.rows, loaded.repeats) == (2, 3, 1)


def test_repository_form_reads_pictures_beside_it_and_leaves_out_missing_ones(tmp_path: Path) -> None:
    (tmp_path / "data" / "images").mkdir(parents=True)
    (tmp_path / "data" / "images" / "a.png").write_bytes(file_bytes(picture()))
    rows = [row("RLHF-V-1", [0, 1]), row("RLHF-V-2", [0, 1])]
    for one, name in zip(rows, ("images/a.png", "images/gone.png"), strict=True):
        del one["image"]
        one["image_path"] = name
    (tmp_path / "data" / "data.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    loaded = load_vl_rewardbench(str(tmp_path), folder=tmp_path / "scratch")
    (item,) = loaded.items
    assert (loaded.rows, loaded.without_image) == (2, 1)
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


FAMILIES = (
    Family("the phrase of the prompt", "Overall Judgment: Answer 1 is better.", "A"),
    Family("the phrase of the prompt, the other answer", "Overall Judgment: Answer 2 is better.", "B"),
    Family("asterisks are removed before matching", "**Overall Judgment:** **Answer 2** is **better**.", "B"),
    Family("line breaks are removed before matching", "Overall Judgment:\nAnswer 1\nis better", "A"),
    Family("case does not count", "OVERALL JUDGMENT: ANSWER 2 IS BETTER", "B"),
    Family("'the' may stand before better", "Overall Judgment: Answer 1 is the better one", "A"),
    Family("'slightly' may stand before better", "Overall Judgment: Answer 2 is slightly better", "B"),
    Family("both may, in that order", "Overall Judgment: Answer 2 is the slightly better answer", "B"),
    Family("no other word may: 'much better' does not match", "Overall Judgment: Answer 1 is much better", "invalid"),
    Family("'Therefore' opens a conclusion, too", "Therefore, Answer 2 is better.", "B"),
    Family("anything may stand between", "Overall Judgment: weighing all four criteria, Answer 1 is better.", "A"),
    Family("greedy: the last of several counts", "Overall Judgment: Answer 1 is better. No: Answer 2 is better.", "B"),
    Family("greedy across conclusions", "Therefore Answer 2 is better. Overall Judgment: Answer 1 is better.", "A"),
    Family(
        "a late non-match gives way to an earlier match", "Overall Judgment: Answer 1 is better. Answer 2 is not.", "A"
    ),
    Family("without a conclusion nothing matches", "Answer 1 is better.", "invalid"),
    Family("a conclusion without the phrase", "Overall Judgment: both are equally good.", "invalid"),
    Family("a letter is no number", "Overall Judgment: Answer A is better.", "invalid"),
    Family("'Response' is not 'Answer'", "Overall Judgment: Response 1 is better.", "invalid"),
    Family("the placeholder itself", "Overall Judgment: Answer X is better.", "invalid"),
    Family("'Overall judgement' is spelt otherwise", "Overall judgement: Answer 1 is better.", "invalid"),
    Family("nothing at all", "", "invalid"),
    # The authors compare with the rejected response's number alone, so any other number agrees.
    Family("a number of neither agrees", "Overall Judgment: Answer 3 is better.", "invalid", True, True),
    Family("all digits are one number", "Overall Judgment: Answer 12 is better.", "invalid", True, True),
    Family("a space may lack", "Overall Judgment: Answer1is better", "A"),
)
"""Replies by what the authors' pattern makes of them, worked out from the pattern by hand."""


def test_official_reading_agrees_with_the_pattern_on_hundreds_of_written_replies() -> None:
    count, wrong = differing(PROTOCOLS[OFFICIAL], FAMILIES)
    assert wrong == []
    assert count >= 200


@pytest.mark.parametrize("name", [LMMS_EVAL, VLMEVALKIT])
def test_other_harnesses_read_the_same_but_count_no_third_answer_as_right(name: str) -> None:
    families = [replace(one, first_right=None, second_right=None) for one in FAMILIES]
    count, wrong = differing(PROTOCOLS[name], families)
    assert wrong == []
    assert count >= 200


def test_line_break_inside_a_word_joins_it() -> None:
    # cal.py removes line breaks without putting a space: "Answer\n1" → "Answer1", and "Over\nall" → "Overall".
    assert PROTOCOLS[OFFICIAL].read("Over\nall Judg\nment: Answer\n2 is\nbetter", "AB") == ("B", False)


T, F, NONE = "agrees", "rejects", "says nothing"
PATTERNS = (
    # (samples, whether the item agrees, why): classify() of cal.py compares with half of *all* samples.
    ((T, T, T, NONE, NONE), True, "3 of 5 agree: the unparsed count in the total, and 3 > 2.5"),
    ((F, F, F, F, NONE), False, "4 of 5 reject"),
    ((T, T, T, T, T), True, "all agree"),
    ((F, F, F, T, T), False, "3 of 5 reject"),
    ((T, T, NONE, NONE, NONE), None, "2 of 5 agree: not more than 2.5, though none rejects"),
    ((T, T, F, F, NONE), None, "neither side has more than half"),
    ((NONE,) * 5, None, "nothing was parsed"),
    ((T, T, F), True, "of three samples two are more than 1.5"),
    ((T, F), None, "half is not more than half"),
    ((T, NONE), None, "one of two is half"),
    ((T,), True, "one of one"),
)


@pytest.mark.parametrize(("samples", "agrees", "why"), PATTERNS)
def test_official_majority_is_of_all_samples(
    items: list[BenchmarkItem], samples: tuple[str, ...], agrees: bool | None, why: str
) -> None:
    scores = official(items, {items[0]: samples})
    assert {row.dimension: row.accuracy for row in scores.values() if row.dimension == "all"} == (
        {} if agrees is None else {"all": float(agrees)}
    ), why


def test_official_score_of_four_items_is_two_of_four() -> None:
    four = [made(number) for number in range(4)]
    patterns = ((T, T, T, NONE, NONE), (F, F, F, F, NONE), (T, T, T, T, T), (F, F, F, T, T))
    scores = official(four, dict(zip(four, patterns, strict=True)))
    assert (scores["all"].accuracy, scores["all"].n) == (0.5, 4)
    assert scores["all"].invalid == pytest.approx(3 / 20)


def test_official_score_counts_items_with_an_unparsed_sample() -> None:
    # Every eighth sample says nothing, so most items have one; all of them keep their majority.
    many = [made(number) for number in range(200)]
    replies = {one: tuple(NONE if (5 * place + k) % 8 == 0 else T for k in range(5)) for place, one in enumerate(many)}
    scores = official(many, replies)
    assert scores["all"].n == 200
    assert scores["all"].invalid == pytest.approx(0.125)


def test_official_score_has_one_row_per_group_and_their_plain_mean(items: list[BenchmarkItem]) -> None:
    found = by_group(items)
    scores = official(items, {found["general"]: (T,), found["reasoning"]: (F,), found["hallucination"]: (F,)})
    assert set(scores) == {"all", "general", "hallucination", "reasoning", "macro"}
    assert scores["macro"].accuracy == pytest.approx(1 / 3)
    assert scores["macro"].low < 1 / 3 < scores["macro"].high
    assert {one.protocol for one in scores.values()} == {OFFICIAL}
    assert official(items, {}) == {}


def test_official_samples_are_five_in_orders_of_their_own_and_the_same_again() -> None:
    orders = [PROTOCOLS[OFFICIAL].orders(made(number), 0) for number in range(200)]
    assert {len(one) for one in orders} == {5}
    assert orders == [PROTOCOLS[OFFICIAL].orders(made(number), 0) for number in range(200)]
    first = sum(order == "AB" for one in orders for order in one)
    assert 430 < first < 570


@pytest.mark.parametrize(
    ("preferred", "degraded", "stored", "shown"),
    [
        ("aa", "bb", "AB", "AB"),  # 4 characters: as stored
        ("aa", "bbb", "AB", "BA"),  # 5: turned round
        ("aa", "bb", "BA", "BA"),
        ("aa", "bbb", "BA", "AB"),
    ],
)
def test_parity_of_the_lengths_decides_the_order_of_the_other_harnesses(
    preferred: str, degraded: str, stored: Order, shown: Order
) -> None:
    item = replace(made(0), preferred=preferred, degraded=degraded, stored=stored)
    assert PROTOCOLS[LMMS_EVAL].orders(item, 0) == PROTOCOLS[VLMEVALKIT].orders(item, 0) == (shown,)


def test_unparsed_reply_is_a_coin_in_one_harness_and_wrong_in_the_other() -> None:
    many = [made(number) for number in range(400)]
    by_id = {one.item_id: one for one in many}
    score = {
        name: PROTOCOLS[name].scores("j", [reply(PROTOCOLS[name], one, "AB", "?") for one in many], by_id)
        for name in (LMMS_EVAL, VLMEVALKIT)
    }
    overall = next(row for row in score[VLMEVALKIT] if row.dimension == "all")
    assert (overall.accuracy, overall.invalid, overall.n) == (0.0, 1.0, 400)
    (groups,) = (row for row in score[LMMS_EVAL] if row.dimension == "general")
    assert 0.4 < groups.accuracy < 0.6
    assert not [row for row in score[LMMS_EVAL] if row.dimension == "all"]  # its authors print the macro mean alone


def test_length_lean_is_told_for_published_protocols_too() -> None:
    items = [
        replace(made(0), preferred="long answer", degraded="short"),
        replace(made(1), preferred="x", degraded="yy"),
    ]
    by_id = {one.item_id: one for one in items}
    kit = PROTOCOLS[VLMEVALKIT]
    texts = ("Therefore Answer 1 is better", "Therefore Answer 2 is better")  # the longer response, both times
    rows = [reply(kit, one, "AB", text) for one, text in zip(items, texts, strict=True)]
    assert kit.scores("j", rows, by_id)[0].length_lean == 0.5


PROTOCOLS = {one.name: one for one in BENCHMARK.protocols}
SAYS = {T: {"AB": "1", "BA": "2"}, F: {"AB": "2", "BA": "1"}}


def made(number: int) -> BenchmarkItem:
    return BenchmarkItem(
        item_id=f"item-{number}",
        benchmark="vl-rewardbench",
        image_id=f"image-{number}",
        image="",
        question="q",
        preferred="good",
        degraded="poor",
        kind="open",
        dimension="general",
    )


def official(items: list[BenchmarkItem], replies: dict[BenchmarkItem, tuple[str, ...]]) -> dict[str, ScoreRow]:
    """Scores of samples in alternating orders, each written out and read again."""
    protocol = PROTOCOLS[OFFICIAL]
    rows = []
    for item, samples in replies.items():
        for number, said in enumerate(samples):
            order: Order = "BA" if number % 2 else "AB"
            text = "No idea." if said == NONE else f"Overall Judgment: Answer {SAYS[said][order]} is better."
            rows.append(reply(protocol, item, order, text, sample=number))
    return {row.dimension: row for row in protocol.scores("judge-v0", rows, {one.item_id: one for one in items})}


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
