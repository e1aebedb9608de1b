"""What results depend on besides settings: library versions and the very files of a base model."""

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from engine.assets import SHIPPED, assets_folder
from engine.paths import expanded

LIBRARIES = ("judge-studio", "torch", "transformers", "peft", "trl", "datasets", "duckdb", "pillow", "vllm", "gradio")


def library_versions() -> dict[str, str | None]:
    """Installed versions; None for what is not installed."""
    found: dict[str, str | None] = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def model_folder(base: str) -> Path | None:
    """The local folder of a base model (one that ships by its name), or None for a hub id."""
    if base in SHIPPED:
        return assets_folder() / base
    path = expanded(base)
    return path if path.is_dir() else None


def model_fingerprint(base: str) -> str | None:
    """16 hex digits over a local model's files: names, sizes, and the contents of the small ones.

    None for a hub id: its revision is a setting. Contents above 32 MB count by size alone, for speed.
    """
    folder = model_folder(base)
    if folder is None:
        return None
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*")):
        if path.suffix in {".safetensors", ".json", ".jinja"}:
            size = path.stat().st_size
            digest.update(f"{path.name} {size}\n".encode())
            if size <= 32_000_000:
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
