"""How often the hand-label estimate holds the truth, and how much narrower it is than labels alone, by simulation.

    python tests/bench/bench_hand_labels.py [--raters 500]

Every simulated rater has a preference on every item, which is the key's more often where the judge is sure, and labels
the first items of an order drawn anew. The truth is the share of items on which that rater calls the judge right.

"At best" is how much narrower any estimate could be that knew, for every item, how likely this rater calls the judge
right given its verdict and how split the verdicts are: the rest is the rater's own, and only labels tell it.
"""

import argparse
import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engine.measure.agreement import cohens_kappa, drawn_order, inclusion_chances, share_by_labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Raters:
    """A judged benchmark and the persons who label some of it."""

    items: int
    labels: int
    agree: float
    """Share of items on which the rater sides with the key."""
    accuracy: float
    """Of the judge by the key."""
    undecided: float = 0.05
    """Share of items on which the rater names no response."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Over all raters."""

    covered: float
    width: float
    width_alone: float
    kappa_covered: float
    at_best: float

    @property
    def narrower(self) -> float:
        return 1 - self.width / self.width_alone


def simulate(world: Raters, raters: int, *, seed: int = 0) -> Found:
    """Estimate with and without the key for `raters` persons."""
    draw = np.random.default_rng(seed)
    held = kappa_held = 0
    widths = []
    for _ in range(raters):
        doubt_N = draw.beta(0.6, 0.6, world.items)  # 0: every version and order said the same
        by_key_N = draw.random(world.items) < world.accuracy - 0.3 * (doubt_N - 0.5)
        sides_N = draw.random(world.items) < world.agree - 0.4 * (doubt_N - 0.5) * (1 - world.agree)
        named_N = draw.random(world.items) >= world.undecided
        right_N = (by_key_N == sides_N).astype(float)
        weights_N = 1 / 3 + 2 / 3 * doubt_N
        some_L = drawn_order(weights_N, draw)[: world.labels]
        told, alone = (
            share_by_labels(by_key_N.astype(float), some_L, right_N[some_L], named_N[some_L], weights_N, use=use)
            for use in (True, False)
        )
        held += told.low <= right_N[named_N].mean() <= told.high
        widths.append((told.high - told.low, alone.high - alone.low))
        named_L = some_L[named_N[some_L]]
        weight_L = 1 / inclusion_chances(weights_N, world.labels)[named_L]
        kappa = cohens_kappa(by_key_N[named_L], sides_N[named_L], weight_L)
        truth = cohens_kappa(by_key_N[named_N], sides_N[named_N]).kappa
        kappa_held += truth is None or kappa.low <= truth <= kappa.high
    width, width_alone = np.mean(widths, axis=0)
    return Found(
        covered=held / raters,
        width=float(width),
        width_alone=float(width_alone),
        kappa_covered=kappa_held / raters,
        at_best=at_best(world),
    )


def at_best(world: Raters) -> float:
    """1 - the square root of the share of the spread that verdict and doubt do not explain."""
    doubt_N = np.random.default_rng(1).beta(0.6, 0.6, 100_000)
    by_key_N = world.accuracy - 0.3 * (doubt_N - 0.5)
    sides_N = world.agree - 0.4 * (doubt_N - 0.5) * (1 - world.agree)
    mean = float((by_key_N * sides_N + (1 - by_key_N) * (1 - sides_N)).mean())
    unexplained = float((sides_N * (1 - sides_N)).mean())  # the same whichever response the judge names
    return 1 - (unexplained / (mean * (1 - mean))) ** 0.5


def worlds() -> Iterator[Raters]:
    for (items, labels), agree, accuracy in itertools.product(
        ((200, 50), (200, 100), (600, 50), (600, 100), (600, 150)), (0.8, 0.9, 0.95), (0.5, 0.7)
    ):
        yield Raters(items=items, labels=labels, agree=agree, accuracy=accuracy)


def main() -> int:
    """Print one line per world; 1 if the truth is held in fewer than .95 over all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raters", type=int, default=500)
    raters = parser.parse_args().raters
    names = "items", "labels", "sides with key", "judge", "covered", "width", "labels alone", "narrower", "at best"
    print(f"| {' | '.join(names)} | κ covered |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    covered = []
    for world in worlds():
        found = simulate(world, raters)
        covered.append(found.covered)
        print(
            f"| {world.items} | {world.labels} | {world.agree} | {world.accuracy} | {found.covered:.3f} "
            f"| {found.width:.3f} | {found.width_alone:.3f} | {found.narrower:.0%} | {found.at_best:.0%} "
            f"| {found.kappa_covered:.3f} |"
        )
    print(f"mean {np.mean(covered):.3f}, least {min(covered):.3f}")
    return int(np.mean(covered) < 0.95)


if __name__ == "__main__":
    sys.exit(main())
