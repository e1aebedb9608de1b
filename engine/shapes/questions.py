"""The closed questions of the shapes world and their exact answers, with the evidence that leads to them.

Every question is well defined for every scene, because the question bank never sees the key: an empty cell
is "nothing", what is absent is "nowhere", and of several the first in reading order is meant.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.shapes.scenes import COLOURS, PLACES, ROWS, SHAPES, SIZES, Scene, Thing

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
PLURALS = {"circles": "circle", "squares": "square", "triangles": "triangle", "stars": "star", "crosses": "cross"}

SLOTS: dict[str, tuple[str, ...]] = {
    "colour": tuple(COLOURS),
    "other_colour": tuple(COLOURS),
    "shape": SHAPES,
    "shapes": tuple(PLURALS),
    "other_shapes": tuple(PLURALS),
    "place": PLACES,
    "row": ROWS,
    "other_row": ROWS,
    "number": ("two", "three"),
}
"""What each slot of a question template may be filled with; the prompt pack holds the same lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The right answer and the evidence a careful reader would write down first."""

    text: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A question with {slots} and the rule that answers it."""

    text: str
    answer_type: str
    dimension: str
    solve: Callable[[Scene, dict[str, str]], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One filled-in closed question about one scene."""

    text: str
    template: Template
    slots: tuple[tuple[str, str], ...]
    answer: Answer


def ask(scene: Scene, rng: random.Random, dimension: str | None = None) -> Question:
    """A random question about the scene, half of the slots filled from what is really there.

    A bank that never sees the key asks mostly about absent things; both kinds must be learned.
    """
    template = rng.choice([t for t in TEMPLATES if dimension is None or t.dimension == dimension])
    seen = rng.choice(scene.things)
    present = {
        "colour": seen.colour, "shape": seen.shape, "shapes": _plural(seen.shape), "place": seen.place,
    }  # fmt: skip
    use_present = rng.random() < 0.5
    slots = {
        name: present[name] if use_present and name in present else rng.choice(values)
        for name, values in SLOTS.items()
        if "{" + name + "}" in template.text
    }
    return Question(
        text=template.text.format(**slots),
        template=template,
        slots=tuple(slots.items()),
        answer=template.solve(scene, slots),
    )


def wrong_answer(question: Question, rng: random.Random) -> str:
    """A plausible answer that is not the right one: a near number, another colour, the opposite, …"""
    right = question.answer.text
    choices = [choice for choice in _alternatives(question) if choice != right]
    return rng.choice(choices)


def _alternatives(question: Question) -> Sequence[str]:
    right = question.answer.text
    if question.template.answer_type == "yes_no":
        return ("yes", "no")
    if question.template.answer_type == "number":
        n = NUMBERS.index(right)
        return [NUMBERS[k] for k in (n - 1, n + 1, n + 1, n - 1, n + 2) if 0 <= k < len(NUMBERS)]
    if question.template.dimension == "position":
        return (*PLACES, "nowhere", "nowhere")
    for name in ("colour", "size", "shape"):
        if question.text.startswith(f"What {name}"):
            words = {"colour": tuple(COLOURS), "size": SIZES, "shape": SHAPES}[name]
            return (*words, "nothing") if right != "nothing" else words
    raise AssertionError(question.text)


def _plural(shape: str) -> str:
    return next(plural for plural, singular in PLURALS.items() if singular == shape)


def _where(things: Sequence[Thing]) -> str:
    return ", ".join(thing.place for thing in things) if things else "nowhere"


def _count(things: Sequence[Thing]) -> Answer:
    return Answer(text=NUMBERS[len(things)], evidence=_where(things))


def _exists(things: Sequence[Thing]) -> Answer:
    return Answer(text="yes" if things else "no", evidence=_where(things))


def _first_place(things: Sequence[Thing]) -> Answer:
    return Answer(text=things[0].place if things else "nowhere", evidence=_where(things))


def _more(left: Sequence[Thing], right: Sequence[Thing]) -> Answer:
    evidence = f"{_where(left)}, {NUMBERS[len(left)]}, against {_where(right)}, {NUMBERS[len(right)]}"
    return Answer(text="yes" if len(left) > len(right) else "no", evidence=evidence)


def _property(scene: Scene, place: str, name: str) -> Answer:
    thing = scene.at(place)
    return Answer(text=getattr(thing, name) if thing else "nothing", evidence=at_place(scene, place))


def at_place(scene: Scene, place: str) -> str:
    """What one look at a cell shows, e.g. "top left has big red circle" or "top left has nothing"."""
    thing = scene.at(place)
    return f"{place} has {thing.size} {thing.colour} {thing.shape}" if thing else f"{place} has nothing"


def _having(scene: Scene, **wanted: str) -> list[Thing]:
    return [thing for thing in scene.things if all(getattr(thing, k) == v for k, v in wanted.items())]


def _in_row(scene: Scene, row: str) -> list[Thing]:
    return [thing for thing in scene.things if thing.place.startswith(row)]


def _more_than(scene: Scene, number: str) -> Answer:
    count = len(scene.things)
    evidence = f"{_where(scene.things)}, {NUMBERS[count]}, against {number}"
    return Answer(text="yes" if count > NUMBERS.index(number) else "no", evidence=evidence)


TEMPLATES: tuple[Template, ...] = (
    Template(text="How many objects are there?", answer_type="number", dimension="count",
             solve=lambda scene, _: _count(scene.things)),
    Template(text="How many {colour} objects are there?", answer_type="number", dimension="count",
             solve=lambda scene, slots: _count(_having(scene, colour=slots["colour"]))),
    Template(text="How many {shapes} are there?", answer_type="number", dimension="count",
             solve=lambda scene, slots: _count(_having(scene, shape=PLURALS[slots["shapes"]]))),
    Template(text="How many objects are in the {row} row?", answer_type="number", dimension="count",
             solve=lambda scene, slots: _count(_in_row(scene, slots["row"]))),
    Template(text="What colour is the object in the {place}?", answer_type="phrase", dimension="attribute",
             solve=lambda scene, slots: _property(scene, slots["place"], "colour")),
    Template(text="What size is the object in the {place}?", answer_type="phrase", dimension="attribute",
             solve=lambda scene, slots: _property(scene, slots["place"], "size")),
    Template(text="What shape is the object in the {place}?", answer_type="phrase", dimension="shape",
             solve=lambda scene, slots: _property(scene, slots["place"], "shape")),
    Template(text="Is there any {colour} object?", answer_type="yes_no", dimension="existence",
             solve=lambda scene, slots: _exists(_having(scene, colour=slots["colour"]))),
    Template(text="Is there any {shape}?", answer_type="yes_no", dimension="existence",
             solve=lambda scene, slots: _exists(_having(scene, shape=slots["shape"]))),
    Template(text="Is there any {colour} {shape}?", answer_type="yes_no", dimension="existence",
             solve=lambda scene, slots: _exists(
                 _having(scene, colour=slots["colour"], shape=slots["shape"]))),
    Template(text="Where is the {colour} object?", answer_type="phrase", dimension="position",
             solve=lambda scene, slots: _first_place(_having(scene, colour=slots["colour"]))),
    Template(text="Where is the {shape}?", answer_type="phrase", dimension="position",
             solve=lambda scene, slots: _first_place(_having(scene, shape=slots["shape"]))),
    Template(text="Are there more {colour} objects than {other_colour} objects?", answer_type="yes_no",
             dimension="comparison",
             solve=lambda scene, slots: _more(
                 _having(scene, colour=slots["colour"]), _having(scene, colour=slots["other_colour"]))),
    Template(text="Are there more {shapes} than {other_shapes}?", answer_type="yes_no", dimension="comparison",
             solve=lambda scene, slots: _more(
                 _having(scene, shape=PLURALS[slots["shapes"]]),
                 _having(scene, shape=PLURALS[slots["other_shapes"]]))),
    Template(text="Are there more objects in the {row} row than in the {other_row} row?", answer_type="yes_no",
             dimension="comparison",
             solve=lambda scene, slots: _more(
                 _in_row(scene, slots["row"]), _in_row(scene, slots["other_row"]))),
    Template(text="Are there more than {number} objects?", answer_type="yes_no", dimension="comparison",
             solve=lambda scene, slots: _more_than(scene, slots["number"])),
)  # fmt: skip
"""The bank. `assets/prompts/shapes.yaml` lists the same questions; a test holds them together."""
