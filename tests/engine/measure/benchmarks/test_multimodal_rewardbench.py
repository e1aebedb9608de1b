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
    BENCHMARK,
    LMMS_EVAL,
    OFFICIAL,
    dimension_of,
    load_multimodal_rewardbench,
)
from engine.measure.benchmarks.protocol import overall_of_parts
from engine.records import BenchmarkItem, ScoreRow
from tests.engine.measure.benchmarks.published import Family, differing, reply
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
    return {item.question: item for item in load_multimodal_rewardbench(str(release), folder=release / "scratch").items}


def test_rows_become_items_and_rows_without_their_picture_are_left_out(items: dict[str, BenchmarkItem]) -> None:
    assert set(items) == {"Question 1?", "Question 2?", "Question 3?", "The same id again?"}
    first, second = items["Question 1?"], items["Question 2?"]
    assert (first.preferred, first.degraded, first.dimension) == ("first", "second", "correctness")
    assert (second.preferred, second.degraded, second.dimension) == ("second", "first", "safety/toxicity")
    assert {item.benchmark for item in items.values()} == {benchmark_name("multimodal-rewardbench=x")}
    assert len({item.item_id for item in items.values()}) == 4


def test_items_know_their_place_and_order_in_the_file_and_what_was_left_out(release: Path) -> None:
    loaded = load_multimodal_rewardbench(str(release), folder=release / "scratch")
    assert {(one.question, one.stored, one.place) for one in loaded.items} == {
        ("Question 1?", "AB", 0),
        ("Question 2?", "BA", 1),
        ("Question 3?", "BA", 2),
        ("The same id again?", "AB", 3),
    }
    assert (loaded.rows, loaded.without_image, loaded.repeats) == (5, 1, 0)


@pytest.mark.parametrize(
    ("category", "row_id", "dimension"),
    [
        ("safety", "PairS:12", "safety/bias"),
        ("safety", "hateful:3", "safety/toxicity"),
        ("reasoning", "MathVista:9", "reasoning/math"),
        ("reasoning", "image2code:1", "reasoning/coding"),
        ("vqa", "math:1", "vqa"),
        ("open_generation/preference_task", "x", "preference"),
        ("a new one", "x", "a new one"),
    ],
)
def test_safety_and_reasoning_are_split_by_the_beginning_of_the_id(category: str, row_id: str, dimension: str) -> None:
    assert dimension_of(category, row_id) == dimension


def test_mirror_with_embedded_pictures_gives_the_same_items(release: Path, items: dict[str, BenchmarkItem]) -> None:
    image = {"bytes": file_bytes(picture()), "path": None}
    rows = [row(1, "Output1", "open_generation/correctness_task", Image=image)]
    (release / "mirror").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), release / "mirror" / "test-00000.parquet")
    (item,) = load_multimodal_rewardbench(str(release / "mirror"), folder=release / "scratch").items
    assert item.item_id == items["Question 1?"].item_id
    assert Path(item.image).is_file()


FAMILIES = (
    Family("the verdict of the prompt", "[[A]]", "A"),
    Family("the other verdict", "[[B]]", "B"),
    Family("inside a sentence", "so my verdict is [[B]], as said.", "B"),
    Family("with bold around it", "**[[A]]**", "A"),
    Family("A is looked for first, wherever it stands", "[[B]] at first sight, in truth [[A]]", "A"),
    Family("also before B", "[[A]], or rather [[B]]", "A"),
    Family("also where it is quoted", 'not "[[A]]" but [[B]]', "A"),
    Family("twice the same", "[[B]] [[B]]", "B"),
    Family("a third verdict is none", "[[C]]", "invalid"),
    Family("B beside a third one", "[[C]] or [[B]]", "B"),
    Family("one bracket is none", "[A]", "invalid"),
    Family("a space inside is none", "[[ A ]]", "invalid"),
    Family("small letters are none", "[[a]]", "invalid"),
    Family("words are none", "Assistant A is better.", "invalid"),
    Family("nothing", "", "invalid"),
    Family("three brackets hold two", "[[[B]]]", "B"),
    Family("split over lines is none", "[[A\n]]", "invalid"),
    Family("wide brackets are none", "［［A］］", "invalid"),
    Family("the format repeated from the prompt", '"[[A]]" if assistant A is better, "[[B]]" if B: [[B]]', "A"),
    Family("an answer in the other benchmark's form", "Overall Judgment: Answer 1 is better.", "invalid"),
)
"""Replies by what extract_judgment of 2_get_accuracy.py makes of them; "invalid" is where it flips its coin."""
PROTOCOLS = {one.name: one for one in BENCHMARK.protocols}


@pytest.mark.parametrize("name", [OFFICIAL, LMMS_EVAL])
def test_reading_agrees_with_the_authors_script_on_hundreds_of_written_replies(name: str) -> None:
    count, wrong = differing(PROTOCOLS[name], FAMILIES)
    assert wrong == []
    assert count >= 200


def scored(name: str, items: dict[str, BenchmarkItem], text: str) -> dict[str, ScoreRow]:
    """Scores of a judge that always replies `text`, in the stored order."""
    protocol = PROTOCOLS[name]
    rows = [reply(protocol, one, order, text) for one in items.values() for order in protocol.orders(one, 0)]
    return {
        row.dimension: row for row in protocol.scores("judge-v0", rows, {one.item_id: one for one in items.values()})
    }


def test_every_item_is_shown_once_in_the_stored_order(items: dict[str, BenchmarkItem]) -> None:
    assert [PROTOCOLS[OFFICIAL].orders(items[name], 0) for name in ("Question 1?", "Question 2?")] == [("AB",), ("BA",)]


def test_official_score_has_the_authors_slices_and_the_whole_of_a_split_category(
    items: dict[str, BenchmarkItem],
) -> None:
    scores = scored(OFFICIAL, items, "[[A]]")
    assert {name: (one.accuracy, one.n) for name, one in scores.items()} == {
        "all": (0.5, 4),
        "correctness": (1.0, 1),
        "safety": (0.0, 1),
        "safety/toxicity": (0.0, 1),
        "vqa": (0.5, 2),
    }
    assert scores["all"].position_lean == 0.5
    assert {one.protocol for one in scores.values()} == {OFFICIAL}


def test_overall_is_the_mean_of_its_parts_weighted_by_items(items: dict[str, BenchmarkItem]) -> None:
    scores = scored(OFFICIAL, items, "[[A]]")
    parts = [(one.accuracy, one.n) for name, one in scores.items() if name in ("correctness", "safety", "vqa")]
    assert scores["all"].accuracy == pytest.approx(overall_of_parts(parts))


def test_coin_flips_are_those_of_one_generator_in_the_order_of_the_file() -> None:
    # random.seed(123): .0524 A, .0872 A, .4072 A, .1077 A, .9012 B, .0387 A, .5362 B, … (Mersenne twister, by hand).
    flips = "AAAABABA"
    coin = random.Random(123)
    assert "".join("A" if coin.random() < 0.5 else "B" for _ in flips) == flips
    items = {str(place): filed(place) for place in (5, 0, 3, 1, 2, 7, 4, 6)}  # loaded in another order
    scores = scored(OFFICIAL, items, "I cannot tell.")
    right = sum(flip == ("A" if place % 2 == 0 else "B") for place, flip in enumerate(flips))
    assert scores["all"].accuracy == right / 8
    assert scores["all"].invalid == 1.0


def test_flips_are_spent_on_unparsed_replies_alone() -> None:
    items = [filed(place) for place in range(8)]
    protocol = PROTOCOLS[OFFICIAL]
    # The first four speak, so the coin's first four flips (A, A, A, A) go to the last four.
    rows = [reply(protocol, one, one.stored, "[[B]]" if one.place < 4 else "?") for one in items]
    score = protocol.scores("judge-v0", rows, {one.item_id: one for one in items})[0]
    assert score.accuracy == (2 + 2) / 8  # B is right at 1 and 3, A at 4 and 6


def test_reseeding_for_every_item_makes_every_unparsed_reply_an_a() -> None:
    items = {str(place): filed(place) for place in range(40)}
    assert scored(LMMS_EVAL, items, "?")["all"].accuracy == 0.5  # A is right where the preferred one is stored first
    always_first = {name: one for name, one in items.items() if one.stored == "AB"}
    assert scored(LMMS_EVAL, always_first, "?")["all"].accuracy == 1.0


def filed(place: int) -> BenchmarkItem:
    """An item at a place of the file; preferred first at even places."""
    return BenchmarkItem(
        item_id=f"x:{place}",
        benchmark="multimodal-rewardbench",
        image_id=f"image-{place}",
        image="",
        question="q",
        preferred="good",
        degraded="poor",
        kind="open",
        dimension="vqa",
        stored="BA" if place % 2 else "AB",
        place=place,
    )


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
