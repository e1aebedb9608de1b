"""The shapes benchmark: comparisons about newly drawn scenes, right and wrong by their exact key.

Its scenes come from a seed space of their own, so none was ever seen in pre-training or in a loop.
"""

import hashlib
import random
from dataclasses import dataclass
from itertools import count as counting
from pathlib import Path
from typing import Literal

from engine.errors import SourceError
from engine.records import BenchmarkItem, content_id
from engine.shapes.claims import DIMENSIONS, apply, describe, propose, text_of
from engine.shapes.looks import CLEAR, Look, seen_through
from engine.shapes.pretrain.corpus import CLOSED_DIMENSIONS, closed_response
from engine.shapes.questions import contested
from engine.shapes.scenes import Difficulty, Scene, Space, draw, scene_of, scene_seed

NAME = "shapes"
OPEN_QUESTION = "Describe the picture."


def items(
    *, count: int = 660, seed: int = 0, folder: Path, difficulty: Difficulty = "normal",
    space: Space = "benchmark", look: Look = CLEAR,
) -> list[BenchmarkItem]:  # fmt: skip
    """`count` items, closed and open in turn, every kind of question and of fault equally often.

    Open: a true description against one with a single wrong word. Closed: the right answer against one that is right
    elsewhere, both worded as the embedded model words them. No text tells right from wrong: a test holds a trained
    judge of texts to chance. One PNG per item goes to `folder`.
    Raises `SourceError` when `folder` cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_item(index, seed, folder, difficulty, space, look) for index in range(count)]
    except OSError as error:
        raise SourceError(
            f"{folder}: cannot write the benchmark's pictures: {error.strerror}. Free space or choose another folder."
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnItem:
    """What an item asks, without its picture."""

    scene_seed: int
    """Of the picture and its key."""
    question: str
    preferred: str
    degraded: str
    kind: Literal["open", "closed"]
    dimension: str


def drawn_item(index: int, *, seed: int, difficulty: Difficulty, space: Space) -> DrawnItem:
    """The item at `index`: scenes are drawn until one has a question, or a fault, that suits.

    Taking another scene, and not another question about the same one, is what keeps right and wrong exchangeable.
    """
    turn, place = divmod(index, 2)
    rng = random.Random(f"benchmark/{seed}/{index}")
    for attempt in counting():
        number = scene_seed(space, seed, index, attempt)
        scene = scene_of(number, difficulty)
        if place == 0:
            dimension = CLOSED_DIMENSIONS[turn % len(CLOSED_DIMENSIONS)]
            found = _closed(scene, dimension, rng)
        else:
            dimension = DIMENSIONS[turn % len(DIMENSIONS)]
            found = _open(scene, dimension, rng)
        if found:
            question, preferred, degraded = found
            return DrawnItem(
                scene_seed=number, question=question, preferred=preferred, degraded=degraded,
                kind="open" if place else "closed", dimension=dimension,
            )  # fmt: skip
    raise AssertionError  # counting() has no end


def _item(index: int, seed: int, folder: Path, difficulty: Difficulty, space: Space, look: Look) -> BenchmarkItem:
    one = drawn_item(index, seed=seed, difficulty=difficulty, space=space)
    path = folder / f"{space}-{difficulty}-{seed}-{index:05d}.png"
    seen_through(draw(one.scene_seed, difficulty)[0], look, one.scene_seed).save(path)
    return BenchmarkItem(
        item_id=content_id(NAME, space, difficulty, seed, index), benchmark=NAME,
        image_id=hashlib.sha256(path.read_bytes()).hexdigest(), image=str(path.absolute()),
        question=one.question, preferred=one.preferred, degraded=one.degraded, kind=one.kind, dimension=one.dimension,
    )  # fmt: skip


def _closed(scene: Scene, dimension: str, rng: random.Random) -> tuple[str, str, str] | None:
    found = contested(scene, rng, dimension)
    if found is None:
        return None
    question, wrong = found
    return question.text, closed_response(question.answer.text), closed_response(wrong)


def _open(scene: Scene, dimension: str, rng: random.Random) -> tuple[str, str, str] | None:
    truth = describe(scene, rng)
    edit = propose(scene, truth, dimension, rng)
    return (OPEN_QUESTION, text_of(truth), text_of(apply(truth, edit))) if edit else None
