"""A judge server as programs meet it: real sockets, uvicorn in a thread, and a scripted or a real model behind it."""

import base64
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from engine.backends.base import Backend
from engine.judging.judges import JudgeRef
from engine.serve.app import create_app
from engine.serve.pictures import PictureShelf
from engine.serve.use import OpenJudge
from engine.sources.pictures.upright import Limits
from tests.tiny_models import save_scenes


@contextmanager
def judge_server(backend: Backend, judges: list[JudgeRef], *, key: str | None = None) -> Iterator[str]:
    """The address of a server of `judges` on `backend`."""
    shelf = PictureShelf(Limits())
    judge = OpenJudge(backend, judges, shelf)
    app = create_app(judge, key=key, local_only=key is None)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
        judge.close()
        shelf.close()


def scene_url(folder: Path, number: int = 0) -> str:
    """A picture as a data: URL."""
    data = save_scenes(folder, number + 1)[number].read_bytes()
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"
