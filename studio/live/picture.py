"""Pictures that visitors bring by upload, drop, paste or API. The file itself is looked at before any decoder opens it.

`gr.Image` would open it with PIL first and answer a text renamed .png with a traceback's words; its listeners are
therefore connected with `preprocess=False`, and what arrives is the bare record of the upload.
"""

from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder
from PIL import Image

from engine.errors import SourceError
from engine.sources.pictures.store import store_image
from engine.sources.pictures.upload import check_upload
from engine.workspace.folders import Workspace


def uploaded_path(payload: Any) -> Path:
    """The file of an upload's record {"path": …}. Raises `SourceError` unless it lies where uploads are put.

    The record comes from the visitor: without this check it could name any file of this machine.
    """
    name = payload.get("path") if isinstance(payload, dict) else None
    if not isinstance(name, str) or "\0" in name:
        raise SourceError("image: no file was sent. Choose a PNG, JPEG or WebP file.")
    path = Path(name).resolve()
    if not path.is_relative_to(Path(get_upload_folder()).resolve()):
        raise SourceError("image: only an uploaded file can be judged. Choose a PNG, JPEG or WebP file.")
    return path


def take_picture(workspace: Workspace, path: Path) -> str:
    """Store an uploaded picture; its path relative to the workspace.

    Raises `SourceError` with one sentence for what is no picture, too large, or empty.
    """
    workspace.check_writable()
    picture = check_upload(path)
    return store_image(workspace.root, picture, source="live judge", name=path.name).path


def looks_drawn(path: Path) -> bool:
    """Whether a stored picture may be one of the drawn scenes: their size, which hardly any photograph has.

    Scenes of runs made before 2026-11-28 were stored as small as the model sees them.
    """
    from engine.shapes.scenes import SHOWN, SIDE

    try:
        with Image.open(path) as picture:  # a file of our own store; opening reads its head only
            return picture.size in ((SHOWN, SHOWN), (SIDE, SIDE))
    except OSError:
        return False
