"""Intake of drawn scenes: their weather is part of what the rows depend on."""

from pathlib import Path
from typing import Any

import pytest

from engine.config import load_settings
from engine.errors import IdentityError
from engine.prompts import load_pack
from engine.records import ImageRow
from engine.stages.intake import intake
from tests.stage_bench import StageBench, stage_bench


def take_in(bench: StageBench, **source: Any) -> set[str]:
    """Ids of the pictures that were taken in."""
    settings = load_settings(overrides={f"source.{name}": value for name, value in source.items()})
    intake(bench.stands(0, settings=settings, pack=load_pack("shapes")))
    return {row.image_id for row in bench.run.intake().read("images", ImageRow)}


def test_night_is_not_a_continuation_of_fog(tmp_path: Path) -> None:
    bench = stage_bench(tmp_path)
    foggy = take_in(bench, count=4, look="fog", look_from=0.3)
    (bench.run.intake().folder / "done.json").unlink()  # as if killed before its end
    with pytest.raises(IdentityError, match=r"source\.look was 'fog', now 'night'"):
        take_in(bench, count=4, look="night", look_from=0.3)
    assert take_in(bench, count=4, look="fog", look_from=0.3) == foggy


def test_the_same_scenes_at_night_are_other_pictures(tmp_path: Path) -> None:
    foggy = take_in(stage_bench(tmp_path, "fog"), count=4, look="fog", look_from=0.3)
    dark = take_in(stage_bench(tmp_path, "night"), count=4, look="night", look_from=0.3)
    assert len(foggy) == len(dark) == 4
    assert not foggy & dark
