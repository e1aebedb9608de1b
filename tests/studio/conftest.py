"""What tests of the studio need: `gr.Blocks` makes event loops that it never closes, so they are closed here."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.workspace.folders import Workspace
from tests.sample_workspace import make_workspace


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


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """The sample workspace, with a judge-v1 that can be named; many test files have a plainer one of their own."""
    workspace = make_workspace(tmp_path / "ws")
    adapter = workspace.run("shapes-01").adapter(1)
    adapter.mkdir(parents=True, exist_ok=True)
    (adapter / "adapter_config.json").write_text("{}")
    return workspace
