"""A scripted stand-in for a model, behind `engine.backends.base.Backend`. It knows no prompt: a function replies.

backend = FakeBackend(lambda request, sample: "The answer is three.")
backend = FakeBackend(judge_reply, shuffle=1)              # completions arrive in a mixed order
backend = FakeBackend(judge_reply, fail_after=40)          # BackendError after 40 completions, like a lost server
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.backends.base import Completion, Request
from engine.errors import BackendError, ModelError
from engine.records import BASE_JUDGE, seed_for


@dataclass(frozen=True, slots=True)
class Cut:
    """A reply that ran into `max_tokens`."""

    text: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that the server does not answer, and why."""

    reason: str


Reply = Callable[[Request, int], "str | Cut | Refused"]
"""(request, sample) → what the model says. Draw randomness from `request.seed` and `sample` only."""
Choose = Callable[[Request], Sequence[float]]
"""request → probability of each of its choices."""


def by_judge(request: Request) -> Sequence[float]:
    """Each judge version has its own opinion of each prompt, always the same."""
    weights = [1 + seed_for(request.judge, request.messages, choice) % 1000 for choice in request.choices]
    return [weight / sum(weights) for weight in weights]


def uniform(request: Request) -> Sequence[float]:
    return [1 / len(request.choices)] * len(request.choices)


class FakeBackend:
    """Keeps what it was asked in `requests` (flat) and `calls` (sizes of the `generate` calls)."""

    continues = True

    def __init__(
        self, reply: Reply, *, choose: Choose = by_judge, shuffle: int | None = None, fail_after: int | None = None
    ) -> None:
        self.requests: list[Request] = []
        self.calls: list[int] = []
        self.adapters: dict[str, Path] = {}
        self.closed = False
        self.after: Callable[[int], None] = lambda _count: None
        """Called with the number of completions so far after each one: the place to ask for a stop."""
        self._reply = reply
        self._choose = choose
        self._shuffle = shuffle
        self._fail_after = fail_after
        self._count = 0

    def load_judge(self, judge: str, adapter: Path) -> None:
        if self.adapters.get(judge, adapter) != adapter:
            raise ModelError(f"{judge}: already loaded from {self.adapters[judge]}. Use another name.")
        self.adapters[judge] = adapter

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        assert not self.closed, "asked after close()"
        keys = [request.key for request in requests]
        assert len(set(keys)) == len(keys), "request keys must be unique within one call"
        self.calls.append(len(requests))
        self.requests.extend(requests)
        samples = [(request, sample) for request in requests for sample in range(1 if request.choices else request.n)]
        if self._shuffle is not None:
            random.Random(self._shuffle).shuffle(samples)
        for request, sample in samples:
            if self._fail_after is not None and self._count >= self._fail_after:
                raise BackendError(f"fake backend: gone after {self._count} completions. Start it again.")
            self._count += 1
            yield self._complete(request, sample)
            self.after(self._count)

    def _complete(self, request: Request, sample: int) -> Completion:
        if request.judge != BASE_JUDGE and request.judge not in self.adapters:
            raise ModelError(f"{request.judge}: not loaded. Call load_judge first.")
        if request.choices:
            chances = tuple(self._choose(request))
            return Completion(key=request.key, sample=0, text="", tokens=0, finish="stop", choice_probabilities=chances)
        said = self._reply(request, sample)
        if isinstance(said, Refused):
            return Completion(key=request.key, sample=sample, text="", tokens=0, finish="stop", fault=said.reason)
        text = said.text if isinstance(said, Cut) else said
        return Completion(
            key=request.key,
            sample=sample,
            text=text,
            tokens=len(text.split()),
            finish="length" if isinstance(said, Cut) else "stop",
        )

    def stream(self, request: Request) -> Iterator[str | Completion]:
        whole = self._complete(request, 0)
        for place in range(0, len(whole.text), 7):
            yield whole.text[place : place + 7]
        yield whole

    def close(self) -> None:
        self.closed = True
