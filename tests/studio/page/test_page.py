"""The place: URL text ↔ component values, the signal to draw again, links."""

import subprocess
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import psutil
import pytest

from engine.workspace.files import write_json
from engine.workspace.folders import Workspace
from studio.page.page import Tab, connect, create_page, first_sight
from studio.page.place import link, read_query
from studio.page.pulse import Moment, only_changed, signature
from studio.tabs import training
from studio.tabs.home import tab as home
from studio.tabs.images import tab as images
from studio.tabs.pairs import tab as pairs
from tests.sample_workspace import make_run, make_workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path)


def mark(workspace: Workspace, tab: Tab, run: str | None, active: Collection[str] = ()) -> str:
    return signature(Moment(workspace=workspace, run=run, active=active), tab.watches)


def test_link_with_odd_values_survives_the_way_through_a_url() -> None:
    text = 'a&b=c "ü" <script>\u202e'
    assert read_query(link("traces", "shapes-01", {"traces.q": text, "traces.kept": True, "traces.n": None})) == {
        "tab": "traces",
        "run": "shapes-01",
        "traces.q": text,
        "traces.kept": "1",
    }
    assert read_query("?" + "&".join(f"k{number}=1" for number in range(300))) == {}, "no page of ours wrote it"


def test_url_values_come_back_as_what_their_components_hold(workspace: Workspace) -> None:
    with gr.Blocks(analytics_enabled=False):
        page = create_page(workspace)
        page.url.bind("t.text", gr.Textbox())
        page.url.bind("t.kind", gr.Radio(["open", "closed"], value="open"))
        page.url.bind("t.many", gr.Dropdown(["a", "b", "c"], multiselect=True, value=[]))
        page.url.bind("t.flag", gr.Checkbox(value=False))
        page.url.bind("t.count", gr.Number(value=7))
        item = page.url.hidden("t.item")
    assert item.visible == "hidden"
    query = {"t.text": "ü", "t.kind": "closed", "t.many": "a,c", "t.flag": "1", "t.count": "3", "t.item": "x"}
    shown = dict(zip([binding.key for binding in page.url.bindings], page.url.values(query), strict=True))
    assert {key: shown[key] for key in query} == {
        "t.text": "ü",
        "t.kind": "closed",
        "t.many": ["a", "c"],
        "t.flag": True,
        "t.count": 3.0,
        "t.item": "x",
    }


@pytest.mark.parametrize(
    ("key", "text", "usual"),
    [("t.kind", "nonsense", "open"), ("t.many", "a,zzz", []), ("t.count", "many", 7), ("t.text", "x" * 5000, "")],
)
def test_url_value_that_does_not_fit_counts_as_absent(workspace: Workspace, key: str, text: str, usual: object) -> None:
    with gr.Blocks(analytics_enabled=False):
        page = create_page(workspace)
        page.url.bind("t.text", gr.Textbox(value=""))
        page.url.bind("t.kind", gr.Radio(["open", "closed"], value="open"))
        page.url.bind("t.many", gr.Dropdown(["a", "b"], multiselect=True, value=[]))
        page.url.bind("t.count", gr.Number(value=7))
    shown = dict(zip([binding.key for binding in page.url.bindings], page.url.values({key: text}), strict=True))
    assert shown[key] == usual


def test_url_with_a_run_that_is_gone_keeps_the_chosen_one(workspace: Workspace) -> None:
    with gr.Blocks(analytics_enabled=False):
        page = create_page(workspace)
    keys = [binding.key for binding in page.url.bindings]
    there = dict(zip(keys, page.url.values({"run": "shapes-01"}), strict=True))["run"]
    assert there["value"] == "shapes-01"
    for name in ("gone", "../../etc", ""):
        assert "value" not in dict(zip(keys, page.url.values({"run": name}), strict=True))["run"]


def test_signature_changes_when_a_part_is_added_and_not_otherwise(workspace: Workspace) -> None:
    from engine.records import Skipped

    before = mark(workspace, pairs.TAB, "shapes-01")
    assert mark(workspace, pairs.TAB, "shapes-01") == before
    workspace.run("shapes-01").stage(2, "judge").write("skipped", [Skipped(name="a", reason="b")])
    assert mark(workspace, pairs.TAB, "shapes-01") != before


def test_signature_of_a_run_deleted_this_instant_is_no_error(workspace: Workspace) -> None:
    assert mark(workspace, pairs.TAB, "never-there")


def test_signature_changes_when_a_process_ends_without_writing_anything(workspace: Workspace) -> None:
    working = mark(workspace, training.TAB, "shapes-01", ["shapes-01"])
    assert working == mark(workspace, training.TAB, "shapes-01", ["other", "shapes-01"])
    assert working != mark(workspace, training.TAB, "shapes-01", ["other"])

    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        born = psutil.Process(child.pid).create_time()
        (workspace.uploads / "photos").mkdir(parents=True)
        write_json(workspace.uploads / "photos" / "source.json", {"state": "running", "pid": child.pid, "born": born})
        working = mark(workspace, images.TAB, None)
        assert working == mark(workspace, images.TAB, None)
        child.communicate(b"\n")
    assert working != mark(workspace, images.TAB, None)


def test_cards_that_did_not_change_are_not_sent_again() -> None:
    sent = only_changed(["a", "b", ""], ("a", "x"))
    assert sent[1] == "b"
    assert sent[0] == sent[2] == gr.skip()


def test_image_url_of_an_odd_folder_is_percent_encoded(tmp_path: Path) -> None:
    from studio.look.cards import image_url

    odd = make_workspace(tmp_path / "my ümläut & <b>")
    with gr.Blocks(analytics_enabled=False):
        page = create_page(odd)
    url = page.image_url("images/ab/abc.png")
    assert url is not None
    assert image_url(url) == url
    assert " " not in url
    assert "<" not in url
    assert page.image_url(None) is None


def test_page_itself_brings_home_and_nothing_of_it_for_another_tab(workspace: Workspace) -> None:
    make_run(workspace, "shapes-02", iterations=1)
    newest, other = (run.name for run in workspace.runs())
    with gr.Blocks(analytics_enabled=False):
        page = create_page(workspace)
        home.TAB.build(page)
    for shown, query in ((newest, {}), (other, {"run": other}), (newest, {"run": "gone"}), (newest, {"tab": "home"})):
        drawn = first_sight(page, query)
        assert [f">{shown}<" in drawn[page.opening[0].cards[0]._id]] == [True]
    assert first_sight(page, {"tab": "images"}) == {}
    page.opening[0] = replace(page.opening[0], draw=lambda _: (workspace.root / "gone").read_text())
    assert first_sight(page, {}) == {}, "the page is sent all the same"


def test_answer_that_opens_the_page_sets_the_rest_of_the_place_only_where_the_address_names_it(
    workspace: Workspace,
) -> None:
    with gr.Blocks(analytics_enabled=False) as app:
        page = create_page(workspace)
        box = page.url.hidden("images.q")
        connect(page, [home.TAB, images.TAB], gr.HTML(), gr.HTML())
    loaded, placed = (next(one for one in app.fns.values() if one.name == name) for name in ("loaded", "placed"))

    def opened(query: str) -> list[Any]:
        answer = loaded.fn(SimpleNamespace(query_params=read_query(query)))
        assert len(answer) == len(loaded.outputs)
        return list(answer)

    assert opened("tab=home&other=x")[:2] == [gr.skip(), gr.skip()]
    asked, tabs, (_, visited), tab, *_ = opened("tab=images")
    assert (asked, tabs, visited, tab) == (gr.skip(), gr.update(selected="images"), "images", "images")
    asked, *rest = opened("tab=images&images.q=a+%26+b")
    assert rest == [gr.skip()] * len(rest)
    answer = dict(zip((one._id for one in placed.outputs), placed.fn(asked, None), strict=True))
    assert (answer[box._id], answer[page.tab._id]) == ("a & b", "images")


def test_beat_sends_a_run_only_where_the_one_it_was_asked_with_is_gone(workspace: Workspace) -> None:
    with gr.Blocks(analytics_enabled=False) as app:
        page = create_page(workspace)
        connect(page, [home.TAB], gr.HTML(), gr.HTML())
    beat = next(listener.fn for listener in app.fns.values() if listener.name == "beat")
    for run, sent in (("shapes-01", {}), ("gone", {"value": "shapes-01"}), (None, {"value": "shapes-01"})):
        update = beat("home", run, (1, "home"), ("", ()))[1]
        assert {key: value for key, value in update.items() if key == "value"} == sent
