"""What can be known to fail before a vLLM server is started: asked of its Python in a second, not met in minutes."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.config import ModelSettings
from engine.errors import ModelError, SettingsError

_CHILD = Path(__file__).with_name("preflight_child.py")
_SECONDS = 60.0
"""It reads four files; only a broken disk takes longer."""

OURS = frozenset(
    ("--model", "--served-model-name", "--host", "--port", "--uds", "--api-key", "--root-path", "--enable-lora",
     "--max-lora-rank", "--allowed-local-media-path")
)  # fmt: skip
"""Options that are set for a server that is started, from other settings or so that it can be spoken to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """What is known of a server before it starts."""

    version: str | None
    """Of vLLM; None if that Python has none."""
    context: int | None
    """Tokens the model was made for; None if its config does not say or is not on this machine."""
    dtype: str | None
    """Number format of the model's weights; None likewise."""
    faults: tuple[str, ...]
    """Sentences: why it will not start. Empty if nothing speaks against it."""
    notes: tuple[str, ...]
    """What will take time, such as a download."""

    def check(self) -> None:
        """Raises `ModelError` with the first fault."""
        if self.faults:
            raise ModelError(self.faults[0])


def preflight(settings: ModelSettings, base: str) -> Preflight:
    """Ask the Python of `settings.vllm_python` (this one if empty) what it knows of its vLLM and of the model `base`.

    Raises `SettingsError` for options that contradict others.
    """
    check_options(settings.vllm_options)
    python = settings.vllm_python or sys.executable
    if shutil.which(python) is None:
        return _nothing(f"model.vllm_python: {python} is no program on this machine. Name the python of an environment "
                        "that has vLLM.")  # fmt: skip
    words = [python, "-I", str(_CHILD), base, *([settings.revision] if settings.revision else [])]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS, check=True)
        told = json.loads(done.stdout.strip().splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        return _nothing(
            f"model.vllm_python: {python} does not run ({said[-1][:200] if said else error}). Name another."
        )
    return Preflight(
        version=told["vllm"],
        context=told["context"] if isinstance(told["context"], int) else None,
        dtype=told["dtype"] if isinstance(told["dtype"], str) else None,
        faults=tuple(_faults(told, python, base)),
        notes=tuple(_notes(told, base)),
    )


def check_options(options: Iterable[str]) -> None:
    """Raises `SettingsError` for an option that is ours to set."""
    for option in options:
        name = option.partition("=")[0].replace("_", "-")
        if name in OURS:
            raise SettingsError(
                f"model.vllm_options: {name} is set by Judge Studio, from model.* and train.rank. Remove it; for a "
                "server of your own use model.backend=openai and model.url."
            )


def _nothing(fault: str) -> Preflight:
    return Preflight(version=None, context=None, dtype=None, faults=(fault,), notes=())


def _faults(told: dict[str, object], python: str, base: str) -> Iterable[str]:
    if told["vllm"] is None:
        yield (
            f"model.vllm_python: {python} has no vLLM. Install it there (pip install 'vllm>=0.32,<0.33'), or name the "
            "python of an environment that has it."
        )
    is_path = base.startswith(("/", ".", "~"))
    if is_path and not Path(base).is_dir():
        yield f"model.base: there is no folder {base}. Correct the path, or name a model of the Hugging Face hub."
    elif Path(base).is_dir() and not told["config"]:
        yield f"model.base: {base} has no config.json that can be read. Name a folder that holds a whole model."
    elif not told["config"] and told["offline"]:
        yield (
            f"model.base: {base} is not in this machine's cache, and HF_HUB_OFFLINE forbids a download. Fetch it first "
            f"(hf download {base}), or unset HF_HUB_OFFLINE."
        )
    if told["known"] is False:
        yield (
            f"model.base: vLLM {told['vllm']} has no class for {told['architecture']}. Use model.backend=transformers, "
            "or another base model."
        )
    if told["lora"] is False:
        yield (
            f"model.base: vLLM {told['vllm']} serves {told['architecture']} without adapters, so the versions that a "
            "run trains cannot be loaded. Use model.backend=transformers, or another base model."
        )


def _notes(told: dict[str, object], base: str) -> Iterable[str]:
    if not told["config"] and not told["offline"] and not Path(base).exists():
        yield f"{base} is not in this machine's cache: it is downloaded when the server starts."
