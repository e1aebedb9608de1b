"""One or several servers of the same model: which of them is asked, how often, and for how long.

A request's own fault comes back as `RefusedRequest`, so that the caller can store it and go on; only servers that
answer nobody for minutes end the work.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from engine.backends.served.http_door import HttpDoor, PassingTrouble, RefusedRequest
from engine.backends.served.replies import choices_of
from engine.errors import BackendError

Read = TypeVar("Read")

_LONGEST_PAUSE = 60.0
_LONGEST_ASKED_PAUSE = 300.0
"""Seconds: a server that asks for more has gone for good, as far as a run is concerned."""
_ASKED_TWICE = 2
"""A refusal may be a proxy's hiccup: only the second one is believed."""
_NO_SUCH_PAGE = (404, 405, 501)
_BUSY = (425, 429, 503, 529)
"""Answers that say "later": some get through and others do not, and none of them is at fault."""
_GREETING = [{"role": "user", "content": "Hi"}]
"""Asked of a server that answers nothing else, to learn whether it is the server or the request."""
_FEW = 16
"""Requests. When more are left unanswered it is the server, whatever it says to a greeting."""


class Abandoned(BackendError):
    """The caller left while a request was waiting to be asked again."""


@dataclass(slots=True)
class _Tried:
    """How it went with one request so far. Times are of `time.monotonic`."""

    started: float
    last_trouble: float
    """When it was last in trouble; at first, when it started."""
    troubles: int = 0
    while_others: int = 0
    """Troubles since whose forerunner somebody else was asked for and answered. An answer to what was asked earlier
    proves nothing: a server that shuts down ends its work and takes no more."""
    alone: int = 0
    """Times that a server answered a greeting, and not this."""

    def count(self, latest_answered: float) -> None:
        """One more trouble; the latest request that was answered was asked at `latest_answered`."""
        self.troubles += 1
        self.while_others += latest_answered > self.last_trouble
        self.last_trouble = time.monotonic()


class Replicas:
    """`doors` lead to servers that answer alike.

    A request whose server is in trouble is asked again, of another server if there is one, at least `tries` times. It
    is given up as its own fault when later ones were answered before so many of its attempts, unless the server only
    says that it is busy. When nobody was answered for `patience` seconds and few are left, a server is greeted: if it
    answers that and still not the request, the request is at fault, else the servers are. Pauses double from `pause`
    seconds, with chance.
    """

    def __init__(
        self, doors: Sequence[HttpDoor], *, tries: int = 6, patience: float = 300.0, pause: float = 0.5
    ) -> None:
        self.doors = tuple(doors)
        self._tries = tries
        self._patience = patience
        self._pause = pause
        self._guard = threading.Lock()
        self._busy = [0] * len(self.doors)
        self._trouble = [0] * len(self.doors)
        """Troubles of each door since its last answer."""
        self._open = 0
        """Requests that are asked or wait to be asked again."""
        self._gave_up = self._last_answer = 0.0
        self._latest_answered = 0.0
        """When the latest of the answered requests was asked."""

    @property
    def where(self) -> str:
        """The servers' addresses, for a sentence."""
        return ", ".join(door.url for door in self.doors)

    def ask(
        self,
        path: str,
        body: dict[str, Any],
        read: Callable[[Any], Read],
        *,
        left: threading.Event,
        beside: bool = False,
    ) -> Read:
        """What `read` makes of the JSON answer; `left` ends all waiting. `beside`: the path lies beside /v1, and a
        server may well lack it, which is then a refusal.

        `read` may raise `PassingTrouble` for an answer of no use and `RefusedRequest` for one that speaks of this
        request. Raises `RefusedRequest`, `BackendError` or `Abandoned`.
        """
        with self._guard:
            self._open += 1
        try:
            return self._ask(path, body, read, left, beside)
        finally:
            with self._guard:
                self._open -= 1

    def _ask(
        self, path: str, body: dict[str, Any], read: Callable[[Any], Read], left: threading.Event, beside: bool
    ) -> Read:
        now = time.monotonic()
        tried = _Tried(started=now, last_trouble=now)
        refused = 0
        while True:
            place = self._take_place()
            asked = time.monotonic()
            wait: float | None = None
            try:
                door = self.doors[place]
                found = read(door.post_beside(path, body) if beside else door.post(path, body))
            except RefusedRequest:
                refused += 1
                if refused == _ASKED_TWICE:
                    raise
            except PassingTrouble as trouble:
                if beside and trouble.status in _NO_SUCH_PAGE:
                    raise RefusedRequest(str(trouble)) from trouble
                wait = trouble.wait
                self._note_trouble(place)
                tried.count(self._latest_answered)
                self._give_up(trouble, tried, door, body.get("model"))
            else:
                self._note_answer(place, asked)
                return found
            finally:
                self._leave_place(place)
            if left.wait(self.pause_for(tried.troubles, wait)):
                raise Abandoned("the request was left.")

    def close(self) -> None:
        """Close all connections."""
        for door in self.doors:
            door.close()

    def _give_up(self, trouble: PassingTrouble, tried: _Tried, door: HttpDoor, model: Any) -> None:
        """Raise if it is time to."""
        if tried.troubles < self._tries:
            return
        waited = time.monotonic() - tried.started >= self._patience
        others_answered = tried.while_others >= self._tries
        if trouble.status in _NO_SUCH_PAGE and (waited or others_answered):
            # A model or adapter that a server lacks is nobody's own fault.
            raise BackendError(str(trouble)) from trouble
        if others_answered and trouble.status not in _BUSY:
            raise RefusedRequest(f"{trouble} Asked {tried.troubles} times, while others were answered.") from trouble
        if time.monotonic() - max(tried.started, self._last_answer) < self._patience:
            return
        given_up = self._gave_up > self._last_answer  # those who wait longer than the first may be few
        if given_up or self._open > _FEW or not _answers_greeting(door, model):
            self._gave_up = time.monotonic()
            raise BackendError(str(trouble)) from trouble
        tried.alone += 1
        if tried.alone == _ASKED_TWICE:
            raise RefusedRequest(f"{trouble} Asked {tried.troubles} times; the server answers others.") from trouble

    def pause_for(self, tries: int, asked: float | None) -> float:
        """Seconds: what the server asks for, else doubling, with chance so that requests spread out."""
        if asked is not None:
            return min(_LONGEST_ASKED_PAUSE, asked)
        return float(min(_LONGEST_PAUSE, self._pause * 2 ** min(tries, 16)) * random.uniform(0.5, 1.0))

    def _take_place(self) -> int:
        """The least busy of the doors with the fewest recent troubles."""
        with self._guard:
            place = min(range(len(self.doors)), key=lambda one: (min(self._trouble[one], 3), self._busy[one]))
            self._busy[place] += 1
            return place

    def _leave_place(self, place: int) -> None:
        with self._guard:
            self._busy[place] -= 1

    def _note_answer(self, place: int, asked: float) -> None:
        with self._guard:
            self._latest_answered = max(self._latest_answered, asked)
            self._last_answer = time.monotonic()
            self._trouble[place] = 0

    def _note_trouble(self, place: int) -> None:
        with self._guard:
            self._trouble[place] += 1


def _answers_greeting(door: HttpDoor, model: Any) -> bool:
    """Whether the server answers the simplest of requests to this model."""
    try:
        answer = door.post("/chat/completions", {"model": model, "messages": _GREETING, "max_tokens": 1})
        return bool(choices_of(door.url, answer))
    except BackendError:
        return False
