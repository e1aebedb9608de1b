"""Whether a run that trains on its own verdicts grows narrow: four numbers per iteration, a sentence when they fall.

Voting on one's own samples alone collapses their variety over rounds (arXiv 2603.21289). Nothing here decides anything.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.records import Pair, Trace
from engine.workspace.files import read_json, write_json
from engine.workspace.folders import RunFolder

_FALL = 0.2
"""A number that lost this share of what it was in the first iteration is named."""
_TEXTS = 500
"""Responses whose variety is counted: more of the same source have fewer new word pairs, so the number is fixed."""
_NAMES = {
    "vote_entropy": "answers to closed questions vary less",
    "text_variety": "responses repeat the same words",
    "verdict_entropy": "verdicts on a pair are more uniform",
}
_FILE = "self-confirmation.json"


def note_narrowing(run: RunFolder, iteration: int, pairs: Sequence[Pair], traces: Sequence[Trace]) -> dict[str, Any]:
    """Write and return the iteration's numbers."""
    found = narrowing(pairs, traces)
    write_json(run.stage(iteration, "evaluate").folder.parent / _FILE, found)
    return found


def narrowing(pairs: Sequence[Pair], traces: Sequence[Trace]) -> dict[str, float | None]:
    """The four numbers. `pairs` are the usable ones of an iteration, `traces` what the parent said of them.

    vote_entropy: bits, mean over closed pairs of their votes; text_variety: share of different word pairs in responses;
    verdict_entropy: bits, mean over pairs and orders of the traces' verdicts; parent_right: share of decided traces
    that agree with the construction. None where there is nothing to count.
    """
    votes = [json.loads(pair.votes).values() for pair in pairs if pair.votes]
    by_pair: dict[tuple[str, str], list[str]] = defaultdict(list)
    for trace in traces:
        by_pair[trace.pair_id, trace.order].append(trace.verdict)
    decided = [trace for trace in traces if trace.verdict in ("A", "B")]
    return {
        "vote_entropy": _mean([_entropy(list(counts)) for counts in votes]),
        "text_variety": _variety([pair.preferred for pair in sorted(pairs, key=lambda pair: pair.pair_id)[:_TEXTS]]),
        "verdict_entropy": _mean([_entropy([said.count(one) for one in set(said)]) for said in by_pair.values()]),
        "parent_right": _mean([float(trace.verdict == trace.order[0]) for trace in decided]),
    }


def narrowing_of(run: RunFolder) -> dict[int, Mapping[str, Any]]:
    """Iteration → its numbers, of those that have them."""
    found: dict[int, Mapping[str, Any]] = {}
    number = 1
    while (folder := run.folder / f"iteration-{number:02d}").exists():
        if (numbers := read_json(folder / _FILE)) is not None:
            found[number] = numbers
        number += 1
    return found


def narrowing_lines(run: RunFolder) -> list[str]:
    """A line per iteration, and a sentence when something narrowed; none before the first iteration ended."""
    history = narrowing_of(run)
    if not history:
        return []
    head = f"  {'iteration':<10} {'vote entropy':>13} {'text variety':>13} {'verdict entropy':>16} {'parent right':>13}"
    lines = ["self-confirmation (bits; shares)", head]
    for number, one in history.items():
        cells = [_cell(one.get(name)) for name in ("vote_entropy", "text_variety", "verdict_entropy", "parent_right")]
        lines.append(f"  {number:<10} {cells[0]:>13} {cells[1]:>13} {cells[2]:>16} {cells[3]:>13}")
    return [*lines, *(f"  {sentence}" for sentence in _sentences(history))]


def _sentences(history: Mapping[int, Mapping[str, Any]]) -> Iterator[str]:
    first, last = min(history), max(history)
    fallen = [
        f"{words} ({history[first][name]:.2f} to {history[last][name]:.2f})"
        for name, words in _NAMES.items()
        if (was := history[first].get(name)) and (now := history[last].get(name)) is not None
        if now < (1 - _FALL) * was
    ]
    if fallen:
        yield (
            f"Since iteration {first} the run grows narrower: {'; '.join(fallen)}. What it keeps may confirm itself; "
            "read some traces, or bring new images and questions."
        )


def _entropy(counts: Sequence[int]) -> float:
    """Bits."""
    total = sum(counts)
    return -sum(count / total * math.log2(count / total) for count in counts if count) if total else 0.0


def _variety(texts: Sequence[str]) -> float | None:
    """Share of different ones among all pairs of neighbouring words."""
    pairs = [pair for text in texts for pair in zip(text.split(), text.split()[1:], strict=False)]
    return round(len(set(pairs)) / len(pairs), 4) if pairs else None


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
