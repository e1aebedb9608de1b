"""From kept traces to rows of training: the judge's own prompt and the trace, and, if asked for, the response it names.

A row is a mapping with the columns images, prompt, completion; length, for batches of like lengths; own, change, probe
and trace_id. It is text and paths; what a model makes of it is in `batches.py`.
"""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.backends.base import Message
from engine.config import TrainSettings
from engine.judging.served_check import probe_traces
from engine.prompts import PromptPack, answer_messages, judge_messages
from engine.records import Pair, Trace, content_id
from engine.verdicts import read_verdict


def training_rows(
    traces: Sequence[Trace],
    *,
    pairs: Mapping[str, Pair],
    images: Mapping[str, Path],
    pack: PromptPack,
    settings: TrainSettings,
    seed: int,
) -> list[dict[str, Any]]:
    """One row per trace, in their order; then, with `settings.responses`, one per response that they name.

    `seed` decides which pictures are exchanged and how they are changed.
    """
    shown = _pictures(traces, pairs, images, settings, seed)
    rows = [*_trace_rows(traces, pairs, pack), *(_response_rows(traces, pairs, pack) if settings.responses else ())]
    return [
        {
            **row,
            "images": [str(shown[image_id])],
            "own": str(images[image_id]),
            "change": content_id("change", seed, row["trace_id"]) if settings.augment else "",
        }
        for image_id, row in rows
    ]


def _trace_rows(
    traces: Sequence[Trace], pairs: Mapping[str, Pair], pack: PromptPack
) -> list[tuple[str, dict[str, Any]]]:
    """The prompt is the judge's, with the responses in the order in which the trace saw them."""
    probes = {trace.trace_id for trace in probe_traces(traces)}
    rows = []
    for trace in traces:
        pair = pairs[trace.pair_id]
        row = _row(
            judge_messages(pack, pair.question, *pair.comparison(None).shown(trace.order)),
            trace.reasoning,
            trace.trace_id,
        )
        row["probe"] = trace.trace_id in probes and read_verdict(trace.reasoning) in ("A", "B")
        rows.append((pair.image_id, row))
    return rows


def _response_rows(
    traces: Sequence[Trace], pairs: Mapping[str, Pair], pack: PromptPack
) -> list[tuple[str, dict[str, Any]]]:
    """The response that a trace names as the better one, as the answer to its question; each once."""
    named = sorted(
        {(trace.pair_id, trace.verdict == trace.order[0]) for trace in traces if trace.verdict in ("A", "B")}
    )
    rows = []
    for pair_id, preferred in named:
        pair = pairs[pair_id]
        said = pair.preferred if preferred else pair.degraded
        messages = answer_messages(pack, pair.kind, pair.question)
        rows.append((pair.image_id, _row(messages, said, content_id("response", pair_id, preferred))))
    return rows


def _row(messages: Sequence[Message], completion: str, name: str) -> dict[str, Any]:
    return {
        "prompt": [{"role": message.role, "text": message.text} for message in messages],
        "completion": completion,
        # Of the prompt alone. Batches of like completions would set a batch of short traces against one of long ones,
        # and the mean over tokens gives the first word of a short trace several times the weight.
        "length": sum(len(message.text) for message in messages),
        "probe": False,
        "trace_id": name,
    }


def _pictures(
    traces: Sequence[Trace],
    pairs: Mapping[str, Pair],
    images: Mapping[str, Path],
    settings: TrainSettings,
    seed: int,
) -> dict[str, Path]:
    """Image id → the picture that stands for it: itself, or in the control the next one of a shuffled round."""
    used = sorted({pairs[trace.pair_id].image_id for trace in traces})
    if settings.pictures == "own":
        return {image_id: images[image_id] for image_id in used}
    random.Random(f"pictures/{seed}").shuffle(used)
    return {image_id: images[other] for image_id, other in zip(used, [*used[1:], *used[:1]], strict=True)}
