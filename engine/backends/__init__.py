"""The one door to a model: `base.Backend`, the implementations behind it, and which of them the settings mean."""

from pathlib import Path

from engine.backends.base import Backend
from engine.config import ModelSettings
from engine.provenance import model_folder


def open_backend(settings: ModelSettings, *, workspace: Path) -> Backend:
    """The backend that the settings name, its model loaded or its server up.

    `workspace` is the folder a server must be allowed to read images from. Raises `ModelError` or `BackendError`.
    """
    base = str(model_folder(settings.base) or settings.base)
    if settings.backend == "transformers":
        from engine.backends.transformers import TransformersBackend

        return TransformersBackend(base, device=settings.device, dtype=settings.dtype, revision=settings.revision)
    from engine.backends.servers import open_server

    return open_server(settings, base=base, workspace=workspace)
