"""What a selection came to, in counts for the page and the report, from all pairs down to the kept traces."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from engine.config import SelectSettings
from engine.records import Pair, Trace
from engine.stages.select.rule import Said, flips_of, holds, said_of
from engine.workspace.conclusions import Selected


def summarize(pairs: Iterable[Pair], selected: Sequence[Trace], settings: SelectSettings, seed: int) -> Selected:
    """Counts of one selection."""
    usable = {pair.pair_id: pair for pair in pairs if pair.dropped is None}
    kept = [trace for trace in selected if trace.kept]
    kept_pairs = {trace.pair_id for trace in kept} & usable.keys()
    said, both_orders = _rulings(selected, settings, seed)
    return Selected(
        pairs=len(usable),
        traces=len(selected),
        decided=said["right"] + said["wrong"],
        right=said["right"],
        both_orders=both_orders,
        kept=len(kept),
        kept_pairs=len(kept_pairs),
        kept_share=_share(len(kept), len(selected)),
        kept_pair_share=_share(len(kept_pairs), len(usable)),
        reasons=_counts(str(trace.reason) for trace in selected),
        dimensions=_by_dimension(selected),
        kinds={
            kind: {
                "pairs": sum(pair.kind == kind for pair in usable.values()),
                "kept_pairs": sum(usable[pair_id].kind == kind for pair_id in kept_pairs),
            }
            for kind in sorted({pair.kind for pair in usable.values()})
        },
        kept_says_a=_share(sum(trace.verdict == "A" for trace in kept), len(kept)),
        preferred_longer=_share(_longer(usable.values()), len(usable)),
        kept_preferred_longer=_share(_longer(usable[pair_id] for pair_id in kept_pairs), len(kept_pairs)),
    )


def _rulings(selected: Sequence[Trace], settings: SelectSettings, seed: int) -> tuple[Counter[Said], int]:
    """How many traces said what of the response that counts as preferred, and how many pairs hold."""
    by_pair: dict[str, list[Trace]] = defaultdict(list)
    for trace in selected:
        by_pair[trace.pair_id].append(trace)
    said: Counter[Said] = Counter()
    both_orders = 0
    for group in by_pair.values():
        flips = flips_of(group, settings, seed)
        said.update(said_of(trace, flips) for trace in group)
        both_orders += holds(group, flips)
    return said, both_orders


def _by_dimension(selected: Sequence[Trace]) -> dict[str, dict[str, int]]:
    traces = Counter(trace.dimension for trace in selected)
    kept = Counter(trace.dimension for trace in selected if trace.kept)
    return {dimension: {"traces": traces[dimension], "kept": kept[dimension]} for dimension in sorted(traces)}


def _longer(pairs: Iterable[Pair]) -> int:
    return sum(len(pair.preferred) > len(pair.degraded) for pair in pairs)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _counts(values: Iterable[str]) -> dict[str, int]:
    """Most frequent first."""
    return dict(sorted(Counter(values).items(), key=lambda entry: (-entry[1], entry[0])))
