"""What a run is measured on: each benchmark under its own name, nothing left out without a word."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.config import load_settings
from engine.errors import IdentityError, SettingsError, SourceError
from engine.records import BenchmarkItem, ImageRow
from engine.stages.benchmark import prepare_benchmarks
from engine.workspace.conclusions import Gathered
from tests.engine.sources.picture_files import file_bytes, picture
from tests.stage_bench import StageBench, stage_bench


@pytest.fixture
def bench(tmp_path: Path) -> StageBench:
    return stage_bench(tmp_path / "ws")


def prepare(bench: StageBench, *benchmarks: str, **evaluate: Any) -> Gathered:
    more = {f"evaluate.{name}": value for name, value in evaluate.items()}
    settings = load_settings(overrides={"evaluate.benchmarks": list(benchmarks), **more})
    return prepare_benchmarks(bench.stands(0, settings=settings), [])


def write(path: Path, count: int) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "a.png").write_bytes(file_bytes(picture()))
    rows = [{"image": "a.png", "question": f"{path}, {n}?", "preferred": "a", "degraded": "b"} for n in range(count)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def test_files_of_one_name_stay_two_benchmarks(bench: StageBench, tmp_path: Path) -> None:
    names = [write(tmp_path / "ocr/test.jsonl", 3), write(tmp_path / "count/test.jsonl", 5)]
    summary = prepare(bench, *names)
    assert list(summary.items.values()) == [3, 5]
    items = [item.benchmark for item in bench.folder("benchmark", 0).read("items", BenchmarkItem)]
    assert {name: items.count(name) for name in items} == {"ocr/test": 3, "count/test": 5}
    assert prepare(bench, *names) == summary


def test_shapes_at_night_are_dark_and_no_continuation_of_those_in_fog(bench: StageBench) -> None:
    prepare(bench, "shapes", items=4, look="fog", look_from=0.6)
    (bench.folder("benchmark", 0).folder / "done.json").unlink()  # as if killed before its end
    with pytest.raises(IdentityError, match=r"evaluate\.look was 'fog', now 'night'"):
        prepare(bench, "shapes", items=4, look="night", look_from=0.6)
    other = stage_bench(bench.run.workspace.root.parent / "night")
    prepare(other, "shapes", items=4, look="night", look_from=0.6)
    assert _light(other) < 0.3 * _light(bench)


def _light(bench: StageBench) -> float:
    """The mean level of the benchmark's pictures."""
    rows = bench.folder("benchmark", 0).read("images", ImageRow)
    assert rows
    return float(np.mean([np.asarray(Image.open(bench.run.workspace.root / row.path)).mean() for row in rows]))


def test_file_that_is_named_twice_is_refused(bench: StageBench, tmp_path: Path) -> None:
    name = write(tmp_path / "test.jsonl", 2)
    with pytest.raises(SettingsError, match=r"test\.jsonl is there twice"):
        prepare(bench, name, str(tmp_path / "." / "test.jsonl"), name)


def test_unreadable_picture_of_ones_own_file_is_refused_by_its_line(bench: StageBench, tmp_path: Path) -> None:
    name = write(tmp_path / "test.jsonl", 2)
    (tmp_path / "b.png").write_bytes(file_bytes(picture())[:200])
    row = {"image": "b.png", "question": "?", "preferred": "a", "degraded": "b"}
    with Path(name).open("a") as file:
        file.write("\n" + json.dumps(row))
    with pytest.raises(SourceError, match=r"test\.jsonl line 3: the image cannot be used: .*damaged"):
        prepare(bench, name)


def test_rows_of_a_published_benchmark_without_a_usable_picture_are_counted(bench: StageBench, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(file_bytes(picture()))
    (tmp_path / "cut.png").write_bytes(file_bytes(picture())[:200])
    rows = [
        {"id": f"mmmu_{n}", "query": f"{n}?", "response": ["x", "y"], "human_ranking": [0, 1], "image": image}
        for n, image in enumerate(["a.png", "gone.png", "cut.png", "a.png"])
    ]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    summary = prepare(bench, f"vl-rewardbench={tmp_path}")
    assert summary.items == {f"vl-rewardbench={tmp_path}": 2}
    assert summary.left_out == {"vl-rewardbench": 2}
