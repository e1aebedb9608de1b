"""Child processes: started in a group of their own, known again by birth, stopped with what they started."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from studio.jobs import child
from tests.patience import seconds

PARENT = """
import subprocess, sys, time
inner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(inner.pid, flush=True)
time.sleep(600)
"""


def module(folder: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of that code which children can run."""
    (folder / "played.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return "played"


def test_process_is_known_by_its_birth_and_not_by_its_number_alone() -> None:
    mine = child.name_of(os.getpid())
    assert child.still(mine) is not None
    assert child.still({**mine, "born": 1.0}) is None
    for odd in ({}, {"pid": None, "born": 1.0}, {"pid": "x", "born": "y"}, {"pid": 2**30, "born": 1.0}):
        assert child.still(odd) is None


def test_process_that_ended_and_was_not_yet_reaped_is_not_there() -> None:
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as process:
        name = child.name_of(process.pid)
        assert process.stdout is not None
        process.stdout.read()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert child.still(name) is None


def test_stop_ends_a_child_and_what_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = child.start_talking(module(tmp_path, PARENT, monkeypatch), [], log=tmp_path / "log.txt")
    assert process.stdout is not None
    inner = psutil.Process(int(process.stdout.readline()))
    child.stop(child.name_of(process.pid))
    assert process.wait(timeout=seconds(30)) != 0
    assert not psutil.wait_procs([inner], timeout=seconds(30))[1] or inner.status() == psutil.STATUS_ZOMBIE
    process.stdout.close()
    assert process.stdin is not None
    process.stdin.close()


def test_child_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = module(tmp_path, "import time; time.sleep(600)", monkeypatch)
    with pytest.raises(TimeoutError):
        child.ended(name, [], seconds=0.2)


def test_child_is_given_its_input_and_ends_with_its_own_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import sys; print(sys.stdin.read()); sys.exit('judge-studio run: shapes.yaml: no.')"
    end = child.ended(module(tmp_path, code, monkeypatch), [], seconds=60, given=b"asked")
    assert (end.code, end.said, end.last_words) == (1, b"asked\n", "shapes.yaml: no.")


def test_sentence_of_a_failed_command_loses_the_commands_name() -> None:
    assert child.last_sentence(["judge-studio run: shapes.yaml: no.", " "]) == "shapes.yaml: no."
    assert child.last_sentence(["run 'a': it ended."]) == "run 'a': it ended."
    assert child.last_sentence(["", "  "]) == ""
