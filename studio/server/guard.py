"""What every answer of the web server passes: no foreign host names, no fetching for others, strict headers.

It knows HTTP only, nothing of Gradio's pages.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from engine.serve.binding import is_loopback

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_POLICY = (
    "default-src 'self'; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "  # Gradio compiles its templates in the page
    "style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


_FILE = "/gradio_api/file="
_PICTURE = f"{_FILE}images/"


class Guard:
    """ASGI middleware. `local_only` refuses names other than this machine's: a web page of someone else whose
    name was pointed at 127.0.0.1 must not read the workspace (DNS rebinding). It also refuses what a page of someone
    else sends: an upload from any open page needs no permission of the browser, and would fill the disk."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], local_only: bool) -> None:
        self.app = app
        self.local_only = local_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self.local_only and not is_loopback(_host_name(scope)):
            await _refuse(send, "This studio answers only under a name of its own machine, e.g. 127.0.0.1.")
            return
        if self.local_only and not _is_from_here(scope):
            await _refuse(send, "This studio takes nothing from other web pages. Behind a proxy it needs --auth.")
            return
        if "/file=http" in scope["path"].replace("/file/http", "/file=http"):
            await _refuse(send, "This server fetches nothing from other servers.")
            return

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_HEADERS]
            await send(message)

        await self.app(scope, receive, send_with_headers)


class Pictures:
    """ASGI middleware. The address of a picture says "images/3f/3fa1….png", as the workspace does, so that no page
    shows where that lies; Gradio, which decides what may be read, is asked for the file below `root`."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], root: Path) -> None:
        self.app = app
        self._root = root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        before, mark, name = str(scope.get("path", "")).partition(_PICTURE)
        if scope["type"] == "http" and mark:
            path = f"{before}{_FILE}{self._root}/images/{name}"
            scope = {**scope, "path": path, "raw_path": quote(path).encode()}
        await self.app(scope, receive, send)


def _is_from_here(scope: Scope) -> bool:
    """Whether no page sent it, or one of this machine; "null" is the origin of sandboxed pages and files."""
    origin = _header(scope, b"origin")
    if origin is None:
        return True
    try:
        return is_loopback(urlsplit(origin).hostname or "")
    except ValueError:
        return False


def _header(scope: Scope, wanted: bytes) -> str | None:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), None)


def _host_name(scope: Scope) -> str:
    """The host the browser asked for, without its port; "" if there is none."""
    host = _header(scope, b"host") or ""
    if host.startswith("["):
        return str(host.partition("]")[0] + "]")
    return str(host.partition(":")[0])


async def _refuse(send: Send, why: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *_HEADERS]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": why.encode()})
