"""A few traces in the report: the image, both responses, what the judge said, and what became of it."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from engine.export.markup import picture
from engine.records import ImageRow, Pair, Trace, in_order
from engine.workspace.folders import RunFolder

_EXAMPLES = 3
"""Kept and rejected traces shown, each."""


def examples(run: RunFolder, iterations: int) -> str:
    """A few kept and rejected traces of the last iteration that has some, chosen by id, not by looks; "" for none."""
    for number in range(iterations, 0, -1):
        traces = sorted(run.stage(number, "select").read("traces", Trace), key=lambda one: one.trace_id)
        if traces:
            break
    else:
        return ""
    pairs = {pair.pair_id: pair for pair in run.stage(number, "synthesize").read("pairs", Pair)}
    root = run.workspace.root
    images = {row.image_id: root / row.path for row in run.intake().read("images", ImageRow)}
    shown = [*_some(traces, kept=True), *_some(traces, kept=False)]
    cards = "".join(_card(trace, pairs[trace.pair_id], images.get(trace.image_id)) for trace in shown)
    return (
        f"<section><h2>Examples of iteration {number}</h2><p class=dim>The first by id, not the best.</p>"
        f"<div class=cards>{cards}</div></section>"
    )


def _some(traces: Sequence[Trace], *, kept: bool) -> list[Trace]:
    """Up to three, with different reasons where there are some."""
    found: dict[tuple[str | None, str], Trace] = {}
    for trace in traces:
        if bool(trace.kept) == kept:
            found.setdefault((None if kept else trace.reason, trace.pair_id), trace)
    by_reason: dict[str | None, Trace] = {}
    for (reason, _), trace in found.items():
        by_reason.setdefault(reason, trace)
    first = list(by_reason.values())
    rest = [trace for trace in found.values() if trace not in first]
    return (first + rest)[:_EXAMPLES]


def _card(trace: Trace, pair: Pair, image: Path | None) -> str:
    shown = in_order(trace.order, pair.preferred, pair.degraded)
    marks = in_order(trace.order, "preferred", "degraded")
    responses = "".join(
        f"<p><b>Response {letter}</b> <span class=dim>({mark})</span> {escape(text)}</p>"
        for letter, mark, text in zip("AB", marks, shown, strict=True)
    )
    fate = "kept" if trace.kept else f"rejected: {trace.reason}"
    return (
        f"<article class={'kept' if trace.kept else 'rejected'}>{picture(image)}<div><p class=fate>{escape(fate)} · "
        f"{escape(trace.judge)} · order {trace.order} · verdict {escape(trace.verdict)}</p>"
        f"<p><b>Question</b> {escape(pair.question)}</p>{responses}<blockquote>{escape(trace.reasoning)}</blockquote>"
        "</div></article>"
    )
