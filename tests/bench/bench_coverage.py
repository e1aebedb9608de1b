"""How often the intervals hold the truth, by simulation: accuracies and paired gains, few and many images.

    python tests/bench/bench_coverage.py [--draws 4000]

A world is a number of images, equal or unequal numbers of items per image, and how much items of one image have in
common (the intraclass correlation). Every draw makes a data set whose truth is known and asks for the interval.
"""

import argparse
import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from engine.measure.intervals import clustered_interval, difference_interval

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Where data sets are drawn from."""

    images: int
    sizes: Literal["equal", "unequal"]
    """Four items per image, or a long-tailed number from 1 to 40."""
    share: float
    """Of right items; in gains, of changed items that changed for the better."""
    alike: float
    """Intraclass correlation of items about one image."""

    def clusters(self, draw: np.random.Generator) -> Ints:
        """The image of every item."""
        if self.sizes == "equal":
            counts = np.full(self.images, 4)
        else:
            counts = np.minimum(1 + draw.lognormal(0.8, 1.0, self.images).astype(np.int64), 40)
        return np.repeat(np.arange(self.images), counts)

    def chances(self, draw: np.random.Generator) -> Floats:
        """One chance per image, with mean `share`."""
        weight = (1 - self.alike) / self.alike
        return draw.beta(self.share * weight, (1 - self.share) * weight, self.images)


def accuracy_coverage(world: World, draws: int, *, seed: int = 0) -> float:
    """Share of data sets whose interval of the accuracy holds the true one."""
    draw = np.random.default_rng(seed)
    held = 0
    for _ in range(draws):
        clusters_I = world.clusters(draw)
        right_I = (draw.random(len(clusters_I)) < world.chances(draw)[clusters_I]).astype(np.float64)
        low, high = clustered_interval(right_I, clusters_I, replies=len(right_I))
        held += low <= world.share <= high
    return held / draws


def gain_coverage(world: World, draws: int, *, seed: int = 0) -> float:
    """Share of data sets whose interval of the paired gain holds the true one. A quarter of all items changes."""
    draw = np.random.default_rng(seed)
    truth = 0.25 * (2 * world.share - 1)
    held = 0
    for _ in range(draws):
        clusters_I = world.clusters(draw)
        changed_I = draw.random(len(clusters_I)) < draw.beta(1, 3, world.images)[clusters_I]
        better_I = draw.random(len(clusters_I)) < world.chances(draw)[clusters_I]
        low, high = difference_interval(changed_I * np.where(better_I, 1.0, -1.0), clusters_I)
        held += low <= truth <= high
    return held / draws


def worlds() -> Iterator[World]:
    sizes: tuple[Literal["equal", "unequal"], ...] = ("equal", "unequal")
    for images, size, share, alike in itertools.product((10, 20, 50, 600), sizes, (0.3, 0.5, 0.8), (0.1, 0.4)):
        yield World(images=images, sizes=size, share=share, alike=alike)


def main() -> int:
    """Print one line per world, and the extremes; 1 if the mean over a number of images leaves .93 to .97."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=4000)
    draws = parser.parse_args().draws
    print("| images | items per image | share | alike | accuracy | gain |\n| --- | --- | --- | --- | --- | --- |")
    found: dict[tuple[int, str], list[tuple[float, float]]] = {}
    for world in worlds():
        some = draws if world.images < 600 else draws // 4
        accuracy, gain = accuracy_coverage(world, some), gain_coverage(world, some)
        found.setdefault((world.images, world.sizes), []).append((accuracy, gain))
        print(f"| {world.images} | {world.sizes} | {world.share} | {world.alike} | {accuracy:.3f} | {gain:.3f} |")
    bad = 0
    for (images, size), rows in found.items():
        means = np.mean(rows, axis=0)
        bad += bool(((means < 0.93) | (means > 0.97)).any())
        print(f"{images} images, {size}: mean coverage {means[0]:.3f} (accuracy), {means[1]:.3f} (gain)")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
