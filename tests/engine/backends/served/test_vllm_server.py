"""The supervised server, with a small program in vLLM's place: started, spoken to, ended, and never left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.backends.base import Message, Request, Sampling
from engine.backends.served.servers import open_server
from engine.backends.served.vllm_server import VllmBackend, VllmServer
from engine.config import ModelSettings
from engine.errors import BackendError, SettingsError
from tests.engine.backends.served.chat_server import fake_vllm


def alive(pid):
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(pids, seconds=10):
    """Real time passes while the kernel ends processes; nothing to wait on, as they are no children of ours."""
    ends = time.monotonic() + seconds
    while any(map(alive, pids)):
        assert time.monotonic() < ends, "still there"
        time.sleep(0.02)


def started(images):
    return json.loads((images / "started.json").read_text())


def test_a_server_is_started_as_settings_say_and_answers_through_the_backend(tmp_path):
    told = []
    backend = open_server(
        ModelSettings(
            backend="vllm",
            vllm_python=str(fake_vllm(tmp_path, first="sleep 1.2")),
            vllm_options=("--dtype=float16",),
        ),
        base="org/tiny-vlm",
        workspace=tmp_path,
        rank=100,
        report=told.append,
    )
    assert isinstance(backend, VllmBackend)
    try:
        request = Request(key="k", messages=(Message(role="user", text="Hi"),), sampling=Sampling(max_tokens=5))
        (found,) = backend.generate([request])
        assert found.text
        options = started(tmp_path)["options"]
        assert options["module"] == "vllm.entrypoints.openai.api_server"
        assert options["model"] == options["served_model_name"] == "org/tiny-vlm"
        assert options["host"] == "127.0.0.1"
        assert options["dtype"] == "float16"
        assert options["enable_lora"] == "True"
        assert options["max_lora_rank"] == "128"
        assert options["generation_config"] == "vllm"
        assert options["allowed_local_media_path"] == str(tmp_path.resolve())
    finally:
        backend.close()
    assert any("vllm is starting" in line for line in told)
    wait_until_gone(started(tmp_path)["pids"])


def test_adapters_are_loaded_while_it_runs(tmp_path):
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/tiny", "r": 8}))
    (adapter / "adapter_model.safetensors").write_bytes(b"w")
    server = VllmServer("org/tiny", images=tmp_path, python=str(fake_vllm(tmp_path)))
    backend = VllmBackend(server, base_name="org/tiny")
    try:
        backend.load_judge("judge-v1", adapter)
        request = Request(key="k", messages=(Message(role="user", text="Hi"),), judge="judge-v1")
        assert len(list(backend.generate([request]))) == 1
    finally:
        backend.close()


def test_nobody_else_on_the_machine_is_answered(tmp_path):
    import httpx

    with VllmServer("org/tiny", images=tmp_path, python=str(fake_vllm(tmp_path))) as server:
        assert httpx.get(f"{server.url}/models").status_code == 401
        assert httpx.get(f"{server.url}/models", headers={"Authorization": f"Bearer {server.key}"}).status_code == 200


def test_a_deaf_worker_is_ended_too(tmp_path):
    server = VllmServer("org/tiny", images=tmp_path, python=str(fake_vllm(tmp_path)), options=["--worker"])
    pids = started(tmp_path)["pids"]
    assert len(pids) == 2
    assert all(map(alive, pids))
    server.stop()
    wait_until_gone(pids)
    server.stop()


def test_a_server_that_dies_at_once_shows_the_end_of_its_log(tmp_path):
    script = fake_vllm(tmp_path, first="echo 'No module named vllm' >&2; exit 3")
    with pytest.raises(BackendError, match=r"exit 3\)(.|\n)*No module named vllm(.|\n)*model\.vllm_python"):
        VllmServer("org/tiny", images=tmp_path, python=str(script))


def test_a_python_that_does_not_exist_is_a_sentence(tmp_path):
    with pytest.raises(BackendError, match="ended before it was up"):
        VllmServer("org/tiny", images=tmp_path, python=str(tmp_path / "nowhere"))


def test_a_server_that_never_comes_up_is_ended(tmp_path):
    script = fake_vllm(tmp_path, first=f"echo $$ > {tmp_path}/pid; echo still loading; sleep 600")
    with pytest.raises(BackendError, match=r"not up after 1 seconds(.|\n)*still loading"):
        VllmServer("org/tiny", images=tmp_path, python=str(script), patience=0.8)
    wait_until_gone([int((tmp_path / "pid").read_text())])


def test_the_server_ends_when_the_one_who_started_it_is_killed(tmp_path):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from engine.backends.served.vllm_server import VllmServer\n"
        "folder = Path(sys.argv[1])\n"
        "python = str(folder / 'python-with-vllm')\n"
        "server = VllmServer('org/tiny', images=folder, python=python, options=['--worker'])\n"
        "print('up', flush=True)\n"
        "sys.stdin.read()\n"
    )
    fake_vllm(tmp_path)
    root = Path(__file__).parents[4]
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    with starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"up\n"
        pids = started(tmp_path)["pids"]
        assert all(map(alive, pids))
        starter.send_signal(signal.SIGKILL)
    wait_until_gone(pids)


def test_an_address_is_needed_for_a_server_that_runs_already(tmp_path):
    with pytest.raises(SettingsError, match=r"model\.url: is empty"):
        open_server(ModelSettings(backend="openai"), base="org/tiny", workspace=tmp_path)


def test_a_rank_that_vllm_cannot_take_is_refused_before_it_starts(tmp_path):
    with pytest.raises(SettingsError, match=r"train\.rank: is 700, but vLLM takes at most 512"):
        open_server(ModelSettings(backend="vllm"), base="org/tiny", workspace=tmp_path, rank=700)
