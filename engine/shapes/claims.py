"""Descriptions of scenes as lists of claims: what each says, whether it is true, and how it is damaged.

Every sentence has eight words, so that damaging one detail changes neither length nor style.
"""

import random
from dataclasses import dataclass, replace

from engine.shapes.questions import NUMBERS, at_place
from engine.shapes.scenes import COLOURS, COLUMNS, PLACES, ROWS, SHAPES, SIZES, Scene, Thing

DIMENSIONS = ("attribute", "count", "position", "shape", "existence")
"""What can be wrong with a description: colour or size, the total, a place, a shape, a colour said to be absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """How many objects there are."""

    number: str

    def sentence(self) -> str:
        return f"The total number of objects here is {self.number}."

    def holds(self, scene: Scene) -> bool:
        return NUMBERS.index(self.number) == len(scene.things)

    def look(self, scene: Scene) -> str:
        return f"there are {NUMBERS[len(scene.things)]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Has:
    """What stands in one cell."""

    place: str
    size: str
    colour: str
    shape: str

    def sentence(self) -> str:
        return f"The {self.place} has a {self.size} {self.colour} {self.shape}."

    def holds(self, scene: Scene) -> bool:
        thing = scene.at(self.place)
        return thing is not None and (thing.size, thing.colour, thing.shape) == (
            self.size, self.colour, self.shape,
        )  # fmt: skip

    def look(self, scene: Scene) -> str:
        return at_place(scene, self.place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacks:
    """A colour that no object has."""

    colour: str

    def sentence(self) -> str:
        return f"In this picture nothing has the colour {self.colour}."

    def holds(self, scene: Scene) -> bool:
        return all(thing.colour != self.colour for thing in scene.things)

    def look(self, scene: Scene) -> str:
        places = [thing.place for thing in scene.things if thing.colour == self.colour]
        return f"{self.colour} is {', '.join(places) or 'nowhere'}"


Claim = Total | Has | Lacks


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One word of one sentence exchanged for another of its sort."""

    index: int
    """0-based sentence."""
    old: str
    new: str
    damaged: Claim


def describe(scene: Scene, rng: random.Random) -> list[Claim]:
    """The true description: total, every object in reading order, one colour that is absent."""
    absent = rng.choice([colour for colour in COLOURS if colour not in {t.colour for t in scene.things}])
    cells: list[Claim] = [_has(thing) for thing in scene.things]
    return [Total(number=NUMBERS[len(scene.things)]), *cells, Lacks(colour=absent)]


def text_of(claims: list[Claim]) -> str:
    """The response a list of claims reads as."""
    return " ".join(claim.sentence() for claim in claims)


def unrelated(rng: random.Random, objects: int) -> list[Claim]:
    """A description of no scene at all: its words cannot be guessed from any picture."""
    cells: list[Claim] = [
        Has(place=rng.choice(PLACES), size=rng.choice(SIZES), colour=rng.choice(list(COLOURS)),
            shape=rng.choice(SHAPES))
        for _ in range(objects)
    ]  # fmt: skip
    return [Total(number=rng.choice(NUMBERS[:7])), *cells, Lacks(colour=rng.choice(list(COLOURS)))]


def propose(claims: list[Claim], dimension: str, rng: random.Random) -> Edit:
    """A change of one word that damages `dimension`, chosen from the words of the response alone."""
    if dimension == "count":
        return _edit(claims, 0, "number", _near(claims[0], rng))
    if dimension == "existence":
        shown = [claim.colour for claim in claims if isinstance(claim, Has)]
        return _edit(claims, len(claims) - 1, "colour", rng.choice(shown))
    index = rng.choice([i for i, claim in enumerate(claims) if isinstance(claim, Has)])
    claim = claims[index]
    assert isinstance(claim, Has)
    if dimension == "shape":
        return _edit(claims, index, "shape", _other(SHAPES, claim.shape, rng))
    if dimension == "attribute":
        if rng.random() < 0.35:
            return _edit(claims, index, "size", _other(SIZES, claim.size, rng))
        return _edit(claims, index, "colour", _other(tuple(COLOURS), claim.colour, rng))
    row, column = claim.place.split()
    if rng.random() < 0.5:
        return _edit(claims, index, "place", f"{_other(ROWS, row, rng)} {column}")
    return _edit(claims, index, "place", f"{row} {_other(COLUMNS, column, rng)}")


def apply(claims: list[Claim], edit: Edit) -> list[Claim]:
    """The description with one claim exchanged."""
    return [edit.damaged if i == edit.index else claim for i, claim in enumerate(claims)]


def corrupt(claims: list[Claim], share: float, rng: random.Random) -> list[Claim]:
    """Every claim independently damaged with probability `share`, whatever that does to the rest."""
    damaged = list(claims)
    for index, claim in enumerate(claims):
        if rng.random() >= share:
            continue
        if isinstance(claim, Total):
            damaged[index] = _edit(claims, index, "number", _near(claim, rng)).damaged
        elif isinstance(claim, Lacks):
            damaged[index] = Lacks(colour=_other(tuple(COLOURS), claim.colour, rng))
        else:
            dimension = rng.choice(("attribute", "position", "shape"))
            damaged[index] = propose([claim], dimension, rng).damaged
    return damaged


def _has(thing: Thing) -> Has:
    return Has(place=thing.place, size=thing.size, colour=thing.colour, shape=thing.shape)


def _near(claim: Claim, rng: random.Random) -> str:
    assert isinstance(claim, Total)
    n = NUMBERS.index(claim.number)
    return NUMBERS[rng.choice([k for k in (n - 1, n + 1, n + 2) if 1 <= k < len(NUMBERS)])]


def _other(words: tuple[str, ...], word: str, rng: random.Random) -> str:
    return rng.choice([other for other in words if other != word])


def _edit(claims: list[Claim], index: int, field: str, value: str) -> Edit:
    old_value: str = getattr(claims[index], field)
    damaged: Claim = replace(claims[index], **{field: value})  # type: ignore[arg-type]
    old, new = next(
        ((a, b) for a, b in zip(old_value.split(), value.split(), strict=True) if a != b), (old_value, value)
    )
    return Edit(index=index, old=old, new=new, damaged=damaged)
