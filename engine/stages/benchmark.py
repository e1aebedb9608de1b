"""Make ready what every judge version of a run is measured on: the items of each benchmark, their images taken in.

It runs once per run, before anything is trained. It never looks at training pairs, only at held-out ones.
"""

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from engine.config import Settings
from engine.errors import SourceError
from engine.measure.benchmarks import benchmark_names, load_items
from engine.measure.benchmarks.held_out import NAME as HELD_OUT
from engine.measure.benchmarks.held_out import held_out_items
from engine.measure.benchmarks.protocol import LeaveOut
from engine.measure.benchmarks.stored import take_pictures_in
from engine.measure.near_training import near_training
from engine.records import BenchmarkItem, ImageRow, Pair
from engine.shapes.looks import Look
from engine.sources.pictures.store import ImageStore
from engine.sources.pictures.upright import limits_of
from engine.stages.bench import Bench
from engine.stages.identity import setting_fields
from engine.workspace.conclusions import Gathered
from engine.workspace.files import read_json, write_json
from engine.workspace.folders import Workspace

_LEFT_OUT = "left-out.json"
"""Benchmark → rows that could not be measured; the stage's summary repeats it."""


def prepare_benchmarks(bench: Bench, held_out: Sequence[Pair]) -> Gathered:
    """Write the `items` and `images` of every benchmark named in the settings, and count them.

    Raises `SourceError` for a benchmark that does not exist or holds nothing usable.
    """
    folder, settings, progress = bench.folder("benchmark"), bench.settings, bench.progress
    if (done := folder.conclusion(Gathered)) is not None:
        return done
    names = settings.evaluate.benchmarks
    look = setting_fields(settings, "evaluate.look", "evaluate.look_from", "evaluate.look_to")
    folder.begin({"benchmarks": list(names), "items": settings.evaluate.items, "seed": settings.loop.seed, **look})
    folder.sweep()
    called = benchmark_names(names)
    counts: dict[str, int] = {}
    left_out: dict[str, int] = read_json(folder.folder / _LEFT_OUT) or {}
    written = {item.benchmark for item in folder.read("items", BenchmarkItem)}
    progress.begin("benchmark", total=len(names), unit="benchmarks", message="Preparing what versions are measured on")
    for name in names:
        if called[name] not in written:
            missing: list[str] = []
            items, images = _items_with_images(name, settings, held_out, bench.run.workspace, missing.append)
            left_out[called[name]] = len(missing)
            write_json(folder.folder / _LEFT_OUT, left_out)  # before the items: a kill must not lose the count
            if missing:
                progress.event("left-out", benchmark=called[name], rows=len(missing), first=missing[0])
            there = set(folder.read("images", ImageRow))  # of a try that was killed before its items
            folder.write("images", [image for image in images if image not in there])
            folder.write("items", [replace(item, benchmark=called[name]) for item in items])
        counts[name] = sum(item.benchmark == called[name] for item in folder.read("items", BenchmarkItem))
        progress.advance()
    items = [item for item in folder.read("items", BenchmarkItem) if item.benchmark != HELD_OUT]
    near = dict(Counter(item.benchmark for item in near_training(bench.run, items)))
    for name, count in near.items():
        progress.event("near-training", benchmark=name, items=count)
    gathered = Gathered(items=counts, left_out=left_out, near_training=near)
    folder.finish(asdict(gathered))
    return gathered


def _items_with_images(
    name: str, settings: Settings, held_out: Sequence[Pair], workspace: Workspace, leave_out: LeaveOut
) -> tuple[list[BenchmarkItem], list[ImageRow]]:
    if name == HELD_OUT:
        by_hash = sorted(held_out, key=lambda pair: pair.pair_id)  # ids are hashes: a limit takes a fair sample
        items = held_out_items(by_hash)[: settings.evaluate.items]
        if not items:
            raise SourceError(
                "evaluate.benchmarks: no usable pair came out of the held-out images. Hold out more images "
                "(source.held_out), or name another benchmark."
            )
        return items, []
    asked = settings.evaluate
    look = Look(name=asked.look, low=asked.look_from, high=asked.look_to)
    with tempfile.TemporaryDirectory(prefix="judge-studio-") as scratch, ImageStore(workspace.root) as store:
        loaded = load_items(
            name,
            count=asked.items,
            seed=settings.loop.seed,
            folder=Path(scratch),
            look=look,
            leave_out=leave_out,
        )
        return take_pictures_in(name, loaded.items, store, limits_of(settings.source), leave_out=leave_out)
