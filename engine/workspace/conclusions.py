"""What a finished stage says of itself in done.json: one record per stage, written and read by its field names.

Files of older versions say less and files of newer ones more: what is not there is None or empty, what is not known is
passed over.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from engine.errors import DamagedError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthesized:
    """What became of an iteration's instructions."""

    stage: ClassVar = "synthesize"
    instructions: int | None = None
    pairs: int | None = None
    """Usable ones."""
    usable_share: float | None = None
    kinds: Mapping[str, Counts] = field(default_factory=dict)
    """Kind → its `instructions` and its usable `pairs`."""
    dimensions: Counts = field(default_factory=dict)
    """Of usable pairs, most frequent first."""
    dropped: Counts = field(default_factory=dict)
    """Why there is no pair → how often, most frequent first."""
    agreement: float | None = None
    """Mean share of the votes that the majority answer got; None where nothing was voted on."""
    degraded_longer: float | None = None
    degraded_shorter: float | None = None
    """Of usable pairs: whether length alone would give them away."""
    leaks: tuple[str, ...] = ()
    """Sentences on what tells the pairs apart without their picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """How a judge ruled on an iteration's pairs."""

    stage: ClassVar = "judge"
    pairs: int | None = None
    traces: int | None = None
    verdicts: Counts = field(default_factory=dict)
    right: float | None = None
    """Share of decided traces that agree with the construction; None where none decided."""
    right_by_order: Mapping[str, float | None] = field(default_factory=dict)
    says_a: float | None = None
    """Share of decided traces that say A."""
    cut: int | None = None
    """Traces that judge.max_tokens cut off; they have decided nothing."""
    tokens: float | None = None
    """Mean length of a trace."""
    leaks: tuple[str, ...] = ()
    """As of `Synthesized`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """What is trained on, from all pairs down to the kept traces."""

    stage: ClassVar = "select"
    pairs: int | None = None
    """Usable ones."""
    traces: int | None = None
    decided: int | None = None
    right: int | None = None
    """Traces that name the response that counts as preferred."""
    both_orders: int | None = None
    """Pairs that hold in both orders, whatever the rule."""
    kept: int | None = None
    """Traces."""
    kept_pairs: int | None = None
    kept_share: float | None = None
    """Of traces."""
    kept_pair_share: float | None = None
    reasons: Counts = field(default_factory=dict)
    """Traces by their reason code, most frequent first."""
    dimensions: Mapping[str, Counts] = field(default_factory=dict)
    """Dimension → its `traces` and how many of them are `kept`."""
    kinds: Mapping[str, Counts] = field(default_factory=dict)
    """Kind → its usable `pairs` and its `kept_pairs`."""
    kept_says_a: float | None = None
    preferred_longer: float | None = None
    kept_preferred_longer: float | None = None
    """Shares of pairs: where the second is larger, selection leans to longer responses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The version that a training made."""

    stage: ClassVar = "train"
    judge: str | None = None
    parent: str | None = None
    adapter: str | None = None
    """PEFT folder, from the workspace's root."""
    trained_on: int | None = None
    """Kept traces."""
    steps: int | None = None
    loss: float | None = None
    """Mean of the last tenth of the steps, in nats per token: one step says little."""
    start: str | None = None
    """The setting `train.start`."""
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """The paired gain of one version over another."""

    n: int
    """Items that both have judged in both orders."""
    gain: float
    gain_low: float
    gain_high: float
    """95 % interval, clustered by image."""
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceAgainst(Against):
    """The same on one slice of a benchmark."""

    benchmark: str
    dimension: str
    protocol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """Strict accuracy on the half of the items on which nothing is chosen."""

    accuracy: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A version's replies on the deciding benchmark, each order by itself, told apart by how they begin."""

    words: str
    """`evaluate.prompted` of the run."""
    replies: int
    begun: int
    """Of them, those that begin with these words."""
    right: int
    """Right ones of those."""
    right_otherwise: int
    """Right ones of the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one version is worth on the deciding benchmark, and against the versions before it."""

    stage: ClassVar = "evaluate"
    judge: str | None = None
    parent: str | None = None
    """The version before; None of judge-v0."""
    benchmark: str | None = None
    """The first of evaluate.benchmarks: it decides which version is best."""
    protocol: str | None = None
    accuracy: float | None = None
    n: int | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    p: float | None = None
    """Over the parent, as in `Against`; None without one."""
    verdicts: Counts = field(default_factory=dict)
    controls: Mapping[str, float] = field(default_factory=dict)
    """Control → its strict accuracy."""
    begun: Begun | None = None
    """None where `evaluate.prompted` names no words."""
    leaks: tuple[str, ...] = ()
    """Sentences on what can be known of a benchmark without its pictures."""
    against: Mapping[str, Against] = field(default_factory=dict)
    """Earlier version → the gain over it, on the half on which the best is chosen."""
    reported: Reported | None = None
    """None where the benchmark is too small for halves."""
    reported_against: Mapping[str, Against] = field(default_factory=dict)
    """As `against`, on the half on which nothing is chosen."""
    comparisons: tuple[SliceAgainst, ...] = ()
    """Over the parent, on every slice of every benchmark."""

    @property
    def over_parent(self) -> Against | None:
        """The gain over the parent as one value."""
        if self.n is None or self.gain is None or self.gain_low is None or self.gain_high is None or self.p is None:
            return None
        return Against(n=self.n, gain=self.gain, gain_low=self.gain_low, gain_high=self.gain_high, p=self.p)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What the versions of a run are measured on."""

    stage: ClassVar = "benchmark"
    items: Counts = field(default_factory=dict)
    """By the names that the settings use."""
    left_out: Counts = field(default_factory=dict)
    """Benchmark → its rows that could not be measured."""
    near_training: Counts = field(default_factory=dict)
    """Benchmark → its items whose picture looks the same as one that is trained on; only those that have any."""


Conclusion = Synthesized | Judged | Selected | Trained | Measured | Gathered
Concluded = TypeVar("Concluded", Synthesized, Judged, Selected, Trained, Measured, Gathered)
CONCLUSIONS: Mapping[str, type[Conclusion]] = {
    kind.stage: kind for kind in (Synthesized, Judged, Selected, Trained, Measured, Gathered)
}
"""Stage → what it ends with."""


def read_conclusion(values: Mapping[str, Any], kind: type[Concluded], *, where: Path) -> Concluded:
    """The record that the done.json at `where` holds. Raises `DamagedError` naming the first value of another kind."""
    found = any_conclusion(values, kind.stage, where=where)
    assert isinstance(found, kind)
    return found


def any_conclusion(values: Mapping[str, Any], stage: str, *, where: Path) -> Conclusion:
    """As `read_conclusion`, of a stage that is known by its name."""
    from pydantic import ValidationError

    try:
        found: Conclusion = _reader(stage).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise DamagedError(f"{where}: {name}: {first['msg']}. Restore the file or delete it.") from error
    return found


@cache
def _reader(stage: str) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(CONCLUSIONS[stage])
