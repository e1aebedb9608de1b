"""Use this judge, in a browser: each way as tests/engine/serve/test_snippets.py runs it, files with one click."""

from pathlib import Path

import yaml
from playwright.sync_api import expect

from engine.config import Settings
from engine.serve.snippets import snippets
from tests.browser.conftest import Opener
from tests.studio_server import Server


def test_every_way_is_shown_as_it_is_tested_and_settings_come_with_one_click(
    visit: Opener, sample: Path, sample_server: Server
) -> None:
    watched = visit(sample_server)
    page = watched.open()
    panel = watched.go("versions", "&run=shapes-01&versions.newer=judge-v1")
    for one in snippets("shapes-01/judge-v1", sample):
        panel.locator("#versions-way").get_by_label(one.title, exact=True).check(force=True)
        expect(panel.locator("#versions-snippet pre")).to_have_text(one.code)
    with page.expect_download() as settings:
        panel.get_by_role("button", name="Settings, YAML").click()
    assert settings.value.suggested_filename == "shapes-01-settings.yaml"
    Settings.model_validate(yaml.safe_load(Path(settings.value.path()).read_text()))
    assert watched.sideways() <= 0
