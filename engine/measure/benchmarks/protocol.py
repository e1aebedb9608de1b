"""What a protocol is: how a benchmark's items are asked, how replies are read, and how they become numbers.

Each benchmark's file holds its own protocols; here is only what they have in common.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol as TypingProtocol

import numpy as np

from engine.measure.intervals import clustered_interval
from engine.measure.metrics import ALL, in_slice, length_lean, position_lean, with_parents
from engine.prompts import RulingPrompts
from engine.records import ORDERS, BenchmarkItem, Order, ScoreRow, Verdict, VerdictRow

MACRO = "macro"
"""Dimension of the row with the mean of the groups."""
LeaveOut = Callable[[str], None]
"""Told of each row of a published benchmark that cannot be measured, in words."""
Items = Mapping[str, BenchmarkItem]
"""Item id → item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """A way to measure a judge on a benchmark, under the name that the number carries."""

    name: str
    prompts: str | RulingPrompts | None
    """The prompt, or its name under assets/protocols; None for the judge's own."""
    temperature: float
    top_p: float = 1.0
    max_tokens: int | None
    """None: the judge's own `evaluate.max_tokens`."""
    orders: Callable[[BenchmarkItem, int], tuple[Order, ...]]
    """(item, seed) → the order in which each sample shows the responses."""
    read: Callable[[str, Order], tuple[Verdict, bool]]
    """(reply, order) → the verdict it states by place, and whether the rule counts it as right."""
    scores: Callable[[str, Sequence[VerdictRow], Items], list[ScoreRow]]
    """(judge, verdicts, items) → one row per slice, overall first."""
    headline: str = "all"
    """The dimension whose number its authors print: "all" or "macro"."""
    rule: str
    """How it asks and counts, in one or two sentences for a reader who compares numbers."""


PARTIAL = ", partial"
"""Stands behind the name of a published protocol that was measured on fewer items than it is defined on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A benchmark as it was found."""

    items: list[BenchmarkItem]
    rows: int
    """Rows in its file."""
    without_image: int = 0
    """Rows left out because their picture is missing or cannot be read."""
    repeats: int = 0
    """Rows that repeat another one exactly and are counted once."""
    unusable: int = 0
    """Rows left out because they hold something that is no comparison of two texts about pictures, e.g. a video."""

    def sorted_by(self, key: Callable[[BenchmarkItem], str]) -> "Loaded":
        return replace(self, items=sorted(self.items, key=key))

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[BenchmarkItem]:
        return iter(self.items)


class Loader(TypingProtocol):
    """Reads a benchmark where it lies; None is the hub. Pictures in its rows are written to `folder`."""

    def __call__(self, place: str | None, *, folder: Path, leave_out: LeaveOut) -> Loaded: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A published benchmark."""

    name: str
    load: Loader
    protocols: tuple[Protocol, ...]
    items: int
    """Rows of its open release: a number on fewer is another number."""
    defects: tuple[str, ...] = ()
    """What is known to be wrong with it, printed beside its numbers."""


def counted_row(
    *,
    judge: str,
    benchmark: str,
    protocol: str,
    dimension: str,
    counted: Mapping[str, float],
    replies: Sequence[VerdictRow],
    items: Items,
) -> ScoreRow:
    """One score: `counted` is item id → credit in [0, 1] of what the rule counts; `replies` are all of the slice."""
    values_I = np.array(list(counted.values()), dtype=np.float64)
    _, clusters_I = np.unique([items[item_id].image_id for item_id in counted], return_inverse=True)
    low, high = clustered_interval(values_I, clusters_I.astype(np.int64), replies=len(counted))
    return ScoreRow(
        judge=judge,
        benchmark=benchmark,
        protocol=protocol,
        dimension=dimension,
        n=len(counted),
        accuracy=float(values_I.mean()),
        low=low,
        high=high,
        invalid=sum(row.verdict == "invalid" for row in replies) / len(replies),
        position_lean=position_lean(replies),
        length_lean=length_lean(replies, items),
    )


def sliced_rows(
    *,
    judge: str,
    benchmark: str,
    protocol: str,
    counted: Mapping[str, float],
    replies: Sequence[VerdictRow],
    items: Items,
) -> list[ScoreRow]:
    """Overall, then every dimension that has a counted item; "safety/bias" counts in "safety", too."""
    names = sorted({name for item_id in counted for name in with_parents(items[item_id].dimension)})
    rows = []
    for dimension in (ALL, *names):
        said = [row for row in replies if in_slice(row, dimension)]
        here = {row.item_id for row in said}
        part = {item_id: value for item_id, value in counted.items() if item_id in here}
        if part:
            row = counted_row(
                judge=judge,
                benchmark=benchmark,
                protocol=protocol,
                dimension=dimension,
                counted=part,
                replies=said,
                items=items,
            )
            rows.append(row)
    whole = [(row.accuracy, row.n) for row in rows if row.dimension != ALL and "/" not in row.dimension]
    assert not whole or abs(overall_of_parts(whole) - rows[0].accuracy) < 1e-9, "overall is not the mean of its parts"
    return rows


def macro_row(rows: Sequence[ScoreRow], groups: Sequence[str]) -> list[ScoreRow]:
    """The mean of the groups as a row; none unless each has one. Its interval rests on theirs: different items."""
    found = [row for row in rows if row.dimension in groups]
    if len(found) != len(groups):
        return []
    mean = sum(row.accuracy for row in found) / len(found)
    half = sum(((row.high - row.low) / 2) ** 2 for row in found) ** 0.5 / len(found)
    whole = replace(found[0], n=sum(row.n for row in found), dimension=MACRO, accuracy=mean)
    invalid = sum(row.invalid * row.n for row in found) / whole.n
    overall = next((row for row in rows if row.dimension == ALL), None)
    leans = (overall.position_lean, overall.length_lean) if overall else (None, None)
    return [
        replace(
            whole,
            low=max(0.0, mean - half),
            high=min(1.0, mean + half),
            invalid=overall.invalid if overall else invalid,
            position_lean=leans[0],
            length_lean=leans[1],
        )
    ]


def overall_of_parts(parts: Iterable[tuple[float, int]]) -> float:
    """The mean of (accuracy, items) weighted by items: what an overall number must be if it counts items."""
    rows = list(parts)
    return sum(accuracy * n for accuracy, n in rows) / sum(n for _, n in rows)


def both_orders(_item: BenchmarkItem, _seed: int) -> tuple[Order, ...]:
    return ORDERS


def stored_order(item: BenchmarkItem, _seed: int) -> tuple[Order, ...]:
    """Once, as the file shows it."""
    return (item.stored,)


def other(order: Order) -> Order:
    return "BA" if order == "AB" else "AB"
