"""Two real vLLM servers behind one address, which find adapters in a shared folder by vLLM's own resolver.

    JUDGE_STUDIO_VLLM_PYTHON=ENV/bin/python pytest tests/vllm/test_two_replicas.py --timeout 3000

See `test_real_vllm.py`. The balancer gives each connection to the next replica, as a balancer of connections does.
"""

import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path

import httpx
import pytest

from engine.backends.served.openai import OpenAIBackend
from engine.backends.served.roll_call import canaries, roll_call
from engine.config import load_settings
from engine.errors import BackendError
from engine.prompts import judge_messages, load_pack
from engine.runs.loop import run_loop
from engine.workspace.folders import open_workspace
from engine.workspace.provenance import model_folder
from engine.workspace.run_record import create_run
from tests.tiny_models import save_tiny_adapter
from tests.vllm.test_real_vllm import PYTHON, SHORT_RUN, little_memory, wait_for

pytestmark = pytest.mark.skipif(not PYTHON, reason="JUDGE_STUDIO_VLLM_PYTHON names no Python with a vLLM")
assert little_memory  # a fixture of every test here

BASE = model_folder("shapes-vlm")
SERVED = "shapes-vlm"
ASKED = judge_messages(load_pack("shapes"), "What is the colour of the picture?", "It is red.", "It is blue.")
OPTIONS = (
    "--enforce-eager", "--max-num-batched-tokens=16384", "--dtype=float32", "--enable-lora", "--max-lora-rank=16",
    "--max-loras=2", '--limit-mm-per-prompt={"image": 1}', "--generation-config=vllm",
)  # fmt: skip


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def replica(adapters: Path, log: Path, core: int) -> Iterator[str]:
    """A vLLM whose resolver looks into `adapters`; its address without /v1."""
    port = free_port()
    environment = os.environ | {
        "VLLM_PLUGINS": "lora_filesystem_resolver",
        "VLLM_LORA_RESOLVER_CACHE_DIR": str(adapters),
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
        "VLLM_CPU_OMP_THREADS_BIND": str(core % (os.cpu_count() or 1)),
        "VLLM_NO_USAGE_STATS": "1",
    }
    words = [PYTHON, "-m", "vllm.entrypoints.openai.api_server", f"--model={BASE}", f"--served-model-name={SERVED}"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*words, "--host=127.0.0.1", f"--port={port}", *OPTIONS], env=environment, stdout=out, stderr=out
        )
    try:
        wait_for(lambda: is_up(f"http://127.0.0.1:{port}", process, log), 900)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def is_up(url: str, process: "subprocess.Popen[bytes]", log: Path) -> bool:
    assert process.poll() is None, log.read_text()[-3000:]
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/health", trust_env=False).status_code == 200
    return False


@contextmanager
def balancer(urls: Sequence[str]) -> Iterator[str]:
    """One address in front of the replicas."""
    turns, lock = cycle(urls), threading.Lock()

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def carry(client: socket.socket) -> None:
        with lock:
            host, port = next(turns).removeprefix("http://").split(":")
        with client, socket.create_connection((host, int(port))) as server:
            back = threading.Thread(target=pump, args=(server, client))
            back.start()
            pump(client, server)
            back.join()

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=carry, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


@contextmanager
def blindfolded(url: str) -> Iterator[str]:
    """A door to the replica that loses the pictures on the way, as a gateway for text does."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            self.answer(httpx.get(url + self.path, trust_env=False, timeout=600))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            for message in body.get("messages", ()):
                if isinstance(message["content"], list):
                    message["content"] = [part for part in message["content"] if part["type"] == "text"]
            self.answer(httpx.post(url + self.path, json=body, trust_env=False, timeout=600))

        def answer(self, said: httpx.Response) -> None:
            self.send_response(said.status_code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said.content)))
            self.end_headers()
            self.wfile.write(said.content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is not the shared one."""
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def replicas(elsewhere: Path) -> Iterator[Callable[..., str]]:
    """`replicas(folder, number)`: a server that finds adapters in that folder, started when it is first asked for."""
    with ExitStack() as stack:
        started: dict[tuple[Path, int], str] = {}

        def get(folder: Path, number: int = 0) -> str:
            if (folder, number) not in started:
                log = elsewhere / f"vllm-{len(started)}.log"
                started[folder, number] = stack.enter_context(replica(folder, log, len(started)))
            return started[folder, number]

        yield get


def test_a_run_behind_one_address_finishes(replicas, shared, tmp_path):
    with balancer([replicas(shared, 0), replicas(shared, 1)]) as url:
        run = open_workspace(tmp_path / "ws").run("shared")
        places = {"model.backend": "openai", "model.url": f"{url}/v1", "model.adapters_folder": str(shared)}
        create_run(run, load_settings(preset="shapes", overrides={**SHORT_RUN, **places}))
        began = time.monotonic()
        state = run_loop(run)
    assert state.state == "done", state.error
    adapters = sorted(path.name for path in shared.iterdir())
    print(f"two iterations in {time.monotonic() - began:.0f} s; adapters: {adapters}")
    assert len(adapters) == 2
    for one in (replicas(shared, 0), replicas(shared, 1)):
        text = httpx.get(f"{one}/metrics", trust_env=False).text
        counts = re.findall(r"^vllm:request_success_total\{.*\} (\S+)$", text, re.M)
        assert sum(map(float, counts)) > 100, "both worked"


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    assert BASE is not None
    return save_tiny_adapter(BASE, tmp_path / "judge-v1", seed=1, scale=0.02)


def called(urls: list[str], adapter: Path, shared: Path, scratch: Path) -> None:
    with closing(OpenAIBackend([f"{url}/v1" for url in urls], base_name=str(BASE), adapters_folder=shared)) as backend:
        backend.load_judge("judge-v1", adapter)
        roll_call(backend, ["judge-v1"], ASKED, canaries(scratch / "canary"))


def test_replicas_that_see_and_have_the_adapter_pass_the_roll_call(replicas, shared, adapter, tmp_path):
    called([replicas(shared, 0), replicas(shared, 1)], adapter, shared, tmp_path)


def test_a_replica_blind_to_images_is_named(replicas, shared, adapter, tmp_path):
    with (
        blindfolded(replicas(shared, 1)) as blind,
        pytest.raises(BackendError, match=f"{re.escape(blind)}/v1: does not see the image") as error,
    ):
        called([replicas(shared, 0), blind], adapter, shared, tmp_path)
    assert replicas(shared, 0) not in str(error.value)


def test_a_replica_without_the_adapter_is_named(replicas, shared, elsewhere, adapter, tmp_path):
    lacking = replicas(elsewhere)
    with pytest.raises(BackendError, match=f"{re.escape(lacking)}/v1: .*does not exist") as error:
        called([replicas(shared, 0), lacking], adapter, shared, tmp_path)
    assert replicas(shared, 0) not in str(error.value)
    with (
        balancer([replicas(shared, 0), lacking]) as url,
        pytest.raises(BackendError, match=r"connection \d: .*does not exist"),
    ):
        called([url], adapter, shared, tmp_path / "again")
