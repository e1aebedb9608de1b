"""The model of one run: opened when a stage first asks, with the judge versions it asks for, given back between.

It knows no stage.
"""

from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path

from engine.backends.base import Backend
from engine.config import Settings
from engine.errors import ModelError
from engine.prompts import PromptPack, judge_messages
from engine.records import BASE_JUDGE, version_number
from engine.workspace.folders import RunFolder
from engine.workspace.progress import Progress

Opener = Callable[[Settings, Path], Backend]

_CANARY_QUESTION = "What is the colour of the picture?"
_SQUARE = 28
"""Pixels of a side that become one token in Qwen's families; others use fewer tokens a picture."""
_PACK_TOKENS = 1024
"""The text of a judge prompt and of its question."""
_BENCHMARK_RESPONSE = 1024
"""Responses of published benchmarks are longer than a run's own may be."""


def open_model(settings: Settings, workspace: Path, progress: Progress | None = None) -> Backend:
    """The backend that the settings name. `progress` hears how a server starts, and can stop it."""
    from engine.backends import open_backend

    def report(message: str) -> None:
        if progress is not None:
            progress.update(message=message)
            progress.check_stop()

    return open_backend(
        settings.model,
        workspace=workspace,
        rank=settings.train.rank,
        tokens=longest_request(settings),
        log=None if progress is None else progress.run.folder / "vllm.log",
        report=report,
        tick=(lambda: None) if progress is None else progress.check_stop,
    )


def longest_request(settings: Settings) -> int:
    """Tokens of the longest prompt with its reply, an upper bound for families that see a picture in 28 px squares."""
    picture = ceil(settings.source.max_side / _SQUARE) ** 2
    responses = 2 * max(settings.synthesize.max_tokens, _BENCHMARK_RESPONSE)
    reply = max(settings.judge.max_tokens, settings.evaluate.max_tokens, settings.synthesize.max_tokens)
    return picture + _PACK_TOKENS + responses + reply


def device_of(settings: Settings) -> str:
    """What a run with these settings has to itself: "cpu", "cuda", or a server by its address."""
    if settings.model.backend == "openai":
        return f"server {settings.model.url}"
    if settings.model.device != "auto":
        return settings.model.device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def trains_on_gpu(settings: Settings) -> bool:
    """Whether the trainer will run on a GPU of this machine, wherever the judge is asked."""
    import torch

    return settings.model.device != "cpu" and torch.cuda.is_available()


class RunModels:
    """The run's backend, called with the judge versions that a stage needs: `models("judge-v1")`."""

    def __init__(
        self, run: RunFolder, settings: Settings, pack: PromptPack, progress: Progress, opener: Opener | None = None
    ) -> None:
        self._run = run
        self._settings = settings
        self._pack = pack
        self._progress = progress
        self._opener = opener or (lambda settings, workspace: open_model(settings, workspace, progress))
        self._backend: Backend | None = None
        self._loaded: set[str] = set()

    def __call__(self, *judges: str) -> Backend:
        """The backend with these judge versions loaded."""
        if self._backend is None:
            self._progress.update(message=f"Loading {self._settings.model.base}")
            self._backend = self._opener(self._settings, self._run.workspace.root)
            if not self._backend.continues:
                raise ModelError(
                    f"model.url: {self._settings.model.url} is no vLLM server, so versions that a run trains cannot "
                    "be loaded on it. Start vLLM there with --enable-lora, or set model.backend=vllm or transformers."
                )
        for judge in judges:
            if judge != BASE_JUDGE and judge not in self._loaded:
                self._backend.load_judge(judge, self._run.adapter(version_number(judge) or 0))
                self._loaded.add(judge)
        if self._settings.model.backend != "transformers":
            self._roll_call(judges)
        return self._backend

    def _roll_call(self, judges: Sequence[str]) -> None:
        """Every replica proves itself before a stage relies on it; a scripted backend has none."""
        from engine.backends.served.openai import OpenAIBackend
        from engine.backends.served.roll_call import canaries, roll_call

        if not isinstance(self._backend, OpenAIBackend):
            return
        self._progress.update(message="Roll call of the servers")
        messages = judge_messages(self._pack, _CANARY_QUESTION, "It is red.", "It is blue.")
        for remark in roll_call(self._backend, judges, messages, canaries(self._run.folder / "canary")):
            self._progress.event("remark", text=remark)

    def release(self) -> None:
        """Free the device."""
        if self._backend is not None:
            self._backend.close()
        self._backend = None
        self._loaded.clear()
