import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import LockedError, StopRequested
from engine.workspace.folders import RunFolder, open_workspace
from engine.workspace.locks import device_holder, device_lock, is_locked, run_lock
from engine.workspace.progress import Progress
from engine.workspace.state import RunState, append_event, read_events, read_state, request_stop, write_state

HOLD = """
import sys, time
from pathlib import Path
from engine.workspace.locks import run_lock
from engine.workspace.state import RunState, write_state
from engine.workspace.folders import RunFolder
run = RunFolder(Path(sys.argv[1]))
with run_lock(run):
    write_state(run, RunState(run=run.name, state="running", stage="judge", message="Judging"))
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = open_workspace(tmp_path / "ws").run("first")
    folder.folder.mkdir()
    return folder


def test_run_whose_process_was_killed_is_failed_not_running(run: RunFolder) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(run.folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    assert read_state(run).state == "running"
    assert is_locked(run)
    with pytest.raises(LockedError, match="another process is working on it"), run_lock(run):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    state = read_state(run)
    assert state.state == "failed"
    assert state.error is not None
    assert "Judging" in state.error
    assert "Resume" in state.error


def test_state_of_a_run_that_never_started_is_stopped(run: RunFolder) -> None:
    assert read_state(run).state == "stopped"


def test_state_written_by_another_version_ignores_unknown_fields(run: RunFolder) -> None:
    (run.folder / "state.json").write_text('{"run": "first", "state": "done", "colour": "red"}')
    assert read_state(run).state == "done"


def test_event_cut_off_by_a_crash_is_left_out(run: RunFolder) -> None:
    append_event(run, "begin", stage="judge")
    with (run.folder / "events.jsonl").open("a") as file:
        file.write('{"event": "beg')
    assert [event["event"] for event in read_events(run)] == ["begin"]
    append_event(run, "start")  # not glued to the torn line
    assert [event["event"] for event in read_events(run)] == ["begin", "start"]


def test_device_is_held_by_one_at_a_time_and_says_by_whom() -> None:
    assert device_holder("cpu") is None
    with device_lock("cpu", "run first"):
        assert device_holder("cpu") == "run first"

        def give_up(holder: str) -> None:
            raise StopRequested(holder)

        with pytest.raises(StopRequested, match="run first"), device_lock("cpu", "run second", waiting=give_up):
            pass
        with device_lock("cuda", "run third"):
            assert device_holder("cuda") == "run third"
    assert device_holder("cpu") is None


def test_progress_stops_when_somebody_asks(run: RunFolder) -> None:
    progress = Progress(run, RunState(run="first", state="running"))
    progress.begin("judge", total=10, unit="traces", message="Judging")
    progress.advance(3)
    request_stop(run)
    with pytest.raises(StopRequested):
        progress.advance(3)
    assert progress.state.done == 6


def test_progress_is_on_disk_with_rate_and_working_time(run: RunFolder) -> None:
    write_state(run, RunState(run="first", state="running", seconds=100.0))
    with run_lock(run):
        progress = Progress(run, read_state_unchecked(run))
        progress.begin("judge", total=10, unit="traces", message="Judging", done=4)
        progress.update(message="Still judging")
    saved = read_state_unchecked(run)
    assert (saved.stage, saved.done, saved.total, saved.message) == ("judge", 4, 10, "Still judging")
    assert saved.seconds >= 100.0
    assert saved.heartbeat > 0


def read_state_unchecked(run: RunFolder) -> RunState:
    import json

    return RunState(**json.loads((run.folder / "state.json").read_text()))


def test_own_process_is_not_seen_as_holding_another_run(run: RunFolder) -> None:
    assert os.getpid() > 0
    assert not is_locked(run)


def test_waiting_for_the_device_is_no_working_time(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100, 1000, 10))
    monkeypatch.setattr("engine.workspace.progress.time.monotonic", lambda: float(next(clock)))
    progress = Progress(run, RunState(run="first", state="queued"))
    progress.update(message="Waiting")
    assert progress.state.seconds == 0
    progress.update(state="running")
    progress.update(message="Working")
    assert progress.state.seconds == 10


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 300, b"[]", b"{", b'{"state": "flying", "seconds": null}',
     b'{"seconds": "x", "done": 1.5, "best": 3}', b'{"heartbeat": NaN, "iteration": true, "pid": "7"}', b"[" * 100_000],
)  # fmt: skip
def test_state_that_a_power_loss_left_is_as_if_it_were_missing(run: RunFolder, content: bytes) -> None:
    (run.folder / "state.json").write_bytes(content)
    assert read_state(run) == RunState(run="first", state="stopped")


def test_usable_fields_of_a_damaged_state_are_kept(run: RunFolder) -> None:
    (run.folder / "state.json").write_text('{"state": "done", "best": "judge-v2", "seconds": null, "done": 7}')
    assert read_state(run) == RunState(run="first", state="done", best="judge-v2", done=7)


def test_writer_waits_for_readers_however_slow_and_refuses_at_once_beside_a_writer(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run.folder / "lock").touch()
    slept: list[float] = []
    with (run.folder / "lock").open("rb") as reader:
        fcntl.flock(reader, fcntl.LOCK_SH)

        def sleep(time: float) -> None:
            slept.append(time)
            if len(slept) == 300:  # fifteen seconds of a reader that got no turn
                fcntl.flock(reader, fcntl.LOCK_UN)

        monkeypatch.setattr("engine.workspace.locks.time.sleep", sleep)
        with run_lock(run):
            assert len(slept) == 300
            with pytest.raises(LockedError), run_lock(run):
                pass
    assert len(slept) == 300
