"""The arena in a browser: twenty answers by keys alone to a κ, the same answers by SQL, and one taken back."""

import json

import pytest
from playwright.sync_api import expect

from engine.cli import main
from engine.workspace.folders import RunFolder
from tests.browser.conftest import PHONE, Opener
from tests.studio_server import Server


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_arena_fits_a_phone(visit: Opener, judged_server: Server, dark: bool) -> None:
    watched = visit(judged_server, size=PHONE, dark=dark)
    watched.open()
    panel = watched.go("arena")
    expect(panel.get_by_role("button", name="A is better")).to_be_visible()
    assert watched.sideways() <= 0


def test_twenty_answers_by_keys_end_in_kappa_and_are_read_by_sql(
    visit: Opener, judged: RunFolder, judged_server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    watched = visit(judged_server)
    watched.open()
    panel = watched.go("arena")
    for number in range(20):
        expect(panel).to_contain_text(f"{number} answered, 24 in all")
        watched.page.keyboard.press("abtc"[number % 4] if number > 15 else "ab"[number % 2])
    expect(panel).to_contain_text("κ with you")
    expect(panel).to_contain_text("control:shorter-wins")
    expect(panel).to_contain_text("Where you and judge-v1 differ")
    assert watched.sideways() <= 0
    root = str(judged.workspace.root)
    capsys.readouterr()
    query = "select said, count(*) as n from labels group by 1 order by 1"
    assert main(["sql", "--workspace", root, query, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert sum(row["n"] for row in rows) == 20
    assert {row["said"]: row["n"] for row in rows}["tie"] == 1
    assert main(["labels", "--workspace", root, f"{judged.name}/judge-v0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["labels"] == 20
    watched.page.keyboard.press("u")
    expect(panel).to_contain_text("19 answered")
    expect(panel).not_to_contain_text("κ with you")
