"""Which pictures show the same: encoded again, scaled, or saved by another program. Plain pixels in, groups out.

A look is a tiny version of a picture. Two looks are twins when no part of them differs more than encoding does, so two
drawings that differ in one small object are not.
"""

import base64
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE = 12
"""Cells of a look per side."""
_MEAN, _MOST = 4.0, 20.0
"""Twins differ by less than this, in mean and in their most different cell, of 255. Saving as JPEG at quality 40 and
halving the size stay below both; moving an object of a tenth of the picture's width does not."""
_BIN = 10.0
"""Width of the cells in which candidates are looked for, in brightness of a quarter of the picture: more than `_MEAN`
can move a quarter by, so twins lie in the same or in neighbouring cells."""

Cells = npt.NDArray[np.float32]
Look = npt.NDArray[np.uint8]
_AT_ONCE = 20_000
"""Looks that are compared in one step: 17 MB of differences."""


def look_of(path: Path) -> str | None:
    """The look of a picture file as text; None if it cannot be read."""
    try:
        with Image.open(path) as image:
            image.draft("RGB", (8 * SIDE, 8 * SIDE))  # JPEG decodes small ones many times faster
            small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    return base64.b64encode(small.tobytes()).decode()


def groups_of(looks: Mapping[str, str]) -> dict[str, str]:
    """Picture → the group it belongs to, named by its smallest id. Twins of twins are of one group."""
    parent = {name: name for name in looks}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for one, other in twins(looks, looks):
        first, second = sorted((root(one), root(other)))
        parent[second] = first
    return {name: root(name) for name in looks}


def twins(looks: Mapping[str, str], among: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Pairs of a picture and its twin in `among`, each picture's with itself left out."""
    names, cells_NP = list(among), _cells(among.values())
    places: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for place, key in enumerate(_keys(cells_NP)):
        places[key].append(place)
    own_MP = _cells(looks.values())
    for name, cells_P, key in zip(looks, own_MP, _keys(own_MP), strict=True):
        near = [place for step in product((-1, 0, 1), repeat=4) for place in places.get(_moved(key, step), ())]
        if not near:
            continue
        differences_KP = np.abs(cells_NP[near] - cells_P)
        same_K = (differences_KP.mean(axis=1) < _MEAN) & (differences_KP.max(axis=1) < _MOST)
        yield from ((name, names[near[k]]) for k in np.flatnonzero(same_K) if names[near[k]] != name)


def stacked(looks: Sequence[bytes]) -> Look:
    """Decoded looks as uint8 [N, cells × 3]."""
    return np.frombuffer(b"".join(looks), dtype=np.uint8).reshape(len(looks), SIDE * SIDE * 3)


def nearest(looks_NP: Look, look_P: Look, *, most: int) -> list[tuple[int, float]]:
    """Place and mean difference (of 255) of the looks closest to one, closest first; itself is among them."""
    means_N = np.empty(len(looks_NP), dtype=np.float32)
    for start in range(0, len(looks_NP), _AT_ONCE):
        block_KP = looks_NP[start : start + _AT_ONCE].astype(np.int16)
        means_N[start : start + _AT_ONCE] = np.abs(block_KP - look_P).mean(axis=1, dtype=np.float32)
    order = np.argsort(means_N, kind="stable")[:most]
    return [(int(place), float(means_N[place])) for place in order]


def _cells(looks: Iterable[str]) -> Cells:
    """[N, cells × 3]."""
    rows = [np.frombuffer(base64.b64decode(look), dtype=np.uint8) for look in looks]
    return np.array(rows, dtype=np.float32).reshape(len(rows), SIDE * SIDE * 3)


def _keys(cells_NP: Cells) -> list[tuple[int, ...]]:
    """Brightness of the four quarters, in bins."""
    half = SIDE // 2
    quarters_N4 = cells_NP.reshape(-1, 2, half, 2, half, 3).mean(axis=(2, 4, 5)).reshape(-1, 4)
    return [tuple(row) for row in np.floor(quarters_N4 / _BIN).astype(int).tolist()]


def _moved(key: tuple[int, ...], step: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(one + more for one, more in zip(key, step, strict=True))
