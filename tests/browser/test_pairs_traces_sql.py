"""Pairs, Traces and SQL in a browser: places that survive a reload, keyboard, notes and flags, funnel, replay, CSV."""

import re
from pathlib import Path

import pytest

from engine.workspace.decisions import flagged_pairs
from tests.browser.conftest import PHONE, Opener, playwright
from tests.sample_workspace import make_pair, make_run, make_workspace, pair_id
from tests.studio_server import Server, studio_server

expect = playwright.expect
KEPT = f"?tab=pairs&run=shapes-01&pairs.iteration=1&pairs.fate=kept&pairs.item=1-{pair_id(1, 1)}"


def test_permalink_brings_back_run_filter_and_pair(visit: Opener, sample_server: Server) -> None:
    page = visit(sample_server).open(KEPT)
    expect(page.locator("#pairs-drawer")).to_contain_text(pair_id(1, 1))
    expect(page.locator("#pairs-list .st-card")).to_have_count(3)
    expect(page.locator(".st-listhead")).to_contain_text("3 pairs")
    address = page.url.split("/", 3)[3]
    again = visit(sample_server).open(address)
    expect(again.locator("#pairs-drawer")).to_contain_text(pair_id(1, 1))
    expect(again.locator("#pairs-list .st-card")).to_have_count(3)


def test_keys_walk_the_pairs_and_escape_closes(visit: Opener, sample_server: Server) -> None:
    page = visit(sample_server).open(KEPT)
    expect(page.locator("#pairs-drawer")).to_contain_text(pair_id(1, 1))
    page.keyboard.press("j")
    expect(page.locator("#pairs-drawer")).to_contain_text(pair_id(1, 7))
    expect(page).to_have_url(re.compile(f"pairs.item=1-{pair_id(1, 7)}"))
    page.keyboard.press("k")
    expect(page.locator("#pairs-drawer")).to_contain_text(pair_id(1, 1))
    expect(page).to_have_url(re.compile(f"pairs.item=1-{pair_id(1, 1)}"))
    page.keyboard.press("Escape")
    expect(page.locator("#pairs-drawer")).to_be_hidden()
    expect(page).not_to_have_url(re.compile("pairs.item"))


def test_twenty_presses_a_second_are_all_counted(visit: Opener, sample_server: Server) -> None:
    page = visit(sample_server).open("?tab=pairs&run=shapes-01&pairs.iteration=1")
    expect(page.locator("#pairs-list .st-card")).to_have_count(8)
    page.get_by_text("Cards", exact=True).click()  # focus is in a radio from now on
    for key in "jjjjjjjjkjkkj":
        page.keyboard.press(key)
        page.wait_for_timeout(50)
    # 0 to 7 with eight presses, then 6, 7, 6, 5, 6: marked at once, whatever the server has answered by now.
    assert page.locator("#pairs-list .is-on [data-act]").get_attribute("data-id") == pair_id(1, 6)
    expect(page.locator("#pairs-drawer")).to_contain_text(pair_id(1, 6))
    expect(page).to_have_url(re.compile(f"pairs.item=1-{pair_id(1, 6)}"))


def test_two_hundred_pairs_are_triaged_by_keys_alone_at_twenty_a_second(visit: Opener, tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "ws")
    run = workspace.run("shapes-01")
    pairs = [make_pair(3, number) for number in range(200)]
    folder = run.stage(3, "synthesize")
    folder.begin({})
    folder.write("pairs", pairs)
    with studio_server(workspace.root) as server:
        page = visit(server).open("?tab=pairs&run=shapes-01&pairs.iteration=3")
        expect(page.locator("#pairs-list .st-card")).to_have_count(24)
        for number in range(200):
            page.keyboard.press("j")
            page.wait_for_timeout(50)
            if number % 25 == 0:
                page.keyboard.press("f")
                page.wait_for_timeout(50)
        expect(page.locator("#pairs-drawer")).to_contain_text(pairs[199].pair_id)
        expect(page.locator("#pairs-list .is-on [data-act]")).to_have_attribute("data-id", pairs[199].pair_id)
        expect(page.locator("#pairs-list .st-card:visible")).to_have_count(8)  # the last page of nine
        assert flagged_pairs(run) == {pairs[number].pair_id for number in range(0, 200, 25)}


def test_drawer_and_its_actions_stay_in_view_when_the_list_is_scrolled(visit: Opener, sample_server: Server) -> None:
    page = visit(sample_server).open(KEPT.replace("&pairs.fate=kept", ""))
    expect(page.locator("#pairs-drawer")).to_contain_text(pair_id(1, 1))
    page.evaluate("document.querySelector('#pairs-list').style.minHeight = '4000px'")
    page.mouse.move(200, 400)
    page.evaluate("window.scrollTo(0, 1200)")
    box = page.get_by_role("button", name="Flag pair").bounding_box()
    assert box is not None
    assert 0 <= box["y"] <= 120


def test_search_filters_and_clear_brings_all_back(visit: Opener, sample_server: Server) -> None:
    page = visit(sample_server).open("?tab=pairs&run=shapes-01&pairs.iteration=1")
    cards = page.locator("#pairs-list .st-card")
    expect(cards).to_have_count(8)
    page.get_by_label("Find in text").press_sequentially("NUMBER 4")
    expect(cards).to_have_count(1)
    expect(page).to_have_url(re.compile("pairs.q=NUMBER"))
    page.get_by_label("Find in text").fill("no such words")
    page.get_by_role("button", name="Clear filters").click()
    expect(cards).to_have_count(8)
    expect(page.get_by_label("Find in text")).to_have_value("")


def test_note_and_flag_are_kept_and_seen_by_a_second_browser(visit: Opener, tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "ws")
    with studio_server(workspace.root) as server:
        page = visit(server).open(KEPT)
        expect(page.locator("#pairs-drawer")).to_contain_text(pair_id(1, 1))
        page.get_by_label("Note").fill("<script>alert(1)</script> odd")
        page.get_by_role("button", name="Save note").click()
        expect(page.get_by_text("Note saved.")).to_be_visible()
        page.get_by_role("button", name="Flag pair").click()
        expect(page.get_by_role("button", name="Remove flag")).to_be_visible()
        assert flagged_pairs(workspace.run("shapes-01")) == {pair_id(1, 1)}
        other = visit(server, size=PHONE).open(KEPT)
        expect(other.get_by_label("Note")).to_have_value("<script>alert(1)</script> odd")
        expect(other.get_by_role("button", name="Remove flag")).to_be_visible()


def test_funnel_step_filters_and_pair_links_lead_back(visit: Opener, sample_server: Server) -> None:
    page = visit(sample_server).open("?tab=traces&run=shapes-01&traces.iteration=1")
    page.locator("#traces-funnel").get_by_text("Holds in both orders").click()
    expect(page.locator("#traces-head")).to_contain_text("4 traces")
    expect(page).to_have_url(re.compile("traces.reason=order-flip"))
    expect(page.locator("#traces-list .st-trace")).to_have_count(2)
    page.locator("#traces-list header a").first.click()
    expect(page.locator("#pairs-drawer")).to_contain_text(pair_id(1, 3))
    page.locator("#pairs-drawer").get_by_text("Open traces").click()
    expect(page.locator("#traces-head")).to_contain_text("Only pair")


def test_replay_shows_at_once_what_other_settings_would_keep(visit: Opener, sample_server: Server) -> None:
    page = visit(sample_server).open("?tab=traces&run=shapes-01&traces.iteration=1")
    page.get_by_text("Replay the selection with other settings").click()
    expect(page.locator("#traces-replayed")).to_contain_text("instead of 12")
    page.get_by_label("At most per pair").fill("8")
    expect(page.locator("#traces-replayed")).to_contain_text("20 of 32 traces would be trained on")


def test_example_question_is_answered_and_offered_as_csv(visit: Opener, sample_server: Server) -> None:
    page = visit(sample_server).open("?tab=sql&run=shapes-01")
    page.get_by_role("button", name="Why traces were rejected").click()
    expect(page.locator("#sql-answer table")).to_contain_text("order-flip")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    assert download.value.path().read_text(encoding="utf-8").startswith("iteration,reason,traces")
    editor = page.locator("#sql-text .cm-content")
    editor.fill("select 40 + 2 as answer, iteration, pair_id from pairs where iteration = 1 limit 1")
    editor.press("Control+Enter")
    expect(page.locator("#sql-answer table")).to_contain_text("42")
    page.locator("#sql-answer td a").click()
    expect(page.locator("#pairs-drawer")).to_be_visible()


@pytest.mark.parametrize("place", [KEPT, "?tab=traces&run=shapes-01&traces.iteration=1", "?tab=sql&sql.q=from+runs"])
def test_place_fits_a_phone_with_something_chosen(visit: Opener, sample_server: Server, place: str) -> None:
    watched = visit(sample_server, size=PHONE)
    page = watched.open(place)
    page.locator("[role=tabpanel]:visible .st").first.wait_for()
    page.wait_for_timeout(1500)
    assert watched.sideways() <= 0


def test_two_runs_are_compared_and_walked_through_by_keys(visit: Opener, tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "ws")
    make_run(workspace, "shapes-02", iterations=1)
    with studio_server(workspace.root) as server:
        watched = visit(server)
        page = watched.open(
            "?tab=compare&run=shapes-01&compare.sides=shapes-02/judge-v0,shapes-01/judge-v1&compare.view=items"
            "&compare.change=all"
        )
        expect(page.locator("#compare-head")).to_contain_text("4 shared items")
        rows = page.locator("#compare-list [data-act=item]")
        expect(rows).to_have_count(4)
        order = rows.evaluate_all("all => all.map((one) => one.dataset.id)")
        for key in "jjj":
            page.keyboard.press(key)
        assert page.locator("#compare-list .is-on [data-act]").get_attribute("data-id") == order[2]
        expect(page.locator("#compare-item")).to_contain_text("3 of 4")
        box = page.locator("#compare-item").bounding_box()
        assert box is not None
        assert box["y"] < 900, "it opens in view"
        with page.expect_download() as download:
            page.get_by_role("button", name="Save as one file").click()
        assert "Held-out question" in download.value.path().read_text(encoding="utf-8")
