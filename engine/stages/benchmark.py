"""Make ready what every judge version of a run is measured on: the items of each benchmark, their images taken in.

It runs once per run, before anything is trained. It never looks at training pairs, only at held-out ones.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.config import Settings
from engine.errors import SourceError
from engine.measure.benchmarks import benchmark_name, load_items
from engine.measure.benchmarks.held_out import NAME as HELD_OUT
from engine.measure.benchmarks.held_out import held_out_items
from engine.records import BenchmarkItem, ImageRow, Pair
from engine.sources.pictures.store import ImageStore, image_row
from engine.sources.pictures.upright import ImageRefused, limits_of
from engine.workspace.folders import StageFolder, Workspace
from engine.workspace.progress import Progress


def prepare_benchmarks(
    *, folder: StageFolder, settings: Settings, held_out: Sequence[Pair], workspace: Workspace, progress: Progress
) -> dict[str, Any]:
    """Write the `items` and `images` of every benchmark named in the settings; the summary counts them.

    Raises `SourceError` for a benchmark that does not exist or holds nothing usable.
    """
    if (summary := folder.summary()) is not None:
        return summary
    names = settings.evaluate.benchmarks
    folder.begin({"benchmarks": list(names), "items": settings.evaluate.items, "seed": settings.loop.seed})
    folder.sweep()
    counts: dict[str, int] = {}
    written = {item.benchmark for item in folder.read("items", BenchmarkItem)}
    progress.begin("benchmark", total=len(names), unit="benchmarks", message="Preparing what versions are measured on")
    for name in names:
        if benchmark_name(name) not in written:
            items, images = _items_with_images(name, settings, held_out, workspace)
            folder.write("images", images)
            folder.write("items", items)
        counts[name] = sum(item.benchmark == benchmark_name(name) for item in folder.read("items", BenchmarkItem))
        progress.advance()
    folder.finish({"items": counts})
    return {"items": counts}


def _items_with_images(
    name: str, settings: Settings, held_out: Sequence[Pair], workspace: Workspace
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
    with tempfile.TemporaryDirectory(prefix="judge-studio-") as scratch:
        items = load_items(name, count=settings.evaluate.items, seed=settings.loop.seed, folder=Path(scratch))
        return _take_images_in(name, items, settings, workspace)


def _take_images_in(
    name: str, items: Sequence[BenchmarkItem], settings: Settings, workspace: Workspace
) -> tuple[list[BenchmarkItem], list[ImageRow]]:
    limits = limits_of(settings.source)
    rows: dict[str, ImageRow] = {}
    taken: list[BenchmarkItem] = []
    with ImageStore(workspace.root) as store:
        for item in items:
            try:
                stored = store.put(Path(item.image).read_bytes(), limits)
            except (OSError, ImageRefused):
                continue  # counted: the summary's number of items is what could be used
            row = image_row(stored, source=f"benchmark {name}", name=Path(item.image).name)
            rows.setdefault(row.image_id, row)
            taken.append(replace(item, image_id=row.image_id, image=row.path))
    if not taken:
        raise SourceError(f"evaluate.benchmarks: not one image of '{name}' can be read. Check its files.")
    return taken, list(rows.values())
