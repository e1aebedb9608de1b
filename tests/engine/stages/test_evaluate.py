"""Evaluation with a scripted judge: what is asked, what is kept after a stop, and what the numbers are."""

import json
from pathlib import Path

import pytest

from engine.backends.base import Request
from engine.config import Settings, parse_settings
from engine.errors import BackendError, IdentityError, StopRequested
from engine.measure.begun import begun_lines
from engine.measure.scores import scoreboard
from engine.prompts import load_pack
from engine.records import BenchmarkItem, ScoreRow, VerdictRow
from engine.stages.evaluate import evaluate
from engine.workspace.conclusions import Begun
from engine.workspace.folders import RunFolder, open_workspace
from tests.fake_backend import FakeBackend
from tests.stage_bench import StageBench

RIGHT = "good answer"


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = open_workspace(tmp_path).run("trial")
    run.folder.mkdir(parents=True)
    return run


def items(count: int, benchmark: str = "bench") -> list[BenchmarkItem]:
    return [
        BenchmarkItem(
            item_id=f"item-{number}",
            benchmark=benchmark,
            image_id=f"image-{number // 2}",
            image="",
            question=f"Question {number}?",
            preferred=RIGHT,
            degraded="a bad one",
            kind="open" if number % 2 else "closed",
            dimension="count" if number % 3 else "position",
        )
        for number in range(count)
    ]


def always_a(_request: Request, _sample: int) -> str:
    return "Lazy. [[A]]"


def sees(request: Request, _sample: int) -> str:
    """Right when it sees the image, else lazy."""
    if request.image is None:
        return "[[A]]"
    text = request.messages[-1].text
    return "[[A]]" if text.index(RIGHT) < text.index("a bad one") else "[[B]]"


def measure(run: RunFolder, backend: FakeBackend, *, iteration: int = 0, count: int = 40, **more):
    group = items(count)
    if iteration:
        backend.load_judge(f"judge-v{iteration}", run.adapter(iteration))
    images = {item.image_id: Path(f"/images/{item.image_id}.png") for item in group}
    bench = StageBench(run).stands(iteration, backend=backend, pack=load_pack("shapes"), images=images, **more)
    return evaluate(bench, {"bench": group})


def strict(run: RunFolder, iteration: int = 0) -> dict[str, float]:
    rows = run.stage(iteration, "evaluate").read("scores", ScoreRow)
    return {row.judge: row.accuracy for row in rows if (row.protocol, row.dimension) == ("strict", "all")}


def with_controls(**values: object) -> Settings:
    return parse_settings({"evaluate": values}, where="test")


def test_evaluate_asks_every_item_in_both_orders_with_and_without_the_image_greedily(run):
    backend = FakeBackend(sees)
    measure(run, backend)
    assert len(backend.requests) == 40 * 2 * 3
    assert sum(request.image is None for request in backend.requests) == 80
    assert {request.judge for request in backend.requests} == {"judge-v0"}
    assert {request.sampling.temperature for request in backend.requests} == {0.0}


def test_evaluate_of_the_base_writes_scores_of_all_controls(run):
    summary = measure(run, FakeBackend(sees))
    assert strict(run) == {
        "judge-v0": 1.0,
        "control:image-blind": 0.0,
        "control:wrong-image": 1.0,
        "control:text-only": 1.0,
        "control:shorter-wins": 0.0,
        "control:longer-wins": 1.0,
        "control:always-A": 0.0,
    }
    assert summary.accuracy == 1.0
    assert summary.gain is None
    assert summary.verdicts == {"A": 40, "B": 40}


def hasty(request: Request, sample: int) -> str:
    """Says A at once, unless its reply is begun for it with the words of one that looks."""
    return sees(request, sample) if request.prefix else "Compare: [[A]]"


def test_prompted_control_is_the_base_with_its_replies_begun_and_no_other_version(run):
    chosen = with_controls(image_blind=False, wrong_image=False, prompted="Look:", control_items=10)
    measure(run, base := FakeBackend(hasty), settings=chosen)
    summary = measure(run, later := FakeBackend(lambda *asked: "Look: " + sees(*asked)), iteration=1, settings=chosen)

    assert {request.prefix for request in base.requests} == {"", "Look:"}
    assert {request.prefix for request in later.requests} == {""}
    assert (strict(run)["judge-v0"], strict(run)["control:prompted"]) == (0.0, 1.0)
    stored = run.stage(0, "evaluate").read("verdicts", VerdictRow)
    assert {row.reasoning[:5] for row in stored if row.judge == "control:prompted"} == {"Look:"}
    assert summary.begun == Begun(words="Look:", replies=80, begun=80, right=80, right_otherwise=0)
    assert begun_lines(run) == [
        "judge-v0 begins 0.0% of its 80 replies with “Look:”; right in 0.500 of the others.",
        "judge-v1 begins 100.0% of its 80 replies with “Look:”; right in 1.000 of these.",
    ]


def test_evaluate_compares_with_the_parent_on_the_same_items(run):
    measure(run, FakeBackend(always_a))
    summary = measure(run, FakeBackend(sees), iteration=1)
    assert (summary.parent, summary.gain, summary.n) == ("judge-v0", 1.0, 40)
    assert summary.gain_low > 0
    assert summary.p < 0.001
    dimensions = [row.dimension for row in summary.comparisons]
    assert dimensions == ["all", "kind:closed", "kind:open", "count", "position"]
    assert "control:image-blind:judge-v1" in strict(run, 1)
    assert "control:always-A" not in strict(run, 1)


def test_evaluate_compares_with_every_earlier_version(run):
    for iteration, reply in enumerate((always_a, sees, always_a)):
        summary = measure(run, FakeBackend(reply), iteration=iteration)
    assert {version: gain.gain for version, gain in summary.against.items()} == {
        "judge-v0": 0.0,
        "judge-v1": -1.0,
    }


def test_evaluate_stopped_keeps_what_was_said_and_asks_only_the_rest(run):
    backend = FakeBackend(sees)
    backend.after = lambda count: (run.folder / "stop-requested").touch() if count == 50 else None
    with pytest.raises(StopRequested):
        measure(run, backend)
    (run.folder / "stop-requested").unlink()
    kept = len(run.stage(0, "evaluate").read("verdicts", VerdictRow))
    assert kept >= 50
    again = FakeBackend(sees)
    measure(run, again)
    assert len(again.requests) == 240 - kept
    rows = run.stage(0, "evaluate").read("verdicts", VerdictRow)
    assert len({(row.judge, row.item_id, row.order) for row in rows}) == len(rows) == 240


def test_evaluate_after_a_lost_backend_gives_the_numbers_of_an_undisturbed_one(run, tmp_path):
    with pytest.raises(BackendError):
        measure(run, FakeBackend(sees, shuffle=1, fail_after=70))
    broken = measure(run, FakeBackend(sees, shuffle=2))
    whole = open_workspace(tmp_path / "other").run("trial")
    whole.folder.mkdir(parents=True)
    assert broken == measure(whole, FakeBackend(sees))


def test_evaluate_done_asks_nothing(run):
    summary = measure(run, FakeBackend(sees))
    again = FakeBackend(sees)
    assert measure(run, again) == summary
    assert again.requests == []


def test_evaluate_killed_between_scores_and_done_writes_no_score_twice(run):
    summary = measure(run, FakeBackend(sees))
    folder = run.stage(0, "evaluate")
    before = folder.read("scores", ScoreRow)
    (folder.folder / "done.json").unlink()
    assert measure(run, FakeBackend(sees)) == summary
    assert folder.read("scores", ScoreRow) == before


def test_evaluate_counts_replies_without_a_verdict_as_invalid_and_wrong(run):
    measure(
        run, FakeBackend(lambda _request, _sample: "Both [[A]] and [[B]]."), settings=with_controls(image_blind=False)
    )
    row = run.stage(0, "evaluate").read("scores", ScoreRow)[0]
    assert (row.accuracy, row.invalid, row.position_lean) == (0.0, 1.0, None)


def test_evaluate_with_other_items_refuses_naming_the_field(run):
    measure(run, FakeBackend(sees))
    (run.stage(0, "evaluate").folder / "done.json").unlink()
    other = parse_settings({"evaluate": {"max_tokens": 7}}, where="test")
    with pytest.raises(IdentityError, match="max_tokens was 1024, now 7"):
        measure(run, FakeBackend(sees), settings=other)


def test_evaluate_shows_another_items_picture_to_as_many_items_as_asked_for(run):
    backend = FakeBackend(sees)
    measure(run, backend, settings=with_controls(image_blind=False, control_items=15))
    own = {request.key.split()[2]: request.image for request in backend.requests if "wrong" not in request.key}
    wrong = [request for request in backend.requests if "wrong" in request.key]
    assert len(wrong) == 15 * 2
    assert all(request.image not in (None, own[request.key.split()[2]]) for request in wrong)
    assert {request.judge for request in wrong} == {"judge-v0"}
    rows = run.stage(0, "evaluate").read("scores", ScoreRow)
    assert {row.n for row in rows if (row.judge, row.dimension) == ("control:wrong-image", "all")} == {15}


def test_evaluate_says_in_words_what_can_be_known_without_the_picture(run):
    pictures, texts = measure(run, FakeBackend(sees)).leaks
    assert texts.startswith("bench: a classifier that sees the texts alone names the preferred response in 100.0%")
    assert pictures.startswith("bench: judge-v0, shown another item's picture, names the preferred response in 100.0%")
    assert any("LEAK: bench" in line for line in scoreboard(run))


def test_evaluate_begun_by_an_older_version_goes_on_without_the_fields_it_did_not_know(run):
    measure(run, FakeBackend(sees))
    folder = run.stage(0, "evaluate").folder
    identity = json.loads((folder / "identity.json").read_text())
    for name in ("evaluate.wrong_image", "evaluate.control_items"):
        del identity[name]
    (folder / "identity.json").write_text(json.dumps(identity | {"blind": True}))
    (folder / "done.json").unlink()
    assert measure(run, FakeBackend(sees)).accuracy == 1.0
