"""Every screen: an empty state that says what to do, no sideways scroll on a phone, hostile text that stays text."""

import pytest

from studio.page import TABS
from tests.browser.conftest import PHONE, Opener
from tests.studio_server import Server


@pytest.mark.parametrize("tab", TABS)
def test_screen_of_an_empty_workspace_says_what_to_do(tab: str, visit: Opener, empty_server: Server) -> None:
    page = visit(empty_server).open(f"?tab={tab}")
    panel = page.locator("[role=tabpanel]:visible")
    panel.locator("button, a, input, textarea").first.wait_for()
    assert len(panel.inner_text().strip()) > 20
    assert "Traceback" not in page.content()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("tab", TABS)
def test_screen_fits_a_phone_in_both_modes(tab: str, dark: bool, visit: Opener, sample_server: Server) -> None:
    watched = visit(sample_server, size=PHONE, dark=dark)
    page = watched.open(f"?tab={tab}")
    page.locator("[role=tabpanel]:visible .st").first.wait_for()
    page.wait_for_timeout(500)
    assert watched.sideways() <= 0


@pytest.mark.parametrize("tab", TABS)
def test_hostile_text_stays_text_and_breaks_no_layout(tab: str, visit: Opener, sample_server: Server) -> None:
    watched = visit(sample_server)
    page = watched.open(f"?tab={tab}&run=shapes-01")
    page.locator("[role=tabpanel]:visible .st").first.wait_for()
    page.wait_for_timeout(800)
    assert watched.sideways() <= 0
    assert page.locator("[role=tabpanel]:visible script:not([src])").count() == 0


def test_every_picture_has_words_and_every_button_a_name(visit: Opener, sample_server: Server) -> None:
    page = visit(sample_server).open("?tab=home")
    page.get_by_role("heading", name="shapes-01").wait_for()
    assert page.locator("img:not([alt])").count() == 0
    nameless = page.evaluate(
        "[...document.querySelectorAll('button')].filter(b => b.offsetParent && !b.textContent.trim() "
        "&& !b.getAttribute('aria-label') && !b.title).length"
    )
    assert nameless == 0


def test_tabs_and_buttons_are_reached_by_keyboard(visit: Opener, sample_server: Server) -> None:
    page = visit(sample_server).open("?tab=home")
    page.get_by_role("heading", name="shapes-01").wait_for()
    seen: set[str] = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        seen.add(str(page.evaluate("document.activeElement.textContent.trim().slice(0, 20)")))
    assert {"Images", "Launch", "Resume"} <= seen


def test_nothing_moves_where_reduced_motion_is_asked_for(visit: Opener, sample_server: Server) -> None:
    page = visit(sample_server, reduced=True).open("?tab=home")
    page.get_by_role("heading", name="shapes-01").wait_for()
    moving = page.evaluate(
        "[...document.querySelectorAll('.st *')].filter(e => getComputedStyle(e).animationName !== 'none').length"
    )
    assert moving == 0
