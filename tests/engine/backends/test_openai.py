"""The OpenAI-compatible backend against a real little HTTP server."""

import base64
import json
import threading
from dataclasses import replace

import pytest

from engine.backends.base import Message, Request, Sampling
from engine.backends.openai import OpenAIBackend
from engine.errors import BackendError, ModelError
from tests.engine.backends.chat_server import Behaviour, reply_words, serve

DRAWN = Sampling(temperature=1.0, top_k=40, max_tokens=50)


@pytest.fixture
def behaviour():
    return Behaviour()


@pytest.fixture
def url(behaviour):
    server = serve(behaviour)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def backend(url):
    backend = OpenAIBackend(url, pause=0.001)
    yield backend
    backend.close()


def ask(key="k", text="How many?", **more):
    settings = {"sampling": DRAWN, "seed": 3} | more
    return Request(key=key, messages=(Message(role="user", text=text),), **settings)


def by_sample(completions):
    return {(found.key, found.sample): found for found in completions}


def chats(behaviour):
    return [body for path, body in behaviour.asked if path == "/v1/chat/completions"]


def test_every_sample_comes_once_with_text_tokens_and_finish(backend, behaviour):
    requests = [ask(str(i), f"Question {i}?", n=3) for i in range(20)]
    found = by_sample(backend.generate(requests))
    assert len(found) == 60
    for request in requests:
        for sample in range(3):
            messages = [{"role": "user", "content": request.messages[0].text}]
            words = reply_words("tiny", messages, 3 + sample, 50)
            completion = found[request.key, sample]
            assert completion.text == " ".join(words)
            assert completion.tokens == len(words), "the end token is not counted"
            assert completion.finish == "stop"
    assert len(chats(behaviour)) == 20


def test_settings_reach_the_server(backend, behaviour):
    sampling = Sampling(temperature=0.7, top_p=0.9, top_k=20, max_tokens=9, stop=("[[A]]",))
    list(backend.generate([ask(sampling=sampling, seed=11, n=2)]))
    (body,) = chats(behaviour)
    sent = {"temperature": 0.7, "top_p": 0.9, "top_k": 20, "max_tokens": 9, "stop": ["[[A]]"], "seed": 11, "n": 2}
    assert sent.items() <= body.items()


def test_a_server_that_is_not_vllm_is_asked_for_the_standard_only(url, behaviour):
    behaviour.models = {"tiny": "somebody"}
    backend = OpenAIBackend(url)
    sampling = replace(DRAWN, stop=("[[A]]", "[[B]]"))
    found = by_sample(backend.generate([ask(str(i), f"Q{i}", sampling=sampling, n=2) for i in range(10)]))
    standard = {"model", "messages", "n", "seed", "temperature", "top_p", "max_tokens"}
    assert all(set(body) == standard for body in chats(behaviour))
    assert any("[[" in completion.text for completion in found.values())
    for completion in found.values():
        assert completion.text.count("[[") <= 1, "the reply is cut behind the stop text, which is kept"
        assert "[[" not in completion.text or completion.text.endswith("]]")
    backend.close()


def test_the_stop_text_is_kept_and_length_is_told(backend):
    stopping = [ask(str(i), f"Q{i}", sampling=replace(DRAWN, stop=("[[A]]",))) for i in range(12)]
    texts = [found.text for found in backend.generate(stopping)]
    assert any(text.endswith("[[A]]") for text in texts)
    (short,) = backend.generate([ask(sampling=replace(DRAWN, max_tokens=2))])
    assert (short.finish, short.tokens) == ("length", 2)


def test_greedy_samples_are_asked_for_once(backend, behaviour):
    found = by_sample(backend.generate([ask(sampling=Sampling(max_tokens=20), n=4)]))
    assert len(found) == 4
    assert len({completion.text for completion in found.values()}) == 1
    assert len(chats(behaviour)) == 1


def test_a_server_that_gives_fewer_samples_is_asked_for_the_rest(backend, behaviour):
    behaviour.most_samples = 2
    few = by_sample(backend.generate([ask(n=5)]))
    behaviour.most_samples = 100
    assert few == by_sample(backend.generate([ask(n=5)]))
    assert [body["seed"] for body in chats(behaviour)[:3]] == [3, 5, 7]


def test_requests_are_in_flight_together_but_bounded(url, behaviour):
    backend = OpenAIBackend(url, in_flight=4)
    behaviour.hold = threading.Event()
    running = backend.generate([ask(str(i)) for i in range(12)])
    release = threading.Timer(0.3, behaviour.hold.set)
    release.start()
    assert len(list(running)) == 12
    release.join()
    assert behaviour.most_at_once == 4
    backend.close()


def test_leaving_a_call_half_way_leaves_the_rest_unasked(url, behaviour):
    backend = OpenAIBackend(url, in_flight=2)
    running = backend.generate([ask(str(i)) for i in range(50)])
    next(running)
    running.close()
    assert len(chats(behaviour)) < 10
    backend.close()


def test_an_image_travels_as_bytes_before_the_text(backend, behaviour, scenes):
    list(backend.generate([ask(image=scenes[0])]))
    first, second = chats(behaviour)[0]["messages"][0]["content"]
    header, data = first["image_url"]["url"].split(",")
    assert header == "data:image/png;base64"
    assert base64.b64decode(data) == scenes[0].read_bytes()
    assert second == {"type": "text", "text": "How many?"}


def test_an_image_travels_as_a_path_where_the_server_reads_the_same_disk(url, behaviour, scenes):
    backend = OpenAIBackend(url, readable=scenes[0].parent)
    list(backend.generate([ask(image=scenes[0])]))
    shown = chats(behaviour)[0]["messages"][0]["content"][0]
    assert shown["image_url"]["url"] == f"file://{scenes[0].resolve()}"
    backend.close()


def test_an_image_outside_the_folder_a_server_may_read_travels_as_bytes(url, behaviour, scenes, tmp_path):
    backend = OpenAIBackend(url, readable=tmp_path / "elsewhere")
    list(backend.generate([ask(image=scenes[0])]))
    assert chats(behaviour)[0]["messages"][0]["content"][0]["image_url"]["url"].startswith("data:image/png;base64,")
    backend.close()


def test_a_missing_image_is_named(backend, tmp_path):
    with pytest.raises(BackendError, match=r"gone\.png"):
        list(backend.generate([ask(image=tmp_path / "gone.png")]))


@pytest.mark.parametrize("evil", ["</s>", "<image>", "<|im_end|>", "<end_of_turn>", "[INST]", "<image_soft_token>"])
def test_what_looks_like_a_special_token_is_broken_up(backend, behaviour, evil):
    list(backend.generate([ask(text=f"a {evil} b", prefix=evil)]))
    sent = json.dumps(chats(behaviour)[0]["messages"], ensure_ascii=False)
    assert evil not in sent
    assert sent.count(evil[0] + "\u2060" + evil[1:]) == 2


@pytest.mark.parametrize("harmless", ["a < b > c", "[[A]]", "x <= 3 | y", "<b>bold</b>", "[1] [IN]"])
def test_ordinary_text_is_sent_as_it_is(backend, behaviour, harmless):
    list(backend.generate([ask(text=harmless)]))
    assert chats(behaviour)[0]["messages"][0]["content"] == harmless


def test_a_prefix_continues_the_last_turn(backend, behaviour):
    list(backend.generate([ask(prefix="I see")]))
    (body,) = chats(behaviour)
    assert body["messages"][-1] == {"role": "assistant", "content": "I see"}
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)


def test_a_prefix_is_refused_by_servers_that_cannot(url, behaviour):
    behaviour.models = {"tiny": "somebody"}
    backend = OpenAIBackend(url)
    with pytest.raises(BackendError, match="no way to continue a partial reply"):
        list(backend.generate([ask(prefix="I see")]))
    backend.close()


def test_choices_come_from_the_most_likely_tokens(backend):
    (found,) = backend.generate([ask(choices=("B", "A", "neither"))])
    assert found.choice_probabilities == pytest.approx((1 / 3, 2 / 3, 0))
    assert (found.text, found.tokens, found.sample) == ("A", 0, 0)


def test_choices_are_compared_where_they_begin_to_differ(backend, behaviour):
    (found,) = backend.generate([ask(prefix="So", choices=(" [[A]]", " [[B]]"))])
    assert found.choice_probabilities == pytest.approx((2 / 3, 1 / 3))
    assert found.text == " [[A]]"
    (body,) = chats(behaviour)
    assert body["messages"][-1] == {"role": "assistant", "content": "So [["}


def test_a_server_that_lists_adapters_still_has_one_base_model(url, behaviour):
    behaviour.models["judge-v1-0123"] = "vllm"
    behaviour.parents["judge-v1-0123"] = "tiny"
    backend = OpenAIBackend(url)
    list(backend.generate([ask()]))
    assert chats(behaviour)[0]["model"] == "tiny"
    backend.close()


def test_choices_without_log_probabilities_are_a_sentence(backend, behaviour):
    behaviour.no_logprobs = True
    with pytest.raises(BackendError, match="no log-probabilities"):
        list(backend.generate([ask(choices=("A", "B"))]))


def test_a_stream_joined_is_the_first_sample(backend):
    for stop in ((), ("[[A]]",), ("ue", "[[B]]")):
        for number in range(6):
            request = ask(text=f"Q{number}", n=2, sampling=replace(DRAWN, stop=stop))
            pieces = list(backend.stream(request))
            assert "".join(pieces) == by_sample(backend.generate([request]))["k", 0].text
            assert len(pieces) > 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_trouble_is_waited_out(backend, behaviour, status):
    behaviour.fail = [status, status]
    behaviour.retry_after = "0"
    assert len(list(backend.generate([ask()]))) == 1
    assert len(chats(behaviour)) == 3


def test_lasting_trouble_is_a_sentence_with_what_the_server_said(url, behaviour):
    backend = OpenAIBackend(url, tries=3, pause=0.001)
    behaviour.fail = [503] * 50
    with pytest.raises(BackendError, match=r"answered 503 .*not now"):
        list(backend.generate([ask()]))
    assert len(chats(behaviour)) == 3
    backend.close()


def test_a_refusal_is_not_repeated(backend, behaviour):
    behaviour.fail = [400]
    with pytest.raises(BackendError, match="answered 400"):
        list(backend.generate([ask()]))
    assert len(chats(behaviour)) == 1


def test_the_key_comes_from_the_environment_and_a_wrong_one_is_said_so(url, behaviour, monkeypatch):
    behaviour.key = "secret"
    with pytest.raises(BackendError, match="set JUDGE_STUDIO_API_KEY"):
        OpenAIBackend(url)
    monkeypatch.setenv("JUDGE_STUDIO_API_KEY", "secret")
    backend = OpenAIBackend(url)
    assert len(list(backend.generate([ask()]))) == 1
    backend.close()


def test_a_server_that_is_not_there_is_a_sentence(url):
    with pytest.raises(BackendError, match=r"cannot be reached .*model\.url"):
        OpenAIBackend("http://127.0.0.1:9/v1", tries=2, pause=0.001)
    with pytest.raises(BackendError, match="answered 404"):
        OpenAIBackend(url.removesuffix("/v1"))


def test_the_model_is_chosen_by_name_or_because_it_is_the_only_one(url, behaviour):
    behaviour.models = {"tiny": "vllm", "other": "vllm"}
    with pytest.raises(ModelError, match=r"serves tiny, other; name one"):
        OpenAIBackend(url)
    with pytest.raises(ModelError, match="does not serve 'third'"):
        OpenAIBackend(url, model="third")
    backend = OpenAIBackend(url, model="other", judges={"judge-v1": "tiny"})
    list(backend.generate([ask(), ask(judge="judge-v1")]))
    assert sorted(body["model"] for body in chats(behaviour)) == ["other", "tiny"]
    with pytest.raises(ModelError, match=r"judge 'judge-v2': is not loaded \(loaded: judge-v0, judge-v1\)"):
        list(backend.generate([ask(judge="judge-v2")]))
    backend.close()


@pytest.fixture
def adapter(tmp_path):
    """A folder as PEFT leaves it, as far as a client looks."""
    return write_adapter(tmp_path / "adapter", b"weights")


def write_adapter(folder, weights):
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "/models/tiny", "r": 8}))
    (folder / "adapter_model.safetensors").write_bytes(weights)
    return folder


def test_an_adapter_is_loaded_once_under_a_name_of_its_own(backend, behaviour, adapter, tmp_path):
    backend.load_judge("judge-v1", adapter)
    backend.load_judge("judge-v1", adapter)
    loads = [body for path, body in behaviour.asked if path == "/v1/load_lora_adapter"]
    assert [body["lora_path"] for body in loads] == [str(adapter.resolve())]
    assert loads[0]["lora_name"].startswith("judge-v1-")
    list(backend.generate([ask(judge="judge-v1")]))
    assert chats(behaviour)[0]["model"] == loads[0]["lora_name"]
    with pytest.raises(ModelError, match="already stands for"):
        backend.load_judge("judge-v1", write_adapter(tmp_path / "other", b"more"))


def test_other_weights_under_the_same_version_get_another_name_on_the_server(url, behaviour, adapter, tmp_path):
    names = []
    for folder in (adapter, write_adapter(tmp_path / "retrained", b"other"), adapter):
        backend = OpenAIBackend(url, model="tiny")
        backend.load_judge("judge-v1", folder)
        names.append(backend._names["judge-v1"])
        backend.close()
    assert names[0] != names[1]
    assert names[0] == names[2]
    assert sum(path == "/v1/load_lora_adapter" for path, _ in behaviour.asked) == 2, "known weights are not sent again"


def test_adapters_that_cannot_be_loaded_are_refused(url, behaviour, backend, adapter, tmp_path):
    with pytest.raises(ModelError, match="no PEFT adapter"):
        backend.load_judge("judge-v1", tmp_path / "nothing")
    other = write_adapter(tmp_path / "elsewhere", b"x")
    (other / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "/models/huge"}))
    with pytest.raises(ModelError, match="trained on '/models/huge'"):
        backend.load_judge("judge-v1", other)
    behaviour.loads_adapters = False
    with pytest.raises(ModelError, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING"):
        backend.load_judge("judge-v1", adapter)
    behaviour.models = {"tiny": "somebody"}
    plain = OpenAIBackend(url)
    with pytest.raises(ModelError, match="loads no adapters"):
        plain.load_judge("judge-v1", adapter)
    plain.close()
