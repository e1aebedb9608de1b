"""A benchmark with its own protocol is one file: this test writes one, and measures it."""

import json
from pathlib import Path

import pytest

from engine.config import Settings
from engine.judging.judges import JudgeRef
from engine.measure import benchmarks
from engine.measure.any_judge import measure
from engine.measure.own_protocols import known_protocols
from engine.workspace.folders import open_workspace
from tests.engine.sources.picture_files import file_bytes, picture
from tests.fake_backend import FakeBackend

ONE_FILE = '''"""Signs: which of two readings of a street sign is right. The judge says LEFT or RIGHT, once, as the file shows it."""

import json
from pathlib import Path

from engine.measure.benchmarks.protocol import Benchmark, Loaded, Protocol, sliced_rows, stored_order
from engine.prompts import RulingPrompts
from engine.records import BenchmarkItem, names_preferred


def load(place, *, folder, leave_out):
    rows = [json.loads(line) for line in (Path(place) / "signs.txt").read_text().splitlines()]
    return Loaded(rows=len(rows), items=[
        BenchmarkItem(
            item_id=str(number), benchmark="signs", image_id=row["picture"], image=str(Path(place) / row["picture"]),
            question="What does the sign say?", preferred=row["good"], degraded=row["bad"], kind="open", dimension="signs",
        )
        for number, row in enumerate(rows)
    ])


def read(text, order):
    verdict = {"LEFT": "A", "RIGHT": "B"}.get(text.strip(), "invalid")
    return verdict, names_preferred(verdict, order)


def scores(judge, verdicts, items):
    counted = {row.item_id: float(row.correct) for row in verdicts}
    return sliced_rows(
        judge=judge, benchmark="signs", protocol="signs-official", counted=counted, replies=verdicts, items=items
    )


BENCHMARK = Benchmark(
    name="signs", load=load, items=2, protocols=(
        Protocol(
            name="signs-official", prompts=RulingPrompts(name="signs", judge="{question} LEFT: {a} RIGHT: {b}"),
            temperature=0.0, max_tokens=8, orders=stored_order, read=read, scores=scores, rule="Once, as shown.",
        ),
    ),
)
'''  # noqa: E501


def test_new_benchmark_with_its_own_protocol_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "signs.py").write_text(ONE_FILE)
    monkeypatch.setattr(benchmarks, "__path__", [*benchmarks.__path__, str(tmp_path / "code")])
    benchmarks.PUBLISHED.update(benchmarks.published_in([str(tmp_path / "code")]))
    for number in range(2):
        (tmp_path / f"{number}.png").write_bytes(file_bytes(picture(seed=number)))
    rows = [{"picture": f"{number}.png", "good": "Stop", "bad": "Shop"} for number in range(2)]
    (tmp_path / "signs.txt").write_text("\n".join(map(json.dumps, rows)))
    asked = f"signs={tmp_path}"
    try:
        assert list(known_protocols(asked)) == ["strict", "both-orders-mean", "signs-official"]
        backend = FakeBackend(lambda request, _sample: "LEFT" if request.key.startswith("0 ") else "no idea")
        judge = JudgeRef(label="any", settings=Settings(), version="judge-v0", adapter=None, run=None)
        found = measure(
            backend, judge, benchmark=asked, protocol="signs-official", workspace=open_workspace(tmp_path / "ws")
        )
    finally:
        del benchmarks.PUBLISHED["signs"]
    assert (found.scores[0].accuracy, found.scores[0].n, found.scores[0].invalid) == (0.5, 2, 0.5)
    assert backend.requests[0].messages[0].text == "What does the sign say? LEFT: Stop RIGHT: Shop"
    assert len(backend.requests) == 2
