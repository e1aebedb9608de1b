"""The selection rule: which traces are trained on, and why the others are not. No model and no file, so the page
replays it in a second.

Two settings meet. `select.labels` says which response counts as preferred: the one that the `construction` made so,
or, as controls, a `coin` per pair or a `coin-per-order`. `select.rule` says what a trace must do to be kept:

- `joint`: name the preferred response, of a pair that holds in both orders. It holds when in AB and in BA alike the
  right traces outnumber the wrong ones. A judge that always says A is right in AB, wrong in BA, and never passes. To
  ask for one right trace per order only would let a coin pass three times in four at three traces per order; so it
  passes one time in four, like any single couple would.
- `per-order`: name the preferred response.
- `consistency`: like `joint`, but the preferred response is the one that the judge itself upholds in both orders. It
  knows no label: what it teaches is agreement with oneself.
- `any`: have a verdict.

No rule changes another setting; those that do not go together are refused (`check_rule`).
"""

import random
from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from engine.config import SelectSettings
from engine.errors import SettingsError
from engine.records import ORDERS, Order, Pair, PairFate, Trace, content_id, names_preferred, seed_for
from engine.stages.select.reasons import KEPT, REASONS

Said = Literal["right", "wrong", "tie", "invalid"]
Flips = Mapping[Order, bool]
"""Order → whether the degraded response counts as preferred in it."""

_COUPLES = ("joint", "consistency")
"""Rules that keep traces in couples of one AB and one BA, which balance A and B by themselves."""


def selection(
    pairs: Iterable[Pair],
    traces: Iterable[Trace],
    settings: SelectSettings,
    seed: int,
    flagged: Collection[str] = (),
) -> tuple[list[Trace], list[PairFate]]:
    """Every trace with `kept` and `reason`, by pair, order and sample; and the fate of every usable pair.

    `seed` is the run's `loop.seed`. What is chosen among equals is drawn from it and the ids, so the order of the rows
    never matters. Raises `SettingsError` if the rule could not keep anything.
    """
    check_rule(settings)
    flags = frozenset(flagged) if settings.exclude_flagged else frozenset[str]()
    by_pair: dict[str, list[Trace]] = {pair.pair_id: [] for pair in pairs if pair.dropped is None}
    for trace in sorted(traces, key=lambda trace: (trace.pair_id, trace.order, trace.sample, trace.trace_id)):
        by_pair.setdefault(trace.pair_id, []).append(trace)
    reasons: dict[str, str] = {}
    units: list[_Unit] = []
    for pair_id, group in by_pair.items():
        if pair_id in flags:
            reasons.update((trace.trace_id, "flagged") for trace in group)
            continue
        flips = flips_of(group, settings, seed)
        right = _rule_out(group, flips, reasons, settings)
        if settings.rule not in _COUPLES:
            units += _singles(right, reasons, settings.max_per_pair, seed)
        elif holds(group, flips):
            units += _couples(right, reasons, settings.max_per_pair // 2, seed)
        else:
            reasons.update((trace.trace_id, "order-flip") for trace in right)
    _fill(units, settings, reasons)
    selected = [
        replace(trace, kept=reasons[trace.trace_id] == KEPT, reason=reasons[trace.trace_id])
        for pair_id in sorted(by_pair)
        for trace in by_pair[pair_id]
    ]
    return selected, [_fate(pair_id, by_pair[pair_id], reasons) for pair_id in sorted(by_pair)]


def check_rule(settings: SelectSettings) -> None:
    """Raises `SettingsError` if the settings contradict each other; cheap enough to ask before a run starts."""
    if settings.rule in ("consistency", "any") and settings.labels != "construction":
        raise SettingsError(
            f"select.labels: '{settings.labels}' would not be read, since the rule {settings.rule} knows no label. "
            "Leave select.labels at construction, or use the rule joint or per-order."
        )
    if settings.rule == "joint" and settings.labels == "coin-per-order":
        raise SettingsError(
            "select.labels: coin-per-order tosses each order by itself, so no pair could hold in both as the rule "
            "joint asks. Use select.rule=per-order, or select.labels=coin."
        )
    for name in ("max_per_pair", "max_per_image", "max_per_dimension", "max_traces"):
        if settings.rule in _COUPLES and getattr(settings, name) == 1:
            raise SettingsError(
                f"select.{name}: 1 keeps nothing under the rule {settings.rule}, which keeps couples, one trace per "
                "order. Use 2 or more, or the rule per-order."
            )


def flips_of(group: Sequence[Trace], settings: SelectSettings, seed: int) -> Flips | None:
    """Which response counts as preferred of the pair whose traces these are; None where nothing says it.

    A control changes which traces are kept and nothing else: a trace is trained on with its own words.
    """
    if settings.rule == "consistency" or not group:
        return _upheld(group)
    if settings.labels == "construction":
        return dict.fromkeys(ORDERS, False)
    pair_id = group[0].pair_id
    if settings.labels == "coin":
        return dict.fromkeys(ORDERS, _coin(seed, "label", pair_id))
    return {order: _coin(seed, "label", pair_id, order) for order in ORDERS}


def said_of(trace: Trace, flips: Flips | None) -> Said:
    """What the trace says of the response that counts as preferred; without one no verdict is right."""
    if trace.verdict == "invalid" or trace.verdict == "tie":
        return trace.verdict
    return (
        "right" if flips is not None and names_preferred(trace.verdict, trace.order) != flips[trace.order] else "wrong"
    )


def holds(group: Sequence[Trace], flips: Flips | None) -> bool:
    """Whether in each order the right traces outnumber the wrong ones; ties and invalid ones count for neither."""
    lead: Counter[Order] = Counter()
    for trace in group:
        said = said_of(trace, flips)
        lead[trace.order] += (said == "right") - (said == "wrong")
    return all(lead[order] > 0 for order in ORDERS)


def _upheld(group: Sequence[Trace]) -> Flips | None:
    """The response that the judge upholds in both orders, whichever it is."""
    candidates = (dict.fromkeys(ORDERS, flip) for flip in (False, True))
    return next((flips for flips in candidates if holds(group, flips)), None)


def _coin(*parts: object) -> bool:
    return random.Random(seed_for(*parts)).random() < 0.5


def _rule_out(
    group: Sequence[Trace], flips: Flips | None, reasons: dict[str, str], settings: SelectSettings
) -> list[Trace]:
    """The traces of a pair that do what the rule asks of each by itself; the others get their reason."""
    right = []
    for trace in group:
        said = said_of(trace, flips)
        if said == "right" or (settings.rule == "any" and said == "wrong"):
            right.append(trace)
        elif said == "wrong" and settings.rule == "consistency":
            reasons[trace.trace_id] = "outvoted" if flips else "order-flip"
        else:
            reasons[trace.trace_id] = said
    return right


@dataclass(frozen=True, slots=True)
class _Unit:
    """Traces that are kept together or not at all: a couple, or one trace."""

    traces: tuple[Trace, ...]
    turn: int
    """Every pair gives its first unit before any gives its second."""
    draw: str
    """Seeded order within a turn, the pair's own: whatever the rule, a cap takes the same pairs first."""


def _couples(right: Sequence[Trace], reasons: dict[str, str], most: int, seed: int) -> list[_Unit]:
    """Right traces of a pair in couples of one AB and one BA."""
    ab, ba = (_drawn(_of(right, order), seed) for order in ORDERS)
    reasons.update((trace.trace_id, "surplus") for trace in right)
    couples = list(zip(ab, ba, strict=False))[:most]
    return [_Unit(couple, turn, _draw(right[0], seed)) for turn, couple in enumerate(couples)]


def _singles(right: Sequence[Trace], reasons: dict[str, str], most: int, seed: int) -> list[_Unit]:
    """Traces of a pair one by one, taken from both orders in turn as far as they go."""
    turns = [(turn, trace) for order in ORDERS for turn, trace in enumerate(_drawn(_of(right, order), seed))]
    turns.sort(key=lambda entry: (entry[0], content_id(seed, "order", entry[1].trace_id)))
    reasons.update((trace.trace_id, "surplus") for trace in right)
    return [_Unit((trace,), place, _draw(trace, seed)) for place, (_turn, trace) in enumerate(turns[:most])]


def _of(traces: Sequence[Trace], order: Order) -> list[Trace]:
    return [trace for trace in traces if trace.order == order]


def _drawn(traces: Sequence[Trace], seed: int) -> list[Trace]:
    """In seeded order."""
    return sorted(traces, key=lambda trace: content_id(seed, "trace", trace.trace_id))


def _draw(trace: Trace, seed: int) -> str:
    return content_id(seed, "pair", trace.pair_id)


@dataclass(slots=True)
class _Room:
    """What the caps leave."""

    settings: SelectSettings
    images: Counter[str] = field(default_factory=Counter)
    dimensions: Counter[str] = field(default_factory=Counter)
    total: int = 0

    def has(self, unit: _Unit) -> bool:
        first, size = unit.traces[0], len(unit.traces)
        caps = self.settings
        return all(
            cap is None or taken + size <= cap
            for cap, taken in (
                (caps.max_traces, self.total),
                (caps.max_per_image, self.images[first.image_id]),
                (caps.max_per_dimension, self.dimensions[first.dimension]),
            )
        )

    def take(self, unit: _Unit) -> bool:
        """Take the unit in if there is room for it."""
        if not self.has(unit):
            return False
        self._count(unit, len(unit.traces))
        return True

    def give_back(self, unit: _Unit) -> None:
        self._count(unit, -len(unit.traces))

    def _count(self, unit: _Unit, size: int) -> None:
        self.images[unit.traces[0].image_id] += size
        self.dimensions[unit.traces[0].dimension] += size
        self.total += size


def _fill(units: list[_Unit], settings: SelectSettings, reasons: dict[str, str]) -> None:
    """Keep units while caps and balance allow; write the reason of each."""
    units.sort(key=lambda unit: (unit.turn, unit.draw))
    room = _Room(settings)
    if settings.rule not in _COUPLES and settings.balance:
        _fill_balanced(units, room, reasons)
        return
    for unit in units:
        _mark(unit, KEPT if room.take(unit) else "capped", reasons)


def _fill_balanced(units: Sequence[_Unit], room: _Room, reasons: dict[str, str]) -> None:
    """Keep one trace that says A with one that says B until either kind runs out."""
    says_a = deque(unit for unit in units if unit.traces[0].verdict == "A")
    says_b = deque(unit for unit in units if unit.traces[0].verdict == "B")
    while (a := _next(says_a, room, reasons)) is not None:
        b = _next(says_b, room, reasons)
        if b is None:
            room.give_back(a)
            _mark(a, "unbalanced", reasons)
            break
        _mark(a, KEPT, reasons)
        _mark(b, KEPT, reasons)
    for unit in (*says_a, *says_b):
        _mark(unit, "unbalanced" if room.has(unit) else "capped", reasons)


def _next(queue: deque[_Unit], room: _Room, reasons: dict[str, str]) -> _Unit | None:
    """Take the first unit there is room for; those before it are capped."""
    while queue:
        unit = queue.popleft()
        if room.take(unit):
            return unit
        _mark(unit, "capped", reasons)
    return None


def _mark(unit: _Unit, reason: str, reasons: dict[str, str]) -> None:
    reasons.update((trace.trace_id, reason) for trace in unit.traces)


def _fate(pair_id: str, group: Sequence[Trace], reasons: Mapping[str, str]) -> PairFate:
    counts = Counter(reasons[trace.trace_id] for trace in group)
    most = max(REASONS, key=lambda reason: counts[reason])  # the first of equals, in the order of REASONS
    fate = "kept" if counts[KEPT] else most if group else "unjudged"
    return PairFate(pair_id=pair_id, kept_traces=counts[KEPT], traces=len(group), fate=fate)
