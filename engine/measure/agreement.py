"""What some hand labels and all verdicts say together: κ with its base rate, and the accuracy a person would find.

Pure functions on plain arrays (axis N: every item, axis L: the labelled ones). Labels are a sample that leans towards
informative items with known chances, so every label counts for as many items as its chance says. How often the
intervals hold the truth, and how much narrower they are, is measured by `tests/bench/bench_hand_labels.py`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.measure.intervals import Z, t_quantile, wilson

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]

_IMAGINED = 0.5
"""Labels imagined for what was not seen, e.g. a contradiction: without them a few labels that all agree would leave an
interval without width. A quarter was tried and covers too seldom, one too often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A share of all items, told from labels on some."""

    share: float
    low: float
    high: float
    """95 % interval. It speaks of these items and this person, not of others."""
    labels: int
    """Labels that name a response; ties and "cannot tell" do not."""
    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kappa:
    """Agreement of a judge with a person beyond chance: Cohen (1960)."""

    kappa: float | None
    """None where chance alone would agree always: both said the same of every item."""
    low: float
    high: float
    """95 % interval: Student's t with the variance of Fleiss, Cohen and Everitt (1969), after half a label was added to
    each cell of the table: with few contradictions the plain formula is too sure."""
    agreement: float
    """Share of items on which both named the same response."""
    chance: float
    """The share on which they would agree by chance, given how often each sides with the key."""
    base_rate: float
    """Share of items on which the person sides with the key: a judge that always did would agree so often."""
    labels: int


def inclusion_chances(weights_N: Floats, labels: int) -> Floats:
    """The chance of every item to be among the first `labels` of an order drawn with `drawn_order`, [N].

    Proportional to the weights and at most 1: sequential Poisson sampling (Ohlsson 1998).
    """
    count = len(weights_N)
    if labels >= count:
        return np.ones(count)
    certain_N = np.zeros(count, dtype=np.bool_)
    while True:
        scale = (labels - certain_N.sum()) / weights_N[~certain_N].sum()
        chances_N = np.where(certain_N, 1.0, scale * weights_N)
        more_N = (chances_N > 1.0) & ~certain_N
        if not more_N.any():
            return chances_N
        certain_N |= more_N


def drawn_order(weights_N: Floats, draw: np.random.Generator) -> Places:
    """Places of the items in an order that puts heavy ones first more often; every beginning of it is a fair sample."""
    return np.argsort(draw.random(len(weights_N)) / weights_N)


def share_by_labels(
    verdicts_N: Floats, labelled_L: Places, right_L: Floats, named_L: Bools, weights_N: Floats, *, use: bool = True
) -> Estimate:
    """The share of items on which the person would call the judge right, by prediction-powered inference.

    `verdicts_N` is the judge's credit by the key in [0, 1], `right_L` its credit by the person, `named_L` whether the
    person named a response at all; items without a preference are left out of the share. The key's share over all
    items is corrected by what the labels show (Angelopoulos et al., Science 2023), trusting the key only as far as it
    goes with the labels (its "power tuning", arXiv 2311.01453), with weighted labels (Zrnic and Candès 2024).
    `use=False` leaves the key out: what labels alone would say. How much narrower the interval is with it follows from
    how often the person sides with the key: 42 to 51 % at 95 %, 30 to 38 % at 90 %, and 15 to 20 % at 80 %, where no
    estimate could do better than 18 to 20 % (`tests/bench/bench_hand_labels.py`, which prints that bound).
    """
    items, labels = len(verdicts_N), len(labelled_L)
    if not named_L.any():
        return Estimate(share=0.5, low=0.0, high=1.0, labels=0, items=items)
    chances_L = inclusion_chances(weights_N, labels)[labelled_L]
    weight_L = 1 / chances_L / (1 / chances_L).sum()
    key_L, key = verdicts_N[labelled_L], float(verdicts_N.mean())
    named = float(weight_L[named_L].sum())
    alone = float((weight_L * right_L)[named_L].sum()) / named
    trust = _slope(np.where(named_L, right_L - alone, 0.0), key_L, weight_L) if use else 0.0
    share = alone + trust * (key - float((weight_L * key_L).sum())) / named
    share = min(1.0, max(0.0, share))
    residual_L = np.where(named_L, right_L - share, 0.0) - trust * (key_L - key)
    variance, size = _variance(residual_L, weight_L, chances_L, labels / items)
    low, high = _wilson_of(share, variance / named**2, size)
    return Estimate(share=share, low=low, high=high, labels=int(named_L.sum()), items=items)


def cohens_kappa(judge_L: Bools, person_L: Bools, weight_L: Floats | None = None) -> Kappa:
    """κ of two raters who each side with the key (True) or against it, on at least one item.

    `weight_L`: how many items each label stands for; equal where left out.
    """
    given_L = np.ones(len(judge_L)) if weight_L is None else weight_L
    share_L = given_L / given_L.sum()
    size = float(1 / (share_L**2).sum())
    table_JP = np.array([[float(share_L[(judge_L == j) & (person_L == p)].sum()) for p in (1, 0)] for j in (1, 0)])
    judge_J, person_P = table_JP.sum(axis=1), table_JP.sum(axis=0)
    seen, chance = float(np.trace(table_JP)), float(judge_J @ person_P)
    common = {"agreement": seen, "chance": chance, "base_rate": float(person_P[0]), "labels": len(judge_L)}
    if chance > 1 - 1e-12:
        return Kappa(kappa=None, low=-1.0, high=1.0, **common)  # type: ignore[arg-type]
    kappa = (seen - chance) / (1 - chance)
    low, high = _kappa_interval((table_JP * size + _IMAGINED) / (size + 4 * _IMAGINED), size)
    return Kappa(kappa=kappa, low=min(kappa, low), high=max(kappa, high), **common)  # type: ignore[arg-type]


def _kappa_interval(table_JP: Floats, size: float) -> tuple[float, float]:
    """From a table of shares without an empty cell, told from `size` labels."""
    judge_J, person_P = table_JP.sum(axis=1), table_JP.sum(axis=0)
    seen, chance = float(np.trace(table_JP)), float(judge_J @ person_P)
    kappa = (seen - chance) / (1 - chance)
    half = t_quantile(size - 1) * (_kappa_spread(table_JP, judge_J, person_P, seen, chance) / size) ** 0.5
    return max(-1.0, kappa - half), min(1.0, kappa + half)


def _kappa_spread(table_JP: Floats, judge_J: Floats, person_P: Floats, seen: float, chance: float) -> float:
    """Variance of κ times the number of items (Fleiss, Cohen, Everitt 1969, equation 13)."""
    sums_JP = judge_J[:, None] + person_P[None, :]
    crossed_JP = person_P[:, None] + judge_J[None, :]
    on = float(sum(table_JP[i, i] * ((1 - chance) - sums_JP[i, i] * (1 - seen)) ** 2 for i in range(2)))
    off = (1 - seen) ** 2 * float((table_JP * crossed_JP**2).sum() - np.trace(table_JP * crossed_JP**2))
    return max(0.0, on + off - (seen * chance - 2 * chance + seen) ** 2) / (1 - chance) ** 4


def _slope(outcome_L: Floats, key_L: Floats, weight_L: Floats) -> float:
    """How far the outcome follows the key, in [0, 1]: a weighted regression through the means."""
    centred_L = key_L - float((weight_L * key_L).sum())
    spread = float((weight_L * centred_L**2).sum())
    return 0.0 if spread <= 0 else float(np.clip((weight_L * outcome_L * centred_L).sum() / spread, 0.0, 1.0))


def _variance(residual_L: Floats, weight_L: Floats, chances_L: Floats, share: float) -> tuple[float, float]:
    """Variance of the weighted mean of the residuals, and the number of equal labels that the weights come to."""
    size = float(1 / (weight_L**2).sum())
    centred_L = residual_L - float((weight_L * residual_L).sum())
    seen = float((weight_L**2 * (1 - chances_L) * centred_L**2).sum()) * size / max(size - 1, 1.0)
    return seen + 2 * _IMAGINED * (1 - share) / (size + 2) ** 2, size


def _wilson_of(share: float, variance: float, size: float) -> tuple[float, float]:
    """Wilson's interval with the effective size that a variance comes to, as in `engine.measure.intervals`."""
    if variance <= 0:
        return share, share  # every item is labelled: nothing is left to be estimated
    spread = max(share * (1 - share), 0.25 / (size + 1))
    return wilson(share, max(1.0, spread / variance * (Z / t_quantile(size - 1)) ** 2))
