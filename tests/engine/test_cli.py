import errno
import json
import os
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


@pytest.mark.parametrize(
    "words",
    [
        ["evaluate", "--benchmark", "shapes", "--items", "-3"],
        ["evaluate", "--benchmark", "shapes", "--items", "0"],
        ["experiment", "shapes", "--seeds", "0"],
        ["sql", "select 1", "--limit", "-1"],
        ["run", "--iterations", "1.5"],
        ["preview", "--pairs", "none"],
        ["stop", "x", "--wait", "-1"],
        ["stop", "x", "--wait", "nan"],
    ],
)
def test_count_that_counts_nothing_is_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert f"'{words[-1]}' is no " in capsys.readouterr().err


def test_terminal_that_knows_few_letters_gets_signs_in_their_place(tmp_path: Path) -> None:
    workspace = tmp_path / "прогоны"
    assert main(["runs", "--workspace", str(workspace)]) == 1
    workspace.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "engine.cli", "sql", "select 'naïve – 写真' as text", "--workspace", str(workspace)],
        capture_output=True,
        timeout=seconds(60),
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert "naïve ? ??".encode("latin-1") in done.stdout


def test_home_that_nobody_knows_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--workspace", "~nosuchuser/ws"]) == 2
    said = capsys.readouterr().err
    assert "~nosuchuser/ws: this machine knows no home folder" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC, errno.EROFS])
def test_what_the_machine_refuses_is_one_sentence(
    number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(tmp_path / "x"))

    monkeypatch.setattr("engine.commands.runs.open_workspace", refuse)
    assert main(["runs"]) == 1
    assert capsys.readouterr().err == (
        f"judge-studio runs: {tmp_path / 'x'}: {os.strerror(number)}. Check its permissions and the disk.\n"
    )


def test_our_own_mistake_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "gone", "x")

    monkeypatch.setattr("engine.commands.runs.open_workspace", fail)
    with pytest.raises(FileNotFoundError):
        main(["runs"])


def test_workspace_where_a_file_stands_in_the_way_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images").write_text("")
    assert main(["run", "--workspace", str(tmp_path)]) == 1
    assert "images: cannot be made: File exists" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["My Config", "läufe", "exp (2)", "_x", "a" * 70])
def test_run_of_a_settings_file_gets_a_name_whatever_the_file_is_called(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / f"{name}.yaml"
    config.write_text("source:\n  kind: folder\n  path: /nosuch\n")
    assert main(["run", "--config", str(config), "--workspace", str(tmp_path / "ws")]) == 1
    assert "/nosuch: there is no such folder" in capsys.readouterr().err
    assert len(list((tmp_path / "ws/runs").iterdir())) == 1


def test_missing_source_is_said_before_the_wait_for_a_device(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(*_: object, **__: object) -> None:
        raise AssertionError("it waits")

    monkeypatch.setattr("engine.runs.loop.device_lock", wait)
    words = ["source.kind=zip", "source.path=/nowhere/photos.zip", "--run", "mine", "--workspace", str(tmp_path)]
    assert main(["run", *words]) == 1
    assert "/nowhere/photos.zip" in capsys.readouterr().err
    words[1] = "source.path=/elsewhere/photos.zip"
    assert main(["run", *words]) == 1  # nothing was done, so the corrected path is taken
    assert "/elsewhere/photos.zip" in capsys.readouterr().err


def test_workspace_whose_name_is_no_text_is_said_by_sql(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(name)
    words = [sys.executable, "-m", "engine.cli", "sql", "select 1", "--workspace", os.fsdecode(name)]
    done = subprocess.run(words, capture_output=True, timeout=seconds(60))
    assert done.returncode == 1
    assert b"Rename the folder" in done.stderr
    assert done.stderr.count(b"\n") == 1
