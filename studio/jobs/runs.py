"""Starts, resumes, stops and deletes runs by the command a person would type. It holds no job in memory:
everything it says is read from the workspace, so a restarted server and a second browser know as much.
"""

import json
import os
import shlex
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from engine.config import load_settings
from engine.errors import JudgeStudioError, LockedError, WorkspaceError
from engine.workspace.files import read_json, write_json
from engine.workspace.folders import RunFolder, Workspace
from engine.workspace.locks import is_locked, run_lock
from engine.workspace.state import read_state, request_stop
from studio.jobs import child
from studio.jobs.own_pictures import own_pictures
from studio.jobs.places import check_places
from studio.queries import notes

if TYPE_CHECKING:
    import subprocess

_START_SECONDS = 30.0
"""Longest wait for a sign of life; the command imports its libraries in 2 to 4 s on two cores."""
_SPAWNING = threading.Lock()
"""One at a time: two visitors who press Resume together start one process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What to start."""

    preset: str | None
    overrides: Mapping[str, Any]
    """Settings that differ from the preset: {"judge.temperature": 0.7}."""
    name: str | None = None
    """Name of the run; the preset and a number if None."""

    def words(self) -> list[str]:
        """The arguments after `judge-studio run`."""
        words = ["--preset", self.preset] if self.preset else []
        if self.name:
            words += ["--run", self.name]
        return words + [f"{key}={_as_word(value)}" for key, value in self.overrides.items()]


def command_line(command: str, words: Sequence[str], workspace: Workspace) -> str:
    """The same for a terminal, one option per line, quoted for a shell."""
    default = (Path.cwd() / "workspace").resolve()
    place = [] if workspace.root == default else ["--workspace", str(workspace.root)]
    shown = ["judge-studio", command, *words, *place]
    lines: list[list[str]] = [[]]
    for word in shown:
        if lines[-1] and (word.startswith("--") or ("=" in word and not lines[-1][-1].startswith("--"))):
            lines.append([])
        lines[-1].append(shlex.quote(word))
    return " \\\n  ".join(" ".join(line) for line in lines)


def start_run(workspace: Workspace, launch: Launch) -> str:
    """Start a run in a process of its own; its name. Returns once the run's settings are on disk.

    Raises `SettingsError` before anything is started, `WorkspaceError` if the name is taken, `JudgeStudioError` with
    the command's own sentence if it ended at once.
    """
    workspace.check_writable()
    check_places(workspace, launch.overrides)
    words = Launch(preset=launch.preset, overrides=launch.overrides).words()
    load_settings(preset=launch.preset, overrides=dict(word.split("=", 1) for word in words if "=" in word))
    name = launch.name or _reserve_free(workspace, launch.preset or "run")
    run = workspace.run(name)
    if launch.name:
        _reserve(run)
    words = Launch(preset=launch.preset, overrides=launch.overrides, name=name).words()
    with _SPAWNING:
        process = _spawn(run, "run", words)
    if not _wait_for(process, lambda: run.config.exists()) and not run.config.exists():
        sentence = _last_words(run)
        shutil.rmtree(run.folder, ignore_errors=True)
        raise JudgeStudioError(sentence)
    return name


def resume_run(run: RunFolder, *, iterations: int | None = None) -> None:
    """Continue a run, with more iterations if given. Raises `LockedError` if a process works on it already."""
    run.workspace.check_writable()
    words = [run.name] + (["--iterations", str(iterations)] if iterations is not None else [])
    with _SPAWNING:
        if is_at_work(run):
            raise LockedError(f"run '{run.name}': a process is working on it already. Watch it, or stop it first.")
        process = _spawn(run, "resume", words)
    if not _wait_for(process, lambda: is_locked(run)) and process.poll():
        raise JudgeStudioError(_last_words(run))


def run_next_iteration(run: RunFolder) -> int:
    """Go on with one iteration more than was finished; its number. Raises as `resume_run` does."""
    number = finished_iterations(run) + 1
    resume_run(run, iterations=number)
    return number


def finished_iterations(run: RunFolder) -> int:
    """Of how many iterations the new version was measured."""
    number = 0
    while run.stage(number + 1, "evaluate").summary() is not None:
        number += 1
    return number


def stop_run(run: RunFolder) -> None:
    """Ask the run to end after its batch. Raises `WorkspaceError` if it is not active."""
    if is_starting(run):
        _end_starting(run)
    elif is_locked(run):  # at work, whatever its state says yet
        request_stop(run)
    else:
        raise WorkspaceError(f"run '{run.name}': it is {read_state(run).state}, so there is nothing to stop.")


def delete_run(run: RunFolder) -> None:
    """Delete a run's folder, notes and flags for good, and the pictures that nothing else in the workspace uses; while
    another run is at work all pictures stay, because it may be about to use them.

    Raises `LockedError` while it is active.
    """
    run.workspace.check_writable()
    if is_starting(run):
        raise LockedError(f"run '{run.name}': it is starting. Stop it before you delete it.")
    if not run.folder.is_dir():
        raise WorkspaceError(f"run '{run.name}': it is gone already.")
    # Beside the runs, not among them: whatever lies in runs/ with a config.yaml counts as a run.
    bin_folder = run.workspace.root / f".deleted-{run.name}-{os.getpid()}-{time.time_ns()}"
    try:
        with run_lock(run):
            busy = any(is_at_work(other) for other in run.workspace.runs() if other.name != run.name)
            pictures = [] if busy else own_pictures(run)
            os.replace(run.folder, bin_folder)  # gone for readers at once; a deletion cut short leaves no half run
    except LockedError:
        raise LockedError(f"run '{run.name}': a process is working on it. Stop it before you delete it.") from None
    except OSError as error:
        raise WorkspaceError(f"{run.folder}: cannot delete: {error.strerror}. Check its permissions.") from error
    notes.forget_run(run.workspace, run.name)
    for picture in pictures:
        picture.unlink(missing_ok=True)
    shutil.rmtree(bin_folder, ignore_errors=True)


def sweep_deleted(workspace: Workspace) -> None:
    """Finish deletions that an earlier process was cut short in. Call it when the server starts."""
    for bin_folder in workspace.root.glob(".deleted-*"):
        pid = bin_folder.name.split("-")[-2]
        is_at_work = pid.isdecimal() and int(pid) != os.getpid() and psutil.pid_exists(int(pid))
        if not is_at_work:
            shutil.rmtree(bin_folder, ignore_errors=True)


def is_starting(run: RunFolder) -> bool:
    """Whether a process was started for this run and has not yet taken its lock."""
    return _starting(run) is not None and not is_locked(run)


def is_at_work(run: RunFolder) -> bool:
    """Whether a process works on this run, or was started for it."""
    return is_starting(run) or is_locked(run)


def log_tail(run: RunFolder, lines: int = 40) -> list[str]:
    """The last lines that the run's process printed; none if there is no log."""
    return child.log_tail(run.log, lines)


def _reserve_free(workspace: Workspace, stem: str) -> str:
    while True:  # another visitor may take the same number between looking and making
        name = workspace.free_name(stem)
        try:
            _reserve(workspace.run(name))
        except WorkspaceError:
            continue
        return name


def _reserve(run: RunFolder) -> None:
    """Making the folder is atomic: of two clicks one makes it, the other is refused."""
    run.folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        run.folder.mkdir()
    except FileExistsError:
        raise WorkspaceError(
            f"run '{run.name}': there is one of that name already. Choose another name, or resume that run."
        ) from None
    except OSError as error:
        raise WorkspaceError(f"{run.folder}: cannot create: {error.strerror}. Check the disk.") from error


def _spawn(run: RunFolder, command: str, words: Sequence[str]) -> "subprocess.Popen[bytes]":
    process = child.start(child.COMMANDS, [command, *words, "--workspace", str(run.workspace.root)], log=run.log)
    write_json(run.folder / "starting.json", child.name_of(process.pid), durable=False)
    return process


def _wait_for(process: "subprocess.Popen[bytes]", is_there: Callable[[], bool]) -> bool:
    """Whether it came true before the child ended or the patience did."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if is_there():
            return True
        if process.poll() is not None:
            return is_there()
        time.sleep(0.05)
    return True  # slow, not dead: what it says later is in its state and log


def _starting(run: RunFolder) -> Mapping[str, Any] | None:
    """The record of the process that was started and has given no sign of life, if it is there."""
    try:
        record = read_json(run.folder / "starting.json")
        process = child.still(record) if record is not None else None
        return record if process is not None and read_state(run).heartbeat <= process.create_time() else None
    except (psutil.Error, WorkspaceError, TypeError):
        return None


def _end_starting(run: RunFolder) -> None:
    record = _starting(run)
    request_stop(run)
    if record is not None and not is_locked(run):
        child.stop(record)


def _last_words(run: RunFolder) -> str:
    return child.last_sentence(log_tail(run)) or f"run '{run.name}': it ended at once without a word."


def _as_word(value: Any) -> str:
    """A setting's value as the command line takes it: texts as they are, lists in brackets, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(list(value), ensure_ascii=False) if isinstance(value, list | tuple) else str(value)
