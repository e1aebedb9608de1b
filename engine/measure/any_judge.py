"""Measure any judge on any benchmark outside a run: the same items, prompts and rules, with a protocol by name.

A published protocol brings its sampling and its scoring. The prompt is always the judge's own pack, so the number is
comparable with the authors' only as far as that allows; the protocol's name says which rules were used.
"""

import random
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from engine.backends.base import Backend, Request, Sampling
from engine.errors import UsageError
from engine.judging.asking import ruling_request, stored_text, verdict_of, verdict_row
from engine.judging.judges import JudgeRef
from engine.measure.benchmarks import LeaveOut, load_items, multimodal_rewardbench, vl_rewardbench
from engine.measure.benchmarks.held_out import NAME as HELD_OUT
from engine.measure.benchmarks.stored import take_pictures_in
from engine.measure.metrics import PROTOCOLS, score_rows
from engine.prompts import PromptPack, load_pack
from engine.records import ORDERS, BenchmarkItem, Order, ScoreRow, VerdictRow, seed_for
from engine.sources.pictures.store import ImageStore
from engine.sources.pictures.upright import limits_of
from engine.workspace.folders import Workspace

Scoring = Callable[[str, Sequence[VerdictRow]], list[ScoreRow]]
PUBLISHED: dict[str, tuple[str, Scoring]] = {
    vl_rewardbench.OFFICIAL: (vl_rewardbench.NAME, vl_rewardbench.official_scores),
    multimodal_rewardbench.OFFICIAL: (multimodal_rewardbench.NAME, multimodal_rewardbench.official_scores),
}
"""Protocol → its benchmark and how the authors score."""
_VL_SAMPLING = Sampling(temperature=0.2, top_p=0.2)


def measure(
    backend: Backend,
    judge: JudgeRef,
    *,
    benchmark: str,
    protocol: str,
    count: int,
    workspace: Workspace,
    leave_out: LeaveOut = lambda _: None,
) -> list[ScoreRow]:
    """Scores of `judge` on at most `count` items; all pictures are looked at before anything is asked.

    `leave_out` is told of each row of a published benchmark that cannot be measured; the scores count them.
    Raises `UsageError` for an unknown protocol and `SourceError` for a benchmark that cannot be used.
    """
    if protocol not in (*PROTOCOLS, *PUBLISHED):
        raise UsageError(f"--protocol: none called '{protocol}'. Use one of {', '.join((*PROTOCOLS, *PUBLISHED))}.")
    if protocol in PUBLISHED and not benchmark.startswith(PUBLISHED[protocol][0]):
        raise UsageError(f"--protocol: {protocol} belongs to {PUBLISHED[protocol][0]}, not to {benchmark}.")
    with tempfile.TemporaryDirectory(prefix="judge-studio-") as scratch:
        missing: list[str] = []
        items = _items(judge, benchmark, count, workspace, Path(scratch), missing.append)
        for one in missing:
            leave_out(one)
        asked = _asked(items, protocol, seed=judge.settings.loop.seed)
        drawn = _VL_SAMPLING if protocol == vl_rewardbench.OFFICIAL else Sampling()
        verdicts = _verdicts(backend, judge, asked, replace(drawn, max_tokens=judge.settings.evaluate.max_tokens))
    if protocol in PUBLISHED:
        rows = PUBLISHED[protocol][1](judge.label, verdicts)
    else:
        by_id = {item.item_id: item for item in items}
        rows = score_rows(judge.label, items[0].benchmark, verdicts, by_id)
    return [replace(row, left_out=len(missing)) for row in rows if row.protocol == protocol]


def _items(
    judge: JudgeRef, benchmark: str, count: int, workspace: Workspace, scratch: Path, leave_out: LeaveOut
) -> list[BenchmarkItem]:
    if benchmark != HELD_OUT:
        seed, limits = judge.settings.loop.seed, limits_of(judge.settings.source)
        items = load_items(benchmark, count=count, seed=seed, folder=scratch / "drawn", leave_out=leave_out)
        with ImageStore(scratch) as store:
            taken, _ = take_pictures_in(benchmark, items, store, limits, leave_out=leave_out)
        return [replace(item, image=str(scratch / item.image)) for item in taken]
    if judge.run is None:
        raise UsageError(f"--benchmark {HELD_OUT}: {judge.label} belongs to no run, so it has no held-out pairs.")
    rows = judge.run.stage(0, "benchmark").read("items", BenchmarkItem)
    found = [item for item in rows if item.benchmark == HELD_OUT][:count]
    if not found:
        raise UsageError(f"--benchmark {HELD_OUT}: run {judge.run.name} has no held-out pairs. Name another benchmark.")
    paths = {path.stem: path for path in workspace.images.glob("*/*")}
    return [replace(item, image=str(paths[item.image_id])) for item in found]


def _asked(items: Sequence[BenchmarkItem], protocol: str, *, seed: int) -> list[tuple[BenchmarkItem, Order, int]]:
    """What is asked: item, order, and the number of the sample."""
    if protocol == multimodal_rewardbench.OFFICIAL:
        return [(item, multimodal_rewardbench.stored_order(item.item_id), 0) for item in items]
    if protocol == vl_rewardbench.OFFICIAL:
        rng = random.Random(seed)
        return [(item, rng.choice(ORDERS), sample) for item in items for sample in range(vl_rewardbench.SAMPLES)]
    return [(item, order, 0) for item in items for order in ORDERS]


def _verdicts(
    backend: Backend, judge: JudgeRef, asked: Iterable[tuple[BenchmarkItem, Order, int]], sampling: Sampling
) -> list[VerdictRow]:
    """One verdict per question, in the order they were asked in."""
    pack = load_pack(judge.settings.prompt_pack)
    name = judge.load_into(backend)
    wanted = {f"{item.item_id} {order} {sample}": (item, order, sample) for item, order, sample in asked}
    seed = judge.settings.loop.seed
    requests = [
        _request(
            pack, key, item, order, judge=name, seed=seed_for(seed, item.item_id, order, sample), sampling=sampling
        )
        for key, (item, order, sample) in wanted.items()
    ]
    replies = {completion.key: completion for completion in backend.generate(requests)}
    return [
        verdict_row(judge.label, item, order, verdict_of(reply), reasoning=stored_text(reply), tokens=reply.tokens)
        for key, (item, order, _) in wanted.items()
        for reply in (replies[key],)
    ]


def _request(
    pack: PromptPack, key: str, item: BenchmarkItem, order: Order, *, judge: str, seed: int, sampling: Sampling
) -> Request:
    request = ruling_request(
        pack,
        key=key,
        question=item.question,
        preferred=item.preferred,
        degraded=item.degraded,
        order=order,
        image=Path(item.image),
        judge=judge,
        sampling=sampling,
    )
    return replace(request, seed=seed)
