"""Stage 3: which traces are trained on. `selection` needs no model and no file, so the page replays it in a second.

    select/  identity.json  traces-00000.parquet …  fates-00000.parquet  done.json

A trace is right when its verdict names the preferred response. The rules, in the order in which they speak:

1. `flagged`: somebody flagged the pair. `invalid`, `tie`, `wrong`: the trace says nothing, both, or the other one.
2. `order-flip` (rule `joint` only): the pair does not hold in both orders. It holds when in AB and in BA alike the
   right traces outnumber the wrong ones. A judge that always says A is right in AB, wrong in BA, and never passes.
   To ask for one right trace per order only would let a coin pass three times in four at three traces per order;
   so it passes one time in four, like any single couple would.
3. `surplus`: the pair has more right traces than `max_per_pair`. Under `joint` traces are kept in couples, one AB
   with one BA, so a trace without a partner is surplus too.
4. `capped`: its image or dimension is full. `unbalanced` (rule `per-order` with `balance`): there was no trace with
   the other letter to go with it. Couples are balanced by themselves, one says A and one says B.
5. `agrees`: kept.

What is chosen among equals is drawn from the seed and the ids, so the order of the rows never matters.
"""

import random
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from engine.config import SelectSettings, Settings
from engine.errors import SettingsError
from engine.records import ORDERS, Order, Pair, PairFate, Trace, content_id, seed_for
from engine.stages.identity import identity
from engine.workspace.files import read_json
from engine.workspace.folders import StageFolder
from engine.workspace.parts import Parts
from engine.workspace.progress import Progress

REASONS: Mapping[str, str] = {
    "agrees": "The verdict agrees with how the pair was made.",
    "wrong": "The verdict names the degraded response.",
    "order-flip": "Right here, but the pair does not hold in both orders.",
    "invalid": "No verdict, or more than one.",
    "tie": "The verdict is a tie.",
    "flagged": "Somebody flagged the pair.",
    "surplus": "The pair gave as many traces as it may.",
    "capped": "Its image or dimension gave as many traces as it may.",
    "unbalanced": "No trace with the other letter was left to go with it.",
}
"""Every reason code a trace can have, in words."""

_TRACES_PER_PART = 20_000
"""Selection takes a second; parts only keep single files small."""

Ruling = Literal["right", "wrong", "tie", "invalid"]


def select(
    *,
    folder: StageFolder,
    pairs: Sequence[Pair],
    traces: Sequence[Trace],
    settings: Settings,
    flagged: Collection[str],
    iteration: int,
    progress: Progress,
) -> dict[str, Any]:
    """Write the tables `traces` (complete rows) and `fates`; return the summary that is also in done.json.

    The flags that count are those of the first start: a resumed selection does not mix two sets of flags.
    """
    done = folder.summary()
    if done is not None:
        return done
    before = read_json(folder.folder / "identity.json") or {}
    flags = before.get("flagged", sorted(flagged))
    inputs = [trace.trace_id for trace in traces]
    folder.begin(identity(settings, "select", None, iteration=iteration, inputs=inputs, flagged=flags))
    folder.sweep()
    there = {trace.trace_id for trace in folder.read("traces", Trace)}
    progress.begin("select", total=len(traces), unit="traces", message="Selecting traces to train on", done=len(there))
    selected, fates = selection(pairs, traces, settings.select, settings.loop.seed, flags)
    missing = [trace for trace in selected if trace.trace_id not in there]
    with Parts(folder, "traces", rows=_TRACES_PER_PART) as parts:
        for start in range(0, len(missing), _TRACES_PER_PART):
            some = missing[start : start + _TRACES_PER_PART]
            parts.add(some)
            progress.advance(len(some))
    if not folder.parts("fates"):
        folder.write("fates", fates)
    summary = summarize(pairs, selected, settings.select, settings.loop.seed)
    folder.finish(summary)
    return summary


def selection(
    pairs: Iterable[Pair],
    traces: Iterable[Trace],
    settings: SelectSettings,
    seed: int,
    flagged: Collection[str] = (),
) -> tuple[list[Trace], list[PairFate]]:
    """Every trace with `kept` and `reason`, by pair, order and sample; and the fate of every usable pair.

    `seed` is the run's `loop.seed`. Raises `SettingsError` if the rule could not keep anything.
    """
    check_rule(settings)
    flags = frozenset(flagged) if settings.exclude_flagged else frozenset[str]()
    by_pair: dict[str, list[Trace]] = {pair.pair_id: [] for pair in pairs if pair.dropped is None}
    for trace in sorted(traces, key=lambda trace: (trace.pair_id, trace.order, trace.sample, trace.trace_id)):
        by_pair.setdefault(trace.pair_id, []).append(trace)
    reasons: dict[str, str] = {}
    units: list[_Unit] = []
    for pair_id, group in by_pair.items():
        flips = {order: is_flipped(pair_id, order, settings, seed) for order in ORDERS}
        right = _rule_out(group, reasons, flips=flips, flagged=pair_id in flags)
        if rule_in_force(settings) == "joint":
            units += _couples(group, right, reasons, settings.max_per_pair // 2, seed)
        else:
            units += _singles(right, reasons, settings.max_per_pair, seed)
    _fill(units, settings, reasons)
    selected = [
        replace(trace, kept=reasons[trace.trace_id] == "agrees", reason=reasons[trace.trace_id])
        for pair_id in sorted(by_pair)
        for trace in by_pair[pair_id]
    ]
    return selected, [_fate(pair_id, by_pair[pair_id], reasons) for pair_id in sorted(by_pair)]


def rule_in_force(settings: SelectSettings) -> Literal["joint", "per-order"]:
    """The rule that is applied: under `labels: random` each order goes by itself, whatever the setting.

    To agree in both orders is a virtue even against a coin: it would pick careful traces, and the control that
    should teach nothing would teach that.
    """
    return "per-order" if settings.labels == "random" else settings.rule


def is_flipped(pair_id: str, order: Order, settings: SelectSettings, seed: int) -> bool:
    """Whether the degraded response counts as preferred here: never, or by a coin per pair and order under
    `labels: random`.

    The control changes which traces are kept and nothing else: a trace is trained on with its own words.
    """
    if settings.labels == "construction":
        return False
    return random.Random(seed_for(seed, "label", pair_id, order)).random() < 0.5


def ruling(trace: Trace, *, flip: bool) -> Ruling:
    """What the trace says about the response that counts as preferred."""
    if trace.verdict == "invalid" or trace.verdict == "tie":
        return trace.verdict
    names_preferred = (trace.verdict == "A") == (trace.order == "AB")
    return "right" if names_preferred != flip else "wrong"


@dataclass(frozen=True, slots=True)
class _Unit:
    """Traces that are kept together or not at all: a couple under `joint`, else one trace."""

    traces: tuple[Trace, ...]
    turn: int
    """Every pair gives its first unit before any gives its second."""
    draw: str
    """Seeded order within a turn."""


@dataclass(slots=True)
class _Room:
    """What the caps leave."""

    settings: SelectSettings
    images: Counter[str] = field(default_factory=Counter)
    dimensions: Counter[str] = field(default_factory=Counter)

    def has(self, unit: _Unit) -> bool:
        first, size = unit.traces[0], len(unit.traces)
        image, dimension = self.settings.max_per_image, self.settings.max_per_dimension
        return (image is None or self.images[first.image_id] + size <= image) and (
            dimension is None or self.dimensions[first.dimension] + size <= dimension
        )

    def take(self, unit: _Unit) -> bool:
        """Take the unit in if there is room for it."""
        if not self.has(unit):
            return False
        self.images[unit.traces[0].image_id] += len(unit.traces)
        self.dimensions[unit.traces[0].dimension] += len(unit.traces)
        return True

    def give_back(self, unit: _Unit) -> None:
        self.images[unit.traces[0].image_id] -= len(unit.traces)
        self.dimensions[unit.traces[0].dimension] -= len(unit.traces)


def check_rule(settings: SelectSettings) -> None:
    """Raises `SettingsError` if the rule could not keep anything; cheap enough to ask before a run starts."""
    if rule_in_force(settings) != "joint":
        return
    for name in ("max_per_pair", "max_per_image", "max_per_dimension"):
        if getattr(settings, name) == 1:
            raise SettingsError(
                f"select.{name}: 1 keeps nothing under the rule joint, which keeps couples, one trace per order. "
                "Use 2 or more, or the rule per-order."
            )


def _rule_out(
    group: Sequence[Trace], reasons: dict[str, str], *, flips: Mapping[Order, bool], flagged: bool
) -> list[Trace]:
    """The right traces of a pair; the others get their reason."""
    right = []
    for trace in group:
        said = ruling(trace, flip=flips[trace.order])
        if flagged:
            reasons[trace.trace_id] = "flagged"
        elif said == "right":
            right.append(trace)
        else:
            reasons[trace.trace_id] = said
    return right


def _holds(group: Sequence[Trace], right: Sequence[Trace], reasons: Mapping[str, str]) -> bool:
    """Whether in each order the right traces outnumber the wrong ones."""
    lead: Counter[Order] = Counter(trace.order for trace in right)
    lead.subtract(trace.order for trace in group if reasons.get(trace.trace_id) == "wrong")
    return all(lead[order] > 0 for order in ORDERS)


def _couples(
    group: Sequence[Trace], right: Sequence[Trace], reasons: dict[str, str], most: int, seed: int
) -> list[_Unit]:
    """Right traces of a pair in couples of one AB and one BA."""
    if not right:
        return []
    if not _holds(group, right, reasons):
        reasons.update((trace.trace_id, "order-flip") for trace in right)
        return []
    ab, ba = (_drawn([trace for trace in right if trace.order == order], seed) for order in ORDERS)
    reasons.update((trace.trace_id, "surplus") for trace in right)
    couples = list(zip(ab, ba, strict=False))[:most]
    draw = content_id(seed, "pair", right[0].pair_id)
    return [_Unit(couple, turn, draw) for turn, couple in enumerate(couples)]


def _singles(right: Sequence[Trace], reasons: dict[str, str], most: int, seed: int) -> list[_Unit]:
    """Right traces of a pair one by one, taken from both orders in turn as far as they go."""
    if not right:
        return []
    turns = [(turn, trace) for order in ORDERS for turn, trace in enumerate(_drawn(_of(right, order), seed))]
    turns.sort(key=lambda entry: (entry[0], content_id(seed, "order", entry[1].trace_id)))
    reasons.update((trace.trace_id, "surplus") for trace in right)
    return [
        _Unit((trace,), place, content_id(seed, "pair", trace.trace_id))
        for place, (_turn, trace) in enumerate(turns[:most])
    ]


def _of(traces: Sequence[Trace], order: Order) -> list[Trace]:
    return [trace for trace in traces if trace.order == order]


def _drawn(traces: Sequence[Trace], seed: int) -> list[Trace]:
    """In seeded order."""
    return sorted(traces, key=lambda trace: content_id(seed, "trace", trace.trace_id))


def _fill(units: list[_Unit], settings: SelectSettings, reasons: dict[str, str]) -> None:
    """Keep units while caps and balance allow; write the reason of each."""
    units.sort(key=lambda unit: (unit.turn, unit.draw))
    room = _Room(settings)
    if rule_in_force(settings) == "per-order" and settings.balance:
        _fill_balanced(units, room, reasons)
        return
    for unit in units:
        _mark(unit, "agrees" if room.take(unit) else "capped", reasons)


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
        _mark(a, "agrees", reasons)
        _mark(b, "agrees", reasons)
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
    fate = "kept" if counts["agrees"] else most if group else "unjudged"
    return PairFate(pair_id=pair_id, kept_traces=counts["agrees"], traces=len(group), fate=fate)


def summarize(pairs: Iterable[Pair], selected: Sequence[Trace], settings: SelectSettings, seed: int) -> dict[str, Any]:
    """Counts for the page, from all pairs down to the kept traces.

    `both_orders` counts the pairs that hold in both orders, whatever the rule; `kept_preferred_longer` against
    `preferred_longer` shows whether selection leans to longer responses.
    """
    usable = {pair.pair_id: pair for pair in pairs if pair.dropped is None}
    rulings = _rulings(selected, settings, seed)
    kept = [trace for trace in selected if trace.kept]
    kept_pairs = {trace.pair_id for trace in kept} & usable.keys()
    said = [ruling for counts in rulings.values() for ruling in counts.elements()]
    return {
        "pairs": len(usable),
        "traces": len(selected),
        "decided": said.count("right") + said.count("wrong"),
        "right": said.count("right"),
        "both_orders": sum(
            all(rulings[pair_id, order]["right"] > rulings[pair_id, order]["wrong"] for order in ORDERS)
            for pair_id in {pair_id for pair_id, _order in rulings}
        ),
        "kept": len(kept),
        "kept_pairs": len(kept_pairs),
        "kept_share": _share(len(kept), len(selected)),
        "kept_pair_share": _share(len(kept_pairs), len(usable)),
        "reasons": _counts(str(trace.reason) for trace in selected),
        "dimensions": _by_dimension(selected),
        "kinds": {
            kind: {
                "pairs": sum(pair.kind == kind for pair in usable.values()),
                "kept_pairs": sum(usable[pair_id].kind == kind for pair_id in kept_pairs),
            }
            for kind in sorted({pair.kind for pair in usable.values()})
        },
        "kept_says_a": _share(sum(trace.verdict == "A" for trace in kept), len(kept)),
        "preferred_longer": _share(_longer(usable.values()), len(usable)),
        "kept_preferred_longer": _share(_longer(usable[pair_id] for pair_id in kept_pairs), len(kept_pairs)),
    }


def _rulings(
    selected: Sequence[Trace], settings: SelectSettings, seed: int
) -> dict[tuple[str, Order], Counter[Ruling]]:
    places = {(trace.pair_id, trace.order) for trace in selected}
    flips = {place: is_flipped(*place, settings, seed) for place in places}
    rulings: dict[tuple[str, Order], Counter[Ruling]] = defaultdict(Counter)
    for trace in selected:
        place = trace.pair_id, trace.order
        rulings[place][ruling(trace, flip=flips[place])] += 1
    return rulings


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
