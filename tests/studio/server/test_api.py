"""The public endpoints through `gradio_client` against the real app, with a real tiny model behind /judge."""

import ast
import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from engine.errors import UsageError
from engine.workspace.folders import Workspace
from studio.server.binding import check_mcp
from tests.made_run import made_run
from tests.patience import seconds
from tests.sample_workspace import make_run
from tests.studio_server import studio_server
from tests.tiny_models import save_scenes, save_tiny_llava

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of gradio_client's own websockets


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two runs: "made" can be asked, "shapes-01" has pairs of every fate."""
    folder = tmp_path_factory.mktemp("api")
    workspace = made_run(folder / "ws", save_tiny_llava(folder / "base")).workspace
    make_run(workspace)
    return workspace


@pytest.fixture(scope="module")
def client(workspace: Workspace) -> Iterator[Client]:
    with studio_server(workspace.root) as server:
        client = Client(server.url, verbose=False)
        yield client
        client.close()


def test_only_four_endpoints_are_public_and_each_says_what_it_does(client: Client) -> None:
    named: dict[str, Any] = client.view_api(return_format="dict")["named_endpoints"]  # type: ignore[index, call-overload]
    assert sorted(named) == ["/judge", "/pairs", "/runs", "/scores"]
    described = httpx.get(f"{client.src}gradio_api/info", timeout=seconds(60)).json()["named_endpoints"]
    for endpoint in described.values():
        assert len(endpoint["description"]) > 60


def test_runs_name_the_judges_that_can_be_asked(client: Client) -> None:
    runs = {run["run"]: run for run in client.predict(api_name="/runs")}
    assert set(runs) == {"made", "shapes-01"}
    assert runs["made"]["judges"] == ["made/judge-v1", "made/judge-v2", "made/judge-v0"]
    assert runs["made"]["best"] == "judge-v1"


def test_run_with_a_damaged_state_hides_no_other(client: Client, workspace: Workspace) -> None:
    state = workspace.run("shapes-01").folder / "state.json"
    whole = state.read_text()
    for damage in ("{", "[1]"):
        state.write_text(damage)
        runs = {run["run"]: run for run in client.predict(api_name="/runs")}
        assert runs["made"]["best"] == "judge-v1"
        assert runs["shapes-01"]["state"] == "stopped"
    state.write_text(whole)


def test_pairs_come_page_by_page_until_there_is_no_next(client: Client) -> None:
    seen: list[str] = []
    after, pages = "", 0
    while after is not None:
        answer = client.predict(run="shapes-01", after=after, count=3, api_name="/pairs")
        seen += [pair["pair_id"] for pair in answer["pairs"]]
        after, pages = answer["next"], pages + 1
    assert pages == 6
    assert len(seen) == len(set(seen)) == answer["total"] == 16
    kept = client.predict(run="shapes-01", iteration=1, fate="kept", api_name="/pairs")
    assert {pair["fate"] for pair in kept["pairs"]} == {"kept"}


def test_scores_carry_intervals_and_leans_of_judges_and_controls(client: Client) -> None:
    scores = client.predict(run="shapes-01", api_name="/scores")
    assert {row["judge"] for row in scores} == {"judge-v0", "judge-v1", "control:shorter-wins"}
    assert {"accuracy", "low", "high", "invalid", "position_lean", "length_lean"} <= set(scores[0])


def test_unknown_run_is_the_engines_sentence(client: Client) -> None:
    with pytest.raises(AppError, match=r"no run called 'nope'\. Runs here: "):
        client.predict(run="nope", api_name="/scores")


def test_judge_rules_in_both_orders_with_the_judges_asked_for(client: Client, tmp_path: Path) -> None:
    first, second = save_scenes(tmp_path, 2)
    rulings = client.predict(
        image=[handle_file(first), handle_file(second)], question="How many?", a="Three.", b="Four.",
        judges=["made/judge-v1", "made/judge-v0"], api_name="/judge",
    )  # fmt: skip
    assert [ruling["judge"] for ruling in rulings] == ["made/judge-v1", "made/judge-v0"]
    for ruling in rulings:
        assert ruling["error"] is None
        assert ruling["verdict"] in ("A", "B", "tie", "order-flip", "invalid")
        for order in ("AB", "BA"):
            assert ruling["orders"][order]["reasoning"]
            assert ruling["orders"][order]["seconds"] > 0


@pytest.mark.parametrize("judge", ["/etc", "made/judge-v9", "meta-llama/Llama-3.2-11B-Vision-Instruct"])
def test_judge_that_is_not_of_the_workspace_is_refused_before_anything_is_loaded(
    client: Client, tmp_path: Path, judge: str
) -> None:
    (scene,) = save_scenes(tmp_path, 1)
    with pytest.raises(AppError, match="there is no judge"):
        client.predict(handle_file(scene), "How many?", "Three.", "Four.", [judge], api_name="/judge")


def test_file_that_is_no_picture_is_refused_in_a_sentence(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "text.png"
    path.write_text("hello")
    with pytest.raises(AppError, match=r"text.png: .*Choose a PNG, JPEG or WebP file"):
        client.predict(handle_file(path), "How many?", "Three.", "Four.", ["made/judge-v0"], api_name="/judge")


def test_path_of_this_machine_is_no_upload(client: Client, tmp_path: Path) -> None:
    (scene,) = save_scenes(tmp_path, 1)
    data = [{"path": str(scene)}, "How many?", "Three.", "Four.", ["made/judge-v0"]]
    started = httpx.post(f"{client.src}gradio_api/call/judge", json={"data": data}, timeout=seconds(60)).json()
    answer = httpx.get(f"{client.src}gradio_api/call/judge/{started['event_id']}", timeout=seconds(60)).text
    assert "event: error" in answer
    assert "only an uploaded file can be judged" in answer
    assert os.path.exists(scene)


def test_pairs_give_votes_as_counts_and_no_rank_of_the_pages_own(client: Client) -> None:
    rows = client.predict("made", None, None, "", 24, api_name="/pairs")["pairs"]
    assert rows[0]["votes"] == {"3": 12, "4": 4}
    assert "rank" not in rows[0]


def test_unknown_fate_is_an_error_that_names_those_there_are(client: Client) -> None:
    with pytest.raises(AppError, match="no fate called 'keptt'"):
        client.predict("made", None, "keptt", "", 24, api_name="/pairs")
    assert client.predict("made", None, "tie", "", 24, api_name="/pairs")["total"] == 0


@pytest.mark.parametrize("endpoint", ["/judge", "/runs", "/pairs", "/scores"])
def test_example_of_the_api_page_runs_as_it_is_copied(
    client: Client, endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_scenes(tmp_path, 1)[0].rename(tmp_path / "cat.png")
    monkeypatch.chdir(tmp_path)
    info = httpx.get(f"{client.src}gradio_api/info", timeout=seconds(60)).json()["named_endpoints"][endpoint]
    exec(info["code_snippets"]["python"], {})
    said = ast.literal_eval(capsys.readouterr().out.splitlines()[-1])
    assert said, "an answer, not an empty one"


def test_tools_for_mcp_clients_are_the_public_endpoints_and_answer(workspace: Workspace) -> None:
    async def asked(url: str) -> tuple[list[str], str]:
        async with (
            streamable_http_client(f"{url}/gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as mcp,
        ):
            await mcp.initialize()
            tools = sorted(tool.name for tool in (await mcp.list_tools()).tools)
            runs = await mcp.call_tool(next(name for name in tools if name.endswith("runs")), {})
            return tools, runs.content[0].text

    with studio_server(workspace.root, "--mcp") as server:
        tools, runs = asyncio.run(asked(server.url))
    assert [name.rpartition("_")[2] for name in tools] == ["judge", "pairs", "runs", "scores"]
    assert "made/judge-v1" in runs


def test_mcp_behind_a_password_is_refused_in_a_sentence() -> None:
    with pytest.raises(UsageError, match="its clients send no password"):
        check_mcp(has_password=True)
