"""The Pairs tab without a browser: what it shows of a place, where its buttons lead, and hostile text."""

from dataclasses import replace
from pathlib import Path

import gradio as gr
import pytest

from engine.workspace.catalog.database import Catalog, open_catalog
from engine.workspace.folders import Workspace, open_workspace
from studio.look.keys import read_walk
from studio.page.page import create_page
from studio.queries import notes
from studio.queries.pairs import find_pair
from studio.tabs.pairs import tab
from studio.tabs.pairs.drawer import fault
from studio.tabs.pairs.place import PairsPlace, chosen_pair, opened, step, turn, walked
from studio.tabs.pairs.tab import Before
from studio.tabs.pairs.view import PairsShown, show_pairs
from tests.sample_workspace import make_pair, make_workspace, pair_id

RUN = "shapes-01"
NOBODY: frozenset[str] = frozenset()


def url(path: str | None) -> str | None:
    return f"file/{path}" if path else None


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path / "ws")


@pytest.fixture
def catalog(workspace: Workspace) -> Catalog:
    return open_catalog(workspace)


def show(catalog: Catalog, place: PairsPlace) -> PairsShown:
    return show_pairs(catalog, catalog.workspace, url, RUN, place)


def item(iteration: int, number: int) -> str:
    return f"{iteration}-{pair_id(iteration, number)}"


def test_workspace_without_runs_says_what_to_do_next(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path)
    now = show_pairs(open_catalog(workspace), workspace, url, None, PairsPlace())
    assert "No pairs yet. They appear while synthesize runs." in now.list
    assert 'href="?tab=launch"' in now.list


def test_place_without_an_iteration_shows_the_newest(catalog: Catalog) -> None:
    now = show(catalog, PairsPlace())
    assert now.place.iteration == "2"
    assert "<b>8 pairs</b>, showing 1 to 8" in now.head
    assert show(catalog, PairsPlace(iteration="7")).place.iteration == "2"
    assert "<b>16 pairs</b>" in show(catalog, PairsPlace(iteration="all")).head


def test_filter_that_nothing_matches_offers_to_clear_it(catalog: Catalog) -> None:
    now = show(catalog, PairsPlace(text="zebra"))
    assert "No pair matches." in now.list
    assert 'data-act="clear"' in now.list


def test_card_shows_fate_votes_and_difference(catalog: Catalog) -> None:
    now = show(catalog, PairsPlace(iteration="1"))
    assert "kept 4 of 4" in now.list
    assert "<ins>blue</ins>" in now.list
    assert "<del>green</del>" in now.list
    assert "Votes of 16 samples: three 9, four 5, six 2" in now.list


@pytest.mark.parametrize("view", ["cards", "table"])
def test_hostile_text_is_shown_and_never_becomes_markup(catalog: Catalog, view: str) -> None:
    now = show(catalog, PairsPlace(iteration="1", view=view, item=item(1, 3)))
    for html in (now.list, now.drawer):
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
        assert "<script" not in html


@pytest.mark.parametrize("value", ["<script>alert(1)</script>", "' or 1=1 --", "1e9", "-1", "9" * 30, "\x00"])
@pytest.mark.parametrize("name", ["kind", "strategy", "dimension", "iteration", "fate", "text", "view", "at", "item"])
def test_any_value_of_the_url_gives_a_page_without_its_markup(catalog: Catalog, name: str, value: str) -> None:
    now = show(catalog, replace(PairsPlace(), **{name: value}))
    assert "<script" not in now.list + now.head + now.drawer


def test_choices_count_and_keep_a_value_the_run_has_none_of(catalog: Catalog) -> None:
    now = show(catalog, PairsPlace(iteration="1", dimension="texture"))
    assert now.kinds == (("All 0", ""), ("Open 0", "open"), ("Closed 0", "closed"))
    assert ("texture 0", "texture") in now.dimensions
    assert ("count 2", "count") in now.dimensions
    usual = show(catalog, PairsPlace(iteration="1"))
    assert usual.kinds == (("All 8", ""), ("Open 4", "open"), ("Closed 4", "closed"))
    assert [value for _, value in usual.fates][:3] == ["", "kept", "rejected"]
    assert ("dropped 2", "dropped") in usual.fates
    assert usual.iterations == (("2", "2"), ("1", "1"), ("All", "all"))


def test_drawer_tells_the_fault_the_rulings_and_where_it_came_from(catalog: Catalog) -> None:
    now = show(catalog, PairsPlace(iteration="1", item=item(1, 1)))
    assert "count: blue to green, in the degraded response. Same length, 9 words." in now.drawer
    assert "Rulings of judge-v0" in now.drawer
    assert now.drawer.count(">right<") == 4
    assert "shapes-01, iteration 1" in now.drawer
    assert f"traces.pair={pair_id(1, 1)}" in now.drawer
    assert "is-on" in now.list
    assert "is-full" not in now.list


def test_dropped_pair_is_browsable_and_says_why(catalog: Catalog) -> None:
    now = show(catalog, PairsPlace(iteration="1", fate="dropped", item=item(1, 8)))
    assert "dropped: no-majority" in now.list
    assert "no answer had enough votes" in now.drawer
    assert "<b>2 pairs</b>" in now.head


def test_fault_of_a_closed_pair_counts_the_votes(catalog: Catalog) -> None:
    pair = find_pair(catalog, RUN, pair_id(1, 0))
    assert pair is not None
    assert fault(pair) == "9 of 16 samples answered “three”; the degraded response gives another answer."
    for odd in (None, "", "[]", "{}", "nonsense", '{"a": "b"}'):
        assert fault(replace(pair, votes=odd)).startswith("The preferred response gives")
    oracle = "The preferred response gives the source's answer, the degraded one another."
    assert fault(replace(pair, strategy="oracle")) == oracle


def test_next_and_previous_walk_all_pairs_across_pages(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("view", "place"):
        monkeypatch.setattr(f"studio.tabs.pairs.{module}.pairs_page", _small_pages)
    place = step(catalog, RUN, PairsPlace(iteration="1"), NOBODY, forward=True)
    seen = [place.item]
    for _ in range(9):
        place = step(catalog, RUN, place, NOBODY, forward=True)
        assert f'data-id="{place.item.partition("-")[2]}"' in show(catalog, place).list
        seen.append(place.item)
    assert seen == [*(item(1, number) for number in range(8)), item(1, 7), item(1, 7)]
    for number in reversed(range(7)):
        place = step(catalog, RUN, place, NOBODY, forward=False)
        assert place.item == item(1, number)


@pytest.mark.parametrize(
    ("start", "where", "chosen"),
    [
        (0, "{0}|0|1", 0),
        (0, "{1}|3|1", 4),
        (4, "{1}|-1|1", 0),
        (0, "{0}|900|1", 7),
        (2, "nonsense|1|1", 2),
        (2, "{0}|x|1", 2),
        (2, "{0}|1", 2),
    ],
)
def test_keys_that_went_beyond_the_page_arrive_where_they_walked_to(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, start: int, where: str, chosen: int
) -> None:
    for module in ("view", "place"):
        monkeypatch.setattr(f"studio.tabs.pairs.{module}.pairs_page", _small_pages)
    ids = [pair_id(1, number) for number in range(8)]
    place = walked(catalog, RUN, PairsPlace(iteration="1", item=item(1, start)), NOBODY, read_walk(where.format(*ids)))
    assert place.item == item(1, chosen)
    assert f'data-id="{ids[chosen]}"' in show(catalog, place).list


def _small_pages(*args: object, **options: object) -> object:
    from studio.queries.pairs import pairs_page

    return pairs_page(*args, **{"size": 3, **options})  # type: ignore[arg-type]


def test_turning_pages_forward_and_back_ends_at_the_first_page(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("view", "place"):
        monkeypatch.setattr(f"studio.tabs.pairs.{module}.pairs_page", _small_pages)
    place = PairsPlace(iteration="1")
    for heading in ("4 to 6", "7 to 8", "7 to 8"):
        place = turn(catalog, RUN, place, NOBODY, forward=True)
        assert heading in show(catalog, place).head
    for heading in ("4 to 6", "1 to 3", "1 to 3"):
        place = turn(catalog, RUN, place, NOBODY, forward=False)
        assert heading in show(catalog, place).head
    assert place.at == ""


def test_click_opens_only_a_pair_of_the_page(catalog: Catalog) -> None:
    assert opened(catalog, RUN, PairsPlace(iteration="1"), NOBODY, pair_id(1, 4)).item == item(1, 4)
    assert opened(catalog, RUN, PairsPlace(iteration="1"), NOBODY, "<script>").item == ""
    assert chosen_pair(catalog, RUN, "1-" + pair_id(1, 4)) is not None
    assert chosen_pair(catalog, RUN, "2-" + pair_id(1, 4)) is None


def test_flagged_only_shows_flagged_pairs_with_their_mark_and_note(catalog: Catalog) -> None:
    notes.set_flag(catalog.workspace, RUN, pair_id(2, 3), True)
    notes.save_note(catalog.workspace, RUN, pair_id(2, 3), "why")
    now = show(catalog, PairsPlace(flagged=True, item=item(2, 3)))
    assert "<b>1 pair</b>" in now.head
    assert ">flagged<" in now.list
    assert now.note == notes.Note(text="why", flagged=True)


def test_unread_pair_says_that_no_ruling_was_made(catalog: Catalog) -> None:
    folder = catalog.workspace.run(RUN).stage(3, "synthesize")
    folder.begin({})
    folder.write("pairs", [make_pair(3, 1)])
    now = show(catalog, PairsPlace(item=item(3, 1)))
    assert "not ruled on yet" in now.list
    assert "No rulings yet. Judge starts after synthesize." in now.drawer


def test_note_box_of_a_copied_run_holds_that_runs_note(catalog: Catalog) -> None:
    place = PairsPlace(iteration="1", item=item(1, 3))
    notes.save_note(catalog.workspace, RUN, pair_id(1, 3), "of the first run")
    now = show(catalog, place)
    ours = tab._updates(now, RUN, Before(), 0)
    assert "of the first run" in ours
    assert "of the first run" not in tab._updates(now, RUN, ours[-1], 0), "what somebody is writing stays"
    copied = tab._updates(replace(now, note=None), "copy", ours[-1], 0)
    assert copied[8] == "", "the pair has the same id in the copy, but no note"


def test_note_that_is_still_another_runs_is_not_saved(workspace: Workspace) -> None:
    with gr.Blocks(analytics_enabled=False) as app:
        tab.build(create_page(workspace))
    keep = next(listener.fn for listener in app.fns.values() if listener.name == "keep")
    chosen = item(1, 3)
    assert "save again" in keep(RUN, chosen, "old", Before(run="before", item=chosen))["value"]
    assert "Note saved" in keep(RUN, chosen, "new", Before(run=RUN, item=chosen))["value"]
    assert notes.read_note(workspace, RUN, pair_id(1, 3)).text == "new"
