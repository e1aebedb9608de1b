"""Measure one judge version: every item in both orders, also without its image, with another one, and judge-v0 with its
replies begun for it, beside rules and a classifier that need no model.

It writes verdicts as they come and asks only for those that are missing. What a number means is in
`engine.measure.metrics`; which items there are, in `engine.measure.benchmarks`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from engine.backends.base import Backend, Completion, Request, Sampling
from engine.judging.asking import replied_row, ruling_request, stored_comparison
from engine.judging.first_replies import FirstReplies
from engine.measure.begun import begun_with
from engine.measure.controls import (
    MODEL_FREE,
    PROMPTED,
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
    against,
    comparisons,
    has_halves,
    in_half,
    reported,
    score_rows,
    verdict_counts,
)
from engine.measure.text_only import TEXT_ONLY, text_only_verdicts
from engine.prompts import PromptPack
from engine.records import BASE_JUDGE, ORDERS, BenchmarkItem, Comparison, Order, ScoreRow, VerdictRow, version_name
from engine.stages.bench import Bench
from engine.workspace.conclusions import Against, Gathered, Measured, SliceAgainst
from engine.workspace.folders import StageFolder
from engine.workspace.parts import Parts

Items = Mapping[str, Sequence[BenchmarkItem]]
"""Benchmark name → its items; the first benchmark decides which version is best."""

_PART_ROWS = 2000
"""A benchmark of the demo in one part; readers open every part, so few is quick."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One reply that is wanted: of whom, about what, in which order, with which pictures."""

    name: str
    item: BenchmarkItem
    order: Order
    shown: Comparison

    @property
    def key(self) -> str:
        return f"{self.name} {self.item.benchmark} {self.item.item_id} {self.order}"


def evaluate(bench: Bench, items: Items) -> Measured:
    """Verdicts, scores and comparisons of the version that the iteration made; what done.json holds."""
    if (done := bench.folder("evaluate").conclusion(Measured)) is not None:
        return done
    inputs = [item.item_id for group in items.values() for item in group]
    folder = bench.begin("evaluate", inputs=inputs, judge=bench.judge)
    wanted = [asked for group in items.values() for asked in _wanted(bench, group)]
    _ask_missing(bench, folder, wanted)
    verdicts = folder.read("verdicts", VerdictRow)
    scores = _scores(bench, list(dict.fromkeys(asked.name for asked in wanted)), verdicts, items)
    folder.write_once("scores", scores)
    measured = _conclude(bench, verdicts, scores, items)
    for found in findings(scores):
        bench.progress.event("control", control=found.control, leaks=found.leaks, sentence=found.sentence)
    bench.progress.event("scores", judge=bench.judge, accuracy=measured.accuracy, gain=measured.gain, p=measured.p)
    folder.finish(asdict(measured))
    return measured


# --- asking --------------------------------------------------------------------------------------------------------


def _wanted(bench: Bench, group: Sequence[BenchmarkItem]) -> Iterator[_Asked]:
    """What is asked about one benchmark: every item as it is, some of those with one picture without it and with
    another one."""
    measured, judge = bench.settings.evaluate, bench.judge
    paths = {item.image_id: bench.images.get(item.image_id) or Path(item.image) for item in group}
    single = [item for item in group if item.has_one_picture]
    others = other_pictures(item.image_id for item in single) if measured.wrong_image else {}
    sample = control_sample(single, measured.control_items)
    for item in group:
        shown = stored_comparison(item, paths[item.image_id], bench.images)
        yield from (_Asked(judge, item, order, shown) for order in ORDERS)
    for item in sample if measured.image_blind else ():
        yield from (_Asked(image_blind(judge), item, order, item.comparison(None)) for order in ORDERS)
    for item in sample if others else ():
        other = item.comparison(paths[others[item.image_id]])
        yield from (_Asked(wrong_image(judge), item, order, other) for order in ORDERS)
    for item in sample if measured.prompted and judge == BASE_JUDGE else ():
        shown = stored_comparison(item, paths[item.image_id], bench.images)
        yield from (_Asked(PROMPTED, item, order, shown) for order in ORDERS)


def _ask_missing(bench: Bench, folder: StageFolder, wanted: Sequence[_Asked]) -> None:
    """Ask for every reply that no part holds yet."""
    backend, progress = bench.models(bench.judge), bench.progress
    there = {(row.judge, row.benchmark, row.item_id, row.order) for row in folder.read("verdicts", VerdictRow)}
    missing = {
        asked.key: asked
        for asked in wanted
        if (asked.name, asked.item.benchmark, asked.item.item_id, asked.order) not in there
    }
    progress.begin(
        "evaluate",
        total=len(wanted),
        done=len(wanted) - len(missing),
        unit="verdicts",
        message=f"Measuring {bench.judge}",
    )
    sampling = Sampling(max_tokens=bench.settings.evaluate.max_tokens)
    words = bench.settings.evaluate.prompted or ""
    requests = [_request(asked, sampling, bench.pack, words) for asked in missing.values()]
    first = FirstReplies(bench.judge, limit="evaluate.max_tokens")
    with Parts(folder, "verdicts", rows=_PART_ROWS) as parts:
        for completion in _completions(backend, requests):
            asked = missing[completion.key]
            if asked.name == PROMPTED:
                completion = replace(completion, text=words + completion.text)
            parts.add([replied_row(asked.name, asked.item, asked.order, completion)])
            progress.advance()
            if not is_control(asked.name):
                first.add(completion)


def _completions(backend: Backend, requests: list[Request]) -> Iterator[Completion]:
    return backend.generate(requests) if requests else iter(())


def _request(asked: _Asked, sampling: Sampling, pack: PromptPack, words: str) -> Request:
    request = ruling_request(
        pack,
        asked.shown,
        asked.order,
        key=asked.key,
        judge=judge_behind(asked.name),
        sampling=sampling,
    )
    return replace(request, prefix=words) if asked.name == PROMPTED else request


# --- counting ------------------------------------------------------------------------------------------------------


def _scores(bench: Bench, names: Sequence[str], verdicts: Sequence[VerdictRow], items: Items) -> list[ScoreRow]:
    """Of everything that was asked; in the baseline also of the controls without a model, which do not change."""
    rows: list[ScoreRow] = []
    for benchmark, group in items.items():
        by_id = {item.item_id: item for item in group}
        for name in names:
            rows += score_rows(name, benchmark, _of(verdicts, name, benchmark), by_id)
    if bench.iteration == 0:
        rows += _control_scores(items)
    left_out = (bench.run.conclusion(0, Gathered) or Gathered()).left_out
    return [replace(row, left_out=left_out.get(row.benchmark, 0)) for row in rows]


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


def _conclude(bench: Bench, verdicts: Sequence[VerdictRow], scores: Sequence[ScoreRow], items: Items) -> Measured:
    deciding = next(iter(items))
    judge, group = bench.judge, items[deciding]
    mine = _of(verdicts, judge, deciding)
    before = _earlier(bench)
    earlier = {version: _of(rows, version, deciding) for version, rows in before.items()}
    parent = next(reversed(earlier), None)
    overall = against(mine, earlier[parent]) if parent else None
    choosing, reporting = _by_half(mine, earlier, group)
    return Measured(
        judge=judge,
        parent=parent,
        benchmark=deciding,
        protocol=STRICT,
        accuracy=_accuracy(scores, judge, deciding),
        n=overall.n if overall else len(group),
        gain=overall.gain if overall else None,
        gain_low=overall.gain_low if overall else None,
        gain_high=overall.gain_high if overall else None,
        p=overall.p if overall else None,
        verdicts=verdict_counts(mine),
        begun=begun_with(bench.settings.evaluate.prompted, mine),
        controls=_controls(scores, deciding),
        leaks=tuple(found.sentence for found in findings(scores) if found.leaks),
        against=choosing,
        reported=reported(judge, deciding, mine, {item.item_id: item for item in group}),
        reported_against=reporting,
        comparisons=tuple(_over_parent(judge, parent, verdicts, before[parent], items)) if parent else (),
    )


def _by_half(
    mine: Sequence[VerdictRow], earlier: Mapping[str, Sequence[VerdictRow]], group: Sequence[BenchmarkItem]
) -> tuple[dict[str, Against], dict[str, Against]]:
    """The gain over every earlier version on the half on which the best is chosen, and on that which is reported.

    A benchmark that is too small for halves is chosen on whole, and nothing is reported apart.
    """
    if not has_halves(group):
        return {version: against(mine, rows) for version, rows in earlier.items()}, {}
    choosing, reporting = (
        {version: against(in_half(mine, half), in_half(rows, half)) for version, rows in earlier.items()}
        for half in HALVES
    )
    return choosing, reporting


def _over_parent(
    judge: str, parent: str, mine: Sequence[VerdictRow], theirs: Sequence[VerdictRow], items: Items
) -> Iterator[SliceAgainst]:
    for benchmark in items:
        yield from comparisons(benchmark, _of(mine, judge, benchmark), _of(theirs, parent, benchmark))


def _controls(scores: Sequence[ScoreRow], benchmark: str) -> dict[str, float]:
    return {
        row.judge: row.accuracy
        for row in scores
        if is_control(row.judge) and (row.benchmark, row.protocol, row.dimension) == (benchmark, STRICT, ALL)
    }


def _accuracy(scores: Sequence[ScoreRow], judge: str, benchmark: str) -> float | None:
    for row in scores:
        if (row.judge, row.benchmark, row.protocol, row.dimension) == (judge, benchmark, STRICT, ALL):
            return row.accuracy
    return None


def _earlier(bench: Bench) -> dict[str, list[VerdictRow]]:
    """The verdicts of every version before this one, judge-v0 first, the parent last."""
    found: dict[str, list[VerdictRow]] = {}
    for number in range(bench.iteration):
        version = version_name(number)
        rows = bench.run.stage(number, "evaluate").read("verdicts", VerdictRow)
        found[version] = [row for row in rows if row.judge == version]
    return found
