"""How often the queue of a real Gradio app looks for work, as requests come and stay away."""

from typing import Any

import anyio
import gradio as gr
import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from studio.server import looks
from studio.server.looks import QUICK, SLOW, Looks
from tests.patience import seconds

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def queue_of_a_page() -> Any:
    with gr.Blocks(analytics_enabled=False) as page:
        pass
    return page._queue


def client(queue: Any) -> httpx.AsyncClient:
    around = Looks(Starlette(routes=[Route("/", lambda _: PlainTextResponse(""))]), queue=lambda: queue)
    return httpx.AsyncClient(transport=httpx.ASGITransport(around), base_url="http://studio")


async def until_slow(queue: Any) -> None:
    with anyio.fail_after(seconds(20)):
        while queue.sleep_when_free != SLOW:
            await anyio.sleep(0)


async def test_queue_looks_often_after_a_request_and_seldom_once_it_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = queue_of_a_page()
    async with client(queue) as asked:
        for _ in range(2):
            monkeypatch.setattr(looks, "QUIET_SECONDS", 3600.0)
            await asked.get("/")
            assert queue.sleep_when_free == QUICK
            monkeypatch.setattr(looks, "QUIET_SECONDS", 0.0)
            await asked.get("/")
            await until_slow(queue)


async def test_queue_with_a_listener_at_work_stays_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "QUIET_SECONDS", 0.0)
    queue = queue_of_a_page()
    queue.active_jobs = [[]]
    async with client(queue) as asked:
        await asked.get("/")
        for _ in range(50):
            await anyio.sleep(0)
        assert queue.sleep_when_free == QUICK
        queue.active_jobs = [None]
        await until_slow(queue)
