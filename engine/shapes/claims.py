"""Descriptions of scenes as lists of claims: what each says, whether it is true, and how it is damaged.

A description states the total, some of the objects in any order, and one colour that is absent. Total and absent
colour are about the whole picture, so what is not mentioned can decide them, and no text contradicts itself: damage
draws its word as truth draws its own, among what the rest of the text leaves open.
"""

import random
from dataclasses import dataclass, replace

from engine.shapes.questions import NUMBERS, at_place, where
from engine.shapes.scenes import COLOURS, PLACES, SHAPES, SIZES, STYLES, Scene, Thing

DIMENSIONS = ("attribute", "count", "position", "shape", "existence")
"""What can be wrong with a description: colour or size, the total, a place, a shape, a colour said to be absent."""

MENTIONED = (1, 2)
"""How many objects a description mentions; never more than the fewest that a scene has, so it says nothing of the
total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """How many objects there are."""

    number: str

    def sentence(self) -> str:
        return f"The picture shows {self.number} objects."

    def holds(self, scene: Scene) -> bool:
        return NUMBERS.index(self.number) == len(scene.things)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacks:
    """A colour that no object has."""

    colour: str

    def sentence(self) -> str:
        return f"Nothing in it is {self.colour}."

    def holds(self, scene: Scene) -> bool:
        return all(thing.colour != self.colour for thing in scene.things)


Claim = Total | Has | Lacks


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One word of one sentence exchanged for another of its sort."""

    index: int
    """0-based sentence."""
    old: str
    new: str
    damaged: Claim


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One word in which two descriptions differ."""

    number: int
    """1-based sentence."""
    left: Claim
    right: Claim
    slot: str
    """The field: number, place, size, colour or shape."""

    @property
    def words(self) -> tuple[str, str]:
        """What the left says there, and the right."""
        return getattr(self.left, self.slot), getattr(self.right, self.slot)

    def look(self, scene: Scene) -> tuple[str, str]:
        """What a look at the picture shows, as a sentence, and the right word: one that neither says, if need be."""
        x, y = self.words
        if isinstance(self.left, Total):
            return where("The objects are", scene.things), NUMBERS[len(scene.things)]
        if isinstance(self.left, Lacks):
            absent = [word for word in (x, y) if Lacks(colour=word).holds(scene)]
            seen = [where(f"The colour {word} is", _having(scene, colour=word)) for word in (x, y)]
            return " ".join(seen), absent[0] if len(absent) == 1 else "neither"
        if self.slot == "place":
            assert isinstance(self.left, Has)
            twins = _having(scene, size=self.left.size, colour=self.left.colour, shape=self.left.shape)
            places = [thing.place for thing in twins]
            named = [place for place in places if place in (x, y)]
            subject = f"The {self.left.size} {self.left.colour} {self.left.shape} is"
            return where(subject, twins), (named or places or ["nowhere"])[0]
        assert isinstance(self.left, Has)
        thing = scene.at(self.left.place)
        return at_place(scene, self.left.place), getattr(thing, self.slot) if thing else "nothing"


def describe(scene: Scene, rng: random.Random) -> list[Claim]:
    """A true description: total, one or two objects in any order, one colour that is absent."""
    absent = rng.choice([colour for colour in COLOURS if colour not in {t.colour for t in scene.things}])
    mentioned = rng.sample(scene.things, rng.randint(*MENTIONED))
    return [Total(number=NUMBERS[len(scene.things)]), *map(_has, mentioned), Lacks(colour=absent)]


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


def propose(scene: Scene, claims: list[Claim], dimension: str, rng: random.Random) -> Edit | None:
    """A change of one word that damages `dimension`, or None where the scene has no such change.

    The new word is drawn as a right one would be, among those that the rest of the text leaves open: totals that
    such a scene may have, cells free in picture and text, colours that are not said to be absent, and for the
    absent colour one that the picture has and the text does not mention.
    """
    told = [(i, claim) for i, claim in enumerate(claims) if isinstance(claim, Has)]
    if dimension == "count":
        low, high = STYLES[scene.difficulty].objects
        return _edit(claims, 0, "number", NUMBERS[low : high + 1], rng)
    if dimension == "existence":
        shown = {thing.colour for thing in scene.things} - {claim.colour for _, claim in told}
        return _edit(claims, len(claims) - 1, "colour", sorted(shown), rng)
    index, _ = rng.choice(told)
    if dimension == "position":
        taken = {thing.place for thing in scene.things} | {claim.place for _, claim in told}
        return _edit(claims, index, "place", [place for place in PLACES if place not in taken], rng)
    if dimension == "shape":
        return _edit(claims, index, "shape", SHAPES, rng)
    if rng.random() < 0.35:
        return _edit(claims, index, "size", SIZES, rng)
    absent = {claim.colour for claim in claims if isinstance(claim, Lacks)}
    return _edit(claims, index, "colour", [colour for colour in COLOURS if colour not in absent], rng)


def apply(claims: list[Claim], edit: Edit) -> list[Claim]:
    """The description with one claim exchanged."""
    return [edit.damaged if i == edit.index else claim for i, claim in enumerate(claims)]


def corrupt(claims: list[Claim], share: float, rng: random.Random) -> list[Claim]:
    """Every claim independently damaged in one word with probability `share`, whatever that does to the rest."""
    damaged = list(claims)
    for index, claim in enumerate(claims):
        if rng.random() >= share:
            continue
        slot, words = rng.choice([(slot, words) for slot, words in _WORDS.items() if hasattr(claim, slot)])
        edit = _edit(claims, index, slot, words, rng)
        damaged[index] = edit.damaged if edit else claim
    return damaged


def differences(left: list[Claim], right: list[Claim]) -> list[Difference]:
    """Every word in which two descriptions of one shape differ, in the order of the text."""
    return [
        Difference(number=number, left=x, right=y, slot=slot)
        for number, (x, y) in enumerate(zip(left, right, strict=True), 1)
        for slot in _WORDS
        if getattr(x, slot, None) != getattr(y, slot, None)
    ]


_WORDS: dict[str, tuple[str, ...]] = {
    "number": NUMBERS[1:7], "place": PLACES, "size": SIZES, "colour": tuple(COLOURS), "shape": SHAPES,
}  # fmt: skip
"""The words of claims that can be wrong, in the order of their sentences."""


def _has(thing: Thing) -> Has:
    return Has(place=thing.place, size=thing.size, colour=thing.colour, shape=thing.shape)


def _having(scene: Scene, **wanted: str) -> list[Thing]:
    return [thing for thing in scene.things if all(getattr(thing, k) == v for k, v in wanted.items())]


def _edit(
    claims: list[Claim], index: int, slot: str, words: tuple[str, ...] | list[str], rng: random.Random
) -> Edit | None:
    """The slot of one claim filled with another of `words`, or None when there is no other."""
    old: str = getattr(claims[index], slot)
    others = [word for word in words if word != old]
    if not others:
        return None
    new = rng.choice(others)
    damaged: Claim = replace(claims[index], **{slot: new})  # type: ignore[arg-type]
    return Edit(index=index, old=old, new=new, damaged=damaged)
