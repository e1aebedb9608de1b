"""One run in words: whether a finished one should go on."""

from pathlib import Path

import pytest

from engine.config import load_settings
from engine.workspace.files import write_json
from engine.workspace.folders import open_workspace
from engine.workspace.run_record import create_run
from engine.workspace.state import RunState, write_state
from studio.run.view import pays_words, view_of


@pytest.mark.parametrize(
    ("low", "best", "says"),
    [
        (0.01, "judge-v1", "so one more still pays"),
        (-0.01, "judge-v0", "one more will hardly pay"),
        (0.01, "judge-v0", "not surely on the half that chooses the best: one more may pay"),
    ],
)
def test_finished_run_goes_on_only_where_its_last_gain_is_sure(
    tmp_path: Path, low: float, best: str, says: str
) -> None:
    run = open_workspace(tmp_path / "ws").run("shapes-01")
    create_run(run, load_settings(preset="shapes"))
    folder = run.stage(1, "evaluate").folder
    folder.mkdir(parents=True)
    gain = {"n": 600, "gain": 0.05, "gain_low": low, "gain_high": 0.09, "p": 0.04, "parent": "judge-v0"}
    write_json(folder / "done.json", {"judge": "judge-v1", "accuracy": 0.6, **gain})
    write_state(run, RunState(run=run.name, state="done", iteration=1, best=best))
    assert says in pays_words(view_of(run))
