"""How often Gradio's queue looks for work. It knows no event: it looks again and again, for ever, a thousand times a
second by itself, which is a twentieth of a core. Here it looks often while somebody uses a page, and seldom else.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

QUICK, SLOW = 0.02, 0.1
"""Seconds between two looks: while requests come, and when none came for a while. The first one after that waits for
a look, a twentieth of a second in the mean."""
_PROGRESS = 5
"""Times as long between two looks for progress to be told."""
QUIET_SECONDS = 5.0
"""Without a request. A page in use asks every two seconds, so its queue is never slow."""


class Looks:
    """ASGI middleware around a Gradio app; `queue` gives the app's queue, which Gradio makes anew when it starts."""

    def __init__(self, app: ASGIApp, *, queue: Callable[[], Any]) -> None:
        self.app = app
        self._queue = queue
        self._calm: asyncio.TimerHandle | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._asked()
        await self.app(scope, receive, send)

    def _asked(self) -> None:
        if self._calm is None:
            self._look_every(QUICK)
        else:
            self._calm.cancel()
        self._calm = asyncio.get_running_loop().call_later(QUIET_SECONDS, self._quiet)

    def _quiet(self) -> None:
        """Unless a listener is at work, which tells its progress."""
        queue = self._queue()
        if any(job is not None for job in queue.active_jobs):
            self._calm = asyncio.get_running_loop().call_later(QUIET_SECONDS, self._quiet)
            return
        self._calm = None
        self._look_every(SLOW)

    def _look_every(self, seconds: float) -> None:
        queue = self._queue()
        queue.sleep_when_free, queue.progress_update_sleep_when_free = seconds, _PROGRESS * seconds
