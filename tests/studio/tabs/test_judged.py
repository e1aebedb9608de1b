"""The comparisons of a judged file on the Live judge tab: what is shown for values of a page, all of them untrusted."""

import json
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from engine.workspace.folders import Workspace
from studio.page.page import create_page
from studio.tabs.live.judged import OneByOne, _lay_out
from tests.sample_workspace import HOSTILE

KEY = "0123456789ab"


@pytest.fixture
def judged(workspace: Workspace) -> OneByOne:
    with gr.Blocks(analytics_enabled=False):
        page = create_page(workspace)
        return OneByOne(page=page, boxes=_lay_out(page))


@pytest.fixture
def ruled(workspace: Workspace) -> None:
    """Thirty comparisons, of which every third is a flip; pictures of the workspace and of elsewhere."""
    folder = workspace.root / "batches" / KEY
    folder.mkdir(parents=True)
    record = {"name": HOSTILE, "judges": ["v1"], "total": 30, "created": 1.0, "pid": None}
    (folder / "batch.json").write_text(json.dumps(record))
    (folder / "verdicts.jsonl").write_text("".join(line(number) for number in range(30)))


def line(number: int) -> str:
    image = "../../images/ab/x.png" if number % 2 else "../../../secret.png"
    row = {"key": str(number), "question": f"{HOSTILE} {number:02d}", "a": HOSTILE, "b": "two", "image": image}
    ruling = {"judge": "v1", "verdict": "A" if number % 3 else "order-flip"}
    orders = [{"order": order, "reasoning": HOSTILE} for order in ("AB", "BA")]
    return json.dumps({**row, **ruling, "orders": orders}) + "\n"


def listed(judged: OneByOne, update: dict[Any, Any]) -> str:
    return str(update[judged.boxes.listed])


def first(judged: OneByOne, *place: str | None) -> dict[Any, Any]:
    """What is drawn on a page that showed nothing yet."""
    return judged.redrawn(*place, None)


def press(judged: OneByOne, act: str, *place: str) -> dict[Any, Any]:
    return judged.act(SimpleNamespace(act=act), *place, None)  # type: ignore[arg-type]


def test_panel_is_not_there_before_a_file_is_judged(judged: OneByOne) -> None:
    assert first(judged, None, "", "", "", "")[judged.boxes.panel]["visible"] is False


@pytest.mark.usefixtures("ruled")
def test_first_page_has_no_markup_of_the_file_and_no_picture_from_elsewhere(judged: OneByOne) -> None:
    shown, place = first(judged, None, "", "", "", ""), judged.boxes.place
    text = listed(judged, shown)
    assert "1 to 10 of 30 comparisons" in text
    assert "<script>" not in text
    assert "images/ab/x.png" in text
    assert "secret" not in text
    assert shown[place["file"]]["value"] == KEY
    assert ("Flips 10", "flips") in shown[place["show"]]["choices"]
    assert ("A wins 20", "A") in shown[place["verdict"]]["choices"]


@pytest.mark.usefixtures("ruled")
def test_redraw_sends_the_list_again_only_where_the_file_or_the_place_changed(
    judged: OneByOne, workspace: Workspace
) -> None:
    place = (KEY, "", "", "", "")
    assert listed(judged, judged.redrawn("", "", "", "", "", judged.redrawn(*place, None)[judged.boxes.seen]))
    seen = judged.redrawn(*place, None)[judged.boxes.seen]
    assert judged.redrawn(*place, seen) == {judged.boxes.seen: seen}
    assert "of 10 comparisons" in listed(judged, judged.redrawn(KEY, "flips", "", "", "", seen))
    with (workspace.root / "batches" / KEY / "verdicts.jsonl").open("a") as file:
        file.write(line(30))
    assert "of 31 comparisons" in listed(judged, judged.redrawn(*place, seen))


@pytest.mark.usefixtures("ruled")
def test_pages_are_turned_and_another_filter_begins_on_its_first(judged: OneByOne) -> None:
    turned = press(judged, "next", KEY, "", "", "", "")
    assert "11 to 20 of 30 comparisons" in listed(judged, turned)
    assert turned[judged.boxes.place["at"]] == "10"
    assert "1 to 10 of 30" in listed(judged, press(judged, "previous", KEY, "", "", "", "10"))
    flips = judged.anew(KEY, "flips", "", "", "10", None)
    assert "1 to 10 of 10 comparisons, 30 in all" in listed(judged, flips)


@pytest.mark.usefixtures("ruled")
def test_filter_that_nothing_matches_says_so_and_can_be_lifted(judged: OneByOne) -> None:
    assert "No comparison matches." in listed(judged, first(judged, KEY, "", "tie", "", ""))
    cleared = press(judged, "clear", KEY, "", "tie", "x", "")
    assert "of 30 comparisons" in listed(judged, cleared)
    assert cleared[judged.boxes.place["text"]] == ""


@pytest.mark.usefixtures("ruled")
@pytest.mark.parametrize("odd", ["../../x", "x" * 9_000, "-1", "²", None])
def test_odd_values_show_the_usual_page(judged: OneByOne, odd: str | None) -> None:
    assert "1 to 10 of 30 comparisons" in listed(judged, first(judged, odd, odd, odd, "", odd))
