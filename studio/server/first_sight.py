"""What the page shows before it has asked anything: the first tab as it is now, written into the page itself.

Without it a visitor waits for the page, then for its first question and the answer. It knows no tab.
"""

from collections.abc import Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

Draw = Callable[[str], Mapping[int, str]]
"""The query string of the address → the values of components, by Gradio's number of them. Nothing stays as it was."""


class FirstSight:
    """ASGI middleware around a Gradio app; `components` gives those of its configuration, which Gradio makes anew when
    it starts. They are one for all visitors: of two at the same moment, one may see for a moment what the other asked
    for, until the page's first answer."""

    def __init__(self, app: ASGIApp, *, components: Callable[[], list[dict[str, Any]]], draw: Draw) -> None:
        self.app = app
        self._components = components
        self._draw = draw

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and _is_the_page(scope):
            await run_in_threadpool(self._write, scope["query_string"].decode("latin-1"))
        await self.app(scope, receive, send)

    def _write(self, query: str) -> None:
        values = self._draw(query)
        for component in self._components():
            if component["id"] in values:
                component["props"]["value"] = values[component["id"]]


def _is_the_page(scope: Scope) -> bool:
    return str(scope["path"]).removeprefix(str(scope.get("root_path", ""))) in ("", "/")
