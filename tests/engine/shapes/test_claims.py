import random
import re

import pytest

from engine.prompts import load_pack, sentences
from engine.shapes.claims import DIMENSIONS, apply, corrupt, describe, propose, text_of, unrelated
from engine.shapes.pretrain.measure import read_claim, valid_edit
from engine.shapes.scenes import draw, scene_seed


def _scene(index: int):  # type: ignore[no-untyped-def]
    return draw(scene_seed("test", 0, index))[1]


def test_description_of_a_scene_is_true_and_every_sentence_has_eight_words() -> None:
    rng = random.Random(0)
    for index in range(100):
        claims = describe(_scene(index), rng)
        assert all(claim.holds(_scene(index)) for claim in claims)
        parts = sentences(text_of(claims))
        assert len(parts) == len(claims)
        assert all(len(part.split()) == 8 for part in parts)
        assert [read_claim(part) for part in parts] == claims


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_proposed_edit_changes_one_word_and_reads_as_valid(dimension: str) -> None:
    rng = random.Random(0)
    valid = 0
    for index in range(100):
        claims = describe(_scene(index), rng)
        edit = propose(claims, dimension, rng)
        before, after = text_of(claims).split(), text_of(apply(claims, edit)).split()
        changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
        assert [(a.strip("."), b.strip(".")) for a, b in changed] == [(edit.old, edit.new)]
        sentence = claims[edit.index].sentence().removesuffix(".")
        reply = f"A{edit.index + 1}: {sentence}, {edit.old} to {edit.new}."
        assert re.search(load_pack("shapes").alteration.edit_pattern or "", reply)
        valid += valid_edit(_scene(index), dimension, claims, reply)
    assert valid >= 97  # an object moved onto its twin stays true


def test_edit_of_another_dimension_or_to_itself_is_not_valid() -> None:
    scene, rng = _scene(1), random.Random(0)
    claims = describe(scene, rng)
    thing = scene.things[0]
    quote = claims[1].sentence().removesuffix(".")
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
