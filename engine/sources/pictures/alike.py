"""Which pictures show the same: encoded again, scaled, or saved by another program. Plain pixels in, groups out.

A look is a tiny version of a picture. Two looks are twins when no part of them differs more than encoding, or a cut of
a hundredth at the edges, makes it. What that is depends on the picture: two pale ones differ by little and still show
different things, so they are measured by their own contrast.
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
_MEAN = 8.0
"""Twins differ by less than this on average, of 255, brightness included: a copy may be a little lighter."""
_OF_CONTRAST, _NOISE = 0.4, 0.8
"""And, brightness aside, by less than this share of the paler one's contrast (its mean distance from its own mean), or
than the second, which saving as JPEG leaves in a picture with nothing on it."""
_CELL, _OF_EDGE = 10.0, 0.25
"""No cell differs by more than the first, or this share of what lies within one cell around it: at an edge, a picture
cut or scaled by a fraction of a cell changes that much; anywhere else, something in it is another."""
_BIN = 10.0
"""Width of the cells in which candidates are looked for, in brightness of a quarter of the picture: more than `_MEAN`
can move the whole by, so twins lie in the same or in neighbouring cells."""

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
        near_K = np.array(near)[np.abs(cells_NP[near] - cells_P).mean(axis=1) < _MEAN]
        others_K = near_K[[names[place] != name for place in near_K]]
        if len(others_K):
            yield from ((name, names[place]) for place in others_K[_show_the_same(cells_NP[others_K], cells_P)])


def _show_the_same(some_KP: Cells, one_P: Cells) -> npt.NDArray[np.int64]:
    """Which of the looks differ from one by no more than a copy does, brightness aside. Edges, which take longer, are
    looked for only in the few that differ by little as a whole."""
    some_KSSC, one_SSC = _centred(some_KP), _centred(one_P[None])
    differences_KSSC = np.abs(some_KSSC - one_SSC)
    contrast_K = np.minimum(*(np.abs(looks).mean(axis=(1, 2, 3)) for looks in (some_KSSC, one_SSC)))
    little_K = np.flatnonzero(differences_KSSC.mean(axis=(1, 2, 3)) < np.maximum(_NOISE, _OF_CONTRAST * contrast_K))
    edges_KSSC = np.minimum(_around(some_KSSC[little_K]), _around(one_SSC))
    is_nowhere_K = differences_KSSC[little_K] < np.maximum(_CELL, _OF_EDGE * edges_KSSC)
    same_K: npt.NDArray[np.int64] = little_K[is_nowhere_K.all(axis=(1, 2, 3))]
    return same_K


def _centred(looks_KP: Cells) -> Cells:
    """[K, side, side, colour], each colour's mean taken off."""
    looks_KSSC = looks_KP.reshape(-1, SIDE, SIDE, 3)
    centred_KSSC: Cells = looks_KSSC - looks_KSSC.mean(axis=(1, 2), keepdims=True)
    return centred_KSSC


def _around(looks_KSSC: Cells) -> Cells:
    """Of each cell, how far the cells around it lie apart."""
    wider = np.pad(looks_KSSC, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    around = np.stack([wider[:, y : y + SIDE, x : x + SIDE] for y, x in product(range(3), repeat=2)])
    apart_KSSC: Cells = around.max(axis=0) - around.min(axis=0)
    return apart_KSSC


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
