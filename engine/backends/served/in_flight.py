"""Requests that are asked at once, each by a thread of its own; whoever is answered first comes first.

It knows no server: what asking means is handed in.
"""

import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from engine.backends.base import Completion, Request

_TICK = 1.0
"""Seconds between two looks at whether the run shall stop while no reply comes."""

Ask = Callable[[Request, threading.Event], list[Completion]]
"""All samples of one request; the event ends all waiting."""


class InFlight:
    """At most `limit` samples under way. `tick` is called about once a second while replies are awaited."""

    def __init__(self, ask: Ask, *, limit: int, tick: Callable[[], None]) -> None:
        self._ask = ask
        self._limit = limit
        self._tick = tick
        self._left = threading.Event()
        self._pool = ThreadPoolExecutor(limit, thread_name_prefix="openai")
        self._done: queue.SimpleQueue[tuple[Request, Future[list[Completion]]]] = queue.SimpleQueue()
        self._samples = 0
        self.requests = 0
        """Under way."""

    def has_room_for(self, request: Request) -> bool:
        """A request that is larger than the limit goes alone."""
        return not self.requests or self._samples + samples_of(request) <= self._limit

    def start(self, request: Request) -> None:
        self.requests += 1
        self._samples += samples_of(request)
        future = self._pool.submit(self._ask, request, self._left)
        future.add_done_callback(lambda finished: self._done.put((request, finished)))

    def next(self) -> list[Completion]:
        """The samples of the request that is answered first. Raises what asking raised, and what `tick` raises."""
        request, finished = self._first()
        self.requests -= 1
        self._samples -= samples_of(request)
        return finished.result()

    def leave(self) -> None:
        """End all waiting; returns when no thread is left."""
        self._left.set()
        self._pool.shutdown(cancel_futures=True)

    def _first(self) -> "tuple[Request, Future[list[Completion]]]":
        while True:
            self._tick()
            with contextlib.suppress(queue.Empty):
                return self._done.get(timeout=_TICK)


def samples_of(request: Request) -> int:
    """How many samples a request asks for."""
    return 1 if request.choices else request.n
