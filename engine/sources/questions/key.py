"""The answer key of drawn scenes as the answers of a source, for the oracle ablation and for nothing else.

Elsewhere the key never reaches the loop; a judge that had learned from it would not be a self-made one.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from typing import get_args

from engine.config import Settings
from engine.errors import SettingsError
from engine.records import ImageRow, Instruction
from engine.shapes.questions import SLOTS, TEMPLATES, Template
from engine.shapes.scenes import Difficulty, Scene, scene_of, scene_seed

_NAME = re.compile(r"scene (\d+) \((\w+)\)")
"""How `engine.sources.drawn` names a picture."""


def check_answers(settings: Settings) -> None:
    """Raises `SettingsError` if the key would reach anything but the oracle ablation on drawn scenes."""
    if settings.source.answers == "own":
        return
    needed = {
        "synthesize.strategy": (settings.synthesize.strategy, "oracle"),
        "source.kind": (settings.source.kind, "drawn"),
        "source.questions": (settings.source.questions, "bank"),
    }
    for name, (found, wanted) in needed.items():
        if found != wanted:
            raise SettingsError(
                f"source.answers: the answer key may reach the oracle ablation on drawn scenes only, but {name} is "
                f"'{found}'. Set source.answers=own, or {name}={wanted}."
            )


def with_key(instructions: Iterable[Instruction], images: Iterable[ImageRow], *, seed: int) -> Iterator[Instruction]:
    """The instructions, closed ones with the key's answer. `seed` is the one that the scenes were drawn with."""
    names = {image.image_id: image.name for image in images}
    for one in instructions:
        yield replace(one, answer=answer_of(_scene(names[one.image_id], seed), one.question))


def answer_of(scene: Scene, question: str) -> str | None:
    """The right answer to a question of the bank; None for another question."""
    for pattern, template in _readers():
        if found := pattern.fullmatch(question):
            return template.solve(scene, found.groupdict()).text
    return None


def _scene(name: str, seed: int) -> Scene:
    found = _NAME.fullmatch(name)
    assert found, f"no name of a drawn scene: {name}"
    difficulty = next(known for known in get_args(Difficulty) if known == found[2])
    return scene_of(scene_seed("loop", seed, int(found[1])), difficulty)


@cache
def _readers() -> list[tuple[re.Pattern[str], Template]]:
    """A pattern per template that reads the words in its slots."""
    return [(_pattern(template.text), template) for template in TEMPLATES]


def _pattern(text: str) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w+)\}", text)
    return re.compile(
        "".join(
            re.escape(piece) if place % 2 == 0 else f"(?P<{piece}>{'|'.join(SLOTS[piece])})"
            for place, piece in enumerate(pieces)
        )
    )
