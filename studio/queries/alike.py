"""Pictures of a run that look most like one of them, by the tiny versions of them that intake keeps. No model."""

import base64
import threading
from dataclasses import dataclass

from engine.sources.pictures.alike import Look, nearest, stacked
from engine.workspace.catalog.database import Catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAlike:
    """One picture beside the one that was asked about."""

    image_id: str
    is_twin: bool
    """Intake takes both for the same picture, saved or scaled again: they fall on one side of the split."""
    difference: float
    """Mean over the tiny versions' cells, of 255."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looks:
    """All looks of one run: 43 MB for 100,000 pictures, so only those of the last run asked for are held."""

    of: tuple[str, str, tuple[object, ...]]
    """Workspace, run, and what tells one content of the table from another."""
    ids: list[str]
    groups: list[str]
    cells: Look
    """[N, cells × 3]"""


_ASKING = threading.Lock()
_HELD: list[_Looks] = []


def most_alike(catalog: Catalog, run: str, image_id: str, *, most: int = 11) -> list[LookAlike]:
    """The nearest pictures, twins among them first; [] where the run has kept no looks, or not this picture's."""
    looks = _looks(catalog, run)
    if image_id not in looks.ids:
        return []
    own = looks.ids.index(image_id)
    found = [
        LookAlike(image_id=looks.ids[place], is_twin=looks.groups[place] == looks.groups[own], difference=difference)
        for place, difference in nearest(looks.cells, looks.cells[own], most=most + 1)
        if place != own
    ]
    return sorted(found, key=lambda one: (not one.is_twin, one.difference))[:most]


def _looks(catalog: Catalog, run: str) -> _Looks:
    content = catalog.query("SELECT count(*), bit_xor(hash(image_id, look)) FROM looks WHERE run = ?", [run])[0]
    of = (str(catalog.workspace.root), run, tuple(content))
    with _ASKING:
        if _HELD and _HELD[0].of == of:
            return _HELD[0]
        rows = catalog.query("SELECT image_id, twins, look FROM looks WHERE run = ? ORDER BY image_id", [run])
        looks = _Looks(
            of=of,
            ids=[str(row[0]) for row in rows],
            groups=[str(row[1]) for row in rows],
            cells=stacked([base64.b64decode(row[2]) for row in rows]),
        )
        _HELD[:] = [looks]
        return looks
