"""The field that takes a picture by upload, drop or paste. The server looks at the file itself, before any decoder."""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData

from engine.errors import SourceError
from engine.sources.store import store_image
from engine.sources.upload import check_upload
from engine.workspace import Workspace


class ImageField(gr.Image):  # type: ignore[misc]  # gradio ships no types
    """A `gr.Image` whose handlers get the path of the raw upload.

    Gradio would open the file with PIL first, and answer a text renamed .png with a traceback's words.
    """

    is_template = True  # the browser's part is gr.Image's own

    def preprocess(self, payload: ImageData | None) -> Any:
        """Path of the uploaded file, inside Gradio's own folder."""
        return payload.path if payload is not None else None


def take_picture(workspace: Workspace, path: str) -> str:
    """Store an uploaded picture; its path relative to the workspace.

    Raises `SourceError` with one sentence for what is no picture, too large, or empty.
    """
    name = Path(path).name
    picture = check_upload(Path(path))
    try:
        return store_image(workspace.root, picture, source="live judge", name=name).path
    except SourceError as error:
        raise SourceError(f"{name[:80]}: {error}. Choose a PNG, JPEG or WebP file.") from None
