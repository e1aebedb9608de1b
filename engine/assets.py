"""Where the files that ship with the project lie: prompt packs, presets, the embedded model, css."""

from pathlib import Path

EMBEDDED = "shapes-vlm"
"""The model that ships with the project is meant by its name, whatever lies in the working folder."""
SHIPPED = (EMBEDDED, "shapes-hasty")
"""All of them. The second is the first with a habit that hides what it can do."""


def assets_folder() -> Path:
    """`engine/_assets` in an installed wheel, `assets/` beside `engine/` in a checkout."""
    installed = Path(__file__).parent / "_assets"
    return installed if installed.is_dir() else Path(__file__).parents[1] / "assets"
