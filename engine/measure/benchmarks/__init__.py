"""Comparisons with known answers, for evaluation only. One file per benchmark; this one knows their names."""

from pathlib import Path

from engine.errors import SourceError
from engine.measure.benchmarks.held_out import NAME as HELD_OUT
from engine.records import BenchmarkItem

SHAPES = "shapes"
PUBLISHED = ("vl-rewardbench", "multimodal-rewardbench")


def benchmark_name(name: str) -> str:
    """What the tables call the benchmark that the settings name: "vl-rewardbench=PATH" → "vl-rewardbench"."""
    return Path(name).stem if name.endswith(".jsonl") else name.partition("=")[0]


def load_items(name: str, *, count: int, seed: int, folder: Path) -> list[BenchmarkItem]:
    """At most `count` items of a benchmark, images as absolute paths; what must be drawn or unpacked goes to `folder`.

    `name` is "shapes", a .jsonl file, or a published benchmark and where it lies: "vl-rewardbench=PATH".
    Raises `SourceError` if there is no such benchmark or it holds nothing usable.
    """
    if name == SHAPES:
        from engine.shapes.benchmark import items

        return items(count=count, seed=seed, folder=folder)
    if name.endswith(".jsonl"):
        from engine.measure.benchmarks.jsonl import load_jsonl

        return load_jsonl(Path(name), folder=folder)[:count]
    known, _, place = name.partition("=")
    if known == PUBLISHED[0]:
        from engine.measure.benchmarks.vl_rewardbench import load_vl_rewardbench

        return load_vl_rewardbench(place or None, folder=folder)[:count]
    if known == PUBLISHED[1]:
        from engine.measure.benchmarks.multimodal_rewardbench import load_multimodal_rewardbench

        return load_multimodal_rewardbench(place or None, folder=folder)[:count]
    raise SourceError(
        f"evaluate.benchmarks: no benchmark called '{name}'. Use {SHAPES}, {HELD_OUT}, a .jsonl file, "
        f"or {' or '.join(f'{one}=PATH' for one in PUBLISHED)}."
    )
