"""Paths of this machine in a text. On one's own machine they are shown whole; behind a password, where the visitor need
not be who started the server, only what they end on.
"""

import re
from pathlib import Path

_PATH = re.compile(r"(?<![\w/.~…])(?:~[\w.-]*|\.\.?)?/(?!/)[^\s\"'<>|;,()\[\]{}`]*[^\s\"'<>|;,()\[\]{}`.:]")
"""From the root, a home or the working folder on; no address (`https://…`), no share (`9/10`)."""


class Paths:
    """Set once, when the server starts: one server per process."""

    are_hidden = False
    known: tuple[str, ...] = ()
    """Folders whose names may hold spaces, the longest first."""
    roots: frozenset[str] = frozenset()
    """What lies in the machine's root folder: a path from it begins with one of these."""


def hide_paths(*known: Path) -> None:
    """From now on no text shows where something lies; `known` are folders that texts are likely to name."""
    Paths.known = tuple(sorted({str(folder) for folder in known}, key=len, reverse=True))
    Paths.roots = frozenset(entry.name for entry in Path("/").iterdir())
    Paths.are_hidden = True


def without_paths(text: str) -> str:
    """The text as this page may show it: "/data/photos/cats" becomes "…/cats" where paths are hidden."""
    if not Paths.are_hidden:
        return text
    for folder in Paths.known:
        text = text.replace(folder, f"…/{Path(folder).name}")
    return _PATH.sub(_ending, text)


def _ending(found: re.Match[str]) -> str:
    """The last part of a path of this machine; what only looks like one stays, e.g. "/v1/judge"."""
    path = found.group()
    first, _, rest = path.lstrip("/").partition("/")
    is_from_root = path.startswith("/") and first in Paths.roots and rest.strip("/")
    return f"…/{path.rstrip('/').rsplit('/', 1)[-1]}" if is_from_root or path.startswith(("~", ".")) else path
