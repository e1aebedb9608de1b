import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import SourceError
from engine.measure.benchmarks.mm_rlhf_rewardbench import BENCHMARK, kind_of_path, load_mm_rlhf_rewardbench
from engine.records import BenchmarkItem, Verdict
from tests.engine.measure.benchmarks.published import verdict
from tests.engine.sources.picture_files import file_bytes, picture


def row(number: int, rejected: str, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "image": f"long/{number}.png",
        "prompt": f"<image>\nQuestion {number}?",
        "chosen": "the best",
        "rejected": rejected,
        "chosen_reason": "r",
        "rejected_reason": "r",
        **more,
    }


@pytest.fixture
def release(tmp_path: Path) -> Path:
    (tmp_path / "long").mkdir()
    for number in (1, 2):
        (tmp_path / "long" / f"{number}.png").write_bytes(file_bytes(picture(seed=number)))
    rows = [
        row(1, "worse"),
        row(1, "worst"),
        row(2, "worse"),
        row(3, "its picture is missing"),
        row(4, "about a video", image=None, video="video/4"),
    ]
    (tmp_path / "mm_reward_bench.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    return tmp_path


def test_rows_about_pictures_become_items_and_the_others_are_counted(release: Path) -> None:
    loaded = load_mm_rlhf_rewardbench(str(release), folder=release / "scratch")
    assert {(one.question, one.preferred, one.degraded, one.dimension) for one in loaded.items} == {
        ("Question 1?", "the best", "worse", "long"),
        ("Question 1?", "the best", "worst", "long"),
        ("Question 2?", "the best", "worse", "long"),
    }
    assert (loaded.rows, loaded.without_image, loaded.unusable, loaded.repeats) == (5, 1, 1, 0)


@pytest.mark.parametrize(
    ("path", "kind"),
    [("mcq/1.png", "mcq"), ("a/short/1.png", "short"), ("safety/long.png", "long"), ("1.png", "other")],
)
def test_kind_is_the_first_of_the_authors_words_in_the_path(path: str, kind: str) -> None:
    assert kind_of_path(path) == kind


def test_question_counts_when_all_its_pairs_are_right_in_both_orders(release: Path) -> None:
    (protocol,) = BENCHMARK.protocols
    items = load_mm_rlhf_rewardbench(str(release), folder=release / "scratch").items

    def score(*wrong: BenchmarkItem) -> tuple[float, int]:
        rows = []
        for item in items:
            ba: Verdict = "A" if item in wrong else "B"
            rows += [verdict(item, "AB", "A"), verdict(item, "BA", ba)]
        overall = protocol.scores("judge-v0", rows, {one.item_id: one for one in items})[0]
        return overall.accuracy, overall.n

    first, second = sorted((one for one in items if one.question == "Question 1?"), key=lambda one: one.degraded)
    (alone,) = (one for one in items if one.question == "Question 2?")
    assert score() == (1.0, 2)
    assert score(first) == score(second) == score(first, second) == (0.5, 2)
    assert score(first, alone) == (0.0, 2)


def test_file_without_a_usable_row_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "mm_reward_bench.jsonl").write_text(json.dumps(row(1, "x")))
    with pytest.raises(SourceError, match="holds no usable item of mm-rlhf-rewardbench"):
        load_mm_rlhf_rewardbench(str(tmp_path), folder=tmp_path / "scratch")
