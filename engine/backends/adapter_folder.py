"""A PEFT adapter as a folder on disk: what it says about itself. It loads no weights and needs no torch."""

import hashlib
import json
from pathlib import Path
from typing import Any

from engine.errors import ModelError

WEIGHTS = "adapter_model.safetensors"


def check_base(judge: str, adapter: Path, base_name: str) -> None:
    """Refuse a folder that is no adapter, or that names another base. Raises `ModelError`.

    A base that merely moved keeps its last path component, so that is what is compared.
    """
    trained_on = _settings(judge, adapter).get("base_model_name_or_path")
    if trained_on and _last(trained_on) != _last(base_name):
        raise ModelError(misfit(judge, adapter, base_name, f"it was trained on '{trained_on}'"))


def adapter_rank(judge: str, adapter: Path) -> int:
    """LoRA rank. Raises `ModelError` when the folder does not say."""
    rank = _settings(judge, adapter).get("r")
    if not isinstance(rank, int):
        raise ModelError(f"judge '{judge}': {adapter} is no LoRA adapter; servers load no other kind.")
    return rank


def fingerprint(judge: str, adapter: Path) -> str:
    """12 hex digits of the weights, so that another adapter can never pass under an old name. Raises `ModelError`."""
    digest = hashlib.sha256()
    try:
        with (adapter / WEIGHTS).open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise ModelError(f"judge '{judge}': {adapter / WEIGHTS} cannot be read ({error.strerror}).") from None
    return digest.hexdigest()[:12]


def misfit(judge: str, adapter: Path, base_name: str, reason: str) -> str:
    """The sentence for an adapter that does not go with the base."""
    return (
        f"judge '{judge}': {adapter} is not an adapter of the base '{base_name}' ({reason}); "
        "set model.base to the model it was trained on."
    )


def _settings(judge: str, adapter: Path) -> dict[str, Any]:
    try:
        settings = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelError(
            f"judge '{judge}': {adapter} is no PEFT adapter (adapter_config.json: {reason}); "
            "point to a folder that holds one."
        ) from None
    return settings if isinstance(settings, dict) else {}


def _last(name: str) -> str:
    """The model's own name in a folder, a hub id, or a folder of the hub's cache (models--org--name/snapshots/…)."""
    parts = Path(name).parts
    cached = [part for part in parts if part.startswith("models--")]
    return cached[-1].rsplit("--", 1)[-1] if cached else parts[-1] if parts else name
