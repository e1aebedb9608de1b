"""The web server of `judge-studio serve`: open the judges, say where they answer, serve until told to end."""

from collections.abc import Sequence
from typing import Any

import uvicorn

from engine.serve.app import create_app
from engine.serve.binding import is_loopback
from engine.serve.use import open_judge
from engine.workspace.folders import Workspace

_GRACE = 30
"""Seconds in which rulings under way may end after Ctrl-C; a second Ctrl-C does not wait."""


def serve_judges(names: Sequence[str], *, workspace: Workspace, host: str, port: int, key: str | None) -> None:
    """Serve until SIGINT or SIGTERM. Raises `JudgeStudioError` if a judge cannot be opened."""
    with open_judge(*names, workspace=workspace) as judge:
        app = create_app(judge, key=key, local_only=key is None and is_loopback(host))
        settings = uvicorn.Config(
            app, host=host, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=_GRACE
        )
        _Announcing(settings, judge.judges).run()


class _Announcing(uvicorn.Server):
    """Says where it answers once it does."""

    def __init__(self, config: uvicorn.Config, judges: Sequence[str]) -> None:
        super().__init__(config)
        self._judges = judges

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets=sockets)
        for server in self.servers:
            for socket in server.sockets:
                host, port = socket.getsockname()[:2]
                shown = f"[{host}]" if ":" in host else host
                print(f"{', '.join(self._judges)} answers at http://{shown}:{port}/v1", flush=True)
        print("Ctrl-C ends it; rulings under way are finished first.", flush=True)
