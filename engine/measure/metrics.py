"""From verdicts to numbers: accuracy per slice and protocol, leans, paired gains, and what the loop concludes.

Pure functions over records; no model, no file. The rules of published benchmarks are in `engine.measure.benchmarks`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from engine.measure.controls import length
from engine.measure.intervals import Clusters, Gain, Values, clustered_interval, paired_gain
from engine.records import BASE_JUDGE, ORDERS, BenchmarkItem, Kind, ScoreRow, VerdictRow, seed_for, version_name
from engine.workspace.conclusions import Against, Measured, Reported, SliceAgainst

STRICT = "strict"
"""An item is right only when the verdicts in both orders are: a judge that always says A scores 0."""
BOTH_ORDERS_MEAN = "both-orders-mean"
"""Each order counts by itself: a judge that always says A scores one half."""
PROTOCOLS = (STRICT, BOTH_ORDERS_MEAN)
Half = Literal["choosing", "reporting"]
Items = Mapping[str, BenchmarkItem]
HALVES: tuple[Half, Half] = ("choosing", "reporting")
FEWEST_IMAGES = 20
"""Per half: with fewer the benchmark is not split, and the report says that its best was chosen on what it reports."""
ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One judge's result on one item, both orders put together."""

    item_id: str
    image_id: str
    kind: Kind
    dimension: str
    right: int
    """Orders with a correct verdict, 0 to 2."""

    def value(self, protocol: str) -> float:
        """The item's credit in [0, 1] under a protocol of this module."""
        return float(self.right == len(ORDERS)) if protocol == STRICT else self.right / len(ORDERS)


def outcomes(verdicts: Sequence[VerdictRow]) -> list[Outcome]:
    """One outcome per item that was judged in both orders, sorted by item; others are left out.

    The rows must be of one judge and one benchmark.
    """
    by_item: dict[str, dict[str, VerdictRow]] = defaultdict(dict)
    for row in verdicts:
        by_item[row.item_id][row.order] = row
    return [
        Outcome(
            item_id=item_id,
            image_id=rows[ORDERS[0]].image_id,
            kind=rows[ORDERS[0]].kind,
            dimension=rows[ORDERS[0]].dimension,
            right=sum(row.correct for row in rows.values()),
        )
        for item_id, rows in sorted(by_item.items())
        if len(rows) == len(ORDERS)
    ]


def in_slice(row: Outcome | VerdictRow, dimension: str) -> bool:
    """Whether a row belongs to "all", "kind:open", "kind:closed", a dimension, or a part of that."""
    return dimension in (ALL, f"kind:{row.kind}", row.dimension) or row.dimension.startswith(f"{dimension}/")


def slices(rows: Sequence[Outcome] | Sequence[VerdictRow]) -> list[str]:
    """The slices that have rows: overall, the kinds, then the dimensions by name."""
    dimensions = {name for row in rows for name in with_parents(row.dimension)}
    return [ALL, *sorted({f"kind:{row.kind}" for row in rows}), *sorted(dimensions)]


def with_parents(dimension: str) -> list[str]:
    """A dimension and those it is a part of: "safety/bias" → "safety", "safety/bias"."""
    words = dimension.split("/")
    return ["/".join(words[:count]) for count in range(1, len(words) + 1)]


def score_rows(
    judge: str, benchmark: str, verdicts: Sequence[VerdictRow], items: Mapping[str, BenchmarkItem]
) -> list[ScoreRow]:
    """Every slice under both protocols. `items` (id → item) gives the responses' lengths."""
    results = outcomes(verdicts)
    measured = {outcome.item_id for outcome in results}
    replies = [row for row in verdicts if row.item_id in measured]
    rows: list[ScoreRow] = []
    for dimension in slices(results) if results else []:
        part = [outcome for outcome in results if in_slice(outcome, dimension)]
        said = [row for row in replies if in_slice(row, dimension)]
        shared: dict[str, Any] = {
            "invalid": sum(row.verdict == "invalid" for row in said) / len(said),
            "position_lean": position_lean(said),
            "length_lean": length_lean(said, items),
        }
        for protocol in PROTOCOLS:
            values, clusters = _arrays(part, protocol)
            low, high = clustered_interval(
                values, clusters, replies=len(part) if protocol == STRICT else len(part) * len(ORDERS)
            )
            rows.append(
                ScoreRow(
                    judge=judge,
                    benchmark=benchmark,
                    protocol=protocol,
                    dimension=dimension,
                    n=len(part),
                    accuracy=float(values.mean()),
                    low=low,
                    high=high,
                    **shared,
                )
            )
    return rows


def _arrays(results: Sequence[Outcome], protocol: str) -> tuple[Values, Clusters]:
    values_I = np.array([outcome.value(protocol) for outcome in results], dtype=np.float64)
    _, clusters_I = np.unique([outcome.image_id for outcome in results], return_inverse=True)
    return values_I, clusters_I.astype(np.int64)


def position_lean(verdicts: Sequence[VerdictRow]) -> float | None:
    """Share of decided replies that say A, minus 0.5; None where none decided."""
    decided = [row.verdict for row in verdicts if row.verdict in ("A", "B")]
    return decided.count("A") / len(decided) - 0.5 if decided else None


def length_lean(verdicts: Sequence[VerdictRow], items: Mapping[str, BenchmarkItem]) -> float | None:
    """Share of decided replies for the longer response, minus the share in which the key prefers the longer.

    Replies on responses of equal length say nothing about it and are left out; None where none remain.
    """
    chosen = preferred = counted = 0
    for row in verdicts:
        item = items[row.item_id]
        difference = length(item.preferred) - length(item.degraded)
        if difference == 0 or row.verdict not in ("A", "B"):
            continue
        counted += 1
        preferred += difference > 0
        chosen += row.correct == (difference > 0)
    return (chosen - preferred) / counted if counted else None


def compare(
    new: Sequence[VerdictRow], old: Sequence[VerdictRow], *, dimension: str = ALL, protocol: str = STRICT
) -> Gain:
    """Paired gain of one judge over another on the items of a slice that both have judged in both orders."""
    return _gain(outcomes(new), outcomes(old), dimension, protocol)


def _gain(new: Sequence[Outcome], old: Sequence[Outcome], dimension: str, protocol: str) -> Gain:
    before = {outcome.item_id: outcome for outcome in old}
    after = [one for one in new if one.item_id in before and in_slice(one, dimension)]
    new_I, clusters_I = _arrays(after, protocol)
    old_I = np.array([before[one.item_id].value(protocol) for one in after], dtype=np.float64)
    return paired_gain(new_I, old_I, clusters_I, seed=seed_for("paired gain", dimension, protocol))


# --- halves: chosen on one, reported on the other ----------------------------------------------------------------


def in_half(rows: Sequence[VerdictRow], half: Half) -> list[VerdictRow]:
    """The verdicts on images of one half. An image is in the same half in every run."""
    return [row for row in rows if half_of(row.image_id) == half]


def half_of(image_id: str) -> Half:
    return "choosing" if seed_for("half", image_id) % 2 == 0 else "reporting"


def has_halves(items: Sequence[BenchmarkItem]) -> bool:
    """Whether both halves hold enough images to choose on and to report on."""
    images = {item.image_id for item in items}
    choosing = sum(half_of(image_id) == "choosing" for image_id in images)
    return min(choosing, len(images) - choosing) >= FEWEST_IMAGES


def reported(judge: str, benchmark: str, verdicts: Sequence[VerdictRow], items: Items) -> Reported | None:
    """Strict share with its interval on the half on which nothing is chosen; None without halves."""
    if not has_halves(list(items.values())):
        return None
    rows = score_rows(judge, benchmark, in_half(verdicts, "reporting"), items)
    found = next((row for row in rows if (row.protocol, row.dimension) == (STRICT, ALL)), None)
    if found is None:
        return None
    return Reported(accuracy=found.accuracy, low=found.low, high=found.high, n=found.n)


def comparisons(benchmark: str, new: Sequence[VerdictRow], old: Sequence[VerdictRow]) -> Iterator[SliceAgainst]:
    """`compare` on every slice of one benchmark, strict."""
    after, before = outcomes(new), outcomes(old)
    for dimension in slices(after) if after else []:
        gain = _gain(after, before, dimension, STRICT)
        yield SliceAgainst(
            benchmark=benchmark,
            dimension=dimension,
            protocol=STRICT,
            n=gain.n,
            gain=gain.gain,
            gain_low=gain.low,
            gain_high=gain.high,
            p=gain.p,
        )


def against(new: Sequence[VerdictRow], old: Sequence[VerdictRow]) -> Against:
    """`compare` on all items, strict, as a stage concludes it."""
    gain = compare(new, old)
    return Against(n=gain.n, gain=gain.gain, gain_low=gain.low, gain_high=gain.high, p=gain.p)


def verdict_counts(verdicts: Sequence[VerdictRow]) -> dict[str, int]:
    """How often each verdict was given, most frequent first."""
    return dict(Counter(row.verdict for row in verdicts).most_common())


def best_version(history: Sequence[Measured]) -> str:
    """The version the statistics name. `history` holds what evaluate concluded from iteration 1 on, whose comparisons
    `against` earlier versions are made on the choosing half: what wins there partly wins by luck, so its number is read
    from the other half.

    judge-v0 holds the title until a later version's paired strict gain over the holder excludes zero; so a
    version that is merely the last, or lucky, does not win it. The first benchmark of `evaluate.benchmarks` decides.
    """
    best = BASE_JUDGE
    for number, measured in enumerate(history, 1):
        if pays(measured.against.get(best)):
            best = version_name(number)
    return best


def plateau(history: Sequence[Measured], patience: int) -> bool:
    """Whether the last `patience` iterations brought nothing: no paired strict gain that excludes zero.

    The gain is over the best version so far, so slow steady gains add up, and an iteration that only climbs back
    after a fall has not paid.
    """
    best = BASE_JUDGE
    idle = 0
    for number, measured in enumerate(history, 1):
        if pays(measured.against.get(best)):
            best, idle = version_name(number), 0
        else:
            idle += 1
    return idle >= patience


def pays(gain: Against | None) -> bool:
    """Whether a gain is an improvement (see `Gain.excludes_zero`)."""
    return gain is not None and gain.n > 0 and gain.gain_low > 0.0 and gain.p < 0.05
