"""The shapes benchmark: comparisons about newly drawn scenes, right and wrong by their exact key.

Its scenes come from a seed space of their own, so none was ever seen in pre-training or in a loop.
"""

import hashlib
import random
from pathlib import Path

from engine.errors import SourceError
from engine.records import BenchmarkItem, content_id
from engine.shapes.claims import DIMENSIONS, apply, describe, propose, text_of
from engine.shapes.looks import CLEAR, Look, seen_through
from engine.shapes.pretrain.corpus import CLOSED_DIMENSIONS, closed_response
from engine.shapes.questions import ask, wrong_answer
from engine.shapes.scenes import Difficulty, Scene, Space, draw, scene_seed

NAME = "shapes"
OPEN_QUESTION = "Describe the picture."


def items(
    *, count: int = 660, seed: int = 0, folder: Path, difficulty: Difficulty = "normal",
    space: Space = "benchmark", look: Look = CLEAR,
) -> list[BenchmarkItem]:  # fmt: skip
    """`count` items, closed and open in turn, every kind of question and of fault equally often.

    Open: the true description against one with a single wrong detail. Closed: the right answer against a
    plausible wrong one, both worded as the embedded model words them. One PNG per item goes to `folder`.
    Raises `SourceError` when `folder` cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_item(index, seed, folder, difficulty, space, look) for index in range(count)]
    except OSError as error:
        raise SourceError(
            f"{folder}: cannot write the benchmark's pictures: {error.strerror}. Free space or choose another folder."
        ) from error


def _item(index: int, seed: int, folder: Path, difficulty: Difficulty, space: Space, look: Look) -> BenchmarkItem:
    number = scene_seed(space, seed, index)
    image, scene = draw(number, difficulty)
    path = folder / f"{space}-{difficulty}-{seed}-{index:05d}.png"
    seen_through(image, look, number).save(path)
    rng = random.Random(f"benchmark/{seed}/{index}")
    turn, place = divmod(index, 2)
    if place == 0:
        dimension = CLOSED_DIMENSIONS[turn % len(CLOSED_DIMENSIONS)]
        question, preferred, degraded = _closed(scene, dimension, rng)
    else:
        dimension = DIMENSIONS[turn % len(DIMENSIONS)]
        question, preferred, degraded = OPEN_QUESTION, *_open(scene, dimension, rng)
    return BenchmarkItem(
        item_id=content_id(NAME, space, difficulty, seed, index), benchmark=NAME,
        image_id=hashlib.sha256(path.read_bytes()).hexdigest(), image=str(path.absolute()),
        question=question, preferred=preferred, degraded=degraded,
        kind="open" if place else "closed", dimension=dimension,
    )  # fmt: skip


def _closed(scene: Scene, dimension: str, rng: random.Random) -> tuple[str, str, str]:
    question = ask(scene, rng, dimension)
    return (
        question.text, closed_response(question.answer.text), closed_response(wrong_answer(question, rng)),
    )  # fmt: skip


def _open(scene: Scene, dimension: str, rng: random.Random) -> tuple[str, str]:
    truth = describe(scene, rng)
    while True:
        edit = propose(truth, dimension, rng)
        if not edit.damaged.holds(scene):  # moving an object onto its own twin would still be true
            return text_of(truth), text_of(apply(truth, edit))
