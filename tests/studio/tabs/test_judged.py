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


def test_panel_is_not_there_before_a_file_is_judged(judged: OneByOne) -> None:
    assert judged.drawn(None, "", "", "", "")[judged.boxes.panel]["visible"] is False


@pytest.mark.usefixtures("ruled")
def test_first_page_has_no_markup_of_the_file_and_no_picture_from_elsewhere(judged: OneByOne) -> None:
    shown = judged.drawn(None, "", "", "", "")
    text = listed(judged, shown)
    assert "1 to 20 of 30 comparisons" in text
    assert "<script>" not in text
    assert "images/ab/x.png" in text
    assert "secret" not in text
    assert shown[judged.boxes.file]["value"] == KEY
    assert ("Flips 10", "flips") in shown[judged.boxes.show]["choices"]
    assert ("A wins 20", "A") in shown[judged.boxes.verdict]["choices"]


@pytest.mark.usefixtures("ruled")
def test_pages_are_turned_and_another_filter_begins_on_its_first(judged: OneByOne) -> None:
    turned = judged.act(SimpleNamespace(act="next"), KEY, "", "", "", "")  # type: ignore[arg-type]
    assert "21 to 30 of 30 comparisons" in listed(judged, turned)
    assert turned[judged.boxes.at] == "20"
    flips = judged.anew(KEY, "flips", "", "", "20")
    assert "1 to 10 of 10 comparisons, 30 in all" in listed(judged, flips)


@pytest.mark.usefixtures("ruled")
def test_filter_that_nothing_matches_says_so_and_can_be_lifted(judged: OneByOne) -> None:
    assert "No comparison matches." in listed(judged, judged.drawn(KEY, "", "tie", "", ""))
    cleared = judged.act(SimpleNamespace(act="clear"), KEY, "", "tie", "x", "")  # type: ignore[arg-type]
    assert "of 30 comparisons" in listed(judged, cleared)
    assert cleared[judged.boxes.text] == ""


@pytest.mark.usefixtures("ruled")
@pytest.mark.parametrize("odd", ["../../x", "x" * 9_000, "-1", "²", None])
def test_odd_values_show_the_usual_page(judged: OneByOne, odd: str | None) -> None:
    assert "1 to 20 of 30 comparisons" in listed(judged, judged.drawn(odd, odd, odd, "", odd))
