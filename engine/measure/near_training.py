"""Benchmark items about a picture that a run trains on, or one that looks the same: there memory may answer."""

from collections.abc import Sequence
from pathlib import Path

from engine.records import BenchmarkItem, ImageLook, Instruction
from engine.sources.pictures.alike import look_of, twins
from engine.workspace.folders import RunFolder


def near_training(run: RunFolder, items: Sequence[BenchmarkItem]) -> list[BenchmarkItem]:
    """Those of `items`, whose pictures are in the store, with at least one such picture."""
    intake = run.intake()
    trained_on = {one.image_id for one in intake.read("instructions", Instruction) if one.split == "train"}
    trained = {row.image_id: row.look for row in intake.read("looks", ImageLook) if row.image_id in trained_on}
    paths = {Path(path).stem: run.workspace.root / path for item in items for path in _pictures(item)}
    looks = {image_id: look for image_id, path in paths.items() if (look := look_of(path)) is not None}
    near = {one for one, _ in twins(looks, trained)} | (paths.keys() & trained_on)
    return [item for item in items if any(Path(path).stem in near for path in _pictures(item))]


def near_sentence(name: str, count: int) -> str:
    """What a reader of a number on such items must know."""
    items = "1 item is" if count == 1 else f"{count:,} items are"
    return f"{name}: {items} about a picture that looks the same as one trained on, so memory may answer."


def _pictures(item: BenchmarkItem) -> list[str]:
    own = [item.image] if item.image else []
    return [*own, *item.more_images, *item.preferred_images, *item.degraded_images]
