"""An opened judge: give it a picture, a question and two answers, from as many threads as you like.

with open_judge("shapes-01/best") as judge:
    print(judge.rule(image="cat.png", question="How many cats?", a="Two.", b="Three.").verdict)
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.backends.base import Backend
from engine.errors import UsageError
from engine.judging.judges import JudgeRef, judges_together, opened
from engine.judging.ruling import Ruling
from engine.records import Comparison
from engine.runs.models import device_of
from engine.serve.desk import SERVER_LANES, RulingDesk
from engine.serve.pictures import Picture, PictureShelf
from engine.sources.pictures.upright import limits_of
from engine.workspace.folders import Workspace, open_workspace, workspace_path
from engine.workspace.locks import device_lock

_HOLDER = "a judge in use"
"""What others read who wait for the device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """What a caller wants ruled on. `image` is None for a question without a picture."""

    image: Picture | None
    question: str
    a: str
    b: str
    more_images: tuple[Picture, ...] = ()
    """Further pictures of the question."""
    a_images: tuple[Picture, ...] = ()
    b_images: tuple[Picture, ...] = ()
    """Pictures inside an answer."""


class OpenJudge:
    """One or several judges of one base model, ready to rule. Made by `open_judge`."""

    def __init__(self, backend: Backend, judges: Sequence[JudgeRef], shelf: PictureShelf) -> None:
        in_process = judges[0].settings.model.backend == "transformers"
        self.judges = tuple(judge.label for judge in judges)
        """Their names; the first answers where none is named."""
        self._shelf = shelf
        self._desk = RulingDesk(backend, judges, lanes=1 if in_process else SERVER_LANES)

    def submit(self, asked: Contest, *, judge: str | None = None) -> Future[Ruling]:
        """The ruling to come.

        Raises `SourceError` for a picture that cannot be used, `UsageError` for an unknown judge. The future raises
        `BackendError` or `ModelError` if the model cannot answer.
        """
        if judge is not None and judge not in self.judges:
            raise UsageError(f"judge '{judge}': is not open here. Open are: {', '.join(self.judges)}.")
        comparison = Comparison(
            image=None if asked.image is None else self._shelf.take(asked.image),
            question=asked.question,
            preferred=asked.a,
            degraded=asked.b,
            more_images=tuple(map(self._shelf.take, asked.more_images)),
            preferred_images=tuple(map(self._shelf.take, asked.a_images)),
            degraded_images=tuple(map(self._shelf.take, asked.b_images)),
        )
        return self._desk.submit(comparison, judge=judge or self.judges[0])

    def rule(self, *, image: Picture | None, question: str, a: str, b: str, judge: str | None = None) -> Ruling:
        """Which of two answers is better, in both orders. Raises as `submit` and its future do."""
        return self.submit(Contest(image=image, question=question, a=a, b=b), judge=judge).result()

    def rule_all(self, asked: Iterable[Contest], *, judge: str | None = None) -> list[Ruling]:
        """Rulings on many, in their order, asked together."""
        return [answer.result() for answer in [self.submit(one, judge=judge) for one in asked]]

    def close(self) -> None:
        """Let what is under way end. The backend stays open."""
        self._desk.close()


@contextmanager
def open_judge(*names: str, workspace: str | os.PathLike[str] | Workspace | None = None) -> Iterator[OpenJudge]:
    """Judges by the names that the command line takes: RUN/best, RUN/judge-v2, an adapter's folder, a model.

    Without a name, the best of the newest run. A GPU is had alone, as a run has it. Raises `JudgeStudioError`.
    """
    if not isinstance(workspace, Workspace):
        workspace = open_workspace(workspace_path(None if workspace is None else Path(workspace)))
    judges = judges_together(names, workspace)
    shelf = PictureShelf(limits_of(judges[0].settings.source))
    try:
        with ExitStack() as held:
            if device_of(judges[0].settings) == "cuda":
                held.enter_context(device_lock("cuda", _HOLDER, waiting=_waiting_sayer()))
            judge = OpenJudge(held.enter_context(opened(judges, workspace)), judges, shelf)
            held.callback(judge.close)
            yield judge
    finally:
        shelf.close()


def _waiting_sayer() -> Callable[[str], None]:
    """Names each holder of the GPU once, on stderr."""
    named: set[str] = set()

    def waiting(holder: str) -> None:
        if holder not in named:
            named.add(holder)
            print(f"Waiting for the GPU: {holder} is using it.", file=sys.stderr, flush=True)

    return waiting
