"""Any judges and controls of any runs on one benchmark, beside each other: items, dimensions, paired gains.

Pure functions over verdicts and items. A paired test is made where items are shared, and nowhere else.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.measure.intervals import Gain
from engine.measure.metrics import ALL, STRICT, compare, outcomes, score_rows, slices
from engine.records import ORDERS, BenchmarkItem, ScoreRow, VerdictRow

Ended = Literal["right", "wrong", "order-flip", "tie", "invalid"]
"""How both orders of one item ended together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One judge or control of one run, and what it said on the benchmark."""

    name: str
    """ "shapes-01/judge-v3", "shapes-01/control:shorter-wins"."""
    verdicts: Sequence[VerdictRow]
    """Its own prompt, both orders; the reasoning may be left out."""
    items: Mapping[str, BenchmarkItem]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRow:
    """One item of the grid."""

    item_id: str
    dimension: str
    ended: tuple[Ended | None, ...]
    """Per side; None where it was not asked about this item."""

    def is_change(self, change: str) -> bool:
        """Whether some other side changed this item so, seen from the first one.

        "worse" and "better" are of credit: right in both orders or not. "other" is another way of being wrong, "same"
        the same end on all sides.
        """
        first, *others = self.ended
        known = [other for other in others if other is not None]
        if first is None:
            return False
        if change == "worse":
            return first == "right" and any(other != "right" for other in known)
        if change == "better":
            return first != "right" and any(other == "right" for other in known)
        if change == "other":
            return first != "right" and any(other not in (first, "right") for other in known)
        return bool(known) and all(other == first for other in known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """One further side against the first one."""

    shared: int
    """Items that both were asked about in both orders, with the same picture, question and responses."""
    gains: Mapping[str, Gain]
    """Slice → paired strict gain; empty where nothing is shared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SideBySide:
    """The comparison."""

    names: tuple[str, ...]
    scores: tuple[Mapping[str, ScoreRow], ...]
    """Per side: slice → strict score on all of its own items."""
    against: tuple[Paired, ...]
    """Per side but the first."""
    rows: tuple[ItemRow, ...]
    """Every item that any side was asked about, by dimension and id."""

    def of(self, change: str) -> list[ItemRow]:
        return [row for row in self.rows if row.is_change(change)]

    def dimensions(self) -> list[str]:
        """All, the kinds, then the dimensions, whichever side has them."""
        names = {name for scores in self.scores for name in scores}
        return sorted(names, key=lambda name: (name != ALL, not name.startswith("kind:"), name))


def side_by_side(sides: Sequence[Side]) -> SideBySide:
    """The sides on one benchmark; the first is what the others are held against."""
    ended = [endings(side.verdicts) for side in sides]
    known = {item_id: item for side in reversed(sides) for item_id, item in side.items.items()}
    return SideBySide(
        names=tuple(side.name for side in sides),
        scores=tuple(_scores(side) for side in sides),
        against=tuple(_against(sides[0], side) for side in sides[1:]),
        rows=tuple(_rows(sides, ended, known)),
    )


def sentence(result: SideBySide, place: int) -> str:
    """What side `place` (1 or more) is against the first one, claiming no more than the numbers do."""
    first, name, against = result.names[0], result.names[place], result.against[place - 1]
    if not against.shared:
        return (
            f"{name} and {first} were asked about no common item: their accuracies stand on different items, "
            "and no paired test can be made."
        )
    gain = against.gains[ALL]
    told = f"{gain.gain:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}), p {_p(gain.p)}".replace("-", "\u2212")
    beyond = max(scores[ALL].n for scores in (result.scores[0], result.scores[place])) - against.shared
    rest = f" {beyond:,} items that only one of them was asked about do not count here." if beyond else ""
    return f"{name} against {first} on {against.shared:,} shared items: {told}, {clearness(gain)}.{rest}"


def clearness(gain: Gain) -> str:
    """A gain is only called one where interval and test agree."""
    if gain.excludes_zero:
        return "a clear gain"
    if gain.high < 0 and gain.p < 0.05:
        return "a clear loss"
    return "not clear: interval and test do not both exclude zero"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def endings(verdicts: Iterable[VerdictRow]) -> dict[str, Ended]:
    """Item → how both orders ended together; items judged in one order only are left out."""
    by_item: dict[str, dict[str, VerdictRow]] = {}
    for row in verdicts:
        by_item.setdefault(row.item_id, {})[row.order] = row
    return {item_id: ended(list(orders.values())) for item_id, orders in by_item.items() if len(orders) == len(ORDERS)}


def ended(rows: Sequence[VerdictRow]) -> Ended:
    """Both orders of one item together; no verdict in one order outweighs whatever the other says."""
    said = {row.verdict for row in rows}
    if "invalid" in said:
        return "invalid"
    if "tie" in said:
        return "tie"
    right = {row.correct for row in rows}
    return "order-flip" if len(right) > 1 else "right" if right == {True} else "wrong"


def alike(one: BenchmarkItem, other: BenchmarkItem) -> bool:
    """Whether two runs were asked the same: an id alone may stand for other texts in a person's own file."""
    return _content(one) == _content(other)


def _content(item: BenchmarkItem) -> tuple[str, ...]:
    return (item.image_id, item.question, item.preferred, item.degraded)


def _scores(side: Side) -> dict[str, ScoreRow]:
    if not side.verdicts:
        return {}
    rows = score_rows(side.name, "", side.verdicts, side.items)
    return {row.dimension: row for row in rows if row.protocol == STRICT}


def _against(first: Side, side: Side) -> Paired:
    both = endings(first.verdicts).keys() & endings(side.verdicts).keys()
    shared = {item_id for item_id in both if alike(first.items[item_id], side.items[item_id])}
    old = [row for row in first.verdicts if row.item_id in shared]
    new = [row for row in side.verdicts if row.item_id in shared]
    names = slices(outcomes(new)) if shared else []
    return Paired(shared=len(shared), gains={name: compare(new, old, dimension=name) for name in names})


def _rows(
    sides: Sequence[Side], ended: Sequence[Mapping[str, Ended]], known: Mapping[str, BenchmarkItem]
) -> Iterable[ItemRow]:
    """An item of the same id that asks something else is not the first side's item: its row is left to the first."""
    for item_id in sorted(set().union(*ended), key=lambda one: (known[one].dimension, one)):
        item = known[item_id]
        found = [
            ends.get(item_id) if item_id in side.items and alike(side.items[item_id], item) else None
            for side, ends in zip(sides, ended, strict=True)
        ]
        yield ItemRow(item_id=item_id, dimension=item.dimension, ended=tuple(found))
