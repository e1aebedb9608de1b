"""The order in which examples are seen: like lengths side by side, drawn anew in every epoch, the same after a resume.

transformers' own length grouping draws from the global stream of chance, so training that resumed within an epoch
would see some examples twice and others not at all.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

_MEGABATCH = 8
"""Batches that are sorted together: padding falls to a few percent, and most of the mixing stays."""


class LengthOrder(Sampler[int]):
    """Indices such that each run of `batch` of them is of like length; runs come in random order."""

    def __init__(self, lengths: Sequence[int], *, batch: int, seed: int) -> None:
        self._lengths = np.asarray(lengths)
        self._batch = batch
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by accelerate before every epoch, and again when one is resumed."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        draw = np.random.default_rng((self._seed, self._epoch))
        shuffled = draw.permutation(len(self._lengths))
        batches = []
        for start in range(0, len(shuffled), self._batch * _MEGABATCH):
            part = shuffled[start : start + self._batch * _MEGABATCH]
            part = part[np.argsort(self._lengths[part], kind="stable")]
            batches += [part[at : at + self._batch] for at in range(0, len(part), self._batch)]
        short = [batch for batch in batches if len(batch) < self._batch]  # at most one; last, or all others shift
        whole = [batch for batch in batches if len(batch) == self._batch]
        for place in draw.permutation(len(whole)):
            yield from (int(index) for index in whole[place])
        for batch in short:
            yield from (int(index) for index in batch)
