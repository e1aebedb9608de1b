"""The live judge's process: events of a ruling, cancelling, which model is loaded, and who has the GPU."""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.backends.base import Backend, Request
from engine.backends.served.announced import Announced
from engine.config import ModelSettings, Settings, parse_settings
from engine.errors import ModelError
from engine.judging.ruling import rule
from engine.prompts import load_pack
from engine.records import Comparison
from engine.workspace.folders import Workspace, open_workspace
from engine.workspace.locks import device_holder, device_lock, run_lock
from engine.workspace.run_record import create_run
from engine.workspace.state import RunState, write_state
from studio.live.worker import HOLDER, Models, Worker, waiting_run
from tests.fake_backend import Cut, FakeBackend, Reply
from tests.patience import seconds

GOOD, BAD = "Three of them.", "Four of them."
LONG = " ".join(["I look at every corner of the picture."] * 20)


def says_good(request: Request, _sample: int) -> str:
    text = request.messages[-1].text
    return f"I see three. [[{'A' if text.index(GOOD) < text.index(BAD) else 'B'}]]"


def sure(request: Request) -> Sequence[float]:
    return [0.9, 0.1] if says_good(request, 0).endswith("[[A]]") else [0.2, 0.8]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Two runs on different base models, each with judge-v1."""
    workspace = open_workspace(tmp_path / "ws")
    for name, base in (("one", "base-one"), ("two", "base-two")):
        run = workspace.run(name)
        create_run(run, parse_settings({"model": {"base": base, "prompts": "shapes"}}, where="test"))
        run.adapter(1).mkdir(parents=True)
        (run.adapter(1) / "adapter_config.json").write_text("{}")
        (run.adapter(1) / "adapter_model.safetensors").write_bytes(b"1")
    return workspace


class Bench:
    """A worker, what it sent, and the backends that were opened for it."""

    def __init__(self, workspace: Workspace, reply: Reply = says_good, device: str = "cpu") -> None:
        self.sent: list[dict[str, Any]] = []
        self.opened: list[tuple[ModelSettings, FakeBackend]] = []
        self.ranks: list[int] = []
        self.on_event: Callable[[Mapping[str, Any]], None] = lambda _event: None

        def opener(settings: ModelSettings, _root: Path, rank: int) -> Backend:
            backend = FakeBackend(reply, choose=sure)
            self.ranks.append(rank)
            self.opened.append((settings, backend))
            return backend

        def send(event: Mapping[str, Any]) -> None:
            self.sent.append(dict(event))
            self.on_event(event)

        def device_of(settings: Settings) -> str:
            if settings.model.backend == "openai":
                return f"server {settings.model.url}"
            return device if settings.model.device == "auto" else settings.model.device

        self.server: Announced | None = None
        """The server that a run has started."""
        self.worker = Worker(workspace, send, Models(workspace, opener, device_of, lambda _model, _rank: self.server))

    def ask(self, *judges: str, key: str = "1", **more: Any) -> list[dict[str, Any]]:
        """Events of one question."""
        before = len(self.sent)
        question = {"id": key, "do": "judge", "images": [], "question": "How many?", "a": GOOD, "b": BAD}
        self.worker.answer({**question, "judges": judges, **more})
        return self.sent[before:]


def of(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == name]


def test_ruling_is_streamed_in_both_orders_and_named_by_the_visitors_own_letters(workspace: Workspace) -> None:
    events = Bench(workspace).ask("one/judge-v1")
    said = of(events, "said")
    assert [(one["order"], one["verdict"]) for one in said] == [("AB", "A"), ("BA", "A")]
    assert [one["prefers_a"] for one in said] == pytest.approx([0.9, 0.8])
    for one in said:
        pieces = [piece["text"] for piece in of(events, "piece") if piece["order"] == one["order"]]
        assert len(pieces) > 1
        assert "".join(pieces) == one["reasoning"]
        assert 0 <= one["first"] <= one["seconds"]
    assert of(events, "ruling")[0] | {"id": "1"} == {
        "id": "1", "event": "ruling", "judge": "one/judge-v1", "verdict": "A", "confidence": pytest.approx(0.85),
    }  # fmt: skip
    assert events[-1]["event"] == "end"


def test_several_pictures_stand_where_the_question_names_them(workspace: Workspace, tmp_path: Path) -> None:
    bench = Bench(workspace)
    paths = [str(tmp_path / f"{name}.png") for name in "ab"]
    bench.ask("one/judge-v1", images=paths, question="Is <image 2> like <image 1>?")
    asked = bench.opened[0][1].requests[0]
    (message,) = [one for one in asked.messages if one.pictures]
    assert (asked.image, [str(path) for _, path in message.pictures]) == (None, paths[::-1])
    bench.ask("one/judge-v1", images=paths[:1])
    assert str(bench.opened[0][1].requests[-1].image) == paths[0]


def test_reply_that_was_cut_off_is_invalid_as_everywhere_else(workspace: Workspace) -> None:
    backend = FakeBackend(lambda request, sample: Cut(says_good(request, sample)), choose=sure)
    events: list[dict[str, Any]] = []
    models = Models(workspace, lambda *_: backend, lambda _settings: "cpu")
    question = {"id": "1", "image": None, "question": "How many?", "a": GOOD, "b": BAD, "judges": ["one/judge-v0"]}
    Worker(workspace, lambda event: events.append(dict(event)), models).answer(question)
    assert [(one["verdict"], one["prefers_a"], one["tokens"]) for one in of(events, "said")] == [
        ("invalid", None, 4)
    ] * 2
    asked = Comparison(image=None, question="How many?", preferred=GOOD, degraded=BAD)
    terminal = rule(backend, load_pack("shapes"), asked, judge="judge-v0")
    assert of(events, "ruling")[0]["verdict"] == terminal.verdict == "invalid"


def test_judge_of_a_larger_rank_opens_the_model_again_with_room_for_it(workspace: Workspace) -> None:
    run = workspace.run("three")
    create_run(
        run, parse_settings({"model": {"base": "base-one", "prompts": "shapes"}, "train": {"rank": 128}}, where="test")
    )
    bench = Bench(workspace)
    bench.ask("one/judge-v0", "three/judge-v0")
    bench.ask("one/judge-v0", key="2")
    assert bench.ranks == [parse_settings({}, where="test").train.rank, 128]


def test_second_question_to_the_same_base_model_loads_nothing(workspace: Workspace) -> None:
    bench = Bench(workspace)
    bench.ask("one/judge-v0", "one/judge-v1")
    again = bench.ask("one/judge-v1", key="2")
    assert len(bench.opened) == 1
    assert not of(again, "loading")
    assert set(bench.opened[0][1].adapters) == {"one/judge-v1"}


def test_judges_of_two_base_models_answer_one_after_the_other_with_one_model_in_memory(workspace: Workspace) -> None:
    bench = Bench(workspace)
    events = bench.ask("one/judge-v1", "two/judge-v1")
    assert [one["judge"] for one in of(events, "ruling")] == ["one/judge-v1", "two/judge-v1"]
    assert [settings.base for settings, _ in bench.opened] == ["base-one", "base-two"]
    assert [backend.closed for _, backend in bench.opened] == [True, False]


def test_adapter_that_was_replaced_on_disk_is_loaded_anew(workspace: Workspace) -> None:
    bench = Bench(workspace)
    bench.ask("one/judge-v1")
    weights = workspace.run("one").adapter(1) / "adapter_model.safetensors"
    weights.write_bytes(b"other")
    import os

    os.utime(weights, ns=(1, 1))
    bench.ask("one/judge-v1", key="2")
    assert len(bench.opened) == 2
    assert bench.opened[0][1].closed


def test_judge_that_cannot_rule_says_the_engines_sentence_and_the_others_still_rule(workspace: Workspace) -> None:
    events = Bench(workspace).ask("one/judge-v7", "one/judge-v1")
    (failed,) = of(events, "failed")
    assert failed["judge"] == "one/judge-v7"
    assert "there is no judge-v7. Versions here: judge-v0, judge-v1." in failed["error"]
    assert len(of(events, "ruling")) == 1


def test_model_that_breaks_is_closed_and_opened_again_for_the_next_question(workspace: Workspace) -> None:
    replies = iter([RuntimeError("out of luck")])

    def breaks_once(request: Request, sample: int) -> str:
        if (error := next(replies, None)) is not None:
            raise error
        return says_good(request, sample)

    bench = Bench(workspace, breaks_once)
    assert "out of luck" in of(bench.ask("one/judge-v0"), "failed")[0]["error"]
    assert of(bench.ask("one/judge-v0", key="2"), "ruling")[0]["verdict"] == "A"
    assert [backend.closed for _, backend in bench.opened] == [True, False]


def test_model_that_cannot_be_opened_is_said_and_leaves_the_gpu_free(workspace: Workspace) -> None:
    def opener(_settings: ModelSettings, _root: Path, _rank: int) -> Backend:
        raise ModelError("base-one: no such model. Name another.")

    sent: list[dict[str, Any]] = []
    models = Models(workspace, opener, lambda _settings: "cuda")
    Worker(workspace, lambda event: sent.append(dict(event)), models).answer(
        {"id": "1", "judges": ["one/judge-v0"], "image": None, "question": "q", "a": "a", "b": "b"}
    )
    assert of(sent, "failed")[0]["error"] == "base-one: no such model. Name another."
    assert device_holder("cuda") is None


def test_question_that_is_cancelled_in_the_middle_stops_writing_at_once(workspace: Workspace) -> None:
    bench = Bench(workspace, lambda _request, _sample: LONG)

    def leave(event: Mapping[str, Any]) -> None:
        if event["event"] == "piece":
            bench.worker.receive(['{"id": "1", "do": "cancel"}'])

    bench.on_event = leave
    events = bench.ask("one/judge-v0", "one/judge-v1")
    assert len(of(events, "piece")) == 1
    assert events[-1]["event"] == "cancelled"
    bench.on_event = lambda _event: None
    assert bench.ask("one/judge-v0", key="2")[-1]["event"] == "end"


def test_question_cancelled_before_its_turn_is_not_asked(workspace: Workspace) -> None:
    bench = Bench(workspace)
    bench.worker.receive(['{"id": "1", "do": "cancel"}'])
    assert [event["event"] for event in bench.ask("one/judge-v0")] == ["cancelled"]
    assert bench.opened == []


def test_gpu_is_held_while_a_model_is_on_it_and_free_after(workspace: Workspace) -> None:
    bench = Bench(workspace, device="cuda")
    bench.ask("one/judge-v0")
    assert device_holder("cuda") == HOLDER
    bench.worker.models.close()
    assert device_holder("cuda") is None


def test_cpu_is_shared_with_a_run(workspace: Workspace) -> None:
    with device_lock("cpu", "run one"):
        assert of(Bench(workspace).ask("one/judge-v0"), "ruling")


def test_visitor_who_does_not_wait_for_a_run_on_the_gpu_is_answered_on_the_cpu(workspace: Workspace) -> None:
    bench = Bench(workspace, device="cuda")
    with device_lock("cuda", "run one"):
        events = bench.ask("one/judge-v0", busy="now")
    assert of(events, "ruling")
    assert [settings.device for settings, _ in bench.opened] == ["cpu"]


def test_server_that_a_run_has_started_answers_at_once_and_without_it_the_model_is_opened_anew(
    workspace: Workspace,
) -> None:
    bench = Bench(workspace, device="cuda")
    with device_lock("cuda", "run one"):
        bench.server = Announced(model="org/base", revision=None, dtype="bfloat16", max_rank=16, socket="/tmp/x/v.sock")
        assert of(bench.ask("one/judge-v0", busy="wait"), "ruling")
        assert of(bench.ask("one/judge-v1", busy="wait"), "ruling")
        bench.server = None
        assert of(bench.ask("one/judge-v1", busy="now"), "ruling")
    asked = [(settings.backend, settings.url, settings.served_name) for settings, _ in bench.opened]
    assert asked[0] == ("openai", "unix:/tmp/x/v.sock", "org/base")
    assert [backend for backend, _, _ in asked] == ["openai", "transformers"], "both versions by one connection"


def test_visitor_who_waits_for_the_gpu_is_told_by_whom_it_is_held(workspace: Workspace) -> None:
    bench = Bench(workspace, device="cuda")
    held, over = threading.Event(), threading.Event()

    def run() -> None:
        with device_lock("cuda", "run one"):
            held.set()
            over.wait(seconds(30))

    other = threading.Thread(target=run)
    other.start()
    assert held.wait(seconds(30))
    bench.on_event = lambda event: over.set() if event["event"] == "waiting" else None
    events = bench.ask("one/judge-v0", busy="wait")
    other.join(seconds(30))
    assert of(events, "waiting")[0]["holder"] == "run one"
    assert of(events, "ruling")
    assert [settings.device for settings, _ in bench.opened] == ["auto"]


def test_process_ends_when_a_run_waits_for_the_gpu_it_holds(workspace: Workspace) -> None:
    bench = Bench(workspace, device="cuda")
    bench.ask("one/judge-v0")
    run = workspace.run("two")
    with run_lock(run):
        write_state(run, RunState(run="two", state="queued"))
        assert waiting_run(workspace) == "two"
        assert bench.worker.work(idle_seconds=60) == "a run needs the device"


def test_process_ends_when_nobody_asked_for_a_while(workspace: Workspace) -> None:
    assert Bench(workspace).worker.work(idle_seconds=0.01) == "idle"


def test_process_ends_after_the_last_question_when_the_studio_is_gone(workspace: Workspace) -> None:
    bench = Bench(workspace)
    line = (
        '{"id": "5", "do": "judge", "judges": ["one/judge-v0"], "image": null, "question": "q", "a": "%s", "b": "%s"}'
    )
    bench.worker.receive([line % (GOOD, BAD)])
    assert bench.worker.work() == "the studio is gone"
    assert of(bench.sent, "ruling")
