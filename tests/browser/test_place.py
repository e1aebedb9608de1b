"""The URL: it brings back exactly this run, tab and choice, and the back button works."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.browser.conftest import Opener
from tests.sample_workspace import make_run, make_workspace, pair_id
from tests.studio_server import Server, studio_server


def test_reload_brings_back_the_same_tab_and_view(visit: Opener, sample_server: Server) -> None:
    page = visit(sample_server).open("?tab=home")
    page.get_by_role("tab", name="Launch").click()
    page.get_by_text("The chosen run").click()
    page.get_by_role("heading", name="Settings of shapes-01").wait_for()
    assert "tab=launch" in page.url
    assert "launch.view=run" in page.url
    page.reload()
    page.get_by_role("heading", name="Settings of shapes-01").wait_for()


def test_link_changes_the_place_without_loading_the_page_and_back_returns(visit: Opener, sample_server: Server) -> None:
    page = visit(sample_server).open("?tab=home")
    page.evaluate("window.stays = true")
    page.get_by_role("link", name="New run").click()
    page.get_by_role("button", name="Start the run").wait_for()
    assert page.evaluate("window.stays") is True
    page.go_back()
    page.get_by_role("heading", name="shapes-01").wait_for()
    expect(page.get_by_role("tab", name="Home")).to_have_attribute("aria-selected", "true")
    assert page.evaluate("window.stays") is True


def test_link_opened_after_another_run_has_started_shows_what_was_copied(visit: Opener, tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "ws")
    with studio_server(workspace.root) as server:
        page = visit(server).open("?tab=pairs")  # of the newest run, which nobody named
        page.locator("#pairs-list .st-card").nth(2).click()
        expect(page.locator("#pairs-drawer")).to_contain_text(pair_id(2, 2))
        page.wait_for_url(f"**pairs.item=2-{pair_id(2, 2)}*")
        make_run(workspace, "shapes-02", iterations=1)
        page.reload()  # what the link in the address opens, to others and to oneself
        expect(page.locator("#pairs-drawer")).to_contain_text(pair_id(2, 2))
        expect(page.locator("#pairs-drawer")).to_contain_text("shapes-01, iteration 2")


def test_nonsense_in_the_url_shows_home(visit: Opener, sample_server: Server) -> None:
    query = "?tab=%3Cscript%3Ealert(1)%3C/script%3E&run=../../etc&pairs.page=NaN&launch.view=x&images.way=%00"
    page = visit(sample_server).open(query)
    page.get_by_role("heading", name="shapes-01").wait_for()


def hold_questions(page: Any) -> Callable[[], None]:
    """Keep what the page asks on its way until the returned function is called; what comes later passes at once."""
    held: list[Any] = []
    open_again: list[bool] = []
    page.route("**/queue/join*", lambda route: route.continue_() if open_again else held.append(route))

    def release() -> None:
        open_again.append(True)
        for route in held:
            with page.expect_response("**/queue/join*"):  # in the order of the clicks, as without a delay
                route.continue_()

    return release


def test_tab_clicked_while_another_one_is_on_its_way_is_drawn(visit: Opener, sample_server: Server) -> None:
    page = visit(sample_server).open("?tab=home")
    page.get_by_role("heading", name="shapes-01").wait_for()
    release = hold_questions(page)
    page.get_by_role("tab", name="Launch").click()
    page.get_by_role("tab", name="Versions").click()
    release()
    page.get_by_role("heading", name="Changed rulings").wait_for()
    page.wait_for_url("**/*tab=versions*")


def test_tab_clicked_while_a_link_is_on_its_way_stays_open(visit: Opener, sample_server: Server) -> None:
    page = visit(sample_server).open("?tab=home")
    page.get_by_role("heading", name="shapes-01").wait_for()
    release = hold_questions(page)
    page.get_by_role("link", name="New run").click()
    page.get_by_role("tab", name="Versions").click()
    release()
    page.wait_for_url("**/*tab=versions*")
    expect(page.get_by_role("tab", name="Versions")).to_have_attribute("aria-selected", "true")
    page.get_by_role("heading", name="Changed rulings").wait_for()
