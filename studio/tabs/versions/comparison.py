"""Two judge versions set against each other: which two, the paired gains, and the items that ended differently.

Plain values in and out; what the page says of them is `versions_view`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from engine.measure.controls import is_control
from engine.measure.intervals import Gain
from engine.measure.metrics import PROTOCOLS, STRICT, compare, outcomes, slices
from engine.measure.side_by_side import ended
from engine.records import BASE_JUDGE, ORDERS, ScoreRow, VerdictRow, version_number
from engine.workspace.catalog.database import Catalog
from studio.queries.verdicts import verdicts

CHANGES = {"worse": "Got worse", "better": "Got better", "other": "Other change"}
"""Other change: another outcome for the same credit, e.g. from wrong to order-flip under the strict protocol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which two versions are compared, and how they were measured."""

    older: str
    newer: str
    benchmark: str
    protocol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What there is to choose from."""

    judges: tuple[str, ...]
    """Measured versions, oldest first."""
    benchmarks: tuple[str, ...]
    protocols: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An item on which two versions ended differently."""

    item_id: str
    dimension: str
    older: str
    newer: str
    """right, wrong, order-flip, tie or invalid."""
    kind: str
    """worse, better or other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The paired comparison of two versions."""

    gains: Mapping[str, Gain]
    """Per slice; empty under a published protocol, which has no paired test here."""
    changes: tuple[Change, ...]
    items: int
    """Items that both have judged in both orders."""

    def of(self, kind: str) -> list[Change]:
        return [change for change in self.changes if change.kind == kind]


# --- choosing ----------------------------------------------------------------------------------------------------


def number_of(judge: str) -> int:
    """Place of a version: judge-v3 → 3."""
    return version_number(judge) or 0


def choices_of(scores: Sequence[ScoreRow], benchmark: str | None = None) -> Choices:
    """What was measured. Benchmarks in the run's own order: the first one decides which version is best."""
    benchmarks = tuple(dict.fromkeys(row.benchmark for row in scores))
    shown = benchmark if benchmark in benchmarks else next(iter(benchmarks), "")
    there = {row.protocol for row in scores if row.benchmark == shown and not is_control(row.judge)}
    protocols = (*(name for name in PROTOCOLS if name in there), *sorted(there - set(PROTOCOLS)))
    judges = {row.judge for row in scores if row.benchmark == shown and not is_control(row.judge)}
    return Choices(judges=tuple(sorted(judges, key=number_of)), benchmarks=benchmarks, protocols=protocols)


def choose(
    scores: Sequence[ScoreRow], best: str, older: str | None, newer: str | None, benchmark: str | None, protocol: str
) -> tuple[Choices, Chosen]:
    """The comparison asked for, with the usual one wherever that does not exist: judge-v0 with the best version, or
    with the newest where judge-v0 is the best."""
    choices = choices_of(scores, benchmark)
    judges = choices.judges or (BASE_JUDGE,)
    usual = best if best in judges and best != judges[0] else judges[-1]
    return choices, Chosen(
        older=older if older in judges else judges[0],
        newer=newer if newer in judges else usual,
        benchmark=benchmark if benchmark in choices.benchmarks else next(iter(choices.benchmarks), ""),
        protocol=protocol if protocol in choices.protocols else next(iter(choices.protocols), STRICT),
    )


# --- comparing ---------------------------------------------------------------------------------------------------


def compared(catalog: Catalog, run: str, chosen: Chosen) -> Compared:
    """The comparison, computed again only when a part of the workspace changed."""
    return _compared(catalog, catalog.look(), run, chosen)


@lru_cache(maxsize=32)
def _compared(catalog: Catalog, _generation: int, run: str, chosen: Chosen) -> Compared:
    old = verdicts(catalog, run, chosen.older, chosen.benchmark)
    new = verdicts(catalog, run, chosen.newer, chosen.benchmark)
    return compare_verdicts(old, new, chosen.protocol)


def compare_verdicts(old: Sequence[VerdictRow], new: Sequence[VerdictRow], protocol: str) -> Compared:
    """Paired gains per slice, and every item that ended differently, regressions first."""
    before, after = fates(old), fates(new)
    both = sorted(set(before) & set(after))
    changes = []
    for item_id in both:
        (was, dimension), (now, _) = before[item_id], after[item_id]
        if was != now:
            gain = _credit(now, protocol) - _credit(was, protocol)
            kind = "worse" if gain < 0 else "better" if gain > 0 else "other"
            changes.append(Change(item_id=item_id, dimension=dimension, older=was, newer=now, kind=kind))
    gains = {}
    if protocol in PROTOCOLS and both:
        gains = {name: compare(new, old, dimension=name, protocol=protocol) for name in slices(outcomes(new))}
    order = list(CHANGES)
    return Compared(
        gains=gains,
        changes=tuple(sorted(changes, key=lambda one: (order.index(one.kind), one.dimension, one.item_id))),
        items=len(both),
    )


def fates(rows: Sequence[VerdictRow]) -> dict[str, tuple[str, str]]:
    """Item → (how it ended, dimension), for items judged in both orders."""
    by_item: dict[str, dict[str, VerdictRow]] = {}
    for row in rows:
        by_item.setdefault(row.item_id, {})[row.order] = row
    return {
        item_id: (ended(list(orders.values())), next(iter(orders.values())).dimension)
        for item_id, orders in by_item.items()
        if len(orders) == len(ORDERS)
    }


def _credit(ended: str, protocol: str) -> float:
    """Strict: both orders right. Else a flip is half right; an invalid or tied order is not told apart here."""
    return float(ended == "right") if protocol == STRICT else {"right": 1.0, "order-flip": 0.5}.get(ended, 0.0)
