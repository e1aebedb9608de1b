"""What crosses a stage: one frozen record per row of the workspace's tables, and the ids they carry.

The records know nothing of files, models or settings. `None` always means "not known" or "does not apply". A field with
a default came later: parts of older workspaces lack its column, and their rows have the default.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

Kind = Literal["open", "closed"]
AnswerType = Literal["number", "option", "phrase", "yes_no"]
Strategy = Literal["alteration", "majority", "oracle"]
Order = Literal["AB", "BA"]
Verdict = Literal["A", "B", "tie", "invalid"]
Outcome = Literal["right", "wrong", "tie", "invalid"]
Said = Literal["preferred", "degraded", "tie", "cannot tell"]
"""What a person says of an item, by the key's names of the responses, which were not shown."""

ORDERS: tuple[Order, Order] = ("AB", "BA")
"""AB shows the preferred response as Response A; BA shows it as Response B."""
MOST_PICTURES = 16
"""Of one comparison. A vLLM that we start refuses more, so pages and servers refuse them first, in words."""

_VERSION = re.compile(r"judge-v(0|[1-9]\d*)")
Thing = TypeVar("Thing")


def version_name(number: int) -> str:
    """The name of the judge that came out of iteration `number`; 0 is the base model."""
    return f"judge-v{number}"


BASE_JUDGE = version_name(0)
"""The base model, without any adapter."""


def version_number(judge: str) -> int | None:
    """The iteration that a judge version came out of; None for any other name, a control's for one."""
    found = _VERSION.fullmatch(judge)
    return int(found[1]) if found else None


def in_order(order: Order, preferred: Thing, degraded: Thing) -> tuple[Thing, Thing]:
    """What belongs to the response shown first and to the one shown second."""
    return (preferred, degraded) if order == "AB" else (degraded, preferred)


def names_preferred(verdict: Verdict, order: Order) -> bool:
    """Whether a verdict, which names a place, names the preferred response. A tie or an invalid reply does not."""
    return verdict == order[0]


def naming(preferred: bool, order: Order) -> Verdict:
    """The verdict that names the preferred response, or the degraded one."""
    return "A" if preferred == (order == "AB") else "B"


def outcome(verdict: Verdict, order: Order) -> Outcome:
    """What a verdict on places means for the response that counts as preferred."""
    if verdict == "tie" or verdict == "invalid":
        return verdict
    return "right" if names_preferred(verdict, order) else "wrong"


def content_id(*parts: object) -> str:
    """16 hex digits that depend on the parts alone, so the same input has the same id in every run."""
    text = "\x1f".join(str(part) for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def seed_for(*parts: object) -> int:
    """A seed in [0, 2**31) that depends on the parts alone, never on batch or resume position."""
    return int(content_id(*parts)[:8], 16) & 0x7FFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRow:
    """One image of the workspace."""

    image_id: str
    """sha256 of the stored file, 64 hex digits."""
    path: str
    """Relative to the workspace, e.g. "images/3f/3fa1….png"."""
    width: int
    height: int
    """Pixels, after rotation to upright."""
    source: str
    """Where it came from, as the person named it: "drawn scenes", "folder photos/", …"""
    name: str
    """The file name or row it had there. Untrusted text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLook:
    """What a picture looks like, so that the same one saved twice is known."""

    image_id: str
    look: str
    """A tiny version of it, as text (see `engine.sources.pictures.alike`)."""
    twins: str
    """Smallest id among the pictures that look the same: all of one group fall on one side of the split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """An entry of a source that was not taken."""

    name: str
    reason: str
    """One sentence: unreadable, too large, outside the folder, …"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One image and one question."""

    instruction_id: str
    image_id: str
    question: str
    kind: Kind
    answer_type: AnswerType | None
    """None for open instructions."""
    dimension: str | None
    """What a closed question asks about; None where nobody said."""
    choices: tuple[str, ...]
    """Options of a multiple-choice question, () otherwise."""
    answer: str | None
    """The source's own answer, if it came with one. Read only by the `oracle` strategy (ablation)."""
    split: Literal["train", "held-out"]
    """Held-out images are set apart by image and used for evaluation only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two responses to one question about one picture, or several: what every judge is asked about, however it came to
    be."""

    image: Path | None
    """None: the judge must do without the picture, or only responses have some."""
    question: str
    preferred: str
    """The better one where that is known, by construction or by a key; else simply the one its owner calls a."""
    degraded: str
    more_images: tuple[Path, ...] = ()
    """Further pictures of the question, which it calls <image 2>, <image 3>, …"""
    preferred_images: tuple[Path, ...] = ()
    degraded_images: tuple[Path, ...] = ()
    """Pictures inside a response, which its text calls <image 1>, <image 2>, … of its own."""

    @property
    def has_several_pictures(self) -> bool:
        """Whether pictures stand inside the texts, not one before them."""
        return bool(self.more_images or self.preferred_images or self.degraded_images)

    @property
    def pictures(self) -> tuple[Path, ...]:
        """All of them, those of the question first."""
        first = () if self.image is None else (self.image,)
        return (*first, *self.more_images, *self.preferred_images, *self.degraded_images)

    def shown(self, order: Order) -> tuple[str, str]:
        """The responses as the judge sees them, Response A and Response B."""
        return in_order(order, self.preferred, self.degraded)

    def pictures_shown(self, order: Order) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
        """The pictures inside Response A and inside Response B."""
        return in_order(order, self.preferred_images, self.degraded_images)

    def with_files(self, find: Callable[[Path], Path]) -> "Comparison":
        """The same with other files in place of its pictures."""
        return replace(
            self,
            image=None if self.image is None else find(self.image),
            more_images=tuple(map(find, self.more_images)),
            preferred_images=tuple(map(find, self.preferred_images)),
            degraded_images=tuple(map(find, self.degraded_images)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A preferred and a degraded response to one instruction; which is which is known by construction."""

    pair_id: str
    instruction_id: str
    image_id: str
    question: str
    kind: Kind
    strategy: Strategy
    dimension: str
    preferred: str
    """Empty when the pair was dropped before one existed; so is `degraded`."""
    degraded: str
    votes: str | None
    """Closed only: JSON object answer → count over the samples, most frequent first."""
    altered: str | None
    """Open only: the alteration in words, e.g. "blue to green"; None where the rewrite does not say."""
    writer: str
    """Judge version (or "judge-v0") that wrote the responses."""
    dropped: str | None
    """None for a usable pair, else the reason code."""

    def comparison(self, image: Path | None) -> Comparison:
        """What a judge is asked, with its picture's file."""
        return Comparison(image=image, question=self.question, preferred=self.preferred, degraded=self.degraded)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One sampled reasoning of one judge version on one pair shown in one order."""

    trace_id: str
    pair_id: str
    image_id: str
    dimension: str
    judge: str
    """Judge version that wrote it, e.g. "judge-v2"."""
    order: Order
    sample: int
    """0-based, below the setting `judge.traces_per_order`."""
    reasoning: str
    """The whole reply, the verdict token included."""
    verdict: Verdict
    """In the order shown ("A", "B"), "tie", or "invalid" when the text holds none or contradicts itself."""
    tokens: int
    """Tokens the model wrote."""
    kept: bool | None
    """None before selection."""
    reason: str | None
    """Reason code of its fate; None before selection."""

    @property
    def outcome(self) -> Outcome:
        """What its verdict means for the preferred response."""
        return outcome(self.verdict, self.order)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One optimizer step."""

    step: int
    epoch: float
    loss: float
    """Mean negative log likelihood per completion token, nats."""
    learning_rate: float
    token_accuracy: float | None
    tokens: int
    """Tokens seen so far in this iteration's training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    """One judge version."""

    judge: str
    parent: str | None
    """The version it was compared with and judged by; None for judge-v0."""
    adapter: str | None
    """PEFT folder relative to the workspace; None for judge-v0."""
    trained_on: int
    """Kept traces in its training set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkItem:
    """One comparison with a known answer, for evaluation only."""

    item_id: str
    benchmark: str
    image_id: str
    image: str
    """Path of the image: absolute, or relative to the workspace once it was taken in; "" where only responses have
    pictures."""
    question: str
    preferred: str
    degraded: str
    kind: Kind
    dimension: str
    """The benchmark's own category ("safety/bias": a part of "safety"), or the dimension of the designed fault."""
    stored: Order = "AB"
    """The order of the responses in the benchmark's file, which some published protocols show alone."""
    place: int = 0
    """Number of its row in the benchmark's file, from 0."""
    more_images: tuple[str, ...] = ()
    """Paths of further pictures of the question, which it calls <image 2>, <image 3>, …"""
    preferred_images: tuple[str, ...] = ()
    degraded_images: tuple[str, ...] = ()
    """Paths of the pictures inside a response, which its text calls <image 1>, <image 2>, … of its own."""

    @property
    def pictures(self) -> int:
        """How many pictures a judge must be shown."""
        return bool(self.image) + len(self.more_images) + len(self.preferred_images) + len(self.degraded_images)

    @property
    def has_one_picture(self) -> bool:
        """Whether its one picture belongs to the question: it can be taken away, or exchanged."""
        return not (self.more_images or self.preferred_images or self.degraded_images)

    def comparison(self, image: Path | None, *, find: Callable[[str], Path] = Path) -> Comparison:
        """What a judge is asked, with its picture's file. `find`: path of a further picture, as stored here → file."""
        return Comparison(
            image=image if self.image or self.has_one_picture else None,
            question=self.question,
            preferred=self.preferred,
            degraded=self.degraded,
            more_images=tuple(map(find, self.more_images)),
            preferred_images=tuple(map(find, self.preferred_images)),
            degraded_images=tuple(map(find, self.degraded_images)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRow:
    """What one judge version said of one benchmark item in one order."""

    judge: str
    benchmark: str
    item_id: str
    image_id: str
    kind: Kind
    dimension: str
    order: Order
    verdict: Verdict
    correct: bool
    """The verdict names the preferred response. A tie or an invalid reply is not correct."""
    reasoning: str
    tokens: int
    protocol: str = "strict"
    """Whose prompt, sampling and reading it is; "strict" stands for all that need the judge's own verdict per order."""
    sample: int = 0
    """Of the samples that a protocol draws per item, from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """One judge's accuracy on one slice of one benchmark under one protocol."""

    judge: str
    """Judge version, or "control:shorter-wins" and so on."""
    benchmark: str
    protocol: str
    dimension: str
    """"all", "kind:open", "kind:closed", or one dimension."""
    n: int
    """Items."""
    accuracy: float
    low: float
    high: float
    """95 % interval of the accuracy, clustered by image."""
    invalid: float
    """Share of replies without exactly one verdict."""
    position_lean: float | None
    """Share of decided replies that say A, minus 0.5."""
    length_lean: float | None
    """Share of decided replies that prefer the longer response, minus the share in which it is preferred by the key."""
    left_out: int = 0
    """Rows of the whole benchmark that could not be measured because their picture is missing or unreadable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFate:
    """What selection made of one pair: its traces summed up, so that a page of pairs needs no join."""

    pair_id: str
    kept_traces: int
    traces: int
    fate: str
    """"kept" if any trace was, else the reason code most of its traces were rejected with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandLabel:
    """One person's answer about one benchmark item, given blind. It never enters training."""

    benchmark: str
    item_id: str
    image_id: str
    dimension: str
    rater: str
    """Who answered."""
    said: Said
    """Which response is better: by the key's names, although the person saw A and B."""
    order: Order
    """AB: the key's preferred response was shown as A."""
    place: int
    """In the order in which items are put before persons, from 0."""
    seconds: float | None
    """From showing to answer; None where the page did not tell."""
    time: float
    """Unix time."""
