"""The supervised server, with a small program in vLLM's place: started, spoken to, ended, and never left behind."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest

from engine.backends.base import Message, Request, Sampling
from engine.backends.served.announced import Announced, announce, announced
from engine.backends.served.openai import OpenAIBackend
from engine.backends.served.preflight import preflight
from engine.backends.served.servers import open_server
from engine.backends.served.vllm_log import first_error, phase
from engine.backends.served.vllm_server import VllmBackend, VllmServer
from engine.config import ModelSettings
from engine.errors import BackendError, ModelError, SettingsError, StopRequested
from tests.engine.backends.served.chat_server import fake_vllm
from tests.patience import seconds


def alive(pid):
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(pids):
    """Real time passes while the kernel ends processes; nothing to wait on, as they are no children of ours."""
    ends = time.monotonic() + seconds(10)
    while any(map(alive, pids)):
        assert time.monotonic() < ends, "still there"
        time.sleep(0.02)


def started(images):
    return json.loads((images / "started.json").read_text())


def test_a_server_is_started_as_settings_say_and_answers_through_the_backend(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
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
        tokens=8200,
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
        assert stat.S_IMODE(Path(options["uds"]).parent.stat().st_mode) == 0o700, "nobody else may enter"
        assert options["max_model_len"] == "9216"
        assert options["max_num_seqs"] == "256"
        assert json.loads(options["limit_mm_per_prompt"]) == {"image": 16}
        assert options["dtype"] == "float16"
        assert options["enable_lora"] == "True"
        assert options["max_lora_rank"] == "128"
        assert options["generation_config"] == "vllm"
        assert options["allowed_local_media_path"] == str(tmp_path.resolve())
    finally:
        backend.close()
    assert any("vLLM is starting" in line for line in told)
    assert not Path(options["uds"]).parent.exists()
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


def test_a_server_that_is_up_is_found_by_others_of_this_machine_until_it_ends(tmp_path):
    settings = ModelSettings(backend="vllm")
    python = str(fake_vllm(tmp_path))
    with VllmServer("org/tiny", images=tmp_path, python=python, max_rank=16, dtype="bfloat16") as server:
        found = announced(settings, base="org/tiny", rank=16)
        assert found is not None
        with closing(OpenAIBackend(found.url, model=found.model)) as backend:
            request = Request(key="k", messages=(Message(role="user", text="Hi"),), sampling=Sampling(max_tokens=5))
            assert len(list(backend.generate([request]))) == 1
        assert announced(settings, base="org/tiny", rank=32) is None, "it takes no adapter of that rank"
        assert announced(settings, base="org/other", rank=8) is None
        assert announced(settings.model_copy(update={"dtype": "float32"}), base="org/tiny", rank=8) is None
        left = Announced(**{**asdict(found), "socket": str(server.socket.with_name("gone.sock"))})
    assert announced(settings, base="org/tiny", rank=8) is None
    file = announce(left)
    assert announced(settings, base="org/tiny", rank=8) is None, "the run that told of it was killed"
    assert not file.exists()


def test_a_deaf_worker_is_ended_too(tmp_path):
    server = VllmServer("org/tiny", images=tmp_path, python=str(fake_vllm(tmp_path)), options=["--worker"])
    pids = started(tmp_path)["pids"]
    assert len(pids) == 2
    assert all(map(alive, pids))
    server.stop()
    wait_until_gone(pids)
    server.stop()


LOG = """\
INFO 11-25 10:00:00 [__init__.py:216] Automatically detected platform cuda.
(APIServer pid=7) INFO 11-25 10:00:00 [api_server.py:1839] vLLM API server version 0.32.0
WARNING 11-25 10:00:01 [x.py:1] ImportError: no flash attention, going on without
(EngineCore_DP0 pid=9) INFO 11-25 10:00:09 [gpu_model_runner.py:26] Starting to load model org/tiny...
(EngineCore_DP0 pid=9) Loading safetensors checkpoint shards:  50% Completed | 2/4 [00:01<00:01,  1.00it/s]
(EngineCore_DP0 pid=9) ERROR 11-25 10:00:12 [core.py:700] EngineCore failed to start.
(EngineCore_DP0 pid=9) ERROR 11-25 10:00:12 [core.py:700] Traceback (most recent call last):
(EngineCore_DP0 pid=9) ERROR 11-25 10:00:12 [core.py:700]   File "core.py", line 690, in run_engine_core
(EngineCore_DP0 pid=9) ERROR 11-25 10:00:12 [core.py:700] torch.OutOfMemoryError: CUDA out of memory. Tried 9 GiB.
(APIServer pid=7) Traceback (most recent call last):
(APIServer pid=7)   File "core_client.py", line 9, in wait
(APIServer pid=7) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""


def test_a_server_that_dies_names_the_first_real_error_and_keeps_its_log(tmp_path):
    (tmp_path / "said").write_text(LOG)
    log = tmp_path / "run" / "vllm.log"
    script = fake_vllm(tmp_path, first=f"cat {tmp_path}/said; exit 3")
    for _ in range(2):
        with pytest.raises(BackendError) as error:
            VllmServer("org/tiny", images=tmp_path, python=str(script), log=log)
        first = str(error.value).splitlines()[0]
        assert (
            first == "vllm: ended before it was up (exit 3): torch.OutOfMemoryError: CUDA out of memory. Tried 9 GiB."
        )
        assert str(log) in str(error.value)
    assert log.read_text() == LOG * 2, "an earlier start's log is not lost"


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        (["api_server.py: error: unrecognized arguments: --max-len=3"],
         "api_server.py: error: unrecognized arguments: --max-len=3"),
        (["/opt/python: No module named vllm"], "/opt/python: No module named vllm"),
        (["(APIServer pid=1) pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig",
          "(APIServer pid=1)   Value error, User-specified max_model_len (9000) is greater than the derived 1024"],
         "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig Value error, "
         "User-specified max_model_len (9000) is greater than the derived 1024"),
        (["KeyError: 'a'", "The above exception was the direct cause", "RuntimeError: b"], "KeyError: 'a'"),
        (["INFO 11-25 10:00:00 [x.py:1] all is well"], None),
        ([], None),
    ],
)  # fmt: skip
def test_the_first_error_of_a_log_is_the_cause(lines, error):
    assert first_error(lines) == error


def test_the_phase_of_a_start_is_read_from_the_log():
    lines = LOG.splitlines()
    assert [phase(lines[:count]) for count in (0, 2, 4, 5)] == [
        "starting Python", "reading the model's settings", "loading weights", "loading weights, 50 %",
    ]  # fmt: skip
    settings = (
        "INFO 11-25 10:00:02 [core.py:9] Initializing a V1 LLM engine with config: compilation={'backend': 'inductor'}"
    )
    assert phase([settings]) == "reading the model's settings", "nothing is compiled yet"
    assert phase(["Capturing CUDA graphs (mixed prefill-decode, PIECEWISE):  31%|███"]) == "recording CUDA graphs, 31 %"


def test_a_python_that_does_not_exist_is_a_sentence(tmp_path):
    with pytest.raises(BackendError, match="ended before it was up"):
        VllmServer("org/tiny", images=tmp_path, python=str(tmp_path / "nowhere"))


def test_a_server_that_never_comes_up_is_ended(tmp_path):
    script = fake_vllm(tmp_path, first=f"echo $$ > {tmp_path}/pid; echo still loading; sleep 600")
    with pytest.raises(BackendError, match=r"not up after 1 seconds(.|\n)*still loading"):
        VllmServer("org/tiny", images=tmp_path, python=str(script), patience=0.8)
    wait_until_gone([int((tmp_path / "pid").read_text())])


def test_a_stop_is_obeyed_while_a_server_starts(tmp_path):
    script = fake_vllm(tmp_path, first=f"echo $$ > {tmp_path}/pid; sleep 600")

    def stop(_message):
        if (tmp_path / "pid").exists():
            raise StopRequested("run 'x': stopped")

    with pytest.raises(StopRequested):
        VllmServer("org/tiny", images=tmp_path, python=str(script), report=stop)
    wait_until_gone([int((tmp_path / "pid").read_text())])


@pytest.fixture
def model_folder(tmp_path):
    def make(**config):
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config))
        return str(folder)

    return make


def checked(tmp_path, base, **settings):
    return preflight(ModelSettings(backend="vllm", vllm_python=str(fake_vllm(tmp_path)), **settings), base)


def test_what_is_known_of_a_model_before_its_server_starts(tmp_path, model_folder):
    text = {"max_position_embeddings": 4096}
    base = model_folder(architectures=["ChildForConditionalGeneration"], text_config=text, dtype="float32")
    known = checked(tmp_path, base)
    assert (known.version, known.context, known.dtype, known.faults, known.notes) == ("0.32.0", 4096, "float32", (), ())


@pytest.mark.parametrize(
    ("architecture", "fault"),
    [
        ("MllamaForConditionalGeneration", "vLLM 0.32.0 has no class for MllamaForConditionalGeneration"),
        ("DeafForConditionalGeneration", "serves DeafForConditionalGeneration without adapters"),
    ],
)
def test_a_model_that_vllm_cannot_serve_is_refused_before_it_starts(tmp_path, model_folder, architecture, fault):
    known = checked(tmp_path, model_folder(architectures=[architecture]))
    with pytest.raises(ModelError, match=fault):
        known.check()


def test_a_python_without_vllm_and_models_that_are_not_there_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    bare = ModelSettings(backend="vllm", vllm_python=sys.executable)
    assert any("has no vLLM" in fault for fault in preflight(bare, "org/tiny").faults)
    none = ModelSettings(backend="vllm", vllm_python="/nowhere/python")
    assert "is no program on this machine" in preflight(none, "org/tiny").faults[0]
    assert "HF_HUB_OFFLINE forbids a download" in checked(tmp_path, "org/tiny").faults[0]
    assert "there is no folder" in checked(tmp_path, str(tmp_path / "missing")).faults[0]
    (tmp_path / "empty").mkdir()
    assert "has no config.json" in checked(tmp_path, str(tmp_path / "empty")).faults[0]
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    known = checked(tmp_path, "org/tiny")
    assert known.faults == ()
    assert "is downloaded when the server starts" in known.notes[0]
    snapshot = tmp_path / "hub" / "models--org--tiny" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text('{"architectures": ["DeafForConditionalGeneration"]}')
    assert "without adapters" in checked(tmp_path, "org/tiny").faults[0]


@pytest.mark.parametrize("option", ["--port=8000", "--host", "--uds=/tmp/x", "--served_model_name=y"])
def test_an_option_that_is_ours_to_set_is_refused(tmp_path, option):
    with pytest.raises(SettingsError, match=r"model\.vllm_options: --[a-z-]+ is set by Judge Studio"):
        checked(tmp_path, "org/tiny", vllm_options=(option,))


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


def test_a_rank_that_vllm_cannot_take_is_refused_before_it_starts(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    settings = ModelSettings(backend="vllm", vllm_python=str(fake_vllm(tmp_path)))
    with pytest.raises(SettingsError, match=r"train\.rank: is 700, but vLLM takes at most 512"):
        open_server(settings, base="org/tiny", workspace=tmp_path, rank=700)
