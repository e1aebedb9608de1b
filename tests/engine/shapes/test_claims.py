import random
import re
from collections import Counter

import pytest

from engine.prompts import load_pack, sentences
from engine.shapes.claims import (
    DIMENSIONS,
    Edit,
    Has,
    Lacks,
    Total,
    apply,
    corrupt,
    describe,
    differences,
    propose,
    text_of,
    unrelated,
)
from engine.shapes.pretrain.measure import read_claim, valid_edit
from engine.shapes.questions import NUMBERS
from engine.shapes.scenes import Scene, Thing, scene_of, scene_seed


def _scene(index: int) -> Scene:
    return scene_of(scene_seed("test", 0, index))


def _edits(dimension: str, count: int) -> list[tuple[Scene, list, Edit]]:
    """Proposals for as many scenes as allow one."""
    rng, found = random.Random(0), []
    for index in range(count):
        claims = describe(_scene(index), rng)
        edit = propose(_scene(index), claims, dimension, rng)
        if edit:
            found.append((_scene(index), claims, edit))
    assert len(found) > 0.7 * count
    return found


def test_description_of_a_scene_is_true_and_reads_back_as_its_claims() -> None:
    rng = random.Random(0)
    for index in range(100):
        claims = describe(_scene(index), rng)
        assert all(claim.holds(_scene(index)) for claim in claims)
        assert [read_claim(part) for part in sentences(text_of(claims))] == claims


def test_description_mentions_objects_in_any_order_and_says_nothing_of_how_many_there_are() -> None:
    rng = random.Random(0)
    told: Counter[tuple[int, int]] = Counter()
    falling = pairs = 0
    for index in range(2000):
        scene = _scene(index)
        places = [claim.place for claim in describe(scene, rng) if isinstance(claim, Has)]
        told[len(scene.things), len(places)] += 1
        if len(places) == 2:
            cells = [thing.cell for place in places for thing in scene.things if thing.place == place]
            pairs += 1
            falling += cells[0] > cells[1]
    assert 0.45 < falling / pairs < 0.55
    assert all(0.45 < told[n, 1] / (told[n, 1] + told[n, 2]) < 0.55 for n in (2, 3, 4))


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_proposed_edit_changes_one_word_and_reads_as_valid(dimension: str) -> None:
    for scene, claims, edit in _edits(dimension, 100):
        changed = [(a, b) for a, b in zip(claims, apply(claims, edit), strict=True) if a != b]
        (before, after) = changed[0]
        assert len(changed) == 1
        assert before.sentence().replace(edit.old, edit.new) == after.sentence()
        sentence = claims[edit.index].sentence().removesuffix(".")
        reply = f"A{edit.index + 1}: {sentence}, {edit.old} to {edit.new}."
        assert re.search(load_pack("shapes").alteration.edit_pattern or "", reply)
        assert valid_edit(scene, dimension, claims, reply)


def test_damage_never_contradicts_what_else_the_text_says() -> None:
    for scene, claims, edit in _edits("position", 200):
        places = [claim.place for claim in apply(claims, edit) if isinstance(claim, Has)]
        assert len(set(places)) == len(places)
        assert scene.at(edit.new) is None
    for dimension in ("attribute", "existence"):
        for _, claims, edit in _edits(dimension, 200):
            text = apply(claims, edit)
            colours = [claim.colour for claim in text if isinstance(claim, Has)]
            assert not set(colours) & {claim.colour for claim in text if isinstance(claim, Lacks)}
    for _, claims, edit in _edits("count", 200):
        mentioned = sum(isinstance(claim, Has) for claim in claims)
        assert NUMBERS.index(edit.new) >= mentioned


def test_edit_of_another_dimension_or_to_itself_is_not_valid() -> None:
    scene, rng = _scene(1), random.Random(0)
    claims = describe(scene, rng)
    thing = claims[1]
    assert isinstance(thing, Has)
    quote = thing.sentence().removesuffix(".")
    other = "star" if thing.shape != "star" else "cross"
    assert valid_edit(scene, "shape", claims, f"A2: {quote}, {thing.shape} to {other}.")
    assert not valid_edit(scene, "attribute", claims, f"A2: {quote}, {thing.shape} to {other}.")
    assert not valid_edit(scene, "shape", claims, f"A2: {quote}, {thing.shape} to {thing.shape}.")
    assert not valid_edit(scene, "shape", claims, f"A9: {quote}, {thing.shape} to {other}.")
    assert not valid_edit(scene, "shape", claims, "I will not.")


def test_corruption_damages_about_the_share_asked_for() -> None:
    rng = random.Random(0)
    kept = total = 0
    for _ in range(300):
        claims = unrelated(rng, 3)
        after = corrupt(claims, 0.4, rng)
        kept += sum(a == b for a, b in zip(claims, after, strict=True))
        total += len(claims)
    assert 0.52 < kept / total < 0.68


SCENE = Scene(
    things=(
        Thing(cell=0, size="big", colour="red", shape="circle"),
        Thing(cell=8, size="small", colour="blue", shape="star"),
    ),
    difficulty="normal",
)


@pytest.mark.parametrize(
    ("left", "right", "slot", "look", "word"),
    [
        (Total(number="two"), Total(number="three"), "number", "The objects are at top left, bottom right.", "two"),
        (Has(place="top left", size="big", colour="red", shape="star"),
         Has(place="top left", size="big", colour="red", shape="circle"),
         "shape", "The top left shows a big red circle.", "circle"),
        (Has(place="top right", size="big", colour="red", shape="circle"),
         Has(place="top left", size="big", colour="red", shape="circle"),
         "place", "The big red circle is at top left.", "top left"),
        (Has(place="top right", size="big", colour="red", shape="circle"),
         Has(place="top right", size="big", colour="blue", shape="circle"),
         "colour", "The top right shows nothing.", "nothing"),
        (Lacks(colour="red"), Lacks(colour="green"), "colour",
         "The colour red is at top left. The colour green is nowhere.", "green"),
    ],
)  # fmt: skip
def test_difference_of_two_claims_is_settled_by_a_look(left, right, slot: str, look: str, word: str) -> None:
    (difference,) = differences([left], [right])
    assert (difference.number, difference.slot) == (1, slot)
    assert difference.look(SCENE) == (look, word)
