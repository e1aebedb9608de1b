import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli import build_parser, main
from tests.patience import seconds


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "engine.cli", *words], capture_output=True, text=True, timeout=seconds(60)
    )


def test_help_lists_every_command() -> None:
    text = build_parser().format_help()
    for command in (
        "open", "run", "resume", "stop", "status", "runs", "judge", "evaluate", "compare", "export", "export-data",
        "report", "experiment", "sql", "doctor", "preview",
    ):  # fmt: skip
        assert f"\n    {command}" in text


def test_wrong_usage_exits_with_2() -> None:
    assert run("dance").returncode == 2
    assert run("run", "temperature").returncode == 2


def test_expected_failure_is_one_sentence_on_stderr_and_exits_with_1(tmp_path: Path) -> None:
    result = run("status", "--workspace", str(tmp_path / "none"))
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "no workspace here" in result.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "judge.temprature=1"], "Did you mean 'temperature'?"),
        (["run", "--preset", "nope"], "no preset called 'nope'"),
        (["run", "--config", "nope.yaml"], "cannot read settings"),
        (["status", "nope"], "no run called 'nope'"),
        (["stop", "nope"], "no run called 'nope'"),
        (["resume", "nope"], "no run called 'nope'"),
        (["experiment", "nope"], "no experiment called 'nope'"),
    ],
)
def test_mistake_is_answered_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert main([*words, "--workspace", str(tmp_path)]) in (1, 2)
    assert says in capsys.readouterr().err


def test_runs_of_an_empty_workspace_say_how_to_start_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--workspace", str(tmp_path)]) == 0
    assert "judge-studio run" in capsys.readouterr().out
    assert main(["runs", "--json", "--workspace", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out) == []
