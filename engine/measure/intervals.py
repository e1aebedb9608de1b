"""The statistics behind every accuracy: intervals and paired tests on plain arrays, clustered by image.

Items about one image rise and fall together, so images are counted, not items. How often the intervals hold the truth
is measured by `tests/bench/bench_coverage.py`. It knows no judge, no benchmark and no record.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Clusters = npt.NDArray[np.int64]

Z = 1.959963984540054
"""97.5 % quantile of the standard normal: every interval here is a 95 % interval."""
FLIPS = 9999
"""Monte Carlo sign flips: the smallest p is 1/10,000, a p of .05 is known to ±.004."""
_T_QUANTILES = {
    1: 12.7062, 2: 4.3027, 3: 3.1824, 4: 2.7764, 5: 2.5706, 6: 2.4469, 7: 2.3646, 8: 2.3060, 9: 2.2622, 10: 2.2281,
    12: 2.1788, 15: 2.1314, 20: 2.0860, 30: 2.0423, 60: 2.0003, 120: 1.9799, np.inf: Z,
}  # fmt: skip
"""Degrees of freedom → 97.5 % quantile of Student's t. Between them it is nearly a straight line in 1/df."""
_EXACT_CLUSTERS = 12
"""Up to this many clusters all 2**12 sign patterns are enumerated instead of drawn."""
_CHUNK_CELLS = 32_000_000
"""Signs drawn at a time; a byte holds eight and becomes one float: 32 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """A paired difference of means, new minus old."""

    gain: float
    low: float
    high: float
    """95 % interval: Student's t over clusters."""
    p: float
    """Two-sided, cluster sign-flip permutation test; 1.0 where nothing differs."""
    n: int
    """Items."""

    @property
    def excludes_zero(self) -> bool:
        """An improvement the statistics name: interval and test agree."""
        return self.low > 0.0 and self.p < 0.05


@dataclass(frozen=True, slots=True)
class Clustered:
    """A mean over items and how far clusters let it wobble."""

    mean: float
    variance: float
    """Of the mean, cluster-robust, corrected for few clusters: CR2 of Bell and McCaffrey (2002) for a mean. Zero where
    no cluster differs from the mean, and for a single cluster."""
    clusters: float
    """Effective number: (Σ size)² / Σ size². Unequal clusters count as fewer (Carter, Schnepel, Steigerwald 2017)."""

    @property
    def t(self) -> float:
        """97.5 % quantile of Student's t with one degree of freedom less than there are effective clusters."""
        return t_quantile(self.clusters - 1)


def t_quantile(degrees: float) -> float:
    """97.5 % quantile of Student's t; fewer than one degree of freedom counts as one."""
    inverse = [1 / known for known in reversed(_T_QUANTILES)]
    return float(np.interp(1 / max(degrees, 1.0), inverse, list(reversed(_T_QUANTILES.values()))))


def clustered_mean(values_I: Values, clusters_I: Clusters) -> Clustered:
    """Mean, variance and effective clusters of at least one item (I: item)."""
    n = len(values_I)
    mean = float(values_I.mean())
    share_C = cluster_sums(np.ones(n), clusters_I) / n
    sums_C = cluster_sums(values_I - mean, clusters_I) / n
    if len(share_C) == 1:
        return Clustered(mean, 0.0, 1.0)
    variance = float((sums_C**2 / (1 - share_C)).sum())
    return Clustered(mean, variance, float(1 / (share_C**2).sum()))


def clustered_interval(values_I: Values, clusters_I: Clusters, *, replies: int) -> tuple[float, float]:
    """95 % interval of the mean of `values_I` (each in [0, 1]; I: item), clustered.

    Wilson's interval (JASA 1927) with the number of replies divided by the design effect: the effective size is
    p(1-p) over the cluster-robust variance of the mean, and that is shrunk by (z/t)² for the few clusters that the
    variance was measured on, as Korn and Graubard (1998) do for survey proportions. It stays within [0, 1], keeps a
    width at 0 and 1, and with one reply per cluster it is plain Wilson.
    `replies` caps the effective size: 1 per item for strict, 2 where both orders count.
    Returns (0, 1) for no items: nothing is known.
    """
    n = len(values_I)
    if n == 0:
        return 0.0, 1.0
    found = clustered_mean(values_I, clusters_I)
    p = found.mean
    if found.clusters > n - 0.5 and replies == n:
        return wilson(p, float(n))  # one reply per cluster: binomial, its spread is known and not measured
    if found.clusters == 1.0 or p in (0.0, 1.0):
        return wilson(p, found.clusters)  # no spread to measure: count clusters, the cautious choice
    if found.variance <= 0.0:
        return wilson(p, float(replies))  # clusters agree better than chance would have them
    size = p * (1 - p) / found.variance * (Z / found.t) ** 2
    return wilson(p, max(1.0, min(float(replies), size)))


def wilson(p: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share `p` seen in `n` trials, which need not be whole."""
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
    low, high = difference_interval(difference_I, clusters_I)
    p = sign_flip_p(cluster_sums(difference_I, clusters_I), np.random.default_rng(seed))
    return Gain(gain=float(difference_I.mean()), low=low, high=high, p=p, n=n)


def difference_interval(difference_I: Values, clusters_I: Clusters) -> tuple[float, float]:
    """95 % interval of the mean of paired differences, each in [-1, 1].

    Student's t on the clusters. Where no cluster differs from the others there is no spread to measure: two imagined
    clusters of one item, one for each side, then give a width, as Bonett and Price (2012) do for paired shares.
    Percentile and studentised bootstraps were tried and hold the truth less often with few clusters.
    """
    found = clustered_mean(difference_I, clusters_I)
    if found.variance <= 0.0:
        imagined_I = np.concatenate([difference_I, [1.0, -1.0]])
        beyond = int(clusters_I.max()) + 1
        spread = clustered_mean(imagined_I, np.concatenate([clusters_I, [beyond, beyond + 1]]))
        found = Clustered(found.mean, spread.variance, max(found.clusters, 2.0))
    half = found.t * found.variance**0.5
    return max(-1.0, found.mean - half), min(1.0, found.mean + half)


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
    rows = max(1, _CHUNK_CELLS // count)
    for start in range(0, FLIPS, rows):
        sums_R = _flipped_sums(moved_C, min(rows, FLIPS - start), draw)
        extreme += int((np.abs(sums_R) >= seen).sum())
    return (1 + extreme) / (1 + FLIPS)


def _flipped_sums(moved_C: Values, rows: int, draw: np.random.Generator) -> Values:
    """The sum under `rows` draws of a fair sign per cluster, [R].

    One random byte is the signs of eight clusters, whose 256 sums are made once: eight times fewer draws and additions.
    """
    eights_E8 = np.pad(moved_C, (0, -len(moved_C) % 8)).reshape(-1, 8)
    signs_S8 = ((np.arange(256)[:, None] >> np.arange(8)) & 1) * 2.0 - 1
    sums_ES = eights_E8 @ signs_S8.T
    drawn_RE = draw.integers(0, 256, size=(rows, len(eights_E8)), dtype=np.uint8)
    return np.asarray(sums_ES[np.arange(len(eights_E8)), drawn_RE].sum(axis=1), dtype=np.float64)
