"""Measuring outside the loop with a scripted judge: what is asked, what a kill costs, what is stored and refused."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from engine.backends.base import Request
from engine.config import Settings
from engine.errors import BackendError, UsageError
from engine.judging.judges import JudgeRef
from engine.measure.any_judge import leak_scores, measure
from engine.measure.benchmarks import PUBLISHED
from engine.measure.leaks import leak_sentences
from engine.measure.prepared import home_of
from engine.measure.protocol_table import measured_lines
from engine.measure.scores import near_training_lines
from engine.records import Instruction
from engine.sources.pictures.store import store_image
from engine.workspace.catalog.database import open_catalog
from engine.workspace.folders import Workspace, open_workspace
from tests.engine.sources.picture_files import file_bytes, picture
from tests.fake_backend import FakeBackend
from tests.power_loss import lost_after_every_part, rows_below

ITEMS = 20


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return open_workspace(tmp_path / "ws")


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A VL-RewardBench of twenty rows, one with its picture missing and one that is there twice."""
    folder = tmp_path / "vlrb"
    folder.mkdir()
    rows = [row(number) for number in range(ITEMS)]
    for number in range(ITEMS):
        (folder / f"{number}.png").write_bytes(file_bytes(picture(seed=number)))
    rows += [row(0), {**row(90), "image": "gone.png"}]
    (folder / "data.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    return folder


def row(number: int) -> dict[str, Any]:
    kind = ("wildvision", "mmmu", "RLAIF")[number % 3]
    return {
        "id": f"{kind}_{number}",
        "query": f"Question {number}?",
        "response": ["the good answer", "the poor answer"],
        "image": f"{number}.png",
        "human_ranking": [0, 1],
    }


def sees(request: Request, _sample: int) -> str:
    """Always right, in the form that the prompt asks for."""
    text = request.messages[-1].text
    first = text.index("the good answer") < text.index("the poor answer")
    if "Overall Judgment" in text:
        return f"Overall Judgment: Answer {1 if first else 2} is better."
    return "[[A]]" if first else "[[B]]"


def bare() -> JudgeRef:
    return JudgeRef(label="some-model", settings=Settings(), version="judge-v0", adapter=None, run=None)


def official(workspace: Workspace, release: Path, backend: FakeBackend, **more: Any) -> Any:
    return measure(
        backend, bare(), benchmark=f"vl-rewardbench={release}", protocol="vlrb-official", workspace=workspace, **more
    )


def test_published_protocol_asks_five_samples_of_its_own_prompt_about_every_item(
    workspace: Workspace, release: Path
) -> None:
    backend = FakeBackend(sees)
    found = official(workspace, release, backend, partial=True)
    assert len(backend.requests) == 5 * ITEMS
    assert {request.sampling.temperature for request in backend.requests} == {0.2}
    assert len({request.seed for request in backend.requests}) > 4 * ITEMS
    assert all("Answer 1: " in request.messages[0].text for request in backend.requests)
    assert (found.scores[0].accuracy, found.scores[0].n, found.scores[0].left_out) == (1.0, ITEMS, 1)


def test_published_protocol_on_fewer_items_is_refused_unless_asked_for_and_then_says_so(
    workspace: Workspace, release: Path
) -> None:
    with pytest.raises(UsageError, match=r"vlrb-official: is defined on all items .* 1 of 22 rows are left out"):
        official(workspace, release, FakeBackend(sees))
    with pytest.raises(UsageError, match="here are 10 of 22"):
        official(workspace, release, FakeBackend(sees), count=10)
    assert official(workspace, release, FakeBackend(sees), count=10, partial=True).scores[0].protocol == (
        "vlrb-official, partial"
    )
    (stored,) = workspace.measured.rglob("evaluate-*-vlrb-official/scores-*.parquet")
    assert set(pq.read_table(stored)["protocol"].to_pylist()) == {"vlrb-official, partial"}


def test_published_protocol_on_a_file_that_was_cut_off_is_refused_though_all_its_rows_are_there(
    workspace: Workspace, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (release / "data.jsonl").write_text("".join(json.dumps(row(number)) + "\n" for number in range(ITEMS)))
    with pytest.raises(UsageError, match=r"1,227 rows of the published vl-rewardbench are not in this file"):
        official(workspace, release, FakeBackend(sees))
    monkeypatch.setitem(PUBLISHED, "vl-rewardbench", replace(PUBLISHED["vl-rewardbench"], items=ITEMS))
    assert official(workspace, release, FakeBackend(sees)).scores[0].protocol == "vlrb-official"


def killed_after(replies: int, workspace: Workspace, release: Path) -> None:
    """Measure in this process until so many replies came, then end it as a power loss does."""
    backend = FakeBackend(sees, shuffle=3)
    backend.after = lambda count: os.kill(os.getpid(), signal.SIGKILL) if count == replies else None
    official(workspace, release, backend, partial=True)


def test_measuring_that_lost_its_server_at_nine_tenths_asks_only_what_is_missing(
    workspace: Workspace, release: Path
) -> None:
    with pytest.raises(BackendError):
        official(workspace, release, FakeBackend(sees, shuffle=3, fail_after=91), partial=True)
    again = FakeBackend(sees)
    official(workspace, release, again, partial=True)
    assert len(again.requests) == 9


def test_measuring_killed_at_nine_tenths_asks_only_what_is_missing(workspace: Workspace, release: Path) -> None:
    code = (
        "import pathlib; from engine.workspace.folders import open_workspace; from tests.engine.measure import "
        f"test_any_judge as t; t.killed_after(90, open_workspace(pathlib.Path({str(workspace.root)!r})), "
        f"pathlib.Path({str(release)!r}))"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=False)
    assert ended.returncode == -signal.SIGKILL
    again = FakeBackend(sees)
    found = official(workspace, release, again, partial=True)
    assert len(again.requests) == 10
    whole = official(workspace, release, FakeBackend(sees), partial=True)
    assert found.scores == whole.scores


def test_measuring_that_lost_its_power_after_every_part_holds_each_row_once(
    workspace: Workspace, release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark, undisturbed = f"vl-rewardbench={release}", open_workspace(tmp_path / "undisturbed")

    def all_of_it(place: Workspace) -> None:
        official(place, release, FakeBackend(sees), partial=True)
        leak_scores(FakeBackend(sees), bare(), benchmark=benchmark, protocol="vlrb-official", workspace=place)

    all_of_it(undisturbed)
    assert lost_after_every_part(monkeypatch, lambda: all_of_it(workspace)) >= 10
    assert rows_below(workspace.measured) == rows_below(undisturbed.measured)


def test_finished_measurement_is_read_and_nothing_asked(workspace: Workspace, release: Path) -> None:
    first = official(workspace, release, FakeBackend(sees), partial=True)
    silent = FakeBackend(sees)
    assert official(workspace, release, silent, partial=True).scores == first.scores
    assert silent.requests == []


def test_verdicts_scores_and_controls_are_in_the_workspace_and_its_tables(workspace: Workspace, release: Path) -> None:
    official(workspace, release, FakeBackend(sees), partial=True)
    home = home_of(bare(), workspace)
    (folder,) = home.folder.glob("iteration-00/evaluate-*-vlrb-official")
    assert (folder / "done.json").is_file()
    catalog = open_catalog(workspace)
    rows = catalog.sql(
        "select judge, protocol, count(*), count(distinct sample) from verdicts "
        "where run like 'measured/%' group by all"
    ).rows
    assert rows == [("some-model", "vlrb-official", 5 * ITEMS, 5)]
    judges = catalog.sql("select distinct judge from scores where dimension = 'all' order by 1").rows
    assert ("control:shorter-wins",) in judges
    assert ("some-model",) in judges


def test_judge_of_a_run_has_its_rows_beside_the_runs_own(workspace: Workspace, release: Path) -> None:
    run = workspace.run("mine")
    run.folder.mkdir(parents=True)
    judge = JudgeRef(label="mine/judge-v0", settings=Settings(), version="judge-v0", adapter=None, run=run)
    found = measure(
        FakeBackend(sees), judge, benchmark=f"vl-rewardbench={release}", protocol="strict", workspace=workspace
    )
    assert (found.scores[0].judge, found.scores[0].accuracy) == ("mine/judge-v0", 1.0)
    (folder,) = run.folder.glob("iteration-00/evaluate-vl-rewardbench-*-strict")
    stored = open_catalog(workspace).sql("select distinct run, judge from verdicts").rows
    assert stored == [("mine", "judge-v0")]
    assert folder.is_dir()


def test_items_about_pictures_that_the_run_trains_on_are_counted_and_said(workspace: Workspace, release: Path) -> None:
    run = workspace.run("mine")
    run.folder.mkdir(parents=True)
    judge = JudgeRef(label="mine/judge-v0", settings=Settings(), version="judge-v0", adapter=None, run=run)
    trained = store_image(workspace.root, release / "3.png").image_id
    asked = Instruction(
        instruction_id="i", image_id=trained, question="q", kind="open", answer_type=None, dimension=None, choices=(),
        answer=None, split="train",
    )  # fmt: skip
    run.intake().begin({})
    run.intake().write("instructions", [asked])
    found = measure(
        FakeBackend(sees), judge, benchmark=f"vl-rewardbench={release}", protocol="strict", workspace=workspace
    )
    said = "vl-rewardbench: 1 item is about a picture that looks the same as one trained on, so memory may answer."
    assert said in found.notes
    assert near_training_lines(run) == [f"  {said}"]


def test_both_protocols_of_ones_own_prompt_count_the_same_replies(workspace: Workspace, release: Path) -> None:
    def first_place(_request: Request, _sample: int) -> str:
        return "[[A]]"

    benchmark = f"vl-rewardbench={release}"
    strict = measure(FakeBackend(first_place), bare(), benchmark=benchmark, protocol="strict", workspace=workspace)
    silent = FakeBackend(first_place)
    mean = measure(silent, bare(), benchmark=benchmark, protocol="both-orders-mean", workspace=workspace)
    assert (strict.scores[0].accuracy, mean.scores[0].accuracy) == (0.0, 0.5)
    assert silent.requests == []


def test_pictures_are_shown_as_a_run_would_store_them(workspace: Workspace, release: Path) -> None:
    backend = FakeBackend(sees)
    official(workspace, release, backend, partial=True)
    assert all(request.image and request.image.is_relative_to(workspace.images) for request in backend.requests)


def test_table_of_several_protocols_says_how_each_counts_and_what_was_published(
    workspace: Workspace, release: Path
) -> None:
    benchmark = f"vl-rewardbench={release}"
    measured = [
        measure(FakeBackend(sees), bare(), benchmark=benchmark, protocol=name, workspace=workspace, partial=True)
        for name in ("strict", "vlrb-official", "vlrb-lmms-eval", "vlrb-vlmevalkit")
    ]
    text = "\n".join(measured_lines(measured, "vl-rewardbench"))
    assert "some-model, 20 items asked" in text
    assert "More than half of all five must agree" in text
    assert "GPT-4o: 65.8% (vlrb-official; arXiv 2411.17451)" in text
    assert "1 of 22 rows are left out because their picture is missing" in text
    assert "macro *" in text  # the number lmms-eval prints


def test_wrong_protocol_and_wrong_count_are_one_sentence(workspace: Workspace, release: Path) -> None:
    with pytest.raises(UsageError, match=r"none called 'mmrb-official' for vl-rewardbench=.* Use one of strict"):
        measure(
            FakeBackend(sees), bare(), benchmark=f"vl-rewardbench={release}", protocol="mmrb-official",
            workspace=workspace,
        )  # fmt: skip
    with pytest.raises(UsageError, match="-3 is not a number of items"):
        official(workspace, release, FakeBackend(sees), count=-3)


def test_another_file_of_the_same_name_is_another_measurement(workspace: Workspace, tmp_path: Path) -> None:
    for place, good in (("one", "the good answer"), ("two", "the good answer indeed")):
        (tmp_path / place).mkdir()
        (tmp_path / place / "a.png").write_bytes(file_bytes(picture()))
        line = {"image": "a.png", "question": "q", "preferred": good, "degraded": "the poor answer"}
        (tmp_path / place / "test.jsonl").write_text(json.dumps(line))
        measure(
            FakeBackend(sees), bare(), benchmark=str(tmp_path / place / "test.jsonl"), protocol="strict",
            workspace=workspace,
        )  # fmt: skip
    folders = list(home_of(bare(), workspace).folder.glob("iteration-00/evaluate-test-*-strict"))
    assert len(folders) == 2
    assert [sum(pq.read_metadata(part).num_rows for part in one.glob("verdicts-*")) for one in folders] == [2, 2]


def test_any_benchmark_is_also_shown_with_other_pictures_once_and_a_leak_is_said(
    workspace: Workspace, release: Path
) -> None:
    def look(backend: FakeBackend) -> list[str]:
        rows = leak_scores(
            backend, bare(), benchmark=f"vl-rewardbench={release}", protocol="strict", workspace=workspace
        )
        return leak_sentences(rows)

    backend, again = FakeBackend(sees), FakeBackend(sees)
    measure(backend, bare(), benchmark=f"vl-rewardbench={release}", protocol="strict", workspace=workspace)
    own = {request.key.split()[0]: request.image for request in backend.requests}
    del backend.requests[:]
    (sentence,) = look(backend)  # too few items for a classifier to learn from
    assert len(backend.requests) == 2 * ITEMS
    assert all(request.image not in (None, own[request.key.split("/")[0]]) for request in backend.requests)
    assert "some-model, shown another item's picture, names the preferred response in 100.0%" in sentence
    assert look(again) == [sentence]
    assert again.requests == []
