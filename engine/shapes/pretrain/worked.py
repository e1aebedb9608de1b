"""The worked-out trace of a judge: words of both responses side by side, then a look, then a comparison.

Whatever has to be compared stands next to each other: "blue pink, differ", "A: pink blue, false". A small model
learns in minutes whether two neighbouring words are equal, and not in half an hour whether two sentences are (tried
with whole quotes, followed by "same" or "differ").
"""

import random
from itertools import zip_longest

from engine.shapes.claims import Claim, Has, Lacks, Total
from engine.shapes.pretrain.traces import CAREFUL, DECIDING, Letter, Segment, ShownAnswer, verdict
from engine.shapes.questions import NUMBERS, Answer, at_place
from engine.shapes.scenes import Scene


def worked_closed(answer: Answer, a: ShownAnswer, b: ShownAnswer, rng: random.Random) -> list[Segment]:
    """Look, conclude, hold what each response says against it, decide."""
    segments: list[Segment] = [(f"{CAREFUL} Look:", 1.0), (f" {answer.evidence}. So {answer.text}.", 2.0)]
    segments += _held("A1", a.answer, answer.text) + _held("B1", b.answer, answer.text)
    return [*segments, verdict(_better(a.right, b.right, rng))]


def worked_open(scene: Scene, a: list[Claim], b: list[Claim], rng: random.Random) -> list[Segment]:
    """Walk through both descriptions word by word; where they differ look, and decide once one side is wrong."""
    segments: list[Segment] = [(CAREFUL, 1.0)]
    for piece, outcome in _walk(scene, a, b, looking=True):
        segments += piece
        if outcome:
            return [*segments, verdict(outcome)]
    return [*segments, verdict(rng.choice(("A", "B")))]


def checked(scene: Scene, a: list[Claim], b: list[Claim], *, looking: bool) -> list[Segment]:
    """The pre-task of `worked_open`: the walk to its end, without a verdict and, if told so, without looking."""
    segments = [segment for piece, _ in _walk(scene, a, b, looking=looking) for segment in piece]
    return [(segments[0][0].lstrip(), segments[0][1]), *segments[1:]]


def slots(claim: Claim) -> tuple[str, ...]:
    """The words of a claim that can be wrong, in the order of its sentence."""
    if isinstance(claim, Total):
        return (claim.number,)
    if isinstance(claim, Lacks):
        return (claim.colour,)
    return (*claim.place.split(), claim.size, claim.colour, claim.shape)


def truth(scene: Scene, claim: Claim, other: Claim, index: int) -> tuple[str, str]:
    """What a look shows where two claims differ in slot `index`: the evidence, and the right word for the slot."""
    if isinstance(claim, Total):
        places = ", ".join(thing.place for thing in scene.things)
        return places, NUMBERS[len(scene.things)]
    if isinstance(claim, Lacks):
        assert isinstance(other, Lacks)
        absent = [c for c in (claim.colour, other.colour) if Lacks(colour=c).holds(scene)]
        return f"{claim.look(scene)}, {other.look(scene)}", absent[0] if len(absent) == 1 else "nothing"
    if index >= 2:
        thing = scene.at(claim.place)
        return at_place(scene, claim.place), slots(_claimed(thing))[index] if thing else "nothing"
    return _found(scene, claim, other, index)


def _found(scene: Scene, claim: Has, other: Claim, index: int) -> tuple[str, str]:
    """Where the claimed object really is, told by its size, colour and shape."""
    wanted = slots(claim)[2:]
    places = [t.place for t in scene.things if (t.size, t.colour, t.shape) == wanted]
    named = [p for p in places if isinstance(other, Has) and p in (claim.place, other.place)]
    place = (named or places or ["nowhere"])[0]
    word = place if place == "nowhere" else place.split()[index]
    return f"{' '.join(wanted)} {', '.join(places) or 'nowhere'}", word


def _claimed(thing: object) -> Has:
    from engine.shapes.scenes import Thing

    assert isinstance(thing, Thing)
    return Has(place=thing.place, size=thing.size, colour=thing.colour, shape=thing.shape)


def _walk(scene: Scene, a: list[Claim], b: list[Claim], *, looking: bool) -> list[tuple[list[Segment], Letter | None]]:
    """Pieces of the walk, each with the letter it decides for, if it does."""
    pieces: list[tuple[list[Segment], Letter | None]] = []
    for number, (left, right) in enumerate(zip_longest(a, b), 1):
        pieces.append(([(f" A{number}: B{number}:", 1.0)], None))
        if left is None or right is None or type(left) is not type(right):
            pieces.append(([(" none.", 1.0)], None))  # one ends before the other: nothing to hold side by side
            return pieces
        for index, (x, y) in enumerate(zip(slots(left), slots(right), strict=True)):
            pieces.append(([(f" {x} {y}", 1.5)], None))
            if x != y:
                pieces += _difference(scene, left, right, index, looking)
        if not (looking and slots(left)[-1] != slots(right)[-1]):  # a look has ended the sentence already
            pieces.append(([(".", 1.5)], None))
    return pieces


def _difference(
    scene: Scene, left: Claim, right: Claim, index: int, looking: bool
) -> list[tuple[list[Segment], Letter | None]]:
    pieces: list[tuple[list[Segment], Letter | None]] = [([(", differ", DECIDING)], None)]
    if looking:
        evidence, word = truth(scene, left, right, index)
        x, y = slots(left)[index], slots(right)[index]
        segments: list[Segment] = [(". Look:", 1.0), (f" {evidence}. So {word}.", 2.0)]
        segments += _held("A", x, word) + _held("B", y, word)
        outcome: Letter | None = "A" if x == word else "B" if y == word else None
        pieces.append((segments, outcome))
    return pieces


def _held(name: str, said: str, seen: str) -> list[Segment]:
    """ " A: pink blue, false." with the words of longer answers in pairs, up to the first that differs."""
    pairs: list[str] = []
    for x, y in zip_longest(said.split(), seen.split(), fillvalue="none"):
        pairs.append(f" {x} {y}")
        if x != y:
            break
    return [(f" {name}:", 1.0), ("".join(pairs), 1.5), (f", {'true' if said == seen else 'false'}.", DECIDING)]


def _better(a_right: bool, b_right: bool, rng: random.Random) -> Letter:
    if a_right == b_right:
        return rng.choice(("A", "B"))
    return "A" if a_right else "B"
