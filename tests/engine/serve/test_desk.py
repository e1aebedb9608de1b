"""The desk where callers leave comparisons: which of them are asked together."""

import threading
from collections.abc import Iterator, Sequence

import pytest

from engine.backends.base import Completion, Request
from engine.judging.judges import resolve_judge
from engine.records import Comparison
from engine.serve import desk as desk_module
from engine.serve.desk import RulingDesk
from engine.workspace.folders import open_workspace
from tests.fake_backend import FakeBackend
from tests.patience import seconds


class Gated(FakeBackend):
    """Says that a call has begun, and answers once the gate is open."""

    continues = False

    def __init__(self) -> None:
        super().__init__(lambda _request, _sample: "[[A]]")
        self.begun, self.gate = threading.Event(), threading.Event()

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        self.begun.set()
        assert self.gate.wait(seconds(60))
        yield from super().generate(requests)


def test_caller_who_is_answered_and_asks_again_at_once_is_in_the_next_call(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "_QUIET", seconds(60))  # as long as this thread may take
    backend, judge = Gated(), resolve_judge("shapes-vlm", open_workspace(tmp_path))
    asked = Comparison(image=None, question="Which?", preferred="a", degraded="b")
    desk = RulingDesk(backend, [judge])
    try:
        first = desk.submit(asked, judge=judge.label)
        assert backend.begun.wait(seconds(60))
        other = desk.submit(asked, judge=judge.label)
        backend.gate.set()
        first.result(seconds(60))
        again = desk.submit(asked, judge=judge.label)
        assert [one.result(seconds(60)).verdict for one in (other, again)] == ["order-flip"] * 2
    finally:
        backend.gate.set()
        desk.close()
    assert backend.calls == [2, 4]
