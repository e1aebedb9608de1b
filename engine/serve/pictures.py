"""The pictures that callers send, as upright files that a backend can read, kept while the judge is open.

They pass what a run's own pictures pass (`engine.sources.pictures`): a judge sees them as it was trained to.
"""

import base64
import binascii
import hashlib
import shutil
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path

from PIL import Image

from engine.errors import SourceError, WorkspaceError
from engine.sources.pictures.store import encoded
from engine.sources.pictures.upright import Limits, as_upright, read_limited, read_upright

Picture = bytes | str | Path | Image.Image
"""The bytes of a picture file, its path, or an opened picture."""

MOST_KEPT = 16_384
"""Pictures kept as files: more than callers can have under way (`engine.serve.desk.ROOM`), so none goes in use."""


class PictureShelf:
    """A folder of upright pictures, the last `MOST_KEPT` of them; the same picture sent again is read once."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._kept: OrderedDict[str, Path] = OrderedDict()
        self._lock = threading.Lock()
        self.folder = Path(tempfile.mkdtemp(prefix="judge-studio-"))

    def take(self, picture: Picture) -> Path:
        """The picture's upright file. Raises `SourceError` (`ImageRefused`) with what is wrong with it."""
        if isinstance(picture, Image.Image):
            return self._write(as_upright(picture, self._limits))
        data = picture if isinstance(picture, bytes) else read_limited(Path(picture), self._limits)
        key = hashlib.sha256(data).hexdigest()
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
                return known
        return self._keep(key, self._write(read_upright(data, self._limits)))

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, image: Image.Image) -> Path:
        content, suffix = encoded(image)
        digest = hashlib.sha256(content).hexdigest()
        path = self.folder / f"{digest}.{suffix}"
        if not path.exists():
            part = path.with_name(f".{digest}.{threading.get_ident()}")
            try:
                part.write_bytes(content)
                part.replace(path)
            except OSError as error:
                raise WorkspaceError(f"{path}: cannot write: {error.strerror or error}. Free some space.") from error
        return self._keep(digest, path)

    def _keep(self, key: str, path: Path) -> Path:
        with self._lock:
            self._kept[key] = path
            self._kept.move_to_end(key)
            while len(self._kept) > 2 * MOST_KEPT:  # a picture has two keys: as sent, and as kept
                _, old = self._kept.popitem(last=False)
                if old not in self._kept.values():
                    old.unlink(missing_ok=True)
        return path


def picture_bytes(sent: str) -> bytes:
    """The bytes of a picture that came as text: a `data:` URL or plain base64. Nothing is fetched or opened.

    Raises `SourceError`.
    """
    head, comma, tail = sent.partition(",")
    if sent[:5].lower() == "data:":
        if not comma or not head.lower().endswith(";base64"):
            raise SourceError("image: its data: URL is not base64. Send data:image/png;base64,…")
        sent = tail
    elif "://" in sent[:16]:
        raise SourceError(
            "image: is an address, and nothing is fetched from other servers. Send the picture itself: "
            "data:image/png;base64,…"
        )
    try:
        return base64.b64decode("".join(sent.split()), validate=True)
    except (binascii.Error, ValueError):
        raise SourceError("image: is not base64. Send the bytes of a picture file as data:image/png;base64,…") from None
