"""The protocols of this project, and which protocols a benchmark can be measured under, ours among them."""

from collections.abc import Callable, Mapping, Sequence

from engine.errors import UsageError
from engine.measure.benchmarks import benchmark_name, published_protocols
from engine.measure.benchmarks.mm_rlhf_rewardbench import read_plain
from engine.measure.benchmarks.protocol import Protocol, both_orders
from engine.measure.metrics import BOTH_ORDERS_MEAN, STRICT, score_rows
from engine.records import BenchmarkItem, ScoreRow, VerdictRow

DEFAULT_ITEMS = 600
"""Most items where no published protocol asks for all: both orders of so many tell five points apart."""


def _own_scores(name: str) -> Callable[[str, Sequence[VerdictRow], Mapping[str, BenchmarkItem]], list[ScoreRow]]:
    def scores(judge: str, verdicts: Sequence[VerdictRow], items: Mapping[str, BenchmarkItem]) -> list[ScoreRow]:
        benchmark = next(iter(items.values())).benchmark
        return [row for row in score_rows(judge, benchmark, verdicts, items) if row.protocol == name]

    return scores


OWN = tuple(
    Protocol(
        name=name,
        prompts=None,
        temperature=0.0,
        max_tokens=None,
        orders=both_orders,
        read=read_plain,
        scores=_own_scores(name),
        rule=rule,
    )
    for name, rule in (
        (STRICT, "The judge's own prompt, greedy, both orders. An item counts when both are right; ties and replies "
         "without one verdict are wrong."),
        (BOTH_ORDERS_MEAN, "The same replies, but each order counts by itself: half an item for one right."),
    )
)  # fmt: skip
"""The protocols of this project; they count the same verdicts."""


def known_protocol(name: str, benchmark: str) -> Protocol:
    """The protocol of that name. Raises `UsageError` if `benchmark` cannot be measured under it."""
    known = known_protocols(benchmark)
    if name not in known:
        raise UsageError(f"--protocol: none called '{name}' for {benchmark}. Use one of {', '.join(known)}.")
    return known[name]


def known_protocols(benchmark: str) -> dict[str, Protocol]:
    """Every protocol that `benchmark` (as the settings name it) can be measured under, by name."""
    return {one.name: one for one in (*OWN, *published_protocols(benchmark_name(benchmark)))}


def most_items(count: int | None, protocol: str) -> int | None:
    """Items to ask about at most: `count`, else what the protocol wants; None for all."""
    return DEFAULT_ITEMS if count is None and protocol in [one.name for one in OWN] else count
