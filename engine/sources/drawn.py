"""Drawn scenes of coloured shapes as a source of images. Only the pixels: the answer key stays in `engine.shapes`."""

from collections.abc import Iterator
from typing import get_args

from engine.errors import SettingsError
from engine.shapes.looks import CLEAR, Look
from engine.sources.entry import Entry, Source


def open_drawn(count: int, difficulty: str, seed: int, look: Look = CLEAR) -> Source:
    """`count` scenes; "mixed" takes the difficulties in turn. Raises `SettingsError` for an unknown one."""
    from engine.shapes.scenes import Difficulty

    known = get_args(Difficulty)
    if difficulty not in (*known, "mixed"):
        names = ", ".join((*known, "mixed"))
        raise SettingsError(f"source.difficulty: no difficulty called '{difficulty}'. Use one of {names}.")
    turns = known if difficulty == "mixed" else (difficulty,)
    return Source(label="drawn scenes", total=count, entries=_entries(count, turns, seed, look))


def _entries(count: int, turns: tuple[str, ...], seed: int, look: Look) -> Iterator[Entry]:
    from engine.shapes.scenes import scene_image

    for index in range(count):
        difficulty = turns[index % len(turns)]
        image = scene_image(seed, index, difficulty, look)  # type: ignore[arg-type]
        yield Entry(name=f"scene {index} ({difficulty})", data=image)
