"""Judges and controls as they can be compared: which a workspace has measured on what, and what they said.

It reads runs' folders. What the sides say of each other is in `side_by_side`.
"""

from collections.abc import Iterator, Mapping

from engine.errors import WorkspaceError
from engine.measure.controls import MODEL_FREE, control_verdicts, is_control, judge_behind
from engine.measure.leaks import OWN_PAIRS
from engine.measure.metrics import ALL, STRICT
from engine.measure.side_by_side import Side
from engine.measure.text_only import TEXT_ONLY, text_only_verdicts
from engine.records import BenchmarkItem, ImageRow, ScoreRow, VerdictRow, version_number
from engine.workspace.decisions import best_judge
from engine.workspace.folders import RunFolder, StageFolder, Workspace

MOST_SIDES = 6
"""More columns are not told apart, on a page or in a terminal."""


def measured(run: RunFolder) -> dict[str, list[str]]:
    """Judge or control of the run → benchmarks, both in the order in which they were measured."""
    found: dict[str, dict[str, None]] = {}
    for folder in _folders(run):
        for row in folder.read("scores", ScoreRow):
            if (row.protocol, row.dimension) == (STRICT, ALL) and row.benchmark != OWN_PAIRS:
                found.setdefault(row.judge, {})[row.benchmark] = None
    return {judge: list(names) for judge, names in found.items()}


def side_name(name: str, workspace: Workspace) -> tuple[RunFolder, str]:
    """The run and the judge or control that "RUN/judge-v2", "RUN" (its best) or "RUN/control:…" names.

    Raises `WorkspaceError`, naming what there is.
    """
    run_name, _, judge = name.partition("/")
    run = workspace.existing_run(run_name)
    if judge in ("", "best"):
        return run, best_judge(run)
    there = measured(run)
    if judge not in there:
        versions = ", ".join(known for known in there if not is_control(known)) or "none yet"
        controls = ", ".join(known for known in there if is_control(known)) or "none yet"
        raise WorkspaceError(f"{name}: was not measured. Versions here: {versions}. Controls here: {controls}.")
    return run, judge


def read_side(run: RunFolder, judge: str, benchmark: str) -> Side:
    """What the judge said by its own prompt in both orders, in its run and outside it."""
    items = {item.item_id: item for item in _items(run) if item.benchmark == benchmark}
    verdicts = list(_verdicts(run, judge, benchmark, items))
    known = {row.item_id: _remembered(row) for row in verdicts} | items
    return Side(name=f"{run.name}/{judge}", items=known, verdicts=verdicts)


def read_pictures(run: RunFolder) -> dict[str, ImageRow]:
    """Image id → the picture of a benchmark item in the workspace."""
    folders = [run.intake(), *_benchmark_folders(run)]
    return {row.image_id: row for folder in folders for row in folder.read("images", ImageRow)}


def _verdicts(run: RunFolder, judge: str, benchmark: str, items: Mapping[str, BenchmarkItem]) -> Iterator[VerdictRow]:
    """Rules without a model are not stored: what they say follows from the items."""
    if judge in MODEL_FREE:
        yield from control_verdicts(judge, items.values())
        return
    if judge == TEXT_ONLY:
        yield from text_only_verdicts(list(items.values()))
        return
    wanted = (judge, benchmark, STRICT)
    for folder in run.evaluations(version_number(judge_behind(judge)) or 0):
        for row in folder.read("verdicts", VerdictRow):
            if (row.judge, row.benchmark, row.protocol) == wanted:
                yield row


def _remembered(row: VerdictRow) -> BenchmarkItem:
    """What a verdict says of its item, for workspaces whose items are gone."""
    return BenchmarkItem(
        item_id=row.item_id, benchmark=row.benchmark, image_id=row.image_id, image="", question=f"Item {row.item_id}",
        preferred="", degraded="", kind=row.kind, dimension=row.dimension,
    )  # fmt: skip


def _items(run: RunFolder) -> Iterator[BenchmarkItem]:
    for folder in (*_benchmark_folders(run), *run.evaluations(0)):
        yield from folder.read("items", BenchmarkItem)


def _benchmark_folders(run: RunFolder) -> list[StageFolder]:
    """The run's own benchmarks, and those that `judge-studio evaluate` made ready."""
    apart = sorted(run.stage(0, "benchmark").folder.parent.glob("benchmark-*"))
    return [run.stage(0, "benchmark"), *(run.stage(0, folder.name) for folder in apart)]


def _folders(run: RunFolder) -> Iterator[StageFolder]:
    """Everything that versions were measured in, judge-v0 first."""
    yield from _benchmark_folders(run)
    number = 0
    while run.stage(number, "evaluate").folder.exists():
        yield from run.evaluations(number)
        number += 1
