from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from studio.page.place import read_query
from studio.server.first_sight import FirstSight


@pytest.mark.parametrize("below", ["", "/finished"])
def test_page_is_sent_with_what_its_address_names_and_nothing_else_is_drawn(below: str) -> None:
    components: list[dict[str, Any]] = [{"id": 7, "props": {"value": ""}}, {"id": 8, "props": {"value": "as it was"}}]
    asked: list[dict[str, str]] = []

    def draw(query: str) -> dict[int, str]:
        asked.append(read_query(query))
        return {7: f"run {asked[-1].get('run')}"}

    async def page(_: Request) -> JSONResponse:
        return JSONResponse([component["props"]["value"] for component in components])

    around = [Middleware(FirstSight, components=lambda: components, draw=draw)]
    studio = Starlette(routes=[Route("/", page), Route("/config", page)], middleware=around)
    client = TestClient(Starlette(routes=[Mount(below, studio)]) if below else studio)
    assert client.get(f"{below}/?run=a%26b&run=c").json() == ["run c", "as it was"]
    client.get(f"{below}/config")
    client.head(f"{below}/")
    client.get(f"{below}/?{'&'.join(f'k{number}=1' for number in range(300))}")
    assert asked == [{"run": "c"}, {}], "a long address is no fault of the page"
