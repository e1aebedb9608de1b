"""A second studio below a path of its own: built once, at the first request, and only for those who may enter."""

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from studio.server.beside import Beside

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def client(*, may_enter: bool = True) -> tuple[httpx.AsyncClient, list[str]]:
    built: list[str] = []

    def make() -> FastAPI:
        built.append("once")
        app = FastAPI()
        app.add_api_route("/finished/{rest:path}", lambda: PlainTextResponse("beside"))
        return app

    first = Starlette(routes=[Route("/{rest:path}", lambda _: PlainTextResponse("first"))])
    both = Beside(first, path="/finished", make=make, may_enter=lambda cookies: may_enter or "token" in cookies)
    return httpx.AsyncClient(transport=httpx.ASGITransport(both), base_url="http://studio"), built


async def test_other_addresses_pass_and_build_nothing() -> None:
    asked, built = client()
    for path in ("/", "/finished-runs", "/gradio_api/finished"):
        assert (await asked.get(path)).text == "first"
    assert built == []


async def test_first_request_builds_it_once() -> None:
    asked, built = client()
    assert [(await asked.get(path)).text for path in ("/finished/", "/finished/config")] == ["beside", "beside"]
    assert built == ["once"]


async def test_address_without_its_slash_gets_it() -> None:
    asked, _ = client()
    assert (await asked.get("/finished")).headers["location"] == "./finished/"


@pytest.mark.parametrize(("path", "away"), [("/finished", "./"), ("/finished/", "../")])
async def test_visitor_without_the_password_is_sent_to_the_page_that_asks_for_it(path: str, away: str) -> None:
    asked, built = client(may_enter=False)
    answer = await asked.get(path)
    assert (answer.status_code, answer.headers["location"], built) == (303, away, [])
    assert (await asked.get("/finished/gradio_api/file=x")).status_code == 401


async def test_visitor_with_the_password_enters() -> None:
    asked, _ = client(may_enter=False)
    assert (await asked.get("/finished/", headers={"cookie": "token=1"})).text == "beside"
