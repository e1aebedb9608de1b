"""A run measured twice on items with pictures, for a person to answer about: hostile text in questions and answers."""

import shutil
from pathlib import Path

from engine.config import load_settings
from engine.judging.asking import verdict_row
from engine.records import ORDERS, BenchmarkItem, ImageRow, content_id
from engine.workspace.folders import RunFolder, open_workspace
from engine.workspace.run_record import create_run
from engine.workspace.state import RunState, write_state
from tests.tiny_models import save_scenes

COUNT = 24
NASTY = '<script>alert("arena")</script>'


def arena_run(folder: Path, name: str = "arena-01") -> RunFolder:
    """judge-v0 always says A; judge-v1 is right on all items but every eighth, which it turns round."""
    run = open_workspace(folder).run(name)
    create_run(run, load_settings(preset="shapes"))
    rows = [_image(run, number, path) for number, path in enumerate(save_scenes(folder / "scratch", COUNT))]
    intake = run.intake()
    intake.begin({})
    intake.write("images", rows)
    intake.finish({"images": COUNT})
    items = [_item(number, row) for number, row in enumerate(rows)]
    benchmark = run.stage(0, "benchmark")
    benchmark.begin({})
    benchmark.write("items", items)
    benchmark.finish({"items": {"shapes": COUNT}})
    for version in (0, 1):
        stage = run.stage(version, "evaluate")
        stage.begin({})
        stage.write("verdicts", [row for number, item in enumerate(items) for row in _verdicts(version, number, item)])
        stage.finish({"judge": f"judge-v{version}"})
    write_state(run, RunState(run=name, state="done", best="judge-v1", started_at=1.0, seconds=9.0, iterations=1))
    return run


def _image(run: RunFolder, number: int, scene: Path) -> ImageRow:
    image_id = content_id("arena", number) * 4
    path = Path("images") / image_id[:2] / f"{image_id}.png"
    (run.workspace.root / path).parent.mkdir(parents=True, exist_ok=True)
    shutil.move(scene, run.workspace.root / path)
    return ImageRow(image_id=image_id, path=str(path), width=48, height=48, source="drawn", name=f"{number}.png")


def _item(number: int, image: ImageRow) -> BenchmarkItem:
    return BenchmarkItem(
        item_id=f"item-{number:02d}", benchmark="held-out", image_id=image.image_id, image=image.path,
        question=f"What is in picture {number}? {NASTY}", preferred=f"A right answer. {NASTY}",
        degraded="A wrong answer.", kind="open", dimension="count",
    )  # fmt: skip


def _verdicts(version: int, number: int, item: BenchmarkItem) -> list:
    said = ("A", "A") if version == 0 else ("B", "A") if number % 8 == 0 else ("A", "B")
    return [
        verdict_row(f"judge-v{version}", item, order, verdict, reasoning=f"I looked. {NASTY} [[{verdict}]]")
        for order, verdict in zip(ORDERS, said, strict=True)
    ]
