"""Stage 2: the current judge rules on every pair, in both orders, several times, with its reasons.

judge/  identity.json  traces-00000.parquet …  done.json
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.backends.base import Backend, Completion, Request, Sampling
from engine.config import Settings
from engine.errors import BackendError
from engine.judging.asking import ruling_request, stored_text, verdict_of
from engine.judging.first_replies import FirstReplies
from engine.prompts import PromptPack
from engine.records import ORDERS, Order, Pair, Trace, content_id, seed_for
from engine.stages.identity import identity
from engine.stages.own_pairs import show_other_pictures
from engine.workspace.folders import StageFolder
from engine.workspace.parts import Parts
from engine.workspace.progress import Progress

_TRACES_PER_PART = 1000
_PAIRS_PER_CALL = 512
"""Two requests each: enough to fill any batch, few enough that finished pairs reach the disk steadily."""


def judge(
    *,
    folder: StageFolder,
    pairs: Sequence[Pair],
    images: Mapping[str, Path],
    settings: Settings,
    pack: PromptPack,
    backend: Backend,
    judge: str,
    iteration: int,
    progress: Progress,
) -> dict[str, Any]:
    """Write the table `traces` for every usable pair and return the summary that is also in done.json.

    All traces of a pair lie in one part, so a pair is either judged whole or not at all.
    Raises `StopRequested` after writing the pairs that are finished.
    """
    done = folder.summary()
    if done is not None:
        return done
    wanted = {pair.pair_id: pair for pair in pairs if pair.dropped is None}
    folder.begin(identity(settings, "judge", pack, iteration=iteration, inputs=wanted, judge=judge))
    folder.sweep()
    finished = {trace.pair_id for trace in folder.read("traces", Trace)}
    per_pair = len(ORDERS) * settings.judge.traces_per_order
    progress.begin(
        "judge",
        total=len(wanted) * per_pair,
        unit="traces",
        message=f"{judge} rules on pairs",
        done=len(finished) * per_pair,
    )
    missing = [pair for pair in wanted.values() if pair.pair_id not in finished]
    first = FirstReplies(judge, limit="judge.max_tokens")
    with Parts(folder, "traces", rows=_TRACES_PER_PART) as parts:
        for start in range(0, len(missing), _PAIRS_PER_CALL):
            some = missing[start : start + _PAIRS_PER_CALL]
            requests = [
                _request(pair, order, images=images, settings=settings, pack=pack, judge=judge, iteration=iteration)
                for pair in some
                for order in ORDERS
            ]
            for pair, replies in _whole_pairs(some, requests, backend, progress):
                parts.add([_trace(pair, order, reply, judge, iteration) for order, reply in replies])
                progress.advance(per_pair)
                for _, reply in replies:
                    first.add(reply)
    summary = summarize(folder.read("traces", Trace), limit=settings.judge.max_tokens)
    if settings.evaluate.wrong_image:
        summary |= show_other_pictures(
            folder=folder,
            pairs=list(wanted.values()),
            images=images,
            most=settings.evaluate.control_items,
            max_tokens=settings.judge.max_tokens,
            pack=pack,
            backend=backend,
            judge=judge,
            progress=progress,
        )
    folder.finish(summary)
    return summary


def _request(
    pair: Pair,
    order: Order,
    *,
    images: Mapping[str, Path],
    settings: Settings,
    pack: PromptPack,
    judge: str,
    iteration: int,
) -> Request:
    sampling = Sampling(
        temperature=settings.judge.temperature, top_p=settings.judge.top_p, max_tokens=settings.judge.max_tokens
    )
    once = ruling_request(
        pack,
        pair.comparison(images[pair.image_id]),
        order,
        key=f"{pair.pair_id}/{order}",
        judge=judge,
        sampling=sampling,
    )
    seed = seed_for(settings.loop.seed, iteration, pair.pair_id, order)
    return replace(once, n=settings.judge.traces_per_order, seed=seed)


def _whole_pairs(
    pairs: Sequence[Pair], requests: Sequence[Request], backend: Backend, progress: Progress
) -> Iterator[tuple[Pair, list[tuple[Order, Completion]]]]:
    """Each pair with all its replies, AB before BA and by sample, once the last of them is there."""
    by_id = {pair.pair_id: pair for pair in pairs}
    expected = sum(request.n for request in requests) // len(pairs)
    waiting: dict[str, list[tuple[Order, Completion]]] = {pair_id: [] for pair_id in by_id}
    for completion in backend.generate(requests):
        progress.check_stop()
        pair_id, _, order = completion.key.rpartition("/")
        replies = waiting[pair_id]
        replies.append(("AB" if order == "AB" else "BA", completion))
        if len(replies) == expected:
            del waiting[pair_id]
            yield by_id[pair_id], sorted(replies, key=lambda reply: (reply[0], reply[1].sample))
    if waiting:
        raise BackendError(f"judge: the model left {len(waiting)} of {len(pairs)} pairs unjudged. Resume the run.")


def _trace(pair: Pair, order: Order, reply: Completion, judge: str, iteration: int) -> Trace:
    return Trace(
        trace_id=content_id("trace", pair.pair_id, judge, order, reply.sample, iteration),
        pair_id=pair.pair_id,
        image_id=pair.image_id,
        dimension=pair.dimension,
        judge=judge,
        order=order,
        sample=reply.sample,
        reasoning=stored_text(reply),
        verdict=verdict_of(reply),
        tokens=reply.tokens,
        kept=None,
        reason=None,
    )


def summarize(traces: Sequence[Trace], *, limit: int) -> dict[str, Any]:
    """Counts for the page.

    `cut` is the number of traces that `limit` (judge.max_tokens) cut off; they have decided nothing.

    `right` is the share of decided traces that agree with the construction, overall and by order;
    `says_a` the share of decided traces that say A; `tokens` the mean length of a trace.
    """
    verdicts = Counter((trace.order, trace.verdict) for trace in traces)
    right = {"AB": verdicts["AB", "A"], "BA": verdicts["BA", "B"]}
    decided = {order: verdicts[order, "A"] + verdicts[order, "B"] for order in ORDERS}
    says_a = verdicts["AB", "A"] + verdicts["BA", "A"]
    both = sum(decided.values())
    return {
        "pairs": len({trace.pair_id for trace in traces}),
        "traces": len(traces),
        "verdicts": {said: verdicts["AB", said] + verdicts["BA", said] for said in ("A", "B", "tie", "invalid")},
        "right": _share(sum(right.values()), both),
        "right_by_order": {order: _share(right[order], decided[order]) for order in ORDERS},
        "says_a": _share(says_a, both),
        "cut": sum(trace.tokens >= limit and trace.verdict == "invalid" for trace in traces),
        "tokens": round(sum(trace.tokens for trace in traces) / len(traces), 1) if traces else None,
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
