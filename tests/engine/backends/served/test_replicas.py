"""Whose fault it is that a request is not answered: its own, or the servers'. Doors are scripted, threads are real."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from engine.backends.served.http_door import PassingTrouble, RefusedRequest
from engine.backends.served.replicas import Replicas
from engine.errors import BackendError

ANSWER = {"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]}


class ScriptedDoor:
    """Answers as `script` says of each body; a greeting is answered."""

    url = "http://scripted/v1"

    def __init__(self, script: Callable[[dict[str, Any]], Any], *, greets: bool = True) -> None:
        self._script = script
        self._greets = greets

    def post(self, _path: str, body: dict[str, Any]) -> Any:
        if "messages" not in body:
            return self._script(body)
        if not self._greets:
            raise PassingTrouble("away")
        return ANSWER


def trouble(status: int = 500) -> PassingTrouble:
    return PassingTrouble(f"answered {status}", status=status)


def ask(replicas: Replicas, name: str) -> Any:
    return replicas.ask("/chat/completions", {"name": name}, lambda answer: answer, left=threading.Event())


def test_answers_to_what_was_asked_before_prove_nothing_against_a_request():
    """A server that shuts down ends its work and takes no more."""
    gates = [threading.Event() for _ in range(3)]
    arrived = threading.Barrier(len(gates) + 1)
    earlier = []

    def script(body):
        if body["name"] != "late":
            arrived.wait()
            gates[int(body["name"])].wait()
            return ANSWER
        if earlier:  # one more of those that were under way is answered before this one is refused
            gate, thread = earlier.pop()
            gate.set()
            thread.join()
        raise trouble(502)

    replicas = Replicas([ScriptedDoor(script, greets=False)], tries=3, pause=0.0, patience=0.0)
    threads = [threading.Thread(target=ask, args=(replicas, str(number))) for number in range(len(gates))]
    for thread in threads:
        thread.start()
    arrived.wait()
    earlier += zip(gates, threads, strict=True)
    with pytest.raises(BackendError) as error:
        ask(replicas, "late")
    assert not earlier, "all others were answered meanwhile"
    assert not isinstance(error.value, RefusedRequest)


def test_a_request_that_fails_while_later_ones_are_answered_is_at_fault():
    def script(body):
        if body["name"] == "other":
            return ANSWER
        ask(replicas, "other")
        raise trouble()

    replicas = Replicas([ScriptedDoor(script, greets=False)], tries=3, pause=0.0)
    with pytest.raises(RefusedRequest, match="Asked 3 times, while others were answered"):
        ask(replicas, "deadly")


def test_a_busy_server_is_no_requests_fault_however_often_others_are_answered():
    seen = []

    def script(body):
        if body["name"] == "other":
            return ANSWER
        seen.append(body)
        ask(replicas, "other")
        if len(seen) < 20:
            raise trouble(429)
        return ANSWER

    replicas = Replicas([ScriptedDoor(script)], tries=3, pause=0.0)
    assert ask(replicas, "unlucky") == ANSWER


@pytest.mark.parametrize(("greets", "kind"), [(True, RefusedRequest), (False, BackendError)])
@pytest.mark.parametrize("status", [500, 503])
def test_the_last_one_unanswered_is_at_fault_only_if_the_server_answers_a_greeting(greets, kind, status):
    def script(_body):
        raise trouble(status)

    replicas = Replicas([ScriptedDoor(script, greets=greets)], tries=2, pause=0.0, patience=0.0)
    with pytest.raises(BackendError, match=f"answered {status}") as error:
        ask(replicas, "deadly")
    assert type(error.value) is kind


def test_a_server_that_fails_many_is_at_fault_whatever_it_says_to_a_greeting():
    together = threading.Barrier(20)
    found = []

    def script(body):
        if body["name"] not in come:
            come.add(body["name"])
            together.wait()
        raise trouble()

    def one(name):
        try:
            ask(replicas, name)
        except BackendError as error:
            found.append(type(error))

    come: set[str] = set()
    replicas = Replicas([ScriptedDoor(script)], tries=2, pause=0.0, patience=0.0)
    threads = [threading.Thread(target=one, args=(str(number),)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [BackendError] * 20, "the last of them too"
