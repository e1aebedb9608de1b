"""Where the files that ship with the project lie: prompt packs, presets, the embedded model, css."""

from pathlib import Path


def assets_folder() -> Path:
    """`engine/_assets` in an installed wheel, `assets/` beside `engine/` in a checkout."""
    installed = Path(__file__).parent / "_assets"
    return installed if installed.is_dir() else Path(__file__).parents[1] / "assets"
