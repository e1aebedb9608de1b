"""The whole story of a newcomer, with the embedded model for real: empty workspace, demo, stop, resume, compare,
a live verdict. It takes a minute and a half.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from engine.assets import assets_folder
from engine.workspace.folders import Workspace
from engine.workspace.state import read_state
from studio.jobs import runs as jobs
from tests.browser.conftest import Opener
from tests.patience import seconds
from tests.studio_server import Server, studio_server

pytestmark = [
    pytest.mark.model,
    pytest.mark.timeout(seconds(3600)),
    pytest.mark.skipif(
        not list((assets_folder() / "shapes-vlm").glob("*.safetensors")),
        reason="the embedded model has no weights here",
    ),
]
MINUTES = 60_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with studio_server(tmp_path / "ws") as server:
        yield server


def test_newcomer_goes_from_nothing_to_a_live_verdict(visit: Opener, server: Server, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "ws")
    page = visit(server).open()

    # 1. the demo starts with one click, stops with one, and shows what it keeps
    page.get_by_role("button", name="Run the demo").click()
    expect(page.get_by_text("shapes-01 has started")).to_be_visible(timeout=seconds(2 * MINUTES))
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Everything finished is kept").first).to_be_visible(timeout=seconds(3 * MINUTES))
    expect(page.get_by_role("button", name="Resume")).to_be_visible(timeout=seconds(3 * MINUTES))
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("1 run active")).to_be_visible(timeout=seconds(2 * MINUTES))
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible(timeout=seconds(3 * MINUTES))

    # 2. a smaller run of their own from the form, to its end
    page.get_by_role("link", name="New run").click()
    fill(page, "source.count", "120")
    fill(page, "loop.iterations", "1")
    page.get_by_role("button", name=re.compile("Synthesize ·")).click()
    fill(page, "synthesize.instructions", "120")
    page.get_by_role("button", name=re.compile("Evaluate ·")).click()
    fill(page, "evaluate.items", "40")
    page.get_by_label("Run name").fill("mine")
    page.get_by_role("button", name="Start the run").click()
    expect(page.get_by_text("mine has started")).to_be_visible(timeout=seconds(2 * MINUTES))
    page.get_by_role("tab", name="Home").click()
    expect(page.get_by_role("link", name=re.compile("Compare"))).to_be_visible(timeout=seconds(30 * MINUTES))
    assert read_state(workspace.run("mine")).state == "done", jobs.log_tail(workspace.run("mine"))

    # 3. pairs, traces and versions hold what it made
    for tab, word in (("Pairs", "pairs"), ("Traces", "traces"), ("Versions", "judge-v1")):
        page.get_by_role("tab", name=tab).click()
        expect(page.locator("[role=tabpanel]:visible").get_by_text(word).first).to_be_visible(timeout=seconds(MINUTES))

    # 4. a live verdict of the new judge on an example
    page.get_by_role("tab", name="Live judge").click()
    page.locator("[role=tabpanel]:visible .st-examples button").first.click()
    page.get_by_role("button", name="Judge in both orders").click()
    expect(page.locator("[role=tabpanel]:visible .st-result").first).to_be_visible(timeout=seconds(3 * MINUTES))


def fill(page: object, key: str, value: str) -> None:
    field = page.locator("#set-" + re.sub(r"[._]", "-", key))  # type: ignore[attr-defined]
    box = field.locator("input, textarea").first
    box.fill(value)
    box.press("Tab")
