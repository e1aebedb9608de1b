"""The whole self-improvement loop of one run, from images to the best judge version, as one resumable story.

Every stage skips what is already on disk, so running the loop again after anything is how a run resumes.
It knows no model family and no file format; stages and the workspace do.
"""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from engine.config import Settings
from engine.errors import IdentityError, SourceError
from engine.judging.adapter_check import check_adapter, probes
from engine.judging.served_check import check_served
from engine.machine import this_machine
from engine.measure.metrics import best_version, plateau
from engine.measure.self_confirmation import narrowing_of, note_narrowing
from engine.prompts import PromptPack, load_pack
from engine.records import BenchmarkItem, ImageRow, Instruction, Pair, Trace
from engine.runs.costs import check_fits
from engine.runs.models import Opener, RunModels, device_of, trains_on_gpu
from engine.runs.plan import run_plan
from engine.runs.process import check_room, heartbeat, outcome, signals
from engine.sources.questions.key import check_answers
from engine.sources.take_in import check_source
from engine.stages.bench import Bench
from engine.stages.benchmark import prepare_benchmarks
from engine.stages.evaluate import evaluate
from engine.stages.intake import intake
from engine.stages.judge import judge
from engine.stages.select.rule import check_rule
from engine.stages.select.stage import select
from engine.stages.synthesize.stage import check_settings, synthesize
from engine.stages.train.child import train_in_child
from engine.stages.train.job import learned_from
from engine.stages.train.stage import check_layers, train
from engine.stages.train.start import adapter_to_start_from
from engine.workspace.conclusions import Measured
from engine.workspace.decisions import flagged_pairs
from engine.workspace.files import read_json
from engine.workspace.folders import RunFolder, StageFolder
from engine.workspace.locks import device_lock, is_locked, run_lock
from engine.workspace.progress import Progress
from engine.workspace.provenance import model_fingerprint, model_folder
from engine.workspace.run_record import run_record, run_settings
from engine.workspace.state import RunState, append_event, clear_stop, read_state

Watch = Callable[[RunState], None]


def run_loop(
    run: RunFolder, *, watch: Watch | None = None, opener: Opener | None = None, go_on: bool = False
) -> RunState:
    """Work on a run until it is done, stopped, or failed; the final state is also on disk.

    `go_on`: somebody asked for more iterations, so a plateau among those already finished does not end it.
    `opener` is the door to the model: tests put a scripted one behind it.
    Raises the `JudgeStudioError` that ended it (not for a stop), after recording it.
    """
    settings = run_settings(run)
    if not is_locked(run):
        clear_stop(run)  # one left by an earlier process; whoever sees this one at work asks after it has the lock
    with run_lock(run):
        progress = Progress(run, _first_state(run, settings), watch=watch)
        progress.update(state="queued")
        with signals(progress), heartbeat(progress), outcome(progress):
            check_room(run)
            if run.intake().summary() is None:
                check_source(settings.source)  # before the wait for a device, which may take hours
            device = device_of(settings)
            with device_lock(device, f"run {run.name}", waiting=lambda holder: _wait(progress, device, holder)):
                progress.update(state="running", device=device, message="Starting")
                append_event(run, "start", iterations=settings.loop.iterations)
                _Loop(run, settings, progress, opener, go_on).work()
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


def _wait(progress: Progress, device: str, holder: str) -> None:
    progress.update(message=f"Waiting for {device}: {holder} is using it", device=device)
    progress.check_stop()


class _Loop:
    """One process's work on one run. Holds the backend, and nothing that is not also on disk."""

    def __init__(
        self, run: RunFolder, settings: Settings, progress: Progress, opener: Opener | None, go_on: bool
    ) -> None:
        self.run = run
        self._go_on = go_on
        self.settings = settings
        self.progress = progress
        self.pack: PromptPack = load_pack(settings.prompt_pack)
        self.images: dict[str, Path] = {}
        self.models = RunModels(run, settings, self.pack, progress, opener)

    def work(self) -> None:
        """Intake, baseline, iterations."""
        self._check()
        try:
            instructions = self._take_in()
            self._measure_base(instructions)
            self._iterate([one for one in instructions if one.split == "train"])
        finally:
            self.models.release()

    def _check(self) -> None:
        """What can be known to fail before an hour of work is known now."""
        check_fits(self.settings)
        self._check_server()
        check_settings(self.settings, self.pack)
        check_rule(self.settings.select)
        check_answers(self.settings)
        check_layers(self.settings)
        before = run_record(self.run).get("model_fingerprint")
        now = model_fingerprint(self.settings.model.base)
        if before is not None and before != now:
            raise IdentityError(
                f"run '{self.run.name}': the files of base model {self.settings.model.base} changed since the run "
                "began. Start a new run, or restore them."
            )

    def _check_server(self) -> None:
        model = self.settings.model
        if model.backend == "vllm" and model.url is None:
            from engine.backends.served.preflight import preflight

            preflight(model, str(model_folder(model.base) or model.base)).check()

    def _bench(self, number: int) -> Bench:
        """What the stages of an iteration stand at; its pictures are those taken in so far."""
        return Bench(
            run=self.run,
            settings=self.settings,
            pack=self.pack,
            images=self.images,
            models=self.models,
            progress=self.progress,
            iteration=number,
        )

    # --- intake and baseline ---------------------------------------------------------------------------------

    def _take_in(self) -> list[Instruction]:
        self.progress.update(iteration=0)
        intake(self._bench(0))
        folder = self.run.intake()
        self._add_images(folder)
        return folder.read("instructions", Instruction)

    def _add_images(self, folder: StageFolder) -> None:
        root = self.run.workspace.root
        self.images.update({row.image_id: root / row.path for row in folder.read("images", ImageRow)})

    def _measure_base(self, instructions: list[Instruction]) -> None:
        bench = self._bench(0)
        held_out = [one for one in instructions if one.split == "held-out"]
        if "held-out" in self.settings.evaluate.benchmarks:
            if not held_out:
                raise SourceError(
                    f"run '{self.run.name}': no image is held out for evaluation. Raise source.held_out, add images, "
                    "or name another benchmark."
                )
            synthesize(bench, held_out)
        prepare_benchmarks(bench, self._usable_pairs(0))
        self._add_images(bench.folder("benchmark"))
        evaluate(bench, self._items())

    def _items(self) -> dict[str, list[BenchmarkItem]]:
        items: dict[str, list[BenchmarkItem]] = {}
        for item in self.run.stage(0, "benchmark").read("items", BenchmarkItem):
            items.setdefault(item.benchmark, []).append(item)
        return items

    # --- iterations ------------------------------------------------------------------------------------------

    def _iterate(self, instructions: list[Instruction]) -> None:
        seconds: list[float] = []
        planned = run_plan(self.settings, self.run.workspace).iteration_seconds
        history: list[Measured] = []
        for number in range(1, self.settings.loop.iterations + 1):
            if self._over_budget(seconds):
                self.progress.update(message=f"Stopped before iteration {number}: the time budget is spent")
                return
            started = time.monotonic()
            is_new = self.run.stage(number, "evaluate").summary() is None
            self._one_iteration(number, instructions, _mean(seconds) or planned)
            if is_new:  # what was finished before took no time now, and no estimate should be made of it
                seconds.append(time.monotonic() - started)
            history.append(self.run.conclusion(number, Measured) or Measured())
            best = best_version(history)
            self.progress.update(best=best)
            if is_new:
                self.progress.event("iteration", seconds=seconds[-1], best=best)
            went_on = self._go_on or self.run.stage(number + 1, "synthesize").folder.exists()
            if plateau(history, self.settings.loop.patience) and (is_new or not went_on):
                self.progress.update(
                    message=f"Stopped after iteration {number}: {self.settings.loop.patience} iterations without a gain"
                )
                return
        self.progress.update(message=f"Finished {self.settings.loop.iterations} iterations")

    def _one_iteration(self, number: int, instructions: list[Instruction], expected: float | None) -> None:
        left = None if expected is None else expected * (self.settings.loop.iterations - number + 1)
        self.progress.update(iteration=number, run_left=left)
        bench = self._bench(number)
        if bench.folder("evaluate").summary() is None:
            synthesize(bench, self._slice(number, instructions))
            pairs = self._usable_pairs(number)
            judge(bench, pairs)
            select(bench, pairs, bench.folder("judge").read("traces", Trace), flagged=self._flagged())
            self._train(bench)
            self._check_adapter(bench, pairs)
            evaluate(bench, self._items())
        self._note_narrowing(number)

    def _note_narrowing(self, number: int) -> None:
        if number not in narrowing_of(self.run):
            traces = self.run.stage(number, "judge").read("traces", Trace)
            self.progress.event("narrowing", **note_narrowing(self.run, number, self._usable_pairs(number), traces))

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

    def _flagged(self) -> set[str]:
        return flagged_pairs(self.run) if self.settings.select.exclude_flagged else set()

    def _train(self, bench: Bench) -> None:
        if bench.folder("train").summary() is not None:
            return
        if self.progress.state.device != "cpu":
            self.models.release()  # the trainer needs the memory; a miniature on a CPU does not
        if trains_on_gpu(self.settings):
            train_in_child(self.run, bench.iteration, machine=this_machine(), progress=self.progress)
            return
        parent = adapter_to_start_from(self.run, self.settings.train.start, bench.iteration)
        train(bench, *learned_from(bench), parent_adapter=parent)

    def _check_adapter(self, bench: Bench, pairs: list[Pair]) -> None:
        folder = bench.folder("evaluate")
        if read_json(folder.folder / "adapter-check.json") is not None:
            return
        self.progress.update(message=f"Checking that {bench.judge} differs from {bench.parent}")
        if self.settings.model.backend != "transformers":
            self._check_served(bench, pairs)
        items = [item for group in self._items().values() for item in group]
        check_adapter(
            backend=self.models(bench.parent, bench.judge),
            judge=bench.judge,
            parent=bench.parent,
            probes=probes(items, images=self.images, pack=self.pack),
            folder=folder,
        )

    def _check_served(self, bench: Bench, pairs: list[Pair]) -> None:
        check_served(
            backend=self.models(bench.judge),
            judge=bench.judge,
            trained=bench.folder("train"),
            traces=bench.folder("select").read("traces", Trace),
            pairs={pair.pair_id: pair for pair in pairs},
            images=self.images,
            pack=self.pack,
            folder=bench.folder("evaluate"),
        )

    def _over_budget(self, seconds: list[float]) -> bool:
        budget = self.settings.loop.budget_minutes
        if budget is None:
            return False
        return self.progress.state.seconds + (_mean(seconds) or 0.0) > budget * 60


def _mean(values: list[float]) -> float | None:
    """None for no values."""
    return sum(values) / len(values) if values else None
