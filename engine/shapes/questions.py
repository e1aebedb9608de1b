"""The closed questions of the shapes world and their exact answers, with the evidence that leads to them.

Every question is well defined for every scene, because the question bank never sees the key: an empty cell
is "nothing", what is absent is "nowhere", and of several the first in reading order is meant.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.shapes.scenes import COLOURS, PLACES, ROWS, SHAPES, Scene, Thing, compose

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
    """The right answer and the evidence a careful reader would write down first, as sentences."""

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
    return _filled(scene, rng, dimension, present=rng.random() < 0.5)


def contested(scene: Scene, rng: random.Random, dimension: str) -> tuple[Question, str] | None:
    """A question and a wrong answer that no text can tell from the right one; None: try again, best with a new scene.

    The question does not depend on the scene, and the wrong answer is the right one of another scene. Drawn anew
    whenever both agree, right and wrong are exchangeable. "nothing" and "nowhere" would be half of all pairs, so
    most of theirs are passed over, whichever side they are on.
    """
    question = _filled(scene, rng, dimension, present=False)
    wrong = question.template.solve(compose(rng, scene.difficulty), dict(question.slots)).text
    if wrong == question.answer.text:
        return None
    if {wrong, question.answer.text} & {"nothing", "nowhere"} and rng.random() > 0.25:
        return None
    return question, wrong


def wrong_answer(question: Question, scene: Scene, rng: random.Random) -> str:
    """What would be right for another scene, but is wrong for this one."""
    right = question.answer.text
    for _ in range(60):
        other = question.template.solve(compose(rng, scene.difficulty), dict(question.slots)).text
        if other != right:
            return other
    return "no" if right == "yes" else "yes" if right == "no" else "nine"


def _filled(scene: Scene, rng: random.Random, dimension: str | None, *, present: bool) -> Question:
    template = rng.choice([t for t in TEMPLATES if dimension is None or t.dimension == dimension])
    seen = rng.choice(scene.things)
    there = {
        "colour": seen.colour, "shape": seen.shape, "shapes": _plural(seen.shape), "place": seen.place,
    }  # fmt: skip
    slots: dict[str, str] = {}
    for name, values in SLOTS.items():
        if "{" + name + "}" in template.text:
            free = [value for value in values if value not in slots.values()]
            slots[name] = there[name] if present and name in there else rng.choice(free)
    return Question(
        text=template.text.format(**slots),
        template=template,
        slots=tuple(slots.items()),
        answer=template.solve(scene, slots),
    )


def where(subject: str, things: Sequence[Thing]) -> str:
    """The sentence that says where things are, e.g. "The colour red is at top left, middle left." """
    return f"{subject} at {', '.join(thing.place for thing in things)}." if things else f"{subject} nowhere."


def at_place(scene: Scene, place: str) -> str:
    """The sentence that says what one look at a cell shows, e.g. "The top left shows a big red star." """
    thing = scene.at(place)
    shown = f"a {thing.size} {thing.colour} {thing.shape}" if thing else "nothing"
    return f"The {place} shows {shown}."


def _plural(shape: str) -> str:
    return next(plural for plural, singular in PLURALS.items() if singular == shape)


def _count(subject: str, things: Sequence[Thing]) -> Answer:
    return Answer(text=NUMBERS[len(things)], evidence=where(subject, things))


def _exists(subject: str, things: Sequence[Thing]) -> Answer:
    return Answer(text="yes" if things else "no", evidence=where(subject, things))


def _first_place(subject: str, things: Sequence[Thing]) -> Answer:
    return Answer(text=things[0].place if things else "nowhere", evidence=where(subject, things))


def _more(subjects: tuple[str, str], left: Sequence[Thing], right: Sequence[Thing]) -> Answer:
    counted = [
        f"{where(subject, things)} That is {NUMBERS[len(things)]}."
        for subject, things in zip(subjects, (left, right), strict=True)
    ]
    return Answer(text="yes" if len(left) > len(right) else "no", evidence=" ".join(counted))


def _property(scene: Scene, place: str, name: str) -> Answer:
    thing = scene.at(place)
    return Answer(text=getattr(thing, name) if thing else "nothing", evidence=at_place(scene, place))


def _occupied(scene: Scene, place: str) -> Answer:
    return Answer(text="yes" if scene.at(place) else "no", evidence=at_place(scene, place))


def _having(scene: Scene, **wanted: str) -> list[Thing]:
    return [thing for thing in scene.things if all(getattr(thing, k) == v for k, v in wanted.items())]


def _in_row(scene: Scene, row: str) -> list[Thing]:
    return [thing for thing in scene.things if thing.place.startswith(row)]


def _more_than(scene: Scene, number: str) -> Answer:
    count = len(scene.things)
    evidence = f"{where('The objects are', scene.things)} That is {NUMBERS[count]}."
    return Answer(text="yes" if count > NUMBERS.index(number) else "no", evidence=evidence)


def of_colour(scene: Scene, colour: str) -> tuple[str, list[Thing]]:
    """What `where` needs to say where a colour is."""
    return f"The colour {colour} is", _having(scene, colour=colour)


def of_shape(scene: Scene, shape: str) -> tuple[str, list[Thing]]:
    """The same for a shape."""
    return f"The shape {shape} is", _having(scene, shape=shape)


def of_row(scene: Scene, row: str) -> tuple[str, list[Thing]]:
    """The same for a row."""
    return f"The {row} row has objects", _in_row(scene, row)


def _against(left: tuple[str, list[Thing]], right: tuple[str, list[Thing]]) -> Answer:
    return _more((left[0], right[0]), left[1], right[1])


TEMPLATES: tuple[Template, ...] = (
    Template(text="How many objects are there?", answer_type="number", dimension="count",
             solve=lambda scene, _: _count("The objects are", scene.things)),
    Template(text="How many {colour} objects are there?", answer_type="number", dimension="count",
             solve=lambda scene, slots: _count(*of_colour(scene, slots["colour"]))),
    Template(text="How many {shapes} are there?", answer_type="number", dimension="count",
             solve=lambda scene, slots: _count(*of_shape(scene, PLURALS[slots["shapes"]]))),
    Template(text="How many objects are in the {row} row?", answer_type="number", dimension="count",
             solve=lambda scene, slots: _count(*of_row(scene, slots["row"]))),
    Template(text="What colour is the object in the {place}?", answer_type="phrase", dimension="attribute",
             solve=lambda scene, slots: _property(scene, slots["place"], "colour")),
    Template(text="What size is the object in the {place}?", answer_type="phrase", dimension="attribute",
             solve=lambda scene, slots: _property(scene, slots["place"], "size")),
    Template(text="What shape is the object in the {place}?", answer_type="phrase", dimension="shape",
             solve=lambda scene, slots: _property(scene, slots["place"], "shape")),
    Template(text="Is there any {colour} object?", answer_type="yes_no", dimension="existence",
             solve=lambda scene, slots: _exists(*of_colour(scene, slots["colour"]))),
    Template(text="Is there any {shape}?", answer_type="yes_no", dimension="existence",
             solve=lambda scene, slots: _exists(*of_shape(scene, slots["shape"]))),
    Template(text="Is there anything in the {place}?", answer_type="yes_no", dimension="existence",
             solve=lambda scene, slots: _occupied(scene, slots["place"])),
    Template(text="Where is the {colour} object?", answer_type="phrase", dimension="position",
             solve=lambda scene, slots: _first_place(*of_colour(scene, slots["colour"]))),
    Template(text="Where is the {shape}?", answer_type="phrase", dimension="position",
             solve=lambda scene, slots: _first_place(*of_shape(scene, slots["shape"]))),
    Template(text="Are there more {colour} objects than {other_colour} objects?", answer_type="yes_no",
             dimension="comparison",
             solve=lambda scene, slots: _against(
                 of_colour(scene, slots["colour"]), of_colour(scene, slots["other_colour"]))),
    Template(text="Are there more {shapes} than {other_shapes}?", answer_type="yes_no", dimension="comparison",
             solve=lambda scene, slots: _against(
                 of_shape(scene, PLURALS[slots["shapes"]]), of_shape(scene, PLURALS[slots["other_shapes"]]))),
    Template(text="Are there more objects in the {row} row than in the {other_row} row?", answer_type="yes_no",
             dimension="comparison",
             solve=lambda scene, slots: _against(of_row(scene, slots["row"]), of_row(scene, slots["other_row"]))),
    Template(text="Are there more than {number} objects?", answer_type="yes_no", dimension="comparison",
             solve=lambda scene, slots: _more_than(scene, slots["number"])),
)  # fmt: skip
"""The bank. `assets/prompts/shapes.yaml` lists the same questions; a test holds them together."""
