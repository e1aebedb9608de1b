"""Roll call: replicas that are blind, lack an adapter or ignore it are named before anything is measured with them."""

import json
import threading
from contextlib import ExitStack

import pytest

from engine.backends.base import Message
from engine.backends.served.openai import OpenAIBackend
from engine.backends.served.roll_call import canaries, roll_call
from engine.errors import BackendError
from tests.engine.backends.served.chat_server import Behaviour, serve, serve_behind_one

ASKED = (Message(role="user", text="Which is better?"),)


def running(stack, server):
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def end():
        server.shutdown()
        thread.join()
        server.server_close()

    stack.callback(end)
    return f"http://127.0.0.1:{server.server_port}/v1"


@pytest.fixture
def shared(tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    return folder


@pytest.fixture
def adapter(tmp_path):
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "/models/tiny", "r": 8}))
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    return folder


def called(tmp_path, shared, adapter, behaviours, *, behind_one=False):
    with ExitStack() as stack:
        if behind_one:
            urls = [running(stack, serve_behind_one(behaviours))]
        else:
            urls = [running(stack, serve(one)) for one in behaviours]
        backend = OpenAIBackend(urls, adapters_folder=shared)
        stack.callback(backend.close)
        backend.load_judge("judge-v1", adapter)
        return urls, roll_call(backend, ["judge-v1"], ASKED, canaries(tmp_path / "canary"))


def replicas(shared, **second):
    return [Behaviour(resolves=shared), Behaviour(**{"resolves": shared, **second})]


@pytest.mark.parametrize("behind_one", [False, True])
def test_replicas_that_resolve_the_adapter_and_see_are_all_present(tmp_path, shared, adapter, behind_one):
    _, remarks = called(tmp_path, shared, adapter, replicas(shared), behind_one=behind_one)
    assert remarks == []


@pytest.mark.parametrize(
    ("second", "fault"),
    [
        ({"blind": True}, "does not see the image"),
        ({"deaf": True}, "answers as the base model when asked for judge-v1"),
        ({"resolves": None}, "answered 404 .*does not exist"),
        ({"refused": "image_url"}, "answered 400"),
    ],
)
@pytest.mark.parametrize("behind_one", [False, True])
def test_replica_that_is_not_what_it_should_be_is_named(tmp_path, shared, adapter, second, fault, behind_one):
    with pytest.raises(BackendError, match=rf"roll call: .*{fault}") as error:
        called(tmp_path, shared, adapter, replicas(shared, **second), behind_one=behind_one)
    faults = str(error.value).removeprefix("roll call: ").split("; http")
    named = {fault.split(": ")[0].removeprefix("http") for fault in faults}
    assert len(named) == (4 if behind_one else 1), "every second connection, or the second address"


def test_cache_that_finds_nothing_is_remarked(tmp_path, shared, adapter):
    cold = 'vllm:prefix_cache_queries_total{engine="0"} 90000.0\nvllm:prefix_cache_hits_total{engine="0"} 0.0\n'
    urls, remarks = called(tmp_path, shared, adapter, replicas(shared, metrics=cold))
    assert len(remarks) == 1
    assert remarks[0].startswith(f"{urls[1]}: its prefix cache found nothing in 90,000 tokens")
