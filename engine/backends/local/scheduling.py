"""Keeping a model busy: which prompts run together, when rows leave and join, and what happens when memory runs out.

It turns jobs into completions. How a batch is decoded is `decoding.py`'s and `shared_prefix.py`'s matter.
"""

import gc
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.backends.base import Completion, Request
from engine.backends.local.chat import Prompt
from engine.backends.local.decoding import BatchInputs, DecodingState, PlainState, batch_inputs
from engine.backends.local.memory import RowBudget, is_out_of_memory, row_tokens
from engine.backends.local.sampling import chances, next_tokens
from engine.backends.local.shared_prefix import SharedPrefixState
from engine.backends.local.stopping import ReplyText
from engine.backends.local.vision import ImageFeatures
from engine.errors import BackendError

_ROOM_TO_JOIN = 0.25
"""Free share of the rows at which waiting prompts join: often enough to stay busy, seldom enough to copy little."""

_PADDING = 0.2
"""Share of padding at which a prefill takes no shorter prompt, once it has `_ENOUGH` prompts."""

_ENOUGH = 8

_FINISHED_TO_LEAVE = 1 / 16
"""Share of finished rows at which they leave the batch."""


@dataclass(slots=True)
class Job:
    """One prompt and the samples of it that are still to be drawn."""

    request: Request
    prompt: Prompt
    samples: list[int]


@dataclass(slots=True)
class Decoder:
    """A model and how to decode with it."""

    model: Any
    device: torch.device
    replies: ReplyText
    pad: int
    ends: frozenset[int]
    """Ids that end a reply."""
    blocked_V: Tensor
    """Added to the logits: -inf for special tokens other than `ends`."""
    features: ImageFeatures | None
    """None where images go through forward as pixels."""
    shared: bool
    """Prompts' keys are shared among their samples, and rows may join."""

    def start(self, jobs: Sequence[Job]) -> DecodingState:
        """Run the prompts of `jobs`; one row per prompt."""
        inputs = self.inputs([job.prompt for job in jobs])
        return SharedPrefixState(self.model, inputs) if self.shared else PlainState(self.model, inputs)

    def inputs(self, prompts: Sequence[Prompt]) -> BatchInputs:
        """The prompts side by side."""
        return batch_inputs(prompts, model=self.model, features=self.features, pad=self.pad)

    def fit_together(self, one: Prompt, other: Prompt) -> bool:
        """Whether the prompts can share a prefill: same kinds of input, and pixels of one shape."""
        if one.text_inputs.keys() != other.text_inputs.keys() or (one.image is None) != (other.image is None):
            return False
        if one.image is None or other.image is None:
            return True
        if self.features is not None:
            return len(one.image.paths) == len(other.image.paths)
        shapes = [{name: value.shape for name, value in slot.inputs.items()} for slot in (one.image, other.image)]
        return shapes[0] == shapes[1]


class Scheduler:
    """Runs jobs of one judge version whose prompts have the same kinds of input."""

    def __init__(self, decoder: Decoder, budget: RowBudget) -> None:
        self._decoder = decoder
        self._budget = budget
        self._queue: deque[Job] = deque()
        self._arriving: list[Job] = []
        """Taken from the queue but not yet in the batch."""
        self._batch: _Batch | None = None
        self._finished: list[Completion] = []

    def add(self, jobs: Sequence[Job]) -> None:
        """Put jobs in the queue, the longest prompts first, so that neighbours need little padding."""
        self._queue = deque(sorted([*self._queue, *jobs], key=lambda job: -job.prompt.length))

    @property
    def waiting_rows(self) -> int:
        return sum(len(job.samples) for job in self._queue)

    @property
    def rows(self) -> int:
        """How many rows run together at most."""
        return self._budget.most

    def newest(self) -> list[int]:
        """Ids that the first running row has written so far; [] when nothing runs."""
        return [] if self._batch is None else self._batch.written(0)

    @property
    def busy(self) -> bool:
        """Whether anything is waiting or running."""
        return bool(self._queue) or self._batch is not None

    def advance(self) -> list[Completion]:
        """One token for every row, after letting in what fits. Returns what finished.

        Raises `BackendError` when not even one row fits into memory.
        """
        exhausted = False
        try:
            self._advance()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            exhausted = True
        if exhausted:  # outside the handler, whose traceback would hold the failed tensors
            self._retreat()
        finished, self._finished = self._finished, []
        return finished

    @torch.inference_mode()
    def _advance(self) -> None:
        if self._queue:
            self._let_in()
        assert self._batch is not None
        self._batch.advance(self._finished)
        if self._batch.empty:
            self._batch = None

    def _let_in(self) -> None:
        present = 0 if self._batch is None else self._batch.alive
        if self._batch is not None and (not self._decoder.shared or present > self._budget.most * (1 - _ROOM_TO_JOIN)):
            return
        first = self._queue[0]
        limit = self._budget.rows(
            row_tokens(
                prompt=first.prompt.length,
                reply=first.request.sampling.max_tokens,
                samples=len(first.samples),
                shared=self._decoder.shared,
            )
        )
        if self._batch is not None and present > limit * (1 - _ROOM_TO_JOIN):
            return
        while self._queue and present < limit:
            self._arriving = self._take(limit - present)
            batch = _Batch(self._decoder, self._arriving)
            present += batch.alive
            if self._batch is None:
                self._batch = batch
            else:
                self._batch.join(batch)
            self._arriving = []
            if not self._decoder.shared:
                return

    def _take(self, room: int) -> list[Job]:
        """Jobs for one prefill: at most `room` rows and as many prompt tokens as the budget allows."""
        jobs: list[Job] = []
        longest, tokens = self._queue[0].prompt.length, 0
        while self._queue and room > 0:
            job = self._queue[0]
            tokens += job.prompt.length
            grid = (len(jobs) + 1) * longest
            full = grid > self._budget.prompt_tokens or (len(jobs) >= _ENOUGH and tokens < (1 - _PADDING) * grid)
            if jobs and (full or not self._decoder.fit_together(job.prompt, jobs[0].prompt)):
                break
            taken, left = job.samples[:room], job.samples[room:]
            room -= len(taken)
            jobs.append(Job(job.request, job.prompt, taken))
            self._queue.popleft()
            if left:
                self._queue.appendleft(Job(job.request, job.prompt, left))
        return jobs

    def _retreat(self) -> None:
        """Start unfinished rows over with half as many at once; their samples come out the same."""
        unfinished = [] if self._batch is None else self._batch.unfinished()
        known = {(id(job.prompt), sample) for job in unfinished for sample in job.samples}
        for job in self._arriving:
            left = [sample for sample in job.samples if (id(job.prompt), sample) not in known]
            unfinished.append(Job(job.request, job.prompt, left))
        self._batch, self._arriving = None, []
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if not self._budget.halve():
            raise BackendError(
                "model: out of memory with one sample at a time; "
                "use a smaller model or image size (source.max_side), or a device with more memory."
            )
        self.add([job for job in unfinished if job.samples])


class _Batch:
    """Rows being decoded: what each has written, and its settings and stream of chance."""

    def __init__(self, decoder: Decoder, jobs: Sequence[Job]) -> None:
        self._decoder = decoder
        self._owners = [(job, sample) for job in jobs for sample in job.samples]
        self._state = decoder.start(jobs)
        rows = np.repeat(np.arange(len(jobs)), [len(job.samples) for job in jobs])
        self._state.select(torch.from_numpy(rows).to(decoder.device))
        settings = [job.request.sampling for job, _ in self._owners]
        longest = max(setting.max_tokens for setting in settings)
        self._limits_R = np.array([setting.max_tokens for setting in settings])
        self._warmth_R = np.array([setting.temperature for setting in settings])
        self._top_k_R = np.array([setting.top_k for setting in settings])
        self._top_p_R = np.array([setting.top_p for setting in settings])
        self._chance_RS = np.zeros((len(settings), longest))
        for row, (job, sample) in enumerate(self._owners):
            if job.request.sampling.temperature > 0:
                limit = job.request.sampling.max_tokens
                self._chance_RS[row, :limit] = chances(job.request.seed, sample, limit)
        self._written_RS = np.zeros((len(settings), longest), np.int64)
        self._lengths_R = np.zeros(len(settings), np.int64)
        self._alive_R = np.ones(len(settings), bool)
        self._ends_V = np.zeros(decoder.blocked_V.shape[0], bool)
        self._ends_V[list(decoder.ends)] = True
        self._settle()

    @property
    def alive(self) -> int:
        return int(self._alive_R.sum())

    @property
    def empty(self) -> bool:
        return not self._alive_R.any()

    def written(self, row: int) -> list[int]:
        """Ids a row has written so far."""
        ids: list[int] = self._written_RS[row, : self._lengths_R[row]].tolist()
        return ids

    def unfinished(self) -> list[Job]:
        """The rows that are still to be drawn, as jobs."""
        owners = [self._owners[row] for row in np.flatnonzero(self._alive_R)]
        return [Job(job.request, job.prompt, [sample]) for job, sample in owners]

    def advance(self, finished: list[Completion]) -> None:
        """Draw a token for every row, append what finished to `finished`, then compute the next logits."""
        rows = np.arange(len(self._owners))
        column_R = np.minimum(self._lengths_R, self._chance_RS.shape[1] - 1)
        tokens_R = next_tokens(
            self._state.logits_RV,
            blocked_V=self._decoder.blocked_V,
            temperature_R=self._temperature_R,
            top_k_R=self._k_R,
            top_p_R=self._p_R,
            chance_R=torch.from_numpy(self._chance_RS[rows, column_R]).to(self._decoder.device),
        )
        written_R = tokens_R.cpu().numpy()
        self._written_RS[rows, column_R] = written_R
        self._lengths_R[self._alive_R] += 1
        self._collect(written_R, finished)
        if self.empty:
            return
        leaving = len(self._alive_R) - self.alive
        if leaving > _FINISHED_TO_LEAVE * len(self._alive_R):
            kept = self._drop_finished()
            tokens_R = tokens_R[kept]
        self._state.step(tokens_R)

    def join(self, other: "_Batch") -> None:
        """Append the rows of `other`."""
        if self.alive < len(self._alive_R):
            self._drop_finished()
        assert isinstance(self._state, SharedPrefixState)
        assert isinstance(other._state, SharedPrefixState)
        self._state.join(other._state)
        self._owners += other._owners
        for name in ("_limits_R", "_warmth_R", "_top_k_R", "_top_p_R", "_lengths_R", "_alive_R"):
            setattr(self, name, np.concatenate([getattr(self, name), getattr(other, name)]))
        self._chance_RS = _stacked(self._chance_RS, other._chance_RS)
        self._written_RS = _stacked(self._written_RS, other._written_RS)
        self._settle()

    def _collect(self, written_R: NDArray[np.int64], finished: list[Completion]) -> None:
        """Completions of the rows that the newest token ended."""
        ended_R = self._ends_V[written_R]
        full_R = self._lengths_R >= self._limits_R
        may_stop_R = np.zeros(len(written_R), bool)
        for number, stops in enumerate(self._stops):
            table_V = self._decoder.replies.may_complete(stops, len(self._ends_V))
            may_stop_R |= (self._stops_R == number) & table_V[written_R]
        for row in np.flatnonzero(self._alive_R & (ended_R | full_R | may_stop_R)):
            completion = self._completion(int(row), ended=bool(ended_R[row]), full=bool(full_R[row]))
            if completion is not None:
                self._alive_R[row] = False
                finished.append(completion)

    def _completion(self, row: int, *, ended: bool, full: bool) -> Completion | None:
        """The row's completion if it is over: an end token, a stop text, or its limit."""
        job, sample = self._owners[row]
        ids = self._written_RS[row, : self._lengths_R[row]].tolist()
        if ended:
            ids.pop()
        text = self._decoder.replies.decode(ids, job.prompt.anchor)
        stopped = self._decoder.replies.cut(text, job.request.sampling.stop)
        if not (ended or full or stopped is not None):
            return None
        return Completion(
            key=job.request.key,
            sample=sample,
            text=text if stopped is None else stopped,
            tokens=len(ids),
            finish="stop" if ended or stopped is not None else "length",
        )

    def _drop_finished(self) -> Tensor:
        """Let finished rows leave; rows from the end take their places, so that few move. Returns the rows kept."""
        alive = np.flatnonzero(self._alive_R)
        kept = np.arange(len(alive))
        holes = np.flatnonzero(~self._alive_R[: len(alive)])
        kept[holes] = alive[alive >= len(alive)]
        rows = torch.from_numpy(kept).to(self._decoder.device)
        self._state.select(rows)
        self._owners = [self._owners[row] for row in kept]
        for name in ("_limits_R", "_warmth_R", "_top_k_R", "_top_p_R", "_lengths_R", "_alive_R"):
            setattr(self, name, getattr(self, name)[kept])
        self._chance_RS, self._written_RS = self._chance_RS[kept], self._written_RS[kept]
        self._settle()
        return rows

    def _settle(self) -> None:
        """What follows from the rows: settings on the device, and the kinds of stop texts."""
        device = self._decoder.device
        self._temperature_R = torch.from_numpy(self._warmth_R).to(device, torch.float32)
        self._k_R = torch.from_numpy(self._top_k_R).to(device)
        self._p_R = torch.from_numpy(self._top_p_R).to(device, torch.float32)
        stops = [job.request.sampling.stop for job, _ in self._owners]
        self._stops = sorted({stop for stop in stops if stop})
        numbers = {stop: number for number, stop in enumerate(self._stops)}
        self._stops_R = np.array([numbers.get(stop, -1) for stop in stops])


def _stacked(above: NDArray[Any], below: NDArray[Any]) -> NDArray[Any]:
    width = max(above.shape[1], below.shape[1])
    return np.concatenate([np.pad(half, ((0, 0), (0, width - half.shape[1]))) for half in (above, below)])
