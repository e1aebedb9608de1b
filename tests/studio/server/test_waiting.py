import gc
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from engine.errors import JudgeStudioError
from studio.server.patience import PatientServer, ServerFailedToStartError, patient_server, reached_directly
from studio.server.waiting import kept_for_good, told_if_slow, wait_until_up
from tests.patience import seconds


class Clock:
    """Time that passes only by sleeping; `at` seconds call a function once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.at: dict[float, object] = {}
        monkeypatch.setattr("studio.server.patience.time.monotonic", lambda: self.now)
        monkeypatch.setattr("studio.server.patience.time.sleep", self.sleep)

    def sleep(self, _seconds: float) -> None:
        self.now += 1.0
        if (happens := self.at.pop(self.now, None)) is not None:
            happens()  # type: ignore[operator]


def server(monkeypatch: pytest.MonkeyPatch) -> tuple[PatientServer, threading.Event]:
    """One whose thread does nothing until the event is set."""
    end = threading.Event()
    made = PatientServer.__new__(PatientServer)
    made.started = False
    monkeypatch.setattr(made, "run", end.wait, raising=False)
    return made, end


def test_server_that_takes_a_minute_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    made, end = server(monkeypatch)
    clock.at[60.0] = lambda: setattr(made, "started", True)
    made.run_in_thread()
    assert clock.now == 60.0
    end.set()
    made.thread.join()


def test_server_whose_thread_ended_is_given_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made, end = server(monkeypatch)
    end.set()
    with pytest.raises(ServerFailedToStartError):
        made.run_in_thread()


def test_server_that_cannot_start_is_one_sentence() -> None:
    said = r"the server did not start: .* Choose another --port"
    with pytest.raises(JudgeStudioError, match=said), patient_server("127.0.0.1"):
        raise OSError("Cannot find empty port in range")


def test_proxy_of_the_environment_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "example.org")
    monkeypatch.delenv("no_proxy", raising=False)
    reached_directly("10.0.0.7")
    assert os.environ["NO_PROXY"] == "example.org,127.0.0.1,localhost,::1,10.0.0.7"
    assert os.environ["no_proxy"].endswith("10.0.0.7")


class Handler(BaseHTTPRequestHandler):
    answers: list[int] = []  # noqa: RUF012  filled by the test

    def do_HEAD(self) -> None:
        self.send_response(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.mark.parametrize("answers", [[503, 500, 200], [401], [302]])
def test_page_that_answers_late_or_wants_a_password_is_up(answers: list[int]) -> None:
    Handler.answers = list(answers)
    with HTTPServer(("127.0.0.1", 0), Handler) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        wait_until_up(f"http://127.0.0.1:{web.server_port}/")
        web.shutdown()
        thread.join()
    assert Handler.answers == answers[-1:]


def test_page_that_never_answers_is_one_sentence_that_tells_the_load() -> None:
    with pytest.raises(JudgeStudioError, match=r"did not answer within 0 s; [\d.]+ processes want \d+ cores"):
        wait_until_up("http://127.0.0.1:9/", patience=0.0)


def test_what_takes_long_is_said_until_it_is_over() -> None:
    said: list[str] = []
    enough = threading.Event()

    def tell(line: str) -> None:
        said.append(line)
        if len(said) == 2:
            enough.set()

    with told_if_slow("Opening the studio", every=0.001, tell=tell):
        assert enough.wait(seconds(60))
    assert said[0].startswith("Opening the studio takes long: ")
    count = len(said)
    with told_if_slow("Nothing", every=3600, tell=tell):
        pass
    assert len(said) == count


def test_garbage_is_looked_for_again_after_a_start_that_failed() -> None:
    before = gc.get_freeze_count()

    def start() -> None:
        with kept_for_good():
            assert not gc.isenabled()
            raise JudgeStudioError("no port is free")

    with pytest.raises(JudgeStudioError):
        start()
    assert gc.isenabled()
    assert gc.get_freeze_count() > before
    gc.unfreeze()
