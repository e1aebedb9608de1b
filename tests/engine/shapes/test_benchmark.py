from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from engine.errors import SourceError
from engine.measure.text_only import text_only_verdicts
from engine.prompts import sentences
from engine.records import BenchmarkItem
from engine.shapes.benchmark import DrawnItem, drawn_item, items
from engine.shapes.claims import DIMENSIONS
from engine.shapes.pretrain.corpus import CLOSED_DIMENSIONS
from engine.shapes.pretrain.measure import read_claim
from engine.shapes.scenes import scene_of


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
        scene = scene_of(drawn_item(index, seed=0, difficulty="normal", space="benchmark").scene_seed)
        true, false = ([read_claim(s) for s in sentences(text)] for text in (item.preferred, item.degraded))
        assert all(claim is not None and claim.holds(scene) for claim in true)
        wrong = [claim for claim in false if claim is None or not claim.holds(scene)]
        assert len(wrong) == 1
        assert len(sentences(item.preferred)) == len(sentences(item.degraded))
        assert len(item.preferred.split()) == len(item.degraded.split())


def test_pictures_are_written_where_the_items_say(tmp_path: Path) -> None:
    for item in items(count=4, seed=0, folder=tmp_path / "new" / "folder"):
        with Image.open(item.image) as image:
            assert image.size == (384, 384)


def test_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SourceError, match="cannot write the benchmark's pictures"):
        items(count=1, seed=0, folder=tmp_path / "file")


@pytest.mark.parametrize("seed", [0, 1])
def test_no_text_tells_right_from_wrong(seed: int) -> None:
    made = [_as_item(number, drawn_item(number, seed=seed, difficulty="normal", space="benchmark"))
            for number in range(1200)]  # fmt: skip
    right = Counter(verdict.item_id for verdict in text_only_verdicts(made) if verdict.verdict == verdict.order[0])
    strict = sum(right[item.item_id] == 2 for item in made) / len(made)
    assert strict <= 0.55
    for kind in ("open", "closed"):
        of_kind = [right[item.item_id] == 2 for item in made if item.kind == kind]
        assert sum(of_kind) / len(of_kind) <= 0.58, kind


def _as_item(number: int, one: DrawnItem) -> BenchmarkItem:
    return BenchmarkItem(
        item_id=f"item-{number}", benchmark="shapes", image_id=f"image-{number}", image="none", question=one.question,
        preferred=one.preferred, degraded=one.degraded, kind=one.kind, dimension=one.dimension,
    )  # fmt: skip
