"""Whether comparisons can be won without their picture, in words: what the controls `text-only` and `wrong-image` say.

Pure: scores in, findings out. Terminal, pages and report show the same sentences.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine.measure.controls import is_wrong_image, judge_behind
from engine.measure.metrics import ALL, BOTH_ORDERS_MEAN
from engine.measure.text_only import TEXT_ONLY
from engine.records import ScoreRow

OWN_PAIRS = "pairs"
"""Benchmark name of a run's own pairs, which are looked at before they are trained on."""
CHANCE = 0.5
"""Each order by itself, which is what findings go by: a coin gets half, and so does a judge that agrees with itself in
both orders for no reason, while the strict number of such a judge is anything from a quarter to a half."""
_NAMED = 2
"""Dimensions that a sentence names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one control says of one set of comparisons."""

    benchmark: str
    control: str
    leaks: bool
    """The interval of what needs no picture lies above one half. Of sets that do not leak, 1 in 40 is called so."""
    accuracy: float
    low: float
    high: float
    """Each order by itself, 95 % interval clustered by image."""
    n: int
    sentence: str


def findings(scores: Iterable[ScoreRow], *, pairs: str = "This iteration's pairs") -> list[Finding]:
    """One per benchmark and control that was measured, in the order of the rows. `pairs` is how own pairs are named."""
    rows = [row for row in scores if row.protocol == BOTH_ORDERS_MEAN and tells_of_leaks(row.judge)]
    return [_finding(row, _worst(row, rows), pairs) for row in rows if row.dimension == ALL]


def leak_sentences(scores: Iterable[ScoreRow]) -> list[str]:
    """The sentences of those that leak; none where nothing does or nothing was measured."""
    return [finding.sentence for finding in findings(scores) if finding.leaks]


def tells_of_leaks(judge: str) -> bool:
    """Whether a score of that name is one of the two controls."""
    return judge == TEXT_ONLY or is_wrong_image(judge)


def _finding(row: ScoreRow, worst: Sequence[ScoreRow], pairs: str) -> Finding:
    leaks = row.low > CHANCE
    subject = pairs if row.benchmark == OWN_PAIRS else row.benchmark
    meaning = _meaning(row, worst) if leaks else "No leak is found."
    return Finding(
        benchmark=row.benchmark,
        control=row.judge,
        leaks=leaks,
        accuracy=row.accuracy,
        low=row.low,
        high=row.high,
        n=row.n,
        sentence=f"{subject}: {_what(row)} {_number(row)}. {meaning}",
    )


def _what(row: ScoreRow) -> str:
    if row.judge == TEXT_ONLY:
        return "a classifier that sees the texts alone names the preferred response in"
    return f"{judge_behind(row.judge)}, shown another item's picture, names the preferred response in"


def _number(row: ScoreRow) -> str:
    of = "of" if row.judge == TEXT_ONLY else "of its verdicts on"
    return f"{row.accuracy:.1%} {of} {row.n:,} items ({row.low:.1%} to {row.high:.1%}), where guessing gives 50%"


def _meaning(row: ScoreRow, worst: Sequence[ScoreRow]) -> str:
    where = " and ".join(f"{one.dimension} ({one.accuracy:.0%})" for one in worst)
    most = f", most of all in {where}" if where else ""
    if row.benchmark == OWN_PAIRS:
        return f"The pairs leak{most}: a judge can learn to rule on them without looking."
    return f"It leaks{most}: a judge can gain here without looking."


def _worst(overall: ScoreRow, rows: Sequence[ScoreRow]) -> list[ScoreRow]:
    """The dimensions that leak most, by themselves."""
    mine = [
        row
        for row in rows
        if (row.judge, row.benchmark) == (overall.judge, overall.benchmark)
        and row.dimension != ALL
        and not row.dimension.startswith("kind:")
        and row.low > CHANCE
    ]
    return sorted(mine, key=lambda row: (-row.accuracy, row.dimension))[:_NAMED]
