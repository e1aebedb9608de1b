"""A workspace that the code of 2026-11-25 (commit 8e95429, before the move to rooms) made opens, resumes and compares.

`fixtures/workspace-8e95429.zip` holds one run of a scripted model on a tiny base: iteration 1 finished, iteration 2
stopped when judging began; one pair flagged, one live judgement. Its base model is made anew here, so the
fingerprint that the old code took of it is not compared.
"""

import re
import zipfile
from pathlib import Path

import pytest

from engine.cli import main
from engine.export.report import write_report
from engine.records import Pair
from engine.runs.loop import run_loop
from engine.workspace.catalog.database import open_catalog
from engine.workspace.decisions import flagged_pairs
from engine.workspace.folders import RunFolder, open_workspace
from engine.workspace.state import read_state
from studio.live.history import recent
from studio.queries.notes import read_note
from tests.engine.runs.test_loop import reply
from tests.fake_backend import FakeBackend
from tests.tiny_models import save_tiny_llava

FIXTURE = Path(__file__).parent / "fixtures" / "workspace-8e95429.zip"


@pytest.fixture
def older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """The run, where its owner would start it from: its paths are relative, as they were typed."""
    with zipfile.ZipFile(FIXTURE) as packed:
        packed.extractall(tmp_path)
    monkeypatch.chdir(tmp_path)
    run = open_workspace(tmp_path / "ws").existing_run("first")
    text = run.config.read_text("utf-8")
    run.config.write_text(re.sub(r"model_fingerprint: \w+", "model_fingerprint: null", text), "utf-8")
    save_tiny_llava(Path("base"), width=32, vision_layers=1, layers=1)
    return run


def test_older_workspace_is_read_by_state_views_notes_and_report(older: RunFolder, tmp_path: Path) -> None:
    assert (read_state(older).state, read_state(older).best) == ("stopped", "judge-v1")
    catalog = open_catalog(older.workspace)
    assert catalog.sql("select count(*) from traces where kept").rows[0][0] > 0
    assert catalog.sql("select judge, accuracy from scores where dimension = 'all' and judge = 'judge-v1'").rows
    assert catalog.faults() == []
    (pair_id,) = flagged_pairs(older)
    assert read_note(older.workspace, "first", pair_id).text == "looked at by hand"
    assert write_report(older, tmp_path / "report.html").stat().st_size > 10_000


def test_older_live_judgement_keeps_what_was_said_of_each_response(older: RunFolder) -> None:
    (judgement,) = recent(older.workspace)
    assert (judgement.a, judgement.b) == ("Red.", "Blue.")
    assert judgement.judges == ("first/judge-v1", "first/judge-v0")


def test_older_run_resumes_where_it_stopped_and_compares(older: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    written = [older.stage(number, "synthesize").read("pairs", Pair) for number in (1, 2)]
    backend = FakeBackend(reply)
    state = run_loop(older, opener=lambda _settings, _root: backend)
    assert (state.state, state.iteration) == ("done", 2)
    assert [older.stage(number, "synthesize").read("pairs", Pair) for number in (1, 2)] == written
    assert {request.judge for request in backend.requests if request.n > 1} == {"judge-v1"}
    assert main(["compare", "--workspace", str(older.workspace.root), "first/judge-v0", "first/judge-v2"]) == 0
    assert "held-out" in capsys.readouterr().out
