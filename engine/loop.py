"""The whole self-improvement loop of one run, from images to the best judge version, as one resumable story.

Every stage skips what is already on disk, so running the loop again after anything is how a run resumes.
It knows no model family and no file format; stages and the workspace do.
"""

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from engine.backends.base import BASE_JUDGE, Backend
from engine.config import Settings, flat, parse_settings, settings_as_dict
from engine.errors import IdentityError, JudgeStudioError, SourceError, StopRequested, WorkspaceError
from engine.progress import Progress
from engine.prompts import PromptPack, load_pack
from engine.provenance import library_versions, model_fingerprint
from engine.records import BenchmarkItem, ImageRow, Instruction, Pair, Trace
from engine.state import (
    ALIVE,
    RunState,
    append_event,
    clear_stop,
    device_lock,
    read_state,
    run_lock,
)
from engine.workspace import RunFolder, StageFolder, free_bytes, read_json, write_text

_LEAST_FREE_BYTES = 200_000_000
"""A run does not start with less room: the parts of one iteration and an adapter fit."""
_BEAT_SECONDS = 5.0
"""The page calls a heartbeat old after 15 s."""

Watch = Callable[[RunState], None]
Opener = Callable[[Settings, Path], Backend]


def create_run(run: RunFolder, settings: Settings) -> None:
    """Write config.yaml, or check that the existing one holds the same settings (`loop.*` may change).

    Raises `IdentityError` naming the first setting that differs.
    """
    if run.config.exists():
        before, now = flat(run_settings(run)), flat(settings)
        for key in now:
            if not key.startswith("loop.") and before.get(key) != now[key]:
                raise IdentityError(
                    f"run '{run.name}': cannot continue, {key} was {before.get(key)!r}, now {now[key]!r}. "
                    "Start a new run, or set it back."
                )
    run.folder.mkdir(parents=True, exist_ok=True)
    record = {
        "settings": settings_as_dict(settings),
        "libraries": library_versions(),
        "model_fingerprint": model_fingerprint(settings.model.base),
    }
    write_text(run.config, yaml.safe_dump(record, sort_keys=False, allow_unicode=True))


def run_settings(run: RunFolder) -> Settings:
    """The settings a run was made with. Raises `WorkspaceError` if config.yaml cannot be read."""
    return parse_settings(_run_record(run).get("settings") or {}, where=str(run.config))


def _run_record(run: RunFolder) -> dict[str, Any]:
    try:
        record = yaml.safe_load(run.config.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise WorkspaceError(f"{run.config}: cannot read: {error}. Restore the file or start a new run.") from error
    if not isinstance(record, dict):
        raise WorkspaceError(f"{run.config}: expected settings by name. Restore the file or start a new run.")
    return record


def open_model(settings: Settings, workspace: Path) -> Backend:
    """The backend that the settings name."""
    from engine.backends import open_backend

    return open_backend(settings.model, workspace=workspace)


def run_loop(run: RunFolder, *, watch: Watch | None = None, opener: Opener = open_model) -> RunState:
    """Work on a run until it is done, stopped, or failed; the final state is also on disk.

    `opener` is the door to the model: tests put a scripted one behind it.
    Raises the `JudgeStudioError` that ended it (not for a stop), after recording it.
    """
    settings = run_settings(run)
    with run_lock(run):
        clear_stop(run)
        progress = Progress(run, _first_state(run, settings), watch=watch)
        progress.update(state="queued")
        with _signals(progress), _heartbeat(progress), _outcome(progress):
            _check_room(run)
            device = _device(settings)
            with device_lock(device, f"run {run.name}", waiting=lambda holder: _wait(progress, device, holder)):
                progress.update(state="running", device=device, message="Starting")
                append_event(run, "start", iterations=settings.loop.iterations)
                _Loop(run, settings, progress, opener).work()
        return progress.state


def _first_state(run: RunFolder, settings: Settings) -> RunState:
    before = read_state(run)
    return replace(
        before,
        iterations=settings.loop.iterations,
        started_at=before.started_at or time.time(),
        error=None,
        pid=os.getpid(),
    )


def _device(settings: Settings) -> str:
    if settings.model.backend == "openai":
        return f"server {settings.model.url}"
    if settings.model.device != "auto":
        return settings.model.device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _wait(progress: Progress, device: str, holder: str) -> None:
    progress.update(message=f"Waiting for {device}: {holder} is using it", device=device)
    progress.check_stop()


def _check_room(run: RunFolder) -> None:
    free = free_bytes(run.folder)
    if free < _LEAST_FREE_BYTES:
        raise WorkspaceError(
            f"{run.folder}: only {free // 1_000_000} MB are free, a run needs at least "
            f"{_LEAST_FREE_BYTES // 1_000_000} MB. Free some space, then resume."
        )


@contextmanager
def _signals(progress: Progress) -> Iterator[None]:
    """SIGTERM, SIGHUP and Ctrl-C ask for a stop after the batch; a second Ctrl-C interrupts at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, _frame: object) -> None:
        if progress.stop and number == signal.SIGINT:
            raise KeyboardInterrupt
        progress.stop = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _heartbeat(progress: Progress) -> Iterator[None]:
    """A sign of life even while a model loads or a long batch computes."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(_BEAT_SECONDS):
            progress.beat()

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def _outcome(progress: Progress) -> Iterator[None]:
    """Record how the work ended, whatever ends it."""
    try:
        yield
    except StopRequested:
        progress.update(state="stopped", message="Stopped; finished parts are kept", pid=None)
        append_event(progress.run, "stopped")
    except KeyboardInterrupt:
        progress.update(state="stopped", message="Interrupted; finished parts are kept", pid=None)
        raise
    except Exception as error:
        expected = isinstance(error, JudgeStudioError)
        sentence = str(error) if expected else f"{type(error).__name__}: {error}. See {progress.run.log.name}."
        if not expected:
            traceback.print_exc()
        _record_failure(progress, sentence)
        raise
    else:
        progress.update(state="done", stage=None, message=_last_words(progress.state), pid=None, stage_left=None)
        append_event(progress.run, "done", best=progress.state.best)


def _record_failure(progress: Progress, sentence: str) -> None:
    """A full disk must not hide the failure it caused."""
    try:
        append_event(progress.run, "failed", error=sentence)
        progress.update(state="failed", error=sentence, pid=None)
    except (OSError, WorkspaceError):
        return  # the lock is released on exit, so readers will recognise the run as dead


def _last_words(state: RunState) -> str:
    return f"{state.message}. The best version is {state.best}." if state.best else state.message


class _Loop:
    """One process's work on one run. Holds the backend, and nothing that is not also on disk."""

    def __init__(self, run: RunFolder, settings: Settings, progress: Progress, opener: Opener) -> None:
        self.run = run
        self.settings = settings
        self.progress = progress
        self.pack: PromptPack = load_pack(settings.prompt_pack)
        self.images: dict[str, Path] = {}
        self._opener = opener
        self._backend: Backend | None = None
        self._loaded: set[str] = set()

    def work(self) -> None:
        """Intake, baseline, iterations."""
        self._check()
        try:
            instructions = self._take_in()
            self._measure_base(instructions)
            self._iterate([one for one in instructions if one.split == "train"])
        finally:
            self.release()

    def _check(self) -> None:
        """What can be known to fail before an hour of work is known now."""
        from engine.stages.select import check_rule
        from engine.stages.synthesize import check_settings

        check_settings(self.settings, self.pack)
        check_rule(self.settings.select)
        before = _run_record(self.run).get("model_fingerprint")
        now = model_fingerprint(self.settings.model.base)
        if before is not None and before != now:
            raise IdentityError(
                f"run '{self.run.name}': the files of base model {self.settings.model.base} changed since the run "
                "began. Start a new run, or restore them."
            )

    # --- the model -------------------------------------------------------------------------------------------

    def backend(self, *judges: str) -> Backend:
        """The backend with these judge versions loaded."""
        if self._backend is None:
            self.progress.update(message=f"Loading {self.settings.model.base}")
            self._backend = self._opener(self.settings, self.run.workspace.root)
        for judge in judges:
            if judge != BASE_JUDGE and judge not in self._loaded:
                self._backend.load_judge(judge, self.run.adapter(int(judge.removeprefix("judge-v"))))
                self._loaded.add(judge)
        return self._backend

    def release(self) -> None:
        """Free the device."""
        if self._backend is not None:
            self._backend.close()
        self._backend = None
        self._loaded.clear()

    # --- intake and baseline ---------------------------------------------------------------------------------

    def _take_in(self) -> list[Instruction]:
        from engine.stages.intake import intake

        self.progress.update(iteration=0)
        folder = self.run.intake()
        intake(
            folder=folder,
            workspace=self.run.workspace.root,
            settings=self.settings,
            pack=self.pack,
            backend=self.backend,
            progress=self.progress,
        )
        self._add_images(folder)
        return folder.read("instructions", Instruction)

    def _add_images(self, folder: StageFolder) -> None:
        root = self.run.workspace.root
        self.images.update({row.image_id: root / row.path for row in folder.read("images", ImageRow)})

    def _measure_base(self, instructions: list[Instruction]) -> None:
        from engine.stages.benchmark import prepare_benchmarks

        held_out = [one for one in instructions if one.split == "held-out"]
        if "held-out" in self.settings.evaluate.benchmarks:
            if not held_out:
                raise SourceError(
                    f"run '{self.run.name}': no image is held out for evaluation. Raise source.held_out, add images, "
                    "or name another benchmark."
                )
            self._synthesize(0, held_out, writer=BASE_JUDGE)
        folder = self.run.stage(0, "benchmark")
        prepare_benchmarks(
            folder=folder,
            settings=self.settings,
            held_out=self._usable_pairs(0),
            workspace=self.run.workspace,
            progress=self.progress,
        )
        self._add_images(folder)
        self._evaluate(0)

    def _items(self) -> dict[str, list[BenchmarkItem]]:
        items: dict[str, list[BenchmarkItem]] = {}
        for item in self.run.stage(0, "benchmark").read("items", BenchmarkItem):
            items.setdefault(item.benchmark, []).append(item)
        return items

    # --- iterations ------------------------------------------------------------------------------------------

    def _iterate(self, instructions: list[Instruction]) -> None:
        from engine.metrics import best_version, plateau

        seconds: list[float] = []
        history: list[dict[str, Any]] = []
        for number in range(1, self.settings.loop.iterations + 1):
            if self._over_budget(seconds):
                self.progress.update(message=f"Stopped before iteration {number}: the time budget is spent")
                return
            started = time.monotonic()
            self._one_iteration(number, instructions, mean(seconds))
            seconds.append(time.monotonic() - started)
            history.append(self.run.stage(number, "evaluate").summary() or {})
            best = best_version(history)
            self.progress.update(best=best)
            self.progress.event("iteration", seconds=seconds[-1], best=best)
            if plateau(history, self.settings.loop.patience):
                self.progress.update(
                    message=f"Stopped after iteration {number}: {self.settings.loop.patience} iterations without a gain"
                )
                return
        self.progress.update(message=f"Finished {self.settings.loop.iterations} iterations")

    def _one_iteration(self, number: int, instructions: list[Instruction], expected: float | None) -> None:
        left = None if expected is None else expected * (self.settings.loop.iterations - number + 1)
        self.progress.update(iteration=number, run_left=left)
        parent = f"judge-v{number - 1}"
        writer = parent if self.settings.synthesize.writer == "previous" else BASE_JUDGE
        self._synthesize(number, self._slice(number, instructions), writer=writer)
        self._judge(number, parent)
        self._select(number)
        self._train(number)
        self._check_adapter(number, parent)
        self._evaluate(number)

    def _slice(self, number: int, instructions: list[Instruction]) -> list[Instruction]:
        """This iteration's instructions: a fresh slice each time, starting over when the source is used up."""
        size = self.settings.synthesize.instructions
        if size is None or size >= len(instructions):
            return instructions
        ordered = sorted(instructions, key=lambda one: one.instruction_id)  # ids are hashes: a fixed shuffle
        start = (number - 1) * size % len(ordered)
        return (ordered + ordered)[start : start + size]

    def _usable_pairs(self, number: int) -> list[Pair]:
        return [pair for pair in self.run.stage(number, "synthesize").read("pairs", Pair) if pair.dropped is None]

    def _synthesize(self, number: int, instructions: list[Instruction], *, writer: str) -> None:
        from engine.stages.synthesize import synthesize

        folder = self.run.stage(number, "synthesize")
        if folder.summary() is None:
            synthesize(
                folder=folder,
                instructions=instructions,
                images=self.images,
                settings=self.settings,
                pack=self.pack,
                backend=self.backend(writer),
                writer=writer,
                iteration=number,
                progress=self.progress,
            )

    def _judge(self, number: int, judge_name: str) -> None:
        from engine.stages.judge import judge

        folder = self.run.stage(number, "judge")
        if folder.summary() is None:
            judge(
                folder=folder,
                pairs=self._usable_pairs(number),
                images=self.images,
                settings=self.settings,
                pack=self.pack,
                backend=self.backend(judge_name),
                judge=judge_name,
                iteration=number,
                progress=self.progress,
            )

    def _select(self, number: int) -> None:
        from engine.stages.select import select

        folder = self.run.stage(number, "select")
        if folder.summary() is None:
            select(
                folder=folder,
                pairs=self._usable_pairs(number),
                traces=self.run.stage(number, "judge").read("traces", Trace),
                settings=self.settings,
                flagged=self._flagged(),
                iteration=number,
                progress=self.progress,
            )

    def _flagged(self) -> set[str]:
        from engine.flags import flagged_pairs

        return flagged_pairs(self.run.workspace) if self.settings.select.exclude_flagged else set()

    def _train(self, number: int) -> None:
        from engine.stages.train import train

        folder = self.run.stage(number, "train")
        if folder.summary() is not None:
            return
        if self.progress.state.device != "cpu":
            self.release()  # the trainer needs the memory; a miniature on a CPU does not
        previous = self.settings.train.start == "previous" and number > 1
        train(
            folder=folder,
            traces=[trace for trace in self.run.stage(number, "select").read("traces", Trace) if trace.kept],
            pairs={pair.pair_id: pair for pair in self._usable_pairs(number)},
            images=self.images,
            settings=self.settings,
            pack=self.pack,
            parent_adapter=self.run.adapter(number - 1) if previous else None,
            iteration=number,
            progress=self.progress,
        )

    def _check_adapter(self, number: int, parent: str) -> None:
        from engine.adapter_check import check_adapter, probes

        folder = self.run.stage(number, "evaluate")
        if folder.summary() is not None or read_json(folder.folder / "adapter-check.json") is not None:
            return
        judge = f"judge-v{number}"
        self.progress.update(message=f"Checking that {judge} differs from {parent}")
        items = [item for group in self._items().values() for item in group]
        check_adapter(
            backend=self.backend(parent, judge),
            judge=judge,
            parent=parent,
            probes=probes(items, images=self.images, pack=self.pack),
            folder=folder,
        )

    def _evaluate(self, number: int) -> None:
        from engine.stages.evaluate import evaluate

        folder = self.run.stage(number, "evaluate")
        if folder.summary() is not None:
            return
        judge = f"judge-v{number}"
        evaluate(
            folder=folder,
            items=self._items(),
            images=self.images,
            settings=self.settings,
            pack=self.pack,
            backend=self.backend(judge),
            judge=judge,
            parent_folder=self.run.stage(number - 1, "evaluate") if number else None,
            iteration=number,
            progress=self.progress,
            blind=self.settings.evaluate.image_blind,
        )

    def _over_budget(self, seconds: list[float]) -> bool:
        budget = self.settings.loop.budget_minutes
        if budget is None:
            return False
        return self.progress.state.seconds + (mean(seconds) or 0.0) > budget * 60


def mean(values: list[float]) -> float | None:
    """None for no values."""
    return sum(values) / len(values) if values else None


def is_alive(run: RunFolder) -> bool:
    """Whether some process is working on the run or waiting to."""
    return read_state(run).state in ALIVE
