from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from engine.errors import SourceError
from engine.prompts import sentences
from engine.shapes.benchmark import items
from engine.shapes.claims import DIMENSIONS
from engine.shapes.pretrain.corpus import CLOSED_DIMENSIONS
from engine.shapes.pretrain.measure import read_claim
from engine.shapes.scenes import draw, scene_seed


def test_items_are_balanced_and_the_same_every_time(tmp_path: Path) -> None:
    made = items(count=120, seed=3, folder=tmp_path / "a")
    again = items(count=120, seed=3, folder=tmp_path / "b")
    assert [(i.item_id, i.image_id, i.preferred, i.degraded) for i in made] == [
        (i.item_id, i.image_id, i.preferred, i.degraded) for i in again
    ]
    assert len({i.item_id for i in made}) == 120
    closed = Counter(i.dimension for i in made if i.kind == "closed")
    opened = Counter(i.dimension for i in made if i.kind == "open")
    assert closed == dict.fromkeys(CLOSED_DIMENSIONS, 10)
    assert opened == dict.fromkeys(DIMENSIONS, 12)


def test_preferred_description_is_true_and_degraded_has_one_false_word(tmp_path: Path) -> None:
    for index, item in enumerate(items(count=100, seed=0, folder=tmp_path)):
        if item.kind == "closed":
            assert item.preferred != item.degraded
            continue
        scene = draw(scene_seed("benchmark", 0, index))[1]
        true, false = ([read_claim(s) for s in sentences(text)] for text in (item.preferred, item.degraded))
        assert all(claim is not None and claim.holds(scene) for claim in true)
        wrong = [claim for claim in false if claim is None or not claim.holds(scene)]
        assert len(wrong) == 1
        words = zip(item.preferred.split(), item.degraded.split(), strict=True)
        assert sum(a != b for a, b in words) == 1


def test_pictures_are_written_where_the_items_say(tmp_path: Path) -> None:
    for item in items(count=4, seed=0, folder=tmp_path / "new" / "folder"):
        with Image.open(item.image) as image:
            assert image.size == (48, 48)


def test_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SourceError, match="cannot write the benchmark's pictures"):
        items(count=1, seed=0, folder=tmp_path / "file")
