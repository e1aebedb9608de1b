"""Which server the settings mean: one that runs already, or a vLLM that is started for this run."""

from collections.abc import Callable
from pathlib import Path

from engine.backends.served.openai import OpenAIBackend
from engine.backends.served.vllm_server import VllmBackend, VllmServer
from engine.config import ModelSettings
from engine.errors import SettingsError

VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM's --max-lora-rank may be."""


def open_server(
    settings: ModelSettings,
    *,
    base: str,
    workspace: Path,
    rank: int = 64,
    report: Callable[[str], None] = lambda _: None,
) -> OpenAIBackend:
    """A backend behind HTTP. `base` is the resolved base model, `workspace` the folder its images lie in, `rank` the
    largest LoRA rank it must take.

    Raises `SettingsError`, `BackendError` or `ModelError`.
    """
    if settings.backend == "vllm" and settings.url is None:
        fitting = [one for one in VLLM_RANKS if one >= rank]
        if not fitting:
            raise SettingsError(f"train.rank: is {rank}, but vLLM takes at most {VLLM_RANKS[-1]}. Lower it.")
        server = VllmServer(
            base,
            images=workspace,
            python=settings.vllm_python,
            dtype=settings.dtype,
            revision=settings.revision,
            max_rank=fitting[0],
            options=settings.vllm_options,
            report=report,
        )
        return VllmBackend(server, base_name=base)
    if settings.url is None:
        raise SettingsError("model.url: is empty but model.backend is openai; give the server's address.")
    return OpenAIBackend(settings.url, model=settings.served_name, base_name=base)
