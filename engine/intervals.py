"""The statistics behind every accuracy: intervals and paired tests on plain arrays, clustered by image.

Items about one image rise and fall together, so the image, not the item, is what is drawn anew. It knows no
judge, no benchmark and no record.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Clusters = npt.NDArray[np.int64]

Z = 1.959963984540054
"""97.5 % quantile of the standard normal: every interval here is a 95 % interval."""
RESAMPLES = 2000
"""Bootstrap resamples: the ends of a percentile interval then wobble by about 2 % of its width."""
FLIPS = 9999
"""Monte Carlo sign flips: the smallest p is 1/10,000, a p of .05 is known to ±.004."""
_EXACT_CLUSTERS = 12
"""Up to this many clusters all 2**12 sign patterns are enumerated instead of drawn."""
_CHUNK = 1000
"""Resamples per matrix: 1000 × 5,000 images are 40 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """A paired difference of means, new minus old."""

    gain: float
    low: float
    high: float
    """95 % interval: percentile bootstrap over clusters."""
    p: float
    """Two-sided, cluster sign-flip permutation test; 1.0 where nothing differs."""
    n: int
    """Items."""

    @property
    def excludes_zero(self) -> bool:
        """An improvement the statistics name: interval and test agree, which guards small samples, where a
        bootstrap of identical differences has no width."""
        return self.low > 0.0 and self.p < 0.05


def clustered_interval(values_I: Values, clusters_I: Clusters, *, replies: int) -> tuple[float, float]:
    """95 % interval of the mean of `values_I` (each in [0, 1]; I: item), clustered.

    Wilson's interval (JASA 1927) with the number of replies divided by the design effect: the effective size is
    p(1-p) over the cluster-robust variance of the mean, as Korn and Graubard (1998) do for survey proportions. It
    stays within [0, 1], keeps a width at 0 and 1, and with one reply per cluster it is plain Wilson.
    `replies` caps the effective size: 1 per item for strict, 2 where both orders count.
    Returns (0, 1) for no items: nothing is known.
    """
    n = len(values_I)
    if n == 0:
        return 0.0, 1.0
    sums_C = cluster_sums(values_I - values_I.mean(), clusters_I)
    count = len(sums_C)
    p = float(values_I.mean())
    if count < 2 or p in (0.0, 1.0):
        return _wilson(p, float(count))  # no spread to measure: count clusters, the cautious choice
    variance = float((sums_C**2).sum()) / n**2 * count / (count - 1)
    spread = p * (1 - p)
    size = min(float(replies), spread / variance) if variance > 0 else float(replies)
    return _wilson(p, max(size, 1.0))


def _wilson(p: float, n: float) -> tuple[float, float]:
    centre = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * float(np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2)))
    return max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half))


def cluster_sums(values_I: Values, clusters_I: Clusters) -> Values:
    """Sum of the values in each cluster, [C]; clusters are numbered by their sorted labels."""
    _, place_I = np.unique(clusters_I, return_inverse=True)
    return np.bincount(place_I, weights=values_I).astype(np.float64)


def paired_gain(new_I: Values, old_I: Values, clusters_I: Clusters, *, seed: int = 0) -> Gain:
    """How much better `new_I` is than `old_I` on the same items, both in [0, 1]. Same seed, same numbers."""
    n = len(new_I)
    if n == 0:
        return Gain(gain=0.0, low=0.0, high=0.0, p=1.0, n=0)
    difference_I = new_I - old_I
    sums_C = cluster_sums(difference_I, clusters_I)
    sizes_C = cluster_sums(np.ones(n), clusters_I)
    draw = np.random.default_rng(seed)
    means_R = bootstrap_means(sums_C, sizes_C, draw)
    low, high = np.quantile(means_R, (0.025, 0.975))
    return Gain(
        gain=float(difference_I.mean()),
        low=float(low),
        high=float(high),
        p=sign_flip_p(sums_C, draw),
        n=n,
    )


def bootstrap_means(sums_C: Values, sizes_C: Values, draw: np.random.Generator) -> Values:
    """Means of `RESAMPLES` samples of clusters drawn with replacement, [R]."""
    count = len(sums_C)
    means = []
    for start in range(0, RESAMPLES, _CHUNK):
        rows = min(_CHUNK, RESAMPLES - start)
        times_RC = draw.multinomial(count, np.full(count, 1 / count), size=rows)
        means.append((times_RC @ sums_C) / (times_RC @ sizes_C))
    return np.concatenate(means)


def sign_flip_p(sums_C: Values, draw: np.random.Generator) -> float:
    """Two-sided p of the clusters' summed differences under "new and old could be swapped in every cluster"."""
    moved_C = sums_C[np.abs(sums_C) > 1e-12]  # a cluster without a difference adds nothing under either sign
    count = len(moved_C)
    if count == 0:
        return 1.0
    seen = abs(float(moved_C.sum())) - 1e-9
    if count <= _EXACT_CLUSTERS:
        bits = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        return float((np.abs((2 * bits - 1) @ moved_C) >= seen).mean())
    extreme = 0
    for start in range(0, FLIPS, _CHUNK):
        rows = min(_CHUNK, FLIPS - start)
        signs_RC = draw.integers(0, 2, size=(rows, count), dtype=np.int8).astype(np.float32) * 2 - 1
        extreme += int((np.abs(signs_RC @ moved_C) >= seen).sum())
    return (1 + extreme) / (1 + FLIPS)
