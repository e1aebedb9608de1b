"""The Pairs tab without a browser: what it shows of a place, where its buttons lead, and hostile text."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from engine.workspace.catalog.database import Catalog, open_catalog
from engine.workspace.folders import Workspace
from studio.look.keys import read_walk
from studio.page.page import create_page
from studio.queries import notes
from studio.queries.pairs import find_pair
from studio.tabs.pairs import tab
from studio.tabs.pairs.as_sql import as_sql
from studio.tabs.pairs.drawer import fault
from studio.tabs.pairs.place import PairsPlace, PairsSight, chosen_pair, look_at, opened, step, turn, walked
from studio.tabs.pairs.tab import Before
from studio.tabs.pairs.view import PairsShown, show_no_run, show_pairs
from tests.sample_workspace import make_pair, make_workspace, pair_id

RUN = "shapes-01"


def url(path: str | None) -> str | None:
    return f"file/{path}" if path else None


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path / "ws")


@pytest.fixture
def catalog(workspace: Workspace) -> Catalog:
    return open_catalog(workspace)


def show(catalog: Catalog, place: PairsPlace) -> PairsShown:
    return show_pairs(catalog.workspace, url, sight(catalog, place))


def sight(catalog: Catalog, place: PairsPlace) -> PairsSight:
    return look_at(catalog, RUN, place, notes.flagged_in(catalog.workspace, RUN))


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.tabs.pairs.place.PAGE_SIZE", 3)


def item(iteration: int, number: int) -> str:
    return f"{iteration}-{pair_id(iteration, number)}"


def test_workspace_without_runs_says_what_to_do_next() -> None:
    now = show_no_run(PairsPlace())
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


@pytest.mark.usefixtures("small_pages")
def test_next_and_previous_walk_all_pairs_across_pages(catalog: Catalog) -> None:
    place = step(sight(catalog, PairsPlace(iteration="1")), forward=True).place
    seen = [place.item]
    for _ in range(9):
        place = step(sight(catalog, place), forward=True).place
        assert _is_shown(show(catalog, place), place.item)
        seen.append(place.item)
    assert seen == [*(item(1, number) for number in range(8)), item(1, 7), item(1, 7)]
    for number in reversed(range(7)):
        place = step(sight(catalog, place), forward=False).place
        assert place.item == item(1, number)
        assert _is_shown(show(catalog, place), place.item)


def _is_shown(now: PairsShown, chosen: str) -> bool:
    """Whether the chosen pair is on the page and not only ready beside it."""
    article = next((one for one in now.list.split("<article") if f'data-id="{chosen.partition("-")[2]}"' in one), "")
    return article.startswith(' class="st-card is-on">')


@pytest.mark.usefixtures("small_pages")
def test_page_that_keys_may_reach_next_lies_ready_unseen(catalog: Catalog) -> None:
    def ready(place: PairsPlace) -> list[str]:
        cards = show(catalog, place).list.split("<article")[1:]
        return [card.split('data-id="')[1][:16] for card in cards if "is-ready" in card.partition(">")[0]]

    first = PairsPlace(iteration="1")
    assert ready(first) == [], "nobody walks yet"
    assert ready(replace(first, item=item(1, 0))) == [pair_id(1, number) for number in (3, 4, 5)]
    second = turn(sight(catalog, first), forward=True).place
    assert ready(replace(second, item=item(1, 3))) == [pair_id(1, number) for number in (0, 1, 2)]
    at_end = replace(second, item=item(1, 5))
    assert ready(at_end) == [pair_id(1, number) for number in (6, 7)]
    table = show(catalog, replace(at_end, view="table")).list
    assert table.count('<tr class="is-ready" data-part="1"') == 2
    clicked = opened(sight(catalog, at_end), pair_id(1, 7))
    assert _is_shown(show(catalog, clicked.place), item(1, 7))


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
        (0, "{5}|0|1", 5),
        (0, "{7}|-1|1", 6),
    ],
)
@pytest.mark.usefixtures("small_pages")
def test_keys_that_went_beyond_the_page_arrive_where_they_walked_to(
    catalog: Catalog, start: int, where: str, chosen: int
) -> None:
    ids = [pair_id(1, number) for number in range(8)]
    before = sight(catalog, step(sight(catalog, PairsPlace(iteration="1", item=item(1, start))), forward=True).place)
    before = step(before, forward=False)
    place = walked(before, read_walk(where.format(*ids))).place
    assert place.item == item(1, chosen)
    assert _is_shown(show(catalog, place), place.item)


@pytest.mark.usefixtures("small_pages")
def test_turning_pages_forward_and_back_ends_at_the_first_page(catalog: Catalog) -> None:
    place = PairsPlace(iteration="1")
    for heading in ("4 to 6", "7 to 8", "7 to 8"):
        place = turn(sight(catalog, place), forward=True).place
        assert heading in show(catalog, place).head
    for heading in ("4 to 6", "1 to 3", "1 to 3"):
        place = turn(sight(catalog, place), forward=False).place
        assert heading in show(catalog, place).head
    assert place.at == ""


@pytest.mark.parametrize(
    "place",
    [
        PairsPlace(),
        PairsPlace(iteration="all"),
        PairsPlace(kind="open", iteration="1"),
        PairsPlace(strategy="majority", dimension="count", iteration="all"),
        *(PairsPlace(fate=fate, iteration="all") for fate in ("kept", "rejected", "waiting", "dropped", "wrong")),
        PairsPlace(fate="dropped: no-majority", iteration="all"),
        PairsPlace(text="BLUE star", iteration="all"),
        PairsPlace(text=pair_id(1, 3)[:6], iteration="all"),
        PairsPlace(text="it's <script>", iteration="all"),
        PairsPlace(flagged=True, iteration="all"),
    ],
)
def test_question_in_sql_finds_the_pairs_that_the_filter_shows(
    catalog: Catalog, workspace: Workspace, place: PairsPlace
) -> None:
    notes.set_flag(workspace, RUN, pair_id(1, 3), True)
    shown = sight(catalog, place)
    found = {row[1] for row in catalog.query(as_sql(shown.wanted))}
    assert len(found) == shown.page.total
    assert {row.pair_id for row in shown.page.rows} <= found


@pytest.mark.usefixtures("small_pages")
def test_foot_leads_to_the_same_pairs_in_sql_and_turns_the_page(catalog: Catalog) -> None:
    foot = show(catalog, PairsPlace(iteration="1")).foot
    assert "tab=sql" in foot
    assert 'data-act="next-page"' in foot


def test_table_says_how_a_pair_was_decided(catalog: Catalog) -> None:
    table = show(catalog, PairsPlace(view="table", iteration="1")).list
    assert "9 of 16 votes" in table
    assert "blue to green" in table


def test_click_opens_only_a_pair_of_the_page(catalog: Catalog) -> None:
    first = sight(catalog, PairsPlace(iteration="1"))
    assert opened(first, pair_id(1, 4)).place.item == item(1, 4)
    assert opened(first, "<script>").place.item == ""
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


def test_question_of_the_keys_that_a_later_one_overtook_moves_nothing_but_still_flags(workspace: Workspace) -> None:
    with gr.Blocks(analytics_enabled=False):
        page = create_page(workspace)
        answers = tab._Answers(page, 15)
    place = ["", "", "", "1", "", "", False, "cards", "", ""]

    def press(name: str, number: int, pair: int, before: Before) -> list[Any]:
        event = gr.EventData(None, {"act": name, "id": f"{pair_id(1, pair)}|0|{number}"})
        return answers.act(event, RUN, *place, before)

    later = press("move", 3, 6, Before())
    assert (later[6], later[-1].answered) == (item(1, 6), 3)
    assert press("move", 2, 7, later[-1]) == [gr.skip()] * 15
    assert press("flag", 1, 5, later[-1]) == [gr.skip()] * 15
    assert notes.flagged_in(workspace, RUN) == {pair_id(1, 5)}
