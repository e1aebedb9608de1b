"""The whole self-improvement loop of one run, from images to the best judge version, as one resumable story.

Every stage skips what is already on disk, so running the loop again after anything is how a run resumes.
It knows no model family and no file format; stages and the workspace do.
"""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.config import Settings
from engine.errors import IdentityError, SourceError
from engine.machine import this_machine
from engine.prompts import PromptPack, load_pack
from engine.records import BASE_JUDGE, BenchmarkItem, ImageRow, Instruction, Pair, Trace, version_name
from engine.runs.costs import check_fits
from engine.runs.models import Opener, RunModels, device_of, trains_on_gpu
from engine.runs.plan import run_plan
from engine.runs.process import check_room, heartbeat, outcome, signals
from engine.sources.take_in import check_source
from engine.workspace.files import read_json
from engine.workspace.folders import RunFolder, StageFolder
from engine.workspace.locks import device_lock, run_lock
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
    with run_lock(run):
        clear_stop(run)
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
        from engine.sources.questions.key import check_answers
        from engine.stages.select.rule import check_rule
        from engine.stages.synthesize.stage import check_settings
        from engine.stages.train.stage import check_layers

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
            backend=self.models,
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
        from engine.measure.metrics import best_version, plateau

        seconds: list[float] = []
        planned = run_plan(self.settings, self.run.workspace).iteration_seconds
        history: list[dict[str, Any]] = []
        for number in range(1, self.settings.loop.iterations + 1):
            if self._over_budget(seconds):
                self.progress.update(message=f"Stopped before iteration {number}: the time budget is spent")
                return
            started = time.monotonic()
            is_new = self.run.stage(number, "evaluate").summary() is None
            self._one_iteration(number, instructions, _mean(seconds) or planned)
            if is_new:  # what was finished before took no time now, and no estimate should be made of it
                seconds.append(time.monotonic() - started)
            history.append(self.run.stage(number, "evaluate").summary() or {})
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
        parent = version_name(number - 1)
        writer = parent if self.settings.synthesize.writer == "previous" else BASE_JUDGE
        self._synthesize(number, self._slice(number, instructions), writer=writer)
        self._judge(number, parent)
        self._select(number)
        self._train(number)
        self._check_adapter(number, parent)
        self._evaluate(number)
        self._note_narrowing(number)

    def _note_narrowing(self, number: int) -> None:
        from engine.measure.self_confirmation import narrowing_of, note_narrowing

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

    def _synthesize(self, number: int, instructions: list[Instruction], *, writer: str) -> None:
        from engine.stages.synthesize.stage import synthesize

        folder = self.run.stage(number, "synthesize")
        if folder.summary() is None:
            synthesize(
                folder=folder,
                instructions=instructions,
                images=self.images,
                settings=self.settings,
                pack=self.pack,
                backend=self.models(writer),
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
                backend=self.models(judge_name),
                judge=judge_name,
                iteration=number,
                progress=self.progress,
            )

    def _select(self, number: int) -> None:
        from engine.stages.select.stage import select

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
        from engine.workspace.decisions import flagged_pairs

        return flagged_pairs(self.run) if self.settings.select.exclude_flagged else set()

    def _train(self, number: int) -> None:
        folder = self.run.stage(number, "train")
        if folder.summary() is not None:
            return
        if self.progress.state.device != "cpu":
            self.models.release()  # the trainer needs the memory; a miniature on a CPU does not
        if trains_on_gpu(self.settings):
            from engine.stages.train.child import train_in_child

            train_in_child(self.run, number, machine=this_machine(), progress=self.progress)
            return
        from engine.stages.train.stage import train
        from engine.stages.train.start import adapter_to_start_from

        train(
            folder=folder,
            traces=[trace for trace in self.run.stage(number, "select").read("traces", Trace) if trace.kept],
            pairs={pair.pair_id: pair for pair in self._usable_pairs(number)},
            images=self.images,
            settings=self.settings,
            pack=self.pack,
            parent_adapter=adapter_to_start_from(self.run, self.settings.train.start, number),
            iteration=number,
            progress=self.progress,
        )

    def _check_adapter(self, number: int, parent: str) -> None:
        from engine.judging.adapter_check import check_adapter, probes

        folder = self.run.stage(number, "evaluate")
        if folder.summary() is not None or read_json(folder.folder / "adapter-check.json") is not None:
            return
        judge = version_name(number)
        self.progress.update(message=f"Checking that {judge} differs from {parent}")
        if self.settings.model.backend != "transformers":
            self._check_served(number, judge, folder)
        items = [item for group in self._items().values() for item in group]
        check_adapter(
            backend=self.models(parent, judge),
            judge=judge,
            parent=parent,
            probes=probes(items, images=self.images, pack=self.pack),
            folder=folder,
        )

    def _check_served(self, number: int, judge: str, folder: StageFolder) -> None:
        from engine.judging.served_check import check_served

        check_served(
            backend=self.models(judge),
            judge=judge,
            trained=self.run.stage(number, "train"),
            traces=self.run.stage(number, "select").read("traces", Trace),
            pairs={pair.pair_id: pair for pair in self._usable_pairs(number)},
            images=self.images,
            pack=self.pack,
            folder=folder,
        )

    def _evaluate(self, number: int) -> None:
        from engine.stages.evaluate import evaluate

        folder = self.run.stage(number, "evaluate")
        if folder.summary() is not None:
            return
        judge = version_name(number)
        evaluate(
            folder=folder,
            items=self._items(),
            images=self.images,
            settings=self.settings,
            pack=self.pack,
            backend=self.models(judge),
            judge=judge,
            parent_folder=self.run.stage(number - 1, "evaluate") if number else None,
            iteration=number,
            progress=self.progress,
        )

    def _over_budget(self, seconds: list[float]) -> bool:
        budget = self.settings.loop.budget_minutes
        if budget is None:
            return False
        return self.progress.state.seconds + (_mean(seconds) or 0.0) > budget * 60


def _mean(values: list[float]) -> float | None:
    """None for no values."""
    return sum(values) / len(values) if values else None
