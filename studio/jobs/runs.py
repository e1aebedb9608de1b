"""Starts, resumes, stops and deletes runs by the command a person would type. It holds no job in memory:
everything it says is read from the workspace, so a restarted server and a second browser know as much.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from engine.config import load_settings
from engine.errors import JudgeStudioError, LockedError, WorkspaceError
from engine.workspace.files import read_json, write_json
from engine.workspace.folders import RunFolder, Workspace
from engine.workspace.locks import is_locked, run_lock
from engine.workspace.state import ALIVE, read_state, request_stop
from studio.queries import notes

_START_SECONDS = 30.0
"""Longest wait for a sign of life; the command imports its libraries in 2 to 4 s on two cores."""
_LOG_BYTES = 64_000
"""The end of a log that is read."""
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
    words = Launch(preset=launch.preset, overrides=launch.overrides).words()
    load_settings(preset=launch.preset, overrides=dict(word.split("=", 1) for word in words if "=" in word))
    name = launch.name or _reserve_free(workspace, launch.preset or "run")
    run = workspace.run(name)
    if launch.name:
        _reserve(run)
    words = Launch(preset=launch.preset, overrides=launch.overrides, name=name).words()
    with _SPAWNING:
        child = _spawn(run, "run", words)
    if not _wait_for(child, lambda: run.config.exists()) and not run.config.exists():
        sentence = _last_line(run) or f"run '{name}': it ended at once without a word."
        shutil.rmtree(run.folder, ignore_errors=True)
        raise JudgeStudioError(plain_sentence(sentence))
    return name


def resume_run(run: RunFolder, *, iterations: int | None = None) -> None:
    """Continue a run, with more iterations if given. Raises `LockedError` if a process works on it already."""
    words = [run.name] + (["--iterations", str(iterations)] if iterations is not None else [])
    with _SPAWNING:
        if is_locked(run) or is_starting(run):
            raise LockedError(f"run '{run.name}': a process is working on it already. Watch it, or stop it first.")
        child = _spawn(run, "resume", words)
    if not _wait_for(child, lambda: is_locked(run)) and child.poll():
        raise JudgeStudioError(plain_sentence(_last_line(run) or f"run '{run.name}': it ended at once without a word."))


def stop_run(run: RunFolder) -> None:
    """Ask the run to end after its batch. Raises `WorkspaceError` if it is not active."""
    if is_starting(run):
        _end_starting(run)
        return
    state = read_state(run).state
    if state not in ALIVE:
        raise WorkspaceError(f"run '{run.name}': it is {state}, so there is nothing to stop.")
    request_stop(run)


def delete_run(run: RunFolder) -> None:
    """Delete a run's folder, notes and flags for good; pictures stay, because other runs may use them.

    Raises `LockedError` while it is active.
    """
    if is_starting(run):
        raise LockedError(f"run '{run.name}': it is starting. Stop it before you delete it.")
    if not run.folder.is_dir():
        raise WorkspaceError(f"run '{run.name}': it is gone already.")
    # Beside the runs, not among them: whatever lies in runs/ with a config.yaml counts as a run.
    bin_folder = run.workspace.root / f".deleted-{run.name}-{os.getpid()}-{time.time_ns()}"
    try:
        with run_lock(run):
            os.replace(run.folder, bin_folder)  # gone for readers at once; a deletion cut short leaves no half run
    except LockedError:
        raise LockedError(f"run '{run.name}': a process is working on it. Stop it before you delete it.") from None
    except OSError as error:
        raise WorkspaceError(f"{run.folder}: cannot delete: {error.strerror}. Check its permissions.") from error
    notes.forget_run(run.workspace, run.name)
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


def log_tail(run: RunFolder, lines: int = 40) -> list[str]:
    """The last lines that the run's process printed; none if there is no log."""
    try:
        with run.log.open("rb") as file:
            file.seek(max(0, run.log.stat().st_size - _LOG_BYTES))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except OSError:
        return []


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
    """The command in a session of its own: the end of the web server, or Ctrl-C in its terminal, does not reach it."""
    arguments = [sys.executable, "-m", "engine.cli", command, *words, "--workspace", str(run.workspace.root)]
    with run.log.open("ab") as log:
        child = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment(),
        )
    write_json(run.folder / "starting.json", {"pid": child.pid, "created": _created(child.pid)}, durable=False)
    threading.Thread(target=child.wait, name=f"reap {run.name}", daemon=True).start()
    return child


def environment() -> dict[str, str]:
    """Paths in settings stay relative to where the studio was started, so an uninstalled checkout is found by path."""
    code = str(Path(__file__).parents[2])
    paths = [code, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}


def _wait_for(child: "subprocess.Popen[bytes]", is_there: Any) -> bool:
    """Whether it came true before the child ended or the patience did."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if is_there():
            return True
        if child.poll() is not None:
            return bool(is_there())
        time.sleep(0.05)
    return True  # slow, not dead: what it says later is in its state and log


def _starting(run: RunFolder) -> psutil.Process | None:
    try:
        record = read_json(run.folder / "starting.json")
        if record is None:
            return None
        process = psutil.Process(int(record["pid"]))
        born = process.create_time()
        is_same = abs(born - float(record["created"])) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
        has_started = read_state(run).heartbeat > born
        return process if is_same and not has_started else None
    except (psutil.Error, WorkspaceError, KeyError, TypeError, ValueError):
        return None


def _end_starting(run: RunFolder) -> None:
    process = _starting(run)
    request_stop(run)
    if process is not None and not is_locked(run):
        process.terminate()


def _created(pid: int) -> float:
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return 0.0


def _last_line(run: RunFolder) -> str:
    lines = [line for line in log_tail(run) if line.strip()]
    return lines[-1].strip() if lines else ""


def plain_sentence(sentence: str) -> str:
    """The sentence without the command's name before it."""
    head, _, tail = sentence.partition(": ")
    return tail if head.startswith("judge-studio ") and tail else sentence


def _as_word(value: Any) -> str:
    """A setting's value as the command line takes it: texts as they are, lists in brackets, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(list(value), ensure_ascii=False) if isinstance(value, list | tuple) else str(value)
