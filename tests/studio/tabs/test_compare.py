"""Compare: sides of several runs, what they share, the grid, walking through it, and the file to send."""

from dataclasses import replace
from typing import Any

import gradio as gr
import pytest
import yaml

from engine.errors import JudgeStudioError
from engine.workspace.catalog.database import Catalog, open_catalog
from engine.workspace.folders import Workspace
from studio.jobs.handouts import comparison_file
from studio.look.keys import read_walk
from studio.page.page import create_page
from studio.queries.sides import measured_sides
from studio.tabs.compare import tab
from studio.tabs.compare.view import ComparePlace, CompareShown, settle, short_names, show_compare, walked
from tests.sample_workspace import make_run

V0, V1 = "shapes-01/judge-v0", "shapes-01/judge-v1"
OTHER = "shapes-02/judge-v0"


@pytest.fixture
def catalog(workspace: Workspace) -> Catalog:
    other = make_run(workspace, "shapes-02", iterations=1)
    record = yaml.safe_load(other.config.read_text("utf-8"))
    record["settings"]["judge"]["traces_per_order"] = 7
    other.config.write_text(yaml.safe_dump(record, sort_keys=False), "utf-8")
    return open_catalog(workspace)


def show(catalog: Catalog, run: str | None = "shapes-01", **place: Any) -> CompareShown:
    return show_compare(catalog, lambda path: path, run, ComparePlace(**place))


def test_usual_comparison_is_of_the_base_and_a_later_version_of_the_chosen_run(catalog: Catalog) -> None:
    now = show(catalog)
    assert now.place.sides == (V0, V1)
    assert "4 shared items" in now.head


def test_two_runs_are_compared_with_the_settings_that_differ_first(catalog: Catalog) -> None:
    now = show(catalog, sides=(OTHER, V1))
    assert now.numbers.index("judge.traces_per_order") < now.numbers.index("By dimension")
    assert "shapes-01/judge-v1 against shapes-02/judge-v0 on 4 shared items" in now.head
    assert {kind: label for label, kind in now.changes}["worse"] == "Got worse 1"


def test_runs_without_a_common_benchmark_are_told_so_and_not_compared(catalog: Catalog) -> None:
    known = {**measured_sides(catalog), OTHER: ("elsewhere",)}
    place = settle(catalog, known, "shapes-01", ComparePlace(sides=(V0, OTHER)))
    assert (place.sides, place.benchmark) == ((V0, OTHER), "")


def test_sides_that_nobody_measured_are_left_out(catalog: Catalog) -> None:
    now = show(catalog, sides=("../../etc/passwd", "shapes-09/judge-v1", V0))
    assert now.place.sides == (V0,)
    assert "Choose two judges" in now.head
    assert not now.is_compared


def test_keys_walk_through_what_got_worse_and_stop_at_its_end(catalog: Catalog) -> None:
    place = ComparePlace(sides=(V0, V1), change="all", view="items", item="item-0")
    now = show(catalog, sides=place.sides, change="all", view="items")
    order = [line.split('"')[0] for line in now.list.split('data-id="')[1:]]
    at = walked(catalog, "shapes-01", place, read_walk(f"{order[0]}|2|5"))
    assert at.item == order[2]
    assert walked(catalog, "shapes-01", place, read_walk(f"{order[0]}|900|6")).item == order[-1]
    assert walked(catalog, "shapes-01", place, read_walk("nowhere|1|7")) == replace(place, benchmark="held-out")


def test_item_shows_both_reasonings_beside_each_other_in_both_orders(catalog: Catalog) -> None:
    now = show(catalog, sides=(V0, V1), view="items", item="item-2")
    assert now.detail.count("st-aligned is-head") == 2
    assert "Held-out question 2?" in now.detail
    assert "[[A]]" in now.detail


def test_names_of_one_run_are_short_and_those_of_two_are_whole() -> None:
    assert short_names([V0, "shapes-01/control:always-A"]) == ["judge-v0", "always-A"]
    assert short_names([V0, OTHER]) == [V0, OTHER]


def test_every_update_has_its_component(workspace: Workspace, catalog: Catalog) -> None:
    with gr.Blocks(analytics_enabled=False):
        page = create_page(workspace)
        tab.build(page)
    now = show(catalog, sides=(V0, V1), view="items", item="item-2")
    updates = tab._updates(page, now, "shapes-01", tab._Before(), 3, usual=False)
    assert len(updates) == 6 + 4 + 6 + 1
    assert updates[-1].answered == 3


def test_file_is_written_by_the_command_and_needs_two_sides(workspace: Workspace) -> None:
    path = comparison_file(workspace, (V0, V1), "held-out")
    assert "Held-out question 2?" in path.read_text("utf-8")
    with pytest.raises(JudgeStudioError, match="choose two judges"):
        comparison_file(workspace, (V0,), "held-out")


def test_sides_taken_away_by_hand_stay_away_until_another_run_is_chosen(catalog: Catalog) -> None:
    with gr.Blocks(analytics_enabled=False):
        answers = tab._Answers(create_page(catalog.workspace), 17)
    rest = ["", "numbers", "worse", "", ""]
    first = answers.redraw("shapes-01", [], *rest, tab._Before())
    assert first[0]["value"] == [V0, V1]
    cleared = answers.chosen("shapes-01", [], *rest, first[-1])
    assert cleared[0]["value"] == []
    again = answers.redraw("shapes-01", [], *rest, cleared[-1])
    assert again[0]["value"] == []
    assert answers.anew("shapes-01", [], *rest, again[-1])[0]["value"] == []
    assert answers.redraw("shapes-02", [], *rest, again[-1])[0]["value"] != []


def test_question_of_the_keys_that_a_later_one_overtook_moves_nothing(catalog: Catalog) -> None:
    with gr.Blocks(analytics_enabled=False):
        answers = tab._Answers(create_page(catalog.workspace), 17)
    place: list[Any] = [[V0, V1], "", "items", "all", "", ""]

    def press(number: int, to: str, before: Any) -> list[Any]:
        event = gr.EventData(None, {"act": "move", "id": f"item-{to}|0|{number}"})
        return answers.act(event, "shapes-01", *place, before)

    later = press(2, "3", tab._Before())
    assert (later[5], later[-1].answered) == ("item-3", 2)
    assert press(1, "2", later[-1]) == [gr.skip()] * 17
