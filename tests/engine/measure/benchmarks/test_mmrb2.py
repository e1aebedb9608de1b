import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import SourceError
from engine.measure.benchmarks.mmrb2 import BENCHMARK, load_mmrb2
from engine.records import BenchmarkItem, Order
from tests.engine.measure.benchmarks.published import Family, differing, reply
from tests.engine.sources.picture_files import file_bytes, picture

(OFFICIAL,) = BENCHMARK.protocols


def pair(name: str, chosen: str, prompt: list[Any], a: list[Any], b: list[Any]) -> dict[str, Any]:
    return {
        "id": name,
        "prompt_content": prompt,
        "response_a": {"model_name": "m", "response_content": a},
        "response_b": {"model_name": "n", "response_content": b},
        "chosen": chosen,
    }


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A folder as the authors' build leaves it."""
    (tmp_path / "images").mkdir()
    for name in ("in", "a", "b"):
        (tmp_path / "images" / f"{name}.png").write_bytes(file_bytes(picture(seed=len(name))))
    reasoning = pair(
        "r1", "B", [["image", "images/in.png"], ["text", "Where?"]], [["text", "left"]], [["text", "right"]]
    )
    edit = pair(
        "e1", "A", [["image", "images/in.png"], ["text", "Make it red."]],
        [["image", "images/a.png"]], [["text", "Done:"], ["image", "images/b.png"]],
    )  # fmt: skip
    drawn = pair("t1", "A", [["text", "Draw a cat."]], [["image", "images/a.png"]], [["image", "images/b.png"]])
    gone = pair("r2", "A", [["image", "images/gone.png"]], [["text", "x"]], [["text", "y"]])
    for name, pairs in (("reasoning", [reasoning, gone]), ("edit", [edit]), ("t2i", [drawn])):
        (tmp_path / f"{name}.json").write_text(json.dumps({"pairs": pairs}))
    return tmp_path


def by_task(built: Path) -> dict[str, BenchmarkItem]:
    return {item.dimension: item for item in load_mmrb2(str(built), folder=built / "scratch").items}


def test_pairs_keep_all_their_pictures_in_place(built: Path) -> None:
    items = by_task(built)
    assert {name: item.pictures for name, item in items.items()} == {"reasoning": 1, "edit": 3, "image": 2}
    edit = items["edit"]
    assert (edit.question, edit.preferred, edit.degraded) == (
        "<image 1>\nMake it red.",
        "<image 1>",
        "Done:\n<image 1>",
    )
    assert Path(edit.preferred_images[0]).name == "a.png"
    assert Path(edit.degraded_images[0]).name == "b.png"
    assert (items["reasoning"].preferred, items["reasoning"].stored) == ("right", "BA")
    assert items["image"].image == ""  # the question has none


def test_pairs_without_their_pictures_are_counted(built: Path) -> None:
    loaded = load_mmrb2(str(built), folder=built / "scratch")
    assert (loaded.rows, loaded.without_image, len(loaded.items)) == (4, 1, 3)


def test_form_of_the_hub_gives_the_same_texts(tmp_path: Path) -> None:
    image = {"bytes": file_bytes(picture()), "path": None}
    row = {
        "pair_id": "r1", "prompt_text": "<image_0> Where is <image_1>?", "prompt_images": [image, image],
        "response_a_text": "left", "response_a_images": [], "response_b_text": "see", "response_b_images": [image],
        "chosen": "a",
    }  # fmt: skip
    (tmp_path / "reasoning").mkdir()
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "reasoning" / "test-0.parquet")
    (item,) = load_mmrb2(str(tmp_path), folder=tmp_path / "scratch").items
    assert item.question == "<image 1> Where is <image 2>?"
    assert (item.preferred, item.degraded, item.pictures) == ("left", "see\n<image 1>", 3)


FAMILIES = (
    Family("the form of the prompt", '{"score": 6, "better_response": "A", "confidence": 0.4}', "A"),
    Family("the other response", '{"better_response": "B"}', "B"),
    Family("in a code fence", '```json\n{"better_response": "B"}\n```', "B"),
    Family("without spaces", '{"better_response":"A"}', "A"),
    Family("over lines", '{"better_response":\n  "B"\n}', "B"),
    Family("single quotes, as their repairing reader takes them", "{'better_response': 'A'}", "A"),
    Family("space inside the value", '{"better_response": " A "}', "A"),
    Family("after the reasoning", '{"reasoning": {"summary": "A errs"}, "better_response": "B"}', "B"),
    Family("broken off after it", '{"better_response": "A", "confid', "A"),
    Family("a tie is a verdict for neither", '{"better_response": "tie"}', "tie"),
    Family("both is a verdict for neither", '{"better_response": "A and B"}', "tie"),
    Family("an empty one is for neither", '{"better_response": ""}', "tie"),
    Family("null is no verdict", '{"better_response": null}', "invalid"),
    Family("another key is none", '{"winner": "A"}', "invalid"),
    Family("words are none", "Response A is better.", "invalid"),
    Family("the other benchmark's token is none", "[[A]]", "invalid"),
    Family("nothing", "", "invalid"),
    Family("broken off before it", '{"reasoning": {"quality": "A', "invalid"),
    Family("small letters are for neither", '{"better_response": "a"}', "tie"),
    Family("a name is for neither", '{"better_response": "Response B"}', "tie"),
)


def test_reading_agrees_with_the_authors_script_on_hundreds_of_written_replies() -> None:
    count, wrong = differing(OFFICIAL, FAMILIES)
    assert wrong == []
    assert count >= 200


def test_every_reply_counts_by_itself_and_those_without_a_verdict_leave_the_denominator(built: Path) -> None:
    item = by_task(built)["reasoning"]
    other = by_task(built)["edit"]
    says: dict[tuple[str, Order], str] = {
        (item.item_id, "AB"): '"better_response": "A"',  # right
        (item.item_id, "BA"): "no idea",  # not counted
        (other.item_id, "AB"): '"better_response": "B"',  # wrong
        (other.item_id, "BA"): '"better_response": "A"',  # wrong
    }
    rows = [reply(OFFICIAL, one, order, says[one.item_id, order]) for one in (item, other) for order in ("AB", "BA")]
    scores = {row.dimension: row for row in OFFICIAL.scores("j", rows, {one.item_id: one for one in (item, other)})}
    assert scores["all"].accuracy == pytest.approx(1 / 3)  # of replies, not 1/2 of items
    assert (scores["reasoning"].accuracy, scores["edit"].accuracy) == (1.0, 0.0)
    assert scores["all"].invalid == 0.25


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{broken", "cannot be read"),
        ('{"rows": []}', "has no list 'pairs'"),
        ('{"pairs": [{"id": "x", "chosen": "C"}]}', "chooses 'C', not A or B"),
        ('{"pairs": []}', "holds no pair of mmrb2"),
    ],
)
def test_file_of_another_kind_is_one_sentence(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "edit.json").write_text(text)
    with pytest.raises(SourceError, match=found):
        load_mmrb2(str(tmp_path), folder=tmp_path / "scratch")


def test_hub_is_not_asked_but_the_way_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"build_from_hf\.py and name its folder: mmrb2=FOLDER"):
        load_mmrb2(None, folder=tmp_path)
