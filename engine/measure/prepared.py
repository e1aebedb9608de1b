"""A benchmark made ready for one judge outside the loop: its items with their pictures in the workspace, done once.

It asks no judge; what rules without a model make of the items is stored beside them.
"""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.errors import UsageError
from engine.judging.judges import JudgeRef
from engine.measure.benchmarks import PUBLISHED, benchmark_name, is_file, load_items
from engine.measure.benchmarks.held_out import NAME as HELD_OUT
from engine.measure.benchmarks.protocol import Loaded
from engine.measure.benchmarks.stored import take_pictures_in
from engine.measure.controls import MODEL_FREE, control_verdicts
from engine.measure.metrics import score_rows
from engine.measure.near_training import near_sentence, near_training
from engine.measure.text_only import TEXT_ONLY, text_only_verdicts
from engine.paths import expanded
from engine.records import BenchmarkItem, ImageRow, content_id
from engine.sources.pictures.store import ImageStore
from engine.sources.pictures.upright import limits_of
from engine.workspace.folders import RunFolder, StageFolder, Workspace
from engine.workspace.locks import writing_alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A benchmark's items with their pictures in the workspace."""

    slug: str
    """Short name for folders; another benchmark, place, number of items or content has another one."""
    name: str
    items: list[BenchmarkItem]
    rows: int
    without_image: int
    repeats: int
    unusable: int
    several_pictures: int = 0
    """Items left out by an older version, which could show a judge one picture only."""
    near_training: int = 0
    """Items about a picture that the judge's run trains on, or one that looks the same."""

    @property
    def left_out(self) -> int:
        """Rows that should have been measured and are not."""
        return self.rows - self.repeats - len(self.items)

    @property
    def cut_off(self) -> int:
        """Rows of the published release that were not in the file."""
        return max(0, PUBLISHED[self.name].items - self.rows) if self.name in PUBLISHED else 0


def home_of(judge: JudgeRef, workspace: Workspace) -> RunFolder:
    """The folder under which a judge's measurements lie: its run's, or one of its own."""
    if judge.run is not None:
        return judge.run
    name = re.sub(r"[^a-z0-9]+", "-", judge.label.lower()).strip("-")[:40]
    return RunFolder(workspace.measured / f"{name}-{content_id(judge.label, judge.adapter)[:6]}")


def prepare(judge: JudgeRef, benchmark: str, *, count: int | None, workspace: Workspace) -> Prepared:
    """The items, their pictures taken in as a run does: upright, on white, scaled. Done once per run and benchmark."""
    if benchmark == HELD_OUT:
        return _held_out(judge, count)
    name = benchmark_name(benchmark)
    slug = f"{re.sub(r'[^a-z0-9]+', '-', name.lower())[:40]}-{content_id(*_place(benchmark), count)[:6]}"
    folder = home_of(judge, workspace).stage(0, f"benchmark-{slug}")
    folder.begin({"benchmark": benchmark, "items": count, "seed": judge.settings.loop.seed})
    with writing_alone(folder):
        if folder.summary() is None:
            _prepare(folder, benchmark, count, judge, workspace)
    summary = folder.summary() or {}
    counted = ("rows", "without_image", "repeats", "unusable", "several_pictures", "near_training")
    counts = {key: int(summary.get(key, 0)) for key in counted}
    return Prepared(slug=slug, name=name, items=folder.read("items", BenchmarkItem), **counts)


def _place(benchmark: str) -> tuple[object, ...]:
    """What tells two benchmarks of one name apart: where they lie, and whether they are still the same."""
    place = benchmark if is_file(benchmark) else benchmark.partition("=")[2]
    path = expanded(place or ".")
    if not place or not path.exists():
        return (benchmark,)
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    stats = [file.stat() for file in files]
    newest = max((stat.st_mtime_ns for stat in stats), default=0)
    return (benchmark.partition("=")[0], path.resolve(), len(stats), sum(stat.st_size for stat in stats), newest)


def _prepare(folder: StageFolder, benchmark: str, count: int | None, judge: JudgeRef, workspace: Workspace) -> None:
    limits = limits_of(judge.settings.source)
    with tempfile.TemporaryDirectory(prefix="judge-studio-") as scratch, ImageStore(workspace.root) as store:
        loaded = load_items(benchmark, count=count, seed=judge.settings.loop.seed, folder=Path(scratch))
        items, images = take_pictures_in(benchmark, loaded.items, store, limits, leave_out=lambda _: None)
    folder.write_once("images", images)
    folder.write_once("items", items)
    by_id = {item.item_id: item for item in items}
    said = {
        **{control: control_verdicts(control, items) for control in MODEL_FREE},
        TEXT_ONLY: text_only_verdicts(items),
    }
    scores = [score_rows(control, items[0].benchmark, verdicts, by_id) for control, verdicts in said.items()]
    folder.write_once("scores", [row for rows in scores for row in rows])
    near = near_training(judge.run, items) if judge.run is not None else []
    folder.finish({**_counts(loaded, items), "near_training": len(near), "benchmark": items[0].benchmark})


def _counts(loaded: Loaded, items: Sequence[BenchmarkItem]) -> dict[str, int]:
    return {
        "items": len(items),
        "rows": loaded.rows,
        "without_image": loaded.without_image + len(loaded.items) - len(items),
        "repeats": loaded.repeats,
        "unusable": loaded.unusable,
    }


def _held_out(judge: JudgeRef, count: int | None) -> Prepared:
    if judge.run is None:
        raise UsageError(f"--benchmark {HELD_OUT}: {judge.label} belongs to no run, so it has no held-out pairs.")
    rows = judge.run.stage(0, "benchmark").read("items", BenchmarkItem)
    found = [item for item in rows if item.benchmark == HELD_OUT][:count]
    if not found:
        raise UsageError(f"--benchmark {HELD_OUT}: run {judge.run.name} has no held-out pairs. Name another benchmark.")
    paths = {row.image_id: row.path for row in judge.run.intake().read("images", ImageRow)}
    items = [replace(item, image=paths[item.image_id]) for item in found]
    return Prepared(slug=HELD_OUT, name=HELD_OUT, items=items, rows=len(items), without_image=0, repeats=0, unusable=0)


def shortfalls(prepared: Prepared) -> list[str]:
    """Sentences on what is not measured."""
    counts = (
        (prepared.without_image, "because their picture is missing or cannot be read"),
        (prepared.unusable, "because they are about something else than pictures"),
        (prepared.several_pictures, "because an older version made them ready, and it could show one picture only"),
        (prepared.repeats, "because they repeat another row exactly"),
    )
    said = [f"{count:,} of {prepared.rows:,} rows are left out {why}." for count, why in counts if count]
    if prepared.cut_off:
        said.append(f"{prepared.cut_off:,} rows of the published {prepared.name} are not in this file.")
    return said


def notes(prepared: Prepared) -> tuple[str, ...]:
    """Sentences on what was left out, and on what is wrong with the benchmark itself."""
    near = [near_sentence(prepared.name, prepared.near_training)] if prepared.near_training else []
    defects = PUBLISHED[prepared.name].defects if prepared.name in PUBLISHED else ()
    return (*shortfalls(prepared), *near, *defects)
