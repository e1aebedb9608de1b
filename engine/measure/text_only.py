"""The control `text-only`: a small classifier that learns from the texts of comparisons alone which one is preferred.

It is trained on the comparisons about one half of the images and asked about the other half, and the other way round,
so every comparison is judged by one that saw neither its image nor its texts' labels. What it gets right, no picture
is needed for. Ridge regression on feature differences: 1,200 comparisons take about a second.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

from engine.judging.asking import verdict_row
from engine.measure.controls import control_sample
from engine.measure.text_features import BLOCKS, Rows, features
from engine.records import ORDERS, BenchmarkItem, VerdictRow, naming, seed_for

TEXT_ONLY = "control:text-only"
FEWEST = 40
"""Below this many comparisons a half has too few to learn from, and nothing is said."""
_MOST = 5000
"""Comparisons that are looked at, drawn by the hash of their ids: they take 160 MB, and tell 1.5 points apart."""
_MOST_LEARNED = 1000
"""Comparisons of a half that are learned from: solving grows with the cube; more would not find smaller leaks."""
_STRENGTHS = (0.1, 1.0, 10.0)
"""Ridge penalties tried, as multiples of the mean squared length of a row."""

Kernel = npt.NDArray[np.float64]


def text_only_verdicts(items: Sequence[BenchmarkItem]) -> list[VerdictRow]:
    """What the control says of each item, the same response in both orders; nothing for fewer than `FEWEST` items, and
    nothing of those beyond a sample of 5,000.

    Open and closed items are learned apart where there are enough of both. Deterministic: it hangs on the items alone,
    not on their order.
    """
    ordered = sorted(control_sample(items, _MOST), key=lambda item: (item.image_id, item.item_id))
    prefers: dict[str, bool] = {}
    for group in _groups(ordered):
        for item, score in zip(group, _scores(group), strict=True):
            prefers[item.item_id] = _prefers(item, score)
    return [
        verdict_row(TEXT_ONLY, item, order, naming(prefers[item.item_id], order))
        for item in items
        if item.item_id in prefers
        for order in ORDERS
    ]


def _groups(items: Sequence[BenchmarkItem]) -> list[list[BenchmarkItem]]:
    """Items that are learned together: by kind, or all if a kind is too few; none if all are."""
    kinds = [[item for item in items if item.kind == kind] for kind in ("open", "closed")]
    if all(not kind or _enough(kind) for kind in kinds):
        return [kind for kind in kinds if kind]
    return [list(items)] if _enough(items) else []


def _enough(items: Sequence[BenchmarkItem]) -> bool:
    halves = [_half(item) for item in items]
    return len(items) >= FEWEST and min(halves.count(0), halves.count(1)) >= FEWEST // 4


def _scores(items: Sequence[BenchmarkItem]) -> npt.NDArray[np.float64]:
    """Positive where the preferred response is taken, [I]: each half scored by what was learned from the other."""
    blocks = features(items)
    half_I = np.array([_half(item) for item in items])
    scores_I = np.zeros(len(items))
    for asked in (0, 1):
        learned_from = _sampled(np.flatnonzero(half_I != asked))
        groups = [items[place].image_id for place in learned_from]
        scores_I[half_I == asked] = _learned(blocks, learned_from, groups).scores(blocks, half_I == asked)
    return scores_I


def _half(item: BenchmarkItem) -> int:
    """0 or 1, the same for all items about an image."""
    return seed_for("text-only half", item.image_id) % 2


def _sampled(places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """At most `_MOST_LEARNED` of them, spread evenly; items are sorted by image, whose ids are hashes."""
    if len(places) <= _MOST_LEARNED:
        return places
    return places[np.linspace(0, len(places) - 1, _MOST_LEARNED).astype(np.int64)]


def _prefers(item: BenchmarkItem, score: float) -> bool:
    """Whether the classifier takes the preferred response; where it has nothing to go by, a fixed coin per item."""
    return score > 0 if score else seed_for("text-only coin", item.item_id) % 2 == 0


@dataclass(frozen=True, slots=True)
class _Learned:
    """Which blocks were worth looking at, and the weight of every row that was learned from."""

    blocks: tuple[str, ...]
    rows: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64]

    def scores(self, blocks: Mapping[str, Rows], asked: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        """Positive where the preferred response is taken."""
        return _added(_scaled(blocks[name], asked, self.rows) for name in self.blocks) @ self.weights


def _learned(blocks: Mapping[str, Rows], rows: npt.NDArray[np.int64], groups: Sequence[str]) -> _Learned:
    """The best of each block by itself and all together, by what they say of images that were left out.

    A leak that sits in one block drowns in the noise of the others, hence each by itself too.
    """
    kernels = {name: _scaled(blocks[name], rows, rows) for name in BLOCKS}
    best: tuple[float, _Learned] | None = None
    for names in (BLOCKS, *((name,) for name in BLOCKS)):
        kernel = _added(kernels[name] for name in names)
        scale = float(np.trace(kernel)) / len(rows)
        if scale == 0:
            continue
        for strength in _STRENGTHS:
            weights, right = _fit(kernel, strength * scale, groups)
            if best is None or right > best[0]:
                best = (right, _Learned(names, rows, weights))
    return best[1] if best else _Learned(BLOCKS, rows, np.zeros(len(rows)))


def _scaled(block: Rows, first: npt.NDArray[np.generic], second: npt.NDArray[np.generic]) -> Kernel:
    """Inner products of two sets of rows, over the block's mean squared length: no block is louder by its width."""
    loudness = float((block**2).sum()) / len(block)
    return np.asarray(block[first] @ block[second].T, dtype=np.float64) / max(loudness, 1e-12)


def _added(kernels: Iterable[Kernel]) -> Kernel:
    return reduce(np.add, kernels)


def _fit(kernel: Kernel, penalty: float, groups: Sequence[str]) -> tuple[npt.NDArray[np.float64], float]:
    """Weights of a ridge regression to +1 (a difference the other way round would be -1, so there is no constant),
    and the share that is right when the rows of an image are left out together, in closed form."""
    inverse = np.linalg.inv(kernel + penalty * np.eye(len(kernel)))
    weights = inverse.sum(axis=1)
    left_out = 1.0 - weights / inverse.diagonal()
    for rows in _shared(groups):
        left_out[rows] = 1.0 - np.linalg.solve(inverse[np.ix_(rows, rows)], weights[rows])
    return weights, float((left_out > 0).mean() + (left_out == 0).mean() / 2)


def _shared(groups: Sequence[str]) -> list[list[int]]:
    """The rows of every group that has several."""
    members: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        members.setdefault(group, []).append(row)
    return [rows for rows in members.values() if len(rows) > 1]
