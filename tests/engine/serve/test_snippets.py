"""The texts under "Use this judge" are run as they are copied, each in a shell or an interpreter of its own."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from engine.assets import assets_folder
from engine.judging.judges import resolve_judge
from engine.serve.snippets import Snippet, snippets
from engine.workspace.folders import open_workspace
from tests.engine.serve.judge_server import judge_server
from tests.fake_backend import FakeBackend
from tests.patience import seconds

JUDGE = "shapes-vlm"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with spaces and quotes in its name, a workspace and a picture in it."""
    folder = tmp_path_factory.mktemp("it's here")
    shutil.copyfile(assets_folder() / "examples" / "count.png", folder / "cat.png")
    open_workspace(folder / "my ws")
    return folder


@pytest.fixture(scope="module")
def url(folder: Path):
    ref = replace(resolve_judge(JUDGE, open_workspace(folder / "my ws")), label=JUDGE)

    def prefers_two(request, _sample):
        text = request.messages[-1].text
        return f"[[{'A' if text.index('Two.') < text.index('Three.') else 'B'}]]"

    with judge_server(FakeBackend(prefers_two, choose=lambda _request: [0.5, 0.5]), [ref]) as address:
        yield address


def run(snippet: Snippet, folder: Path) -> str:
    interpreter = [sys.executable, "-c"] if snippet.language == "python" else ["bash", "-euo", "pipefail", "-c"]
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": places, "PYTHONPATH": str(assets_folder().parent)}
    done = subprocess.run(
        [*interpreter, snippet.code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def one(folder: Path, title: str, url: str = "") -> Snippet:
    return next(each for each in snippets(JUDGE, folder / "my ws", url=url) if each.title == title)


@pytest.mark.model
def test_command_line_and_python_rule_with_the_model_itself(folder):
    assert f"{JUDGE}: " in run(one(folder, "Command line"), folder)
    assert run(one(folder, "Python"), folder).split()[0] in ("A", "B", "tie", "order-flip", "invalid")


def test_curl_openai_and_reward_ask_the_server(folder, url):
    assert '"verdict":"A"' in run(one(folder, "curl", url), folder)
    assert run(one(folder, "OpenAI client", url), folder) == "[[A]]\n"
    assert run(one(folder, "Reward for TRL", url), folder) == "[0.5, 0.5]\n"


@pytest.mark.model
def test_server_snippet_answers_until_it_is_ended(folder):
    words = one(folder, "Server").code.replace("serve", "serve --port 0", 1)
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    server = subprocess.Popen(
        ["bash", "-c", f"exec {words}"], cwd=folder, env={**os.environ, "PATH": places},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        said = server.stdout.readline()
        assert said.startswith(f"{JUDGE} answers at http://127.0.0.1:")
        address = said.split()[-1].removesuffix("/v1")
        assert '"verdict"' in run(one(folder, "curl", address), folder)
    finally:
        server.terminate()
        _, error = server.communicate(timeout=seconds(60))
    assert error == ""
    assert server.returncode in (0, -signal.SIGTERM)  # uvicorn shuts down, then lets the signal have its way
