"""A vLLM server that a run on this machine has started, told of in a file, so that Live asks it instead of waiting.

The file lies beside the devices' locks, in a folder of this user. It is believed only while somebody answers at the
socket: a run that was killed leaves its file behind.
"""

import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.backends.served.http_door import UNIX
from engine.config import ModelSettings
from engine.errors import WorkspaceError
from engine.workspace.files import read_json, write_json
from engine.workspace.locks import device_lock_path

_NAME = "vllm-{}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """What there is to know of a server before it is asked."""

    model: str
    """The base model, as the server was started with it; its served name."""
    revision: str | None
    dtype: str
    """As vLLM was told it."""
    max_rank: int
    """Largest LoRA rank of an adapter that it takes."""
    socket: str

    @property
    def url(self) -> str:
        return UNIX + self.socket


def announce(server: Announced) -> Path:
    """Tell of a server that is up; the file to remove when it ends."""
    path = _folder() / _NAME.format(Path(server.socket).parent.name)
    write_json(path, asdict(server))
    return path


def announced(settings: ModelSettings, *, base: str, rank: int) -> Announced | None:
    """A server that answers, of the resolved `base` as the settings want it, for adapters of that rank; None if there
    is none."""
    for path in sorted(_folder().glob(_NAME.format("*"))):
        try:
            found = Announced(**(read_json(path) or {}))
        except (TypeError, WorkspaceError):
            continue
        if not listens(Path(found.socket)):
            with suppress(OSError):
                path.unlink()
        elif (
            (found.model, found.revision) == (base, settings.revision)
            and settings.dtype in ("auto", found.dtype)
            and rank <= found.max_rank
        ):
            return found
    return None


def listens(path: Path) -> bool:
    """Whether somebody answers at a socket; vLLM makes its own minutes before."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def _folder() -> Path:
    return device_lock_path("cuda").parent
