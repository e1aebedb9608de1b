"""Measure one judge version: every item in both orders, also without its image and with another one, beside rules and
a classifier that need no model.

It writes verdicts as they come and asks only for those that are missing. What a number means is in
`engine.measure.metrics`; which items there are, in `engine.measure.benchmarks`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.backends.base import Backend, Completion, Request, Sampling
from engine.config import Settings
from engine.judging.asking import ruling_request, stored_text, verdict_of, verdict_row
from engine.judging.first_replies import FirstReplies
from engine.measure.controls import (
    MODEL_FREE,
    control_sample,
    control_verdicts,
    image_blind,
    is_control,
    judge_behind,
    other_pictures,
    wrong_image,
)
from engine.measure.leaks import findings
from engine.measure.metrics import (
    ALL,
    HALVES,
    STRICT,
    as_values,
    compare,
    comparisons,
    has_halves,
    in_half,
    reported,
    score_rows,
    verdict_counts,
)
from engine.measure.text_only import TEXT_ONLY, text_only_verdicts
from engine.prompts import PromptPack
from engine.records import ORDERS, BenchmarkItem, Order, ScoreRow, VerdictRow, version_name
from engine.stages.identity import identity
from engine.workspace.folders import RunFolder, StageFolder
from engine.workspace.parts import Parts
from engine.workspace.progress import Progress

Items = Mapping[str, Sequence[BenchmarkItem]]
"""Benchmark name → its items; the first benchmark decides which version is best."""

_PART_ROWS = 2000
"""A benchmark of the demo in one part; readers open every part, so few is quick."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One reply that is wanted: of whom, about what, in which order, with which picture."""

    name: str
    item: BenchmarkItem
    order: Order
    image: Path | None

    @property
    def key(self) -> str:
        return f"{self.name} {self.item.benchmark} {self.item.item_id} {self.order}"


def evaluate(
    *,
    folder: StageFolder,
    items: Items,
    images: Mapping[str, Path],
    settings: Settings,
    pack: PromptPack,
    backend: Backend,
    judge: str,
    parent_folder: StageFolder | None,
    iteration: int,
    progress: Progress,
) -> dict[str, Any]:
    """Verdicts, scores and comparisons of `judge`; the summary that done.json holds.

    `parent_folder` is the evaluate folder of the version before, None where there is nothing to compare with.
    The model-free controls are measured in iteration 0 only: they do not change.
    """
    before = folder.summary()
    if before is not None:
        return before
    folder.begin(
        identity(
            settings,
            "evaluate",
            pack,
            iteration=iteration,
            inputs=[item.item_id for group in items.values() for item in group],
            judge=judge,
        )
    )
    folder.sweep()
    wanted = [asked for group in items.values() for asked in _wanted(judge, group, images, settings)]
    names = list(dict.fromkeys(asked.name for asked in wanted))
    _ask_missing(
        folder=folder,
        wanted=wanted,
        sampling=Sampling(max_tokens=settings.evaluate.max_tokens),
        pack=pack,
        backend=backend,
        progress=progress,
        judge=judge,
    )
    verdicts = folder.read("verdicts", VerdictRow)
    scores = _scores(names, verdicts, items)
    if iteration == 0:
        scores += _control_scores(items)
    left_out = (RunFolder(folder.folder.parents[1]).stage(0, "benchmark").summary() or {}).get("left_out") or {}
    scores = [replace(row, left_out=left_out.get(row.benchmark, 0)) for row in scores]
    if not folder.parts("scores"):
        folder.write("scores", scores)
    summary = _summary(judge, verdicts, scores, items, parent_folder)
    for found in findings(scores):
        progress.event("control", control=found.control, leaks=found.leaks, sentence=found.sentence)
    progress.event("scores", judge=judge, **{key: summary[key] for key in ("accuracy", "gain", "p")})
    folder.finish(summary)
    return summary


def _wanted(
    judge: str, group: Sequence[BenchmarkItem], images: Mapping[str, Path], settings: Settings
) -> Iterator[_Asked]:
    """What is asked about one benchmark: every item as it is, some of them without a picture and with another one."""
    paths = {item.image_id: images.get(item.image_id) or Path(item.image) for item in group}
    others = other_pictures(paths) if settings.evaluate.wrong_image else {}
    sample = control_sample(group, settings.evaluate.control_items)
    for item in group:
        yield from (_Asked(judge, item, order, paths[item.image_id]) for order in ORDERS)
    for item in sample if settings.evaluate.image_blind else ():
        yield from (_Asked(image_blind(judge), item, order, None) for order in ORDERS)
    for item in sample if others else ():
        yield from (_Asked(wrong_image(judge), item, order, paths[others[item.image_id]]) for order in ORDERS)


def _ask_missing(
    *,
    folder: StageFolder,
    wanted: Sequence[_Asked],
    sampling: Sampling,
    pack: PromptPack,
    backend: Backend,
    progress: Progress,
    judge: str,
) -> None:
    """Ask for every reply that no part holds yet."""
    there = {(row.judge, row.benchmark, row.item_id, row.order) for row in folder.read("verdicts", VerdictRow)}
    missing = {
        asked.key: asked
        for asked in wanted
        if (asked.name, asked.item.benchmark, asked.item.item_id, asked.order) not in there
    }
    progress.begin(
        "evaluate", total=len(wanted), done=len(wanted) - len(missing), unit="verdicts", message=f"Measuring {judge}"
    )
    requests = [_request(asked, sampling, pack) for asked in missing.values()]
    first = FirstReplies(judge, limit="evaluate.max_tokens")
    with Parts(folder, "verdicts", rows=_PART_ROWS) as parts:
        for completion in _completions(backend, requests):
            asked = missing[completion.key]
            parts.add([_row(asked, completion)])
            progress.advance()
            if not is_control(asked.name):
                first.add(completion)


def _completions(backend: Backend, requests: list[Request]) -> Iterator[Completion]:
    return backend.generate(requests) if requests else iter(())


def _request(asked: _Asked, sampling: Sampling, pack: PromptPack) -> Request:
    item = asked.item
    return ruling_request(
        pack,
        item.comparison(asked.image),
        asked.order,
        key=asked.key,
        judge=judge_behind(asked.name),
        sampling=sampling,
    )


def _row(asked: _Asked, reply: Completion) -> VerdictRow:
    return verdict_row(
        asked.name, asked.item, asked.order, verdict_of(reply), reasoning=stored_text(reply), tokens=reply.tokens
    )


def _scores(names: Sequence[str], verdicts: Sequence[VerdictRow], items: Items) -> list[ScoreRow]:
    rows: list[ScoreRow] = []
    for benchmark, group in items.items():
        by_id = {item.item_id: item for item in group}
        for name in names:
            rows += score_rows(name, benchmark, _of(verdicts, name, benchmark), by_id)
    return rows


def _control_scores(items: Items) -> list[ScoreRow]:
    rows: list[ScoreRow] = []
    for benchmark, group in items.items():
        by_id = {item.item_id: item for item in group}
        for control in MODEL_FREE:
            rows += score_rows(control, benchmark, control_verdicts(control, group), by_id)
        rows += score_rows(TEXT_ONLY, benchmark, text_only_verdicts(group), by_id)
    return rows


def _of(verdicts: Sequence[VerdictRow], judge: str, benchmark: str) -> list[VerdictRow]:
    return [row for row in verdicts if row.judge == judge and row.benchmark == benchmark]


def _summary(
    judge: str,
    verdicts: Sequence[VerdictRow],
    scores: Sequence[ScoreRow],
    items: Items,
    parent_folder: StageFolder | None,
) -> dict[str, Any]:
    """What done.json says. `against` holds the overall gain over every earlier version on the half of the deciding
    benchmark on which the best is chosen, `reported_against` that on the other half; `comparisons` the gain over the
    parent on every slice of every benchmark."""
    deciding = next(iter(items))
    by_id = {item.item_id: item for item in items[deciding]}
    mine = _of(verdicts, judge, deciding)
    before = _earlier(parent_folder)
    earlier = {version: _of(rows, version, deciding) for version, rows in before.items()}
    parent = next(reversed(earlier), None)
    halves = has_halves(items[deciding])
    against, reported_against = (
        {
            version: as_values(compare(in_half(mine, half), in_half(rows, half)) if halves else compare(mine, rows))
            for version, rows in earlier.items()
        }
        for half in HALVES
    )
    nothing = {"n": len(items[deciding]), "gain": None, "gain_low": None, "gain_high": None, "p": None}
    return {
        "judge": judge,
        "parent": parent,
        "benchmark": deciding,
        "protocol": STRICT,
        "accuracy": _accuracy(scores, judge, deciding),
        **(as_values(compare(mine, earlier[parent])) if parent else nothing),
        "verdicts": verdict_counts(mine),
        "controls": {
            row.judge: row.accuracy
            for row in scores
            if is_control(row.judge) and (row.benchmark, row.protocol, row.dimension) == (deciding, STRICT, ALL)
        },
        "leaks": [found.sentence for found in findings(scores) if found.leaks],
        "against": against,
        "reported": reported(judge, deciding, mine, by_id),
        "reported_against": reported_against if halves else {},
        "comparisons": [
            {"benchmark": benchmark, **values}
            for benchmark in items
            if parent
            for values in comparisons(_of(verdicts, judge, benchmark), _of(before[parent], parent, benchmark))
        ],
    }


def _accuracy(scores: Sequence[ScoreRow], judge: str, benchmark: str) -> float | None:
    for row in scores:
        if (row.judge, row.benchmark, row.protocol, row.dimension) == (judge, benchmark, STRICT, ALL):
            return row.accuracy
    return None


def _earlier(parent_folder: StageFolder | None) -> dict[str, list[VerdictRow]]:
    """The verdicts of every version before this one, judge-v0 first, the parent last."""
    if parent_folder is None:
        return {}
    run = RunFolder(parent_folder.folder.parents[1])
    found: dict[str, list[VerdictRow]] = {}
    for number in range(parent_folder.iteration + 1):
        version = version_name(number)
        rows = run.stage(number, "evaluate").read("verdicts", VerdictRow)
        found[version] = [row for row in rows if row.judge == version]
    return found
