"""What tests of the studio need: `gr.Blocks` makes event loops that it never closes, so they are closed here."""

import asyncio
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _closed_event_loops(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    made: list[asyncio.AbstractEventLoop] = []
    make = asyncio.new_event_loop

    def remember() -> asyncio.AbstractEventLoop:
        made.append(make())
        return made[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", remember)
    yield
    asyncio.set_event_loop(None)
    for loop in made:
        if not loop.is_running():
            loop.close()
