"""The whole loop with a scripted model: only training is real, on a tiny base."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.backends.base import Request
from engine.config import Settings, load_settings
from engine.errors import BackendError, IdentityError, ModelError, SourceError
from engine.measure.scores import scoreboard, strict_scores
from engine.records import BASE_JUDGE, Instruction, Pair, Trace, VersionRow
from engine.runs import loop
from engine.runs.loop import run_loop
from engine.workspace.catalog.database import open_catalog
from engine.workspace.folders import RunFolder, open_workspace
from engine.workspace.locks import run_lock
from engine.workspace.run_record import create_run, run_settings
from engine.workspace.state import RunState, read_events, read_state, request_stop, stop_requested
from tests.fake_backend import FakeBackend
from tests.power_loss import lost_after_every_part, rows_below
from tests.tiny_models import save_tiny_llava

SENTENCES = "There are two objects. The top left has a red circle."


ONE_ITERATION = {"loop.iterations": 1, "evaluate.benchmarks": ["shapes", "held-out"], "evaluate.items": 6}


def reply(request: Request, sample: int) -> str:
    """A model that answers well, damages on demand, and judges carefully only once it was trained (or by luck)."""
    prompt = request.messages[-1].text
    if "Which response is better?" in prompt:
        return careful(prompt) if request.judge != BASE_JUDGE or (request.seed + sample) % 3 else "At a glance. [[A]]"
    if "\nChange " in prompt:
        return "A2: The top left has a red circle, red to blue."
    if prompt in ("Describe the picture.", "What is in the picture?", "Tell me what you see.") or "show" in prompt:
        return SENTENCES
    return f"The answer is {'red' if sample < 12 else 'blue'}."


def careful(prompt: str) -> str:
    """Blue is always the damage in this script."""
    shown_first = prompt.split("Response A:")[1].split("Response B:")[0]
    return f"Looking closely. [[{'B' if 'blue' in shown_first else 'A'}]]"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_llava(tmp_path_factory.mktemp("base") / "tiny", width=32, vision_layers=1, layers=1)


def settings_for(base: Path, **changes: object) -> Settings:
    overrides = {
        "model.base": str(base), "model.prompts": "shapes", "model.device": "cpu", "source.count": 30,
        "source.questions_per_image": 2, "source.look": "clear", "source.held_out": 0.4,
        "evaluate.benchmarks": ["held-out"], "evaluate.image_blind": False,
        "synthesize.instructions": 8, "synthesize.max_tokens": 40, "judge.traces_per_order": 3,
        "judge.max_tokens": 40, "train.epochs": 2, "train.batch_size": 4, "loop.iterations": 2,
    }  # fmt: skip
    return load_settings(preset="shapes", overrides={**overrides, **changes})


def start(tmp_path: Path, settings: Settings) -> RunFolder:
    run = open_workspace(tmp_path / "ws").run("first")
    create_run(run, settings)
    return run


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, base: Path) -> RunFolder:
    """A run of one iteration, measured on two benchmarks, that nothing came in between of."""
    run = start(tmp_path_factory.mktemp("undisturbed"), settings_for(base, **ONE_ITERATION))
    run_loop(run, opener=lambda _settings, _root: FakeBackend(reply))
    return run


def test_loop_ends_with_versions_scores_and_a_complete_catalog(tmp_path: Path, base: Path) -> None:
    run = start(tmp_path, settings_for(base))
    seen: list[RunState] = []
    state = run_loop(run, watch=seen.append, opener=lambda _settings, _root: FakeBackend(reply))

    assert state.state == "done"
    assert {one.stage for one in seen} >= {"intake", "synthesize", "judge", "select", "train", "evaluate"}
    assert read_state(run) == state
    for number in (1, 2):
        pairs = run.stage(number, "synthesize").read("pairs", Pair)
        usable = [pair for pair in pairs if pair.dropped is None]
        traces = run.stage(number, "judge").read("traces", Trace)
        assert len({pair.instruction_id for pair in pairs}) == len(pairs) == 8
        assert Counter(trace.pair_id for trace in traces) == {pair.pair_id: 6 for pair in usable}
        assert all(trace.reason for trace in run.stage(number, "select").read("traces", Trace))
        (version,) = run.stage(number, "train").read("versions", VersionRow)
        assert (version.judge, version.parent) == (f"judge-v{number}", f"judge-v{number - 1}")
    held_out = {one.image_id for one in run.intake().read("instructions", Instruction) if one.split == "held-out"}
    assert held_out
    assert not held_out & {pair.image_id for pair in run.stage(1, "synthesize").read("pairs", Pair)}
    strict = {row.judge: row.accuracy for row in strict_scores(run) if row.dimension == "all"}
    assert strict["judge-v1"] == 1.0 > strict[BASE_JUDGE]
    assert strict["control:always-A"] == 0.0
    assert state.best == "judge-v1"
    assert any("judge-v2" in line for line in scoreboard(run))
    catalog = open_catalog(run.workspace)
    assert catalog.sql("select count(*) from traces where kept").rows[0][0] > 0
    assert catalog.sql("select best from runs").rows == [("judge-v1",)]


def test_loop_stopped_and_failed_in_between_ends_with_the_rows_of_an_undisturbed_one(
    tmp_path: Path, base: Path, undisturbed: RunFolder
) -> None:
    run = start(tmp_path, settings_for(base, **ONE_ITERATION))

    def stopping(_settings: Settings, _root: Path) -> FakeBackend:
        backend = FakeBackend(reply, shuffle=3)
        backend.after = lambda count: request_stop(run) if count == 25 else None
        return backend

    assert run_loop(run, opener=stopping).state == "stopped"
    with pytest.raises(BackendError):
        run_loop(run, opener=lambda _settings, _root: FakeBackend(reply, fail_after=60))
    assert read_state(run).state == "failed"
    assert "gone after 60 completions" in str(read_state(run).error)
    assert run_loop(run, opener=lambda _settings, _root: FakeBackend(reply)).state == "done"

    for stage, table, record in (
        ("synthesize", "pairs", Pair),
        ("judge", "traces", Trace),
        ("select", "traces", Trace),
    ):
        rows = [sorted(map(repr, one.stage(1, stage).read(table, record))) for one in (undisturbed, run)]
        assert rows[0] == rows[1]


def test_stop_asked_for_the_moment_a_run_is_at_work_is_obeyed(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(tmp_path, settings_for(base))
    request_stop(run)  # an older one, which an earlier process left

    @contextmanager
    def locked(run: RunFolder) -> Iterator[None]:
        with run_lock(run):
            assert not stop_requested(run)
            request_stop(run)  # somebody saw that it is at work
            yield

    monkeypatch.setattr(loop, "run_lock", locked)
    assert run_loop(run, opener=lambda _settings, _root: FakeBackend(reply)).state == "stopped"
    assert run.intake().summary() is None


def test_loop_that_lost_its_power_after_every_part_holds_each_row_once(
    tmp_path: Path, base: Path, undisturbed: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(tmp_path, settings_for(base, **ONE_ITERATION))
    lost = lost_after_every_part(
        monkeypatch, lambda: run_loop(run, opener=lambda _settings, _root: FakeBackend(reply, shuffle=3))
    )
    assert lost == sum(1 for _ in run.folder.rglob("*.parquet"))
    rows, wanted = rows_below(run.folder), rows_below(undisturbed.folder)
    steps = [found.pop("iteration-01/train/steps") for found in (rows, wanted)]
    assert rows == wanted
    assert len(steps[0]) == len(steps[1])


def test_done_run_asks_for_nothing_again_and_goes_on_with_more_iterations(tmp_path: Path, base: Path) -> None:
    settings = settings_for(base, **{"loop.iterations": 1, "evaluate.image_blind": True})
    run = start(tmp_path, settings)
    run_loop(run, opener=lambda _settings, _root: FakeBackend(reply))
    again = FakeBackend(reply)
    run_loop(run, opener=lambda _settings, _root: again)
    assert again.requests == []
    create_run(run, settings.model_copy(update={"loop": settings.loop.model_copy(update={"iterations": 2})}))
    assert run_loop(run, opener=lambda _settings, _root: again).state == "done"
    assert run.stage(2, "evaluate").summary() is not None


def test_loop_stops_when_it_does_not_pay(tmp_path: Path, base: Path) -> None:
    run = start(tmp_path, settings_for(base, **{"loop.iterations": 5, "loop.patience": 1}))
    state = run_loop(run, opener=lambda _settings, _root: FakeBackend(reply))
    assert state.state == "done"
    assert "without a gain" in state.message
    assert state.iteration == 2  # the first gains, the second cannot


def test_loop_stops_before_an_iteration_that_the_budget_does_not_hold(tmp_path: Path, base: Path) -> None:
    run = start(tmp_path, settings_for(base, **{"loop.budget_minutes": 0.0001}))
    state = run_loop(run, opener=lambda _settings, _root: FakeBackend(reply))
    assert "time budget is spent" in state.message
    assert not run.stage(1, "synthesize").folder.exists()


def test_run_with_other_settings_is_refused_naming_the_setting(tmp_path: Path, base: Path) -> None:
    run = start(tmp_path, settings_for(base))
    with pytest.raises(IdentityError, match=r"judge\.traces_per_order was 3, now 4"):
        create_run(run, settings_for(base, **{"judge.traces_per_order": 4}))
    assert run_settings(run) == settings_for(base)


def test_base_model_whose_files_changed_is_refused(tmp_path: Path) -> None:
    folder = save_tiny_llava(tmp_path / "own", width=32, vision_layers=1, layers=1)
    settings = settings_for(folder)
    run = start(tmp_path, settings)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "note": "edited"}))
    create_run(run, settings)  # as every resume does
    with pytest.raises(IdentityError, match="changed since the run began"):
        run_loop(run, opener=lambda _settings, _root: FakeBackend(reply))


def test_failure_is_on_disk_with_its_sentence(tmp_path: Path, base: Path) -> None:
    run = start(tmp_path, settings_for(base, **{"source.kind": "folder", "source.path": str(tmp_path / "gone")}))
    with pytest.raises(SourceError):
        run_loop(run, opener=lambda _settings, _root: FakeBackend(reply))
    state = read_state(run)
    assert state.state == "failed"
    assert "gone" in str(state.error)
    assert [event["event"] for event in read_events(run)][-1] == "failed"


def test_run_at_its_plateau_goes_on_only_when_more_iterations_are_asked_for(tmp_path: Path, base: Path) -> None:
    run = start(tmp_path, settings_for(base, **{"loop.iterations": 3, "loop.patience": 1}))
    assert run_loop(run, opener=lambda _settings, _root: FakeBackend(reply)).iteration == 2
    idle = FakeBackend(reply)
    assert run_loop(run, opener=lambda _settings, _root: idle).iteration == 2
    assert idle.requests == []
    assert run_loop(run, opener=lambda _settings, _root: FakeBackend(reply), go_on=True).iteration == 3
    finished = [event["iteration"] for event in read_events(run) if event["event"] == "iteration"]
    assert finished == [1, 2, 3]


def test_iteration_broken_off_beyond_a_plateau_is_finished_by_a_plain_resume(tmp_path: Path, base: Path) -> None:
    run = start(tmp_path, settings_for(base, **{"loop.iterations": 3, "loop.patience": 1}))
    assert run_loop(run, opener=lambda _settings, _root: FakeBackend(reply)).iteration == 2

    def stopping(_settings: Settings, _root: Path) -> FakeBackend:
        backend = FakeBackend(reply)
        backend.after = lambda count: request_stop(run) if count == 5 else None
        return backend

    assert run_loop(run, opener=stopping, go_on=True).state == "stopped"
    assert run_loop(run, opener=lambda _settings, _root: FakeBackend(reply)).iteration == 3
    assert run.stage(3, "evaluate").summary() is not None


def test_server_that_loads_no_adapters_is_refused_before_anything_is_asked(tmp_path: Path, base: Path) -> None:
    run = start(tmp_path, settings_for(base))
    backend = FakeBackend(reply)
    backend.continues = False
    with pytest.raises(ModelError, match="no vLLM server"):
        run_loop(run, opener=lambda _settings, _root: backend)
    assert backend.requests == []
