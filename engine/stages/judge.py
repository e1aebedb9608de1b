"""Stage 2: the current judge rules on every pair, in both orders, several times, with its reasons.

judge/  identity.json  traces-00000.parquet …  done.json
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace

from engine.backends.base import Backend, Completion, Request, Sampling
from engine.errors import BackendError
from engine.judging.asking import ruling_request, stored_text, verdict_of
from engine.judging.first_replies import FirstReplies
from engine.records import ORDERS, Order, Pair, Trace, content_id, seed_for
from engine.stages.bench import Bench
from engine.stages.own_pairs import show_other_pictures
from engine.workspace.conclusions import Judged
from engine.workspace.folders import StageFolder
from engine.workspace.parts import Parts
from engine.workspace.progress import Progress

_TRACES_PER_PART = 1000
_PAIRS_PER_CALL = 512
"""Two requests each: enough to fill any batch, few enough that finished pairs reach the disk steadily."""


def judge(bench: Bench, pairs: Sequence[Pair]) -> Judged:
    """Let the iteration's parent rule on every usable pair: the table `traces`, and what is also in done.json.

    All traces of a pair lie in one part, so a pair is either judged whole or not at all.
    Raises `StopRequested` after writing the pairs that are finished.
    """
    if (done := bench.folder("judge").conclusion(Judged)) is not None:
        return done
    usable = [pair for pair in pairs if pair.dropped is None]
    folder = bench.begin("judge", inputs=[pair.pair_id for pair in usable], judge=bench.parent)
    backend = bench.models(bench.parent)
    _judge_missing(bench, folder, backend, usable)
    judged = summarize(folder.read("traces", Trace), limit=bench.settings.judge.max_tokens)
    if bench.settings.evaluate.wrong_image:
        judged = replace(judged, leaks=show_other_pictures(bench, backend, usable))
    folder.finish(asdict(judged))
    return judged


def _judge_missing(bench: Bench, folder: StageFolder, backend: Backend, pairs: Sequence[Pair]) -> None:
    """Judge the pairs that no part holds yet, some at a time, each written whole."""
    finished = {trace.pair_id for trace in folder.read("traces", Trace)}
    per_pair = len(ORDERS) * bench.settings.judge.traces_per_order
    bench.progress.begin(
        "judge",
        total=len(pairs) * per_pair,
        unit="traces",
        message=f"{bench.parent} rules on pairs",
        done=len(finished) * per_pair,
    )
    missing = [pair for pair in pairs if pair.pair_id not in finished]
    first = FirstReplies(bench.parent, limit="judge.max_tokens")
    with Parts(folder, "traces", rows=_TRACES_PER_PART) as parts:
        for start in range(0, len(missing), _PAIRS_PER_CALL):
            some = missing[start : start + _PAIRS_PER_CALL]
            requests = [_request(bench, pair, order) for pair in some for order in ORDERS]
            for pair, replies in _whole_pairs(some, requests, backend, bench.progress):
                parts.add([_trace(pair, order, reply, bench) for order, reply in replies])
                bench.progress.advance(per_pair)
                for _, reply in replies:
                    first.add(reply)


def _request(bench: Bench, pair: Pair, order: Order) -> Request:
    asked = bench.settings.judge
    once = ruling_request(
        bench.pack,
        pair.comparison(bench.images[pair.image_id]),
        order,
        key=f"{pair.pair_id}/{order}",
        judge=bench.parent,
        sampling=Sampling(temperature=asked.temperature, top_p=asked.top_p, max_tokens=asked.max_tokens),
    )
    seed = seed_for(bench.settings.loop.seed, bench.iteration, pair.pair_id, order)
    return replace(once, n=asked.traces_per_order, seed=seed)


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


def _trace(pair: Pair, order: Order, reply: Completion, bench: Bench) -> Trace:
    return Trace(
        trace_id=content_id("trace", pair.pair_id, bench.parent, order, reply.sample, bench.iteration),
        pair_id=pair.pair_id,
        image_id=pair.image_id,
        dimension=pair.dimension,
        judge=bench.parent,
        order=order,
        sample=reply.sample,
        reasoning=stored_text(reply),
        verdict=verdict_of(reply),
        tokens=reply.tokens,
        kept=None,
        reason=None,
    )


def summarize(traces: Sequence[Trace], *, limit: int) -> Judged:
    """How the traces came out; `limit` is judge.max_tokens."""
    verdicts = Counter((trace.order, trace.verdict) for trace in traces)
    right = {"AB": verdicts["AB", "A"], "BA": verdicts["BA", "B"]}
    decided = {order: verdicts[order, "A"] + verdicts[order, "B"] for order in ORDERS}
    says_a = verdicts["AB", "A"] + verdicts["BA", "A"]
    both = sum(decided.values())
    return Judged(
        pairs=len({trace.pair_id for trace in traces}),
        traces=len(traces),
        verdicts={said: verdicts["AB", said] + verdicts["BA", said] for said in ("A", "B", "tie", "invalid")},
        right=_share(sum(right.values()), both),
        right_by_order={order: _share(right[order], decided[order]) for order in ORDERS},
        says_a=_share(says_a, both),
        cut=sum(trace.tokens >= limit and trace.verdict == "invalid" for trace in traces),
        tokens=round(sum(trace.tokens for trace in traces) / len(traces), 1) if traces else None,
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
