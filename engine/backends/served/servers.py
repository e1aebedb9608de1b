"""Which server the settings mean: those that run already, or a vLLM that is started for this run."""

from collections.abc import Callable
from pathlib import Path

from engine.backends.served.openai import OpenAIBackend
from engine.backends.served.preflight import Preflight, preflight
from engine.backends.served.vllm_server import VllmBackend, VllmServer
from engine.config import ModelSettings
from engine.errors import SettingsError
from engine.machine import this_machine

VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM's --max-lora-rank may be."""

_LEAST_CONTEXT = 8192
"""Tokens. Room that is not used costs nothing: vLLM gives out memory by blocks."""
_CONTEXT_STEP = 1024


def open_server(
    settings: ModelSettings,
    *,
    base: str,
    workspace: Path,
    rank: int = 64,
    tokens: int | None = None,
    log: Path | None = None,
    report: Callable[[str], None] = lambda _: None,
    tick: Callable[[], None] = lambda: None,
) -> OpenAIBackend:
    """A backend behind HTTP. `base` is the resolved base model, `workspace` the folder its images lie in, `rank` the
    largest LoRA rank it must take, `tokens` the longest prompt with its reply.

    `log` keeps what a started server writes. `report` hears how its start goes and `tick` is called while replies are
    awaited; both may raise, e.g. for a stop. Raises `SettingsError`, `BackendError` or `ModelError`.
    """
    if settings.backend == "vllm" and settings.url is None:
        server = _started(settings, base, workspace, rank=rank, tokens=tokens, log=log, report=report)
        return VllmBackend(server, base_name=base, sequences=this_machine().in_flight, tick=tick)
    return OpenAIBackend(
        addresses(settings),
        model=settings.served_name,
        base_name=base,
        adapters_folder=Path(settings.adapters_folder) if settings.adapters_folder else None,
        sequences=this_machine().in_flight,
        tick=tick,
    )


def _started(
    settings: ModelSettings,
    base: str,
    workspace: Path,
    *,
    rank: int,
    tokens: int | None,
    log: Path | None,
    report: Callable[[str], None],
) -> VllmServer:
    """A vLLM of this machine, up, set as this run needs it and as the preflight found that it can be."""
    known = preflight(settings, base)
    known.check()
    return VllmServer(
        base,
        images=workspace,
        python=settings.vllm_python,
        dtype=_dtype(settings, known),
        revision=settings.revision,
        max_rank=_rank(rank),
        context=_context(tokens, known),
        sequences=this_machine().in_flight,
        options=settings.vllm_options,
        log=log,
        report=report,
    )


def addresses(settings: ModelSettings) -> list[str]:
    """The servers that model.url names. Raises `SettingsError` if it names none."""
    named = [one.strip() for one in (settings.url or "").split(",") if one.strip()]
    if not named:
        raise SettingsError("model.url: is empty but model.backend is openai; give the server's address.")
    return named


def _rank(wanted: int) -> int:
    """The smallest rank that vLLM can be set to and that takes the adapters."""
    fitting = [one for one in VLLM_RANKS if one >= wanted]
    if not fitting:
        raise SettingsError(f"train.rank: is {wanted}, but vLLM takes at most {VLLM_RANKS[-1]}. Lower it.")
    return fitting[0]


def _context(tokens: int | None, known: Preflight) -> int | None:
    """--max-model-len: what the run's prompts and replies need, at most what the model was made for."""
    if tokens is None:
        return None
    needed = max(_LEAST_CONTEXT, -(-tokens // _CONTEXT_STEP) * _CONTEXT_STEP)
    return needed if known.context is None else min(needed, known.context)


def _dtype(settings: ModelSettings, known: Preflight) -> str:
    """Spelled out: vLLM's "auto" serves a float32 model in bfloat16, and the two answer differently."""
    if settings.dtype != "auto":
        return settings.dtype
    return known.dtype if known.dtype in ("float32", "bfloat16", "float16") else "auto"
