"""A stranger's first minute: from the empty page to the finished run that ships, and what its judges said."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import PHONE, Opener
from tests.studio_server import Server


def test_finished_run_opens_from_the_empty_page_and_shows_its_duel(visit: Opener, empty_server: Server) -> None:
    page = visit(empty_server).open()
    page.get_by_role("link", name="Look at a finished run").click()
    duels = page.locator(".st-duels > article")
    expect(duels).to_have_count(2)
    expect(duels.first).to_contain_text("Mended")
    expect(duels.last).to_contain_text("Got worse")
    told = re.compile(r"judge-v\d 0\.\d\d \(0\.\d\d to 0\.\d\d\)\. The best control, ")
    expect(page.locator("#tab-home")).to_contain_text(told)
    for duel in (duels.first, duels.last):
        expect(duel.locator(".st-duel-half")).to_have_count(4)
        picture = duel.locator("img")
        page.wait_for_function("image => image.complete && image.naturalWidth === 384", arg=picture.element_handle())
    page.get_by_role("link", name="Back to my workspace").click()
    page.get_by_role("heading", name="No runs yet").wait_for()


def test_finished_run_fits_a_phone_and_refuses_to_be_changed(visit: Opener, empty_server: Server) -> None:
    watched = visit(empty_server, size=PHONE)
    page = watched.page
    page.goto(f"{empty_server.url}/finished/?tab=pairs")
    page.locator("#tab-pairs article").first.wait_for()
    assert watched.sideways() <= 0
    page.goto(f"{empty_server.url}/finished/?tab=launch")
    page.get_by_role("button", name="Start the run").click()
    expect(page.get_by_role("alert")).to_contain_text("read-only")


def test_part_of_a_chart_that_is_looked_at_stays_when_it_is_drawn_anew(visit: Opener, empty_server: Server) -> None:
    """Another smoothing is another figure, and Gradio makes a new chart of it."""
    page = visit(empty_server).page
    page.goto(f"{empty_server.url}/finished/?tab=training")
    page.wait_for_function("document.querySelector('.st-zoom .js-plotly-plot')?.isKept")
    before = page.locator(".st-zoom .js-plotly-plot").first.element_handle()
    page.evaluate("chart => window.Plotly.relayout(chart, {'xaxis.range': [10, 60]})", before)
    page.locator("#tab-training").get_by_label("one step").check(force=True)
    page.wait_for_function("before => !before.isConnected", arg=before)
    page.wait_for_function("String(document.querySelector('.st-zoom .js-plotly-plot')?.layout.xaxis.range) === '10,60'")
