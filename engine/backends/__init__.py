"""The one door to a model: `base.Backend`, the implementations behind it, and which of them the settings mean."""

from collections.abc import Callable
from pathlib import Path

from engine.backends.base import Backend
from engine.config import ModelSettings
from engine.workspace.provenance import model_folder

_TINY_BYTES = 50_000_000
_TINY_THREADS = 2
"""For weights below `_TINY_BYTES`: a second core gave 1.5 times the tokens and 1.6 times the training steps, more
cores mostly wait for each other. OMP_NUM_THREADS=1 lowers it, e.g. beside other work."""


def open_backend(
    settings: ModelSettings,
    *,
    workspace: Path,
    rank: int = 64,
    tokens: int | None = None,
    log: Path | None = None,
    report: Callable[[str], None] = lambda _: None,
    tick: Callable[[], None] = lambda: None,
) -> Backend:
    """The backend that the settings name, its model loaded or its server up.

    `workspace` is the folder a server must be allowed to read images from, `rank` the largest LoRA rank of the judge
    versions that will be loaded; for the others see `open_server`. Raises `SettingsError`, `ModelError` or
    `BackendError`.
    """
    base = str(model_folder(settings.base) or settings.base)
    if settings.backend == "transformers":
        import torch

        from engine.backends.local.transformers import TransformersBackend

        threads = min(_TINY_THREADS, torch.get_num_threads()) if _is_tiny(settings.base) else None
        return TransformersBackend(
            base, device=settings.device, dtype=settings.dtype, revision=settings.revision, threads=threads
        )
    from engine.backends.served.servers import open_server

    return open_server(
        settings, base=base, workspace=workspace, rank=rank, tokens=tokens, log=log, report=report, tick=tick
    )


def _is_tiny(base: str) -> bool:
    folder = model_folder(base)
    return folder is not None and sum(path.stat().st_size for path in folder.glob("*.safetensors")) < _TINY_BYTES
