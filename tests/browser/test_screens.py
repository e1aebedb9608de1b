"""Every screen: an empty state that says what to do, no sideways scroll on a phone, hostile text that stays text."""

import pytest

from studio.app import TABS
from tests.browser.conftest import PHONE, Opener
from tests.studio_server import Server


def test_every_screen_of_an_empty_workspace_says_what_to_do(visit: Opener, empty_server: Server) -> None:
    watched = visit(empty_server)
    watched.open()
    for tab in (known.key for known in TABS):
        panel = watched.go(tab)
        panel.locator("button, a, input, textarea").first.wait_for(state="attached")  # Home looks first
        assert "Traceback" not in panel.inner_text(), tab


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_screen_fits_a_phone(dark: bool, visit: Opener, sample_server: Server) -> None:
    watched = visit(sample_server, size=PHONE, dark=dark)
    watched.open()
    wide = {}
    for tab in (known.key for known in TABS):
        watched.go(tab)
        watched.page.wait_for_timeout(300)  # charts draw themselves after the panel is there
        if watched.sideways() > 0:
            wide[tab] = watched.sideways()
    assert wide == {}


def test_hostile_text_stays_text_and_breaks_no_screen(visit: Opener, sample_server: Server) -> None:
    watched = visit(sample_server)
    page = watched.open("?run=shapes-01")
    page.evaluate("window.marks = document.querySelectorAll('script').length")
    for tab in (known.key for known in TABS):
        watched.go(tab, "&run=shapes-01")
        page.wait_for_timeout(300)
        assert watched.sideways() <= 0, tab
        assert page.evaluate("document.querySelectorAll('script').length === window.marks"), tab
    assert page.locator("#tab-pairs").get_by_text("<script>alert(1)</script>").count() > 0


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


def test_charts_keep_their_lines_when_the_place_changes(visit: Opener, sample_server: Server) -> None:
    """A clip path that names the whole address is lost with the address, and every line of the chart with it."""
    watched = visit(sample_server)
    watched.open("?run=shapes-01")
    clipped = watched.go("training", "&run=shapes-01").locator(".js-plotly-plot [clip-path]").first
    clipped.wait_for(state="attached")
    assert str(clipped.get_attribute("clip-path")).startswith(("url(#", "url('#", 'url("#'))
