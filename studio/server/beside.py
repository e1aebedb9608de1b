"""A second studio in the same server, below a path of its own: built when somebody first asks for it, so that it costs
the first page nothing. It knows HTTP only, nothing of what either studio shows.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

MayEnter = Callable[[Mapping[str, str]], bool]
"""Whether these cookies are those of a visitor who gave the password."""


_END_SECONDS = 5.0
"""A server that is ended waits this long for the app beside it."""


class Beside:
    """ASGI middleware: what lies below `path` goes to the app that `make` builds, everything else passes."""

    def __init__(self, app: ASGIApp, *, path: str, make: Callable[[], Any], may_enter: MayEnter) -> None:
        self.app = app
        self._path = path
        self._make = make
        self._may_enter = may_enter
        self._opening = asyncio.Lock()
        self._over = asyncio.Event()
        self._alive: asyncio.Task[None] | None = None
        self._beside: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "lifespan":
            await self._until_the_end(scope, receive, send)
            return
        if scope["type"] != "http" or not f"{path}/".startswith(f"{self._path}/"):
            await self.app(scope, receive, send)
            return
        answer = self._turned_away(path, Request(scope).cookies)
        await (answer or await self._opened())(scope, receive, send)

    def _turned_away(self, path: str, cookies: Mapping[str, str]) -> Response | None:
        """To the page with the password, to the path with its slash (addresses on the page are relative), or None."""
        name = self._path.rpartition("/")[2]
        if not self._may_enter(cookies):
            away = {self._path: "./", f"{self._path}/": "../"}.get(path)
            return _see(away) if away else PlainTextResponse("This studio asks for a password.", status_code=401)
        return _see(f"./{name}/") if path == self._path else None

    async def _opened(self) -> ASGIApp:
        async with self._opening:
            if self._beside is None:
                made = await run_in_threadpool(self._make)
                began = asyncio.Event()
                self._alive = asyncio.create_task(self._live(made, began))
                await began.wait()
                self._beside = made
        app: ASGIApp = self._beside
        return app

    async def _live(self, made: Any, began: asyncio.Event) -> None:
        """Its start and its end in one task, as some of what it starts asks for."""
        try:
            async with made.router.lifespan_context(made):
                began.set()
                await self._over.wait()
        finally:
            began.set()

    async def _until_the_end(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The first app's life; when it ends, so does that of the one beside it."""
        try:
            await self.app(scope, receive, send)
        finally:
            self._over.set()
            if self._alive is not None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._alive, _END_SECONDS)


def _see(address: str) -> Response:
    """Relative, so that it also holds behind a proxy; Starlette's own redirect would make it absolute."""
    return Response(status_code=303, headers={"location": address})
