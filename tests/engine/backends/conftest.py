"""Tiny models of several families, saved once per session, and a few images."""

from pathlib import Path

import pytest

from tests.tiny_models import (
    save_scenes,
    save_tiny_gemma3,
    save_tiny_idefics3,
    save_tiny_llava,
    save_tiny_mllama,
    save_tiny_qwen2_vl,
)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with llava, gemma3, idefics3, mllama and qwen2_vl inside."""
    folder = tmp_path_factory.mktemp("models")
    save_tiny_llava(folder / "llava", width=64, vision_layers=1, layers=2)
    save_tiny_gemma3(folder / "gemma3")
    save_tiny_idefics3(folder / "idefics3")
    save_tiny_mllama(folder / "mllama")
    save_tiny_qwen2_vl(folder / "qwen2_vl")
    return folder


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Twelve images of two sizes, all different."""
    folder = tmp_path_factory.mktemp("scenes")
    return [*save_scenes(folder / "small", 6), *save_scenes(folder / "large", 6, side=120, seed=1)]
