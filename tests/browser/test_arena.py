"""The arena in a browser: twenty answers by keys alone to a κ, the same answers by SQL, and one taken back."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from engine.cli import main
from tests.arena_run import arena_run
from tests.browser.conftest import PHONE, Opener
from tests.studio_server import studio_server


def test_twenty_answers_by_keys_end_in_kappa_and_are_read_by_sql(
    visit: Opener, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = arena_run(tmp_path / "ws")
    with studio_server(run.workspace.root) as server:
        watched = visit(server)
        watched.open()
        panel = watched.go("arena", f"&run={run.name}")
        for number in range(20):
            expect(panel).to_contain_text(f"{number} answered, 24 in all")
            watched.page.keyboard.press("abtc"[number % 4] if number > 15 else "ab"[number % 2])
        expect(panel).to_contain_text("κ with you")
        expect(panel).to_contain_text("control:shorter-wins")
        expect(panel).to_contain_text("Where you and judge-v1 differ")
        assert watched.sideways() <= 0
        query = "select said, count(*) as n from labels group by 1 order by 1"
        capsys.readouterr()
        assert main(["sql", "--workspace", str(run.workspace.root), query, "--json"]) == 0
        rows = json.loads(capsys.readouterr().out)
        assert sum(row["n"] for row in rows) == 20
        assert {row["said"]: row["n"] for row in rows}["tie"] == 1
        assert main(["labels", "--workspace", str(run.workspace.root), f"{run.name}/judge-v0", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["labels"] == 20
        watched.page.keyboard.press("u")
        expect(panel).to_contain_text("19 answered")
        expect(panel).not_to_contain_text("κ with you")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_arena_fits_a_phone(visit: Opener, tmp_path: Path, dark: bool) -> None:
    run = arena_run(tmp_path / "ws")
    with studio_server(run.workspace.root) as server:
        watched = visit(server, size=PHONE, dark=dark)
        watched.open()
        panel = watched.go("arena", f"&run={run.name}")
        expect(panel.get_by_role("button", name="A is better")).to_be_visible()
        assert watched.sideways() <= 0
