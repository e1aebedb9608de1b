"""A PEFT adapter as a folder on disk: what it says about itself. It loads no weights and needs no torch."""

import hashlib
import json
from pathlib import Path
from typing import Any

from engine.backends.model_files import check_files
from engine.errors import ModelError

WEIGHTS = "adapter_model.safetensors"


def check_base(judge: str, adapter: Path, base_name: str) -> None:
    """Refuse a folder that is no adapter, or that names another base. Raises `ModelError`.

    A base that merely moved keeps its last path component, so that is what is compared.
    """
    trained_on = adapter_settings(judge, adapter).get("base_model_name_or_path")
    if trained_on and _last(str(trained_on)) != _last(base_name):
        raise ModelError(misfit(judge, adapter, base_name, f"it was trained on '{trained_on}'"))


def check_adapter_files(judge: str, adapter: Path) -> None:
    """Refuse a folder whose weights are missing, in another format, or not fetched. Raises `ModelError`."""
    what = f"judge '{judge}'"
    if not (adapter / WEIGHTS).is_file():
        other = next((path.name for path in sorted(adapter.glob("adapter_model.*"))), None)
        found = f"holds {other} but no {WEIGHTS}; save it as safetensors" if other else f"lacks {WEIGHTS}; fetch it"
        raise ModelError(f"{what}: {adapter} {found} first.")
    check_files(adapter, what=what)


def base_of(judge: str, adapter: Path) -> str:
    """The base model the adapter was trained on. Raises `ModelError` if the folder does not say."""
    base = adapter_settings(judge, adapter).get("base_model_name_or_path")
    if not isinstance(base, str) or not base.strip():
        raise ModelError(f"adapter {adapter}: adapter_config.json names no base model. Use a complete PEFT folder.")
    return base


def adapter_rank(judge: str, adapter: Path) -> int:
    """LoRA rank. Raises `ModelError` when the folder does not say."""
    rank = adapter_settings(judge, adapter).get("r")
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


def adapter_settings(judge: str, adapter: Path) -> dict[str, Any]:
    """What adapter_config.json holds. Raises `ModelError` if it holds nothing usable."""
    try:
        settings = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelError(
            f"judge '{judge}': {adapter} is no PEFT adapter (adapter_config.json: {reason}); "
            "point to a folder that holds one."
        ) from None
    if not isinstance(settings, dict):
        raise ModelError(f"judge '{judge}': {adapter}/adapter_config.json is no JSON object. Fetch the adapter again.")
    return settings


def _last(name: str) -> str:
    """The model's own name in a folder, a hub id, or a folder of the hub's cache (models--org--name/snapshots/…)."""
    parts = Path(name).parts
    cached = [part for part in parts if part.startswith("models--")]
    return cached[-1].rsplit("--", 1)[-1] if cached else parts[-1] if parts else name
