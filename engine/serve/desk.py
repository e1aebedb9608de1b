"""One desk where many callers leave comparisons and one backend rules on them, as full as it can be kept.

Whatever has arrived is asked in one call; what arrives meanwhile waits for the next one, and a ruling is handed out the
moment its last reply is there. It knows no HTTP and no pictures.
"""

import itertools
import sys
import threading
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, replace

from engine.backends.base import Backend, Completion, Request
from engine.errors import BackendError, JudgeStudioError
from engine.judging.judges import JudgeRef
from engine.judging.ruling import Ruling, Steps, advance, ruling_steps
from engine.prompts import load_pack
from engine.records import Comparison

ROOM = 4096
"""Comparisons that may wait; more are refused, so that callers learn it and memory stays bounded."""
_AT_ONCE = 256
"""Comparisons that one call takes: full batches, and yet the next callers do not wait long."""
_QUIET = 0.02
"""Seconds without a new comparison after which those who were answered are not expected to ask again."""
SERVER_LANES = 8
"""Calls under way at once where a server answers: it batches by itself, and while one call runs out others are full."""


class BusyError(BackendError):
    """More comparisons wait than the desk has room for."""


@dataclass(slots=True)
class _Case:
    """One comparison under way."""

    judge: str
    steps: Steps
    asked: list[Request]
    answer: Future[Ruling]


class RulingDesk:
    """Rules with any of `judges`, which share `backend`. `lanes`: calls of the backend at once; 1 for a model in this
    process."""

    def __init__(self, backend: Backend, judges: Iterable[JudgeRef], *, lanes: int = 1) -> None:
        self._backend = backend
        self._judges = {judge.label: judge for judge in judges}
        self._names = {label: judge.load_into(backend) for label, judge in self._judges.items()}
        self._numbers = itertools.count()
        self._waiting: deque[_Case] = deque()
        self._news = threading.Condition()
        self._closed = False
        self._lanes = [threading.Thread(target=self._work, name=f"desk-{lane}", daemon=True) for lane in range(lanes)]
        for lane in self._lanes:
            lane.start()

    def submit(self, comparison: Comparison, *, judge: str) -> Future[Ruling]:
        """Leave a comparison; `judge` is a label. Raises `BusyError`. The future raises `JudgeStudioError`."""
        ref = self._judges[judge]
        steps = ruling_steps(
            load_pack(ref.settings.prompt_pack),
            comparison,
            key=str(next(self._numbers)),
            judge=self._names[judge],
            max_tokens=ref.settings.judge.max_tokens,
            continues=self._backend.continues,
        )
        case = _Case(judge=judge, steps=steps, asked=next(steps), answer=Future())
        with self._news:
            if self._closed:
                raise BackendError("the judge is closed. Open it again.")
            if len(self._waiting) >= ROOM:
                raise BusyError(f"{ROOM:,} comparisons wait already. Ask again later.")
            self._waiting.append(case)
            self._news.notify()
        return case.answer

    def close(self) -> None:
        """Refuse what waits, let what is under way end, then give up the threads. The backend stays open."""
        with self._news:
            self._closed = True
            left = list(self._waiting)
            self._waiting.clear()
            self._news.notify_all()
        _fail(left, BackendError("the judge was closed before this was asked. Ask again."))
        for lane in self._lanes:
            lane.join()

    def _work(self) -> None:
        held: list[_Case] = []
        callers = 0
        while True:
            with self._news:
                while not (held or self._waiting or self._closed):
                    self._news.wait()
                if self._closed and not held:
                    return
                self._gather(callers)
                room = max(0, _AT_ONCE - len(held))
                held += [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]
            if held:  # none are left where it was closed meanwhile
                held, callers = self._round(held)

    def _gather(self, callers: int) -> None:
        """Wait until as many ask as there were `callers` around the last call: those it answered may ask again at once,
        and a call that begins without them is half empty, as is then every call after it, since they stand beside it.
        Where a server batches by itself, nobody waits."""
        there = -1
        while len(self._lanes) == 1 and there < len(self._waiting) < callers and not self._closed:
            there = len(self._waiting)
            self._news.wait(_QUIET)

    def _round(self, cases: list[_Case]) -> tuple[list[_Case], int]:
        """One call of the backend: the cases that have more to ask, and how many callers there are beside them: those
        it answered, and those who had come by the time of its first reply."""
        by_request = {request.key: case for case in cases for request in case.asked}
        replies: dict[str, Completion] = {}
        left: list[_Case] = []
        over: set[int] = set()
        beside: int | None = None
        try:
            for reply in self._backend.generate([request for case in cases for request in case.asked]):
                replies[reply.key] = reply
                case = by_request[reply.key]
                if all(request.key in replies for request in case.asked):
                    over.add(id(case))
                    beside = len(self._waiting) if beside is None else beside
                    left += self._step(case, [replies[request.key] for request in case.asked])
        except JudgeStudioError as error:
            _fail([case for case in cases if id(case) not in over], error)
        except Exception as error:  # a model fails in its own ways; whoever asks next may have more luck
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            why = BackendError(f"the judge failed ({type(error).__name__}). Ask again, or see the server's log.")
            _fail([case for case in cases if id(case) not in over], why)
        return left, len(cases) - len(left) + (beside or 0)

    def _step(self, case: _Case, replies: list[Completion]) -> list[_Case]:
        found = advance(case.steps, replies)
        if isinstance(found, Ruling):
            case.answer.set_result(replace(found, judge=case.judge))
            return []
        case.asked = found
        return [case]


def _fail(cases: Iterable[_Case], error: JudgeStudioError) -> None:
    for case in cases:
        case.answer.set_exception(error)
