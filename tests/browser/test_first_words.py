"""Words explained on hover, focus and touch, the tour that a visitor sees once, light and dark."""

from playwright.sync_api import expect

from tests.browser.conftest import Opener
from tests.studio_server import Server


def test_word_is_explained_on_hover_and_on_focus_and_leaves_with_escape(visit: Opener, sample_server: Server) -> None:
    page = visit(sample_server).open()
    term, tip = page.locator("#tab-home th[data-term=strict]"), page.get_by_role("tooltip")
    term.hover()
    expect(tip).to_contain_text("right in both orders")
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    page.mouse.move(0, 0)
    term.focus()
    expect(tip).to_contain_text("right in both orders")
    expect(term).to_have_attribute("aria-describedby", "st-tip")


def test_tour_walks_through_five_pages_and_is_remembered(visit: Opener, sample_server: Server) -> None:
    page = visit(sample_server).open()
    page.get_by_role("button", name="Tour").click()
    box = page.get_by_role("dialog", name="Tour")
    for number, tab in enumerate(("Home", "Pairs", "Traces", "Versions", "Live judge"), start=1):
        expect(box).to_contain_text(f"{number} of 5")
        expect(page.get_by_role("tab", name=tab, exact=True)).to_have_attribute("aria-selected", "true")
        box.get_by_role("button", name="Next" if number < 5 else "Done").click()
    expect(box).to_be_hidden()
    assert page.evaluate("localStorage.getItem('judge-studio-tour')") == "done"


def test_dark_page_is_chosen_by_a_button_and_remembered(visit: Opener, sample_server: Server) -> None:
    page = visit(sample_server).open()
    switch = page.get_by_role("button", name="Dark page")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    page.reload()
    expect(switch).to_have_attribute("aria-pressed", "true")
    switch.click()
    page.wait_for_function("before => getComputedStyle(document.body).backgroundColor === before", arg=before)
