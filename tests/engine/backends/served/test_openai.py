"""The OpenAI-compatible backend against a real little HTTP server."""

import base64
import io
import json
import math
import random
import threading
import time
from contextlib import ExitStack, closing
from dataclasses import replace
from email.utils import formatdate

import pytest
from PIL import Image

from engine.backends.base import Message, Request, Sampling
from engine.backends.served.http_door import HttpDoor, asked_wait
from engine.backends.served.openai import OpenAIBackend
from engine.errors import BackendError, ModelError, StopRequested
from tests.engine.backends.served.chat_server import ODD_ANSWERS, Behaviour, log_odds, reply_words, serve
from tests.engine.sources.picture_files import file_bytes, picture, rotated_jpeg

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
def opened(url):
    """Opens backends at the server, or elsewhere, that are closed when the test ends, however it ends: a connection
    left open would be reported in whatever test runs later."""
    with ExitStack() as stack:

        def opened(*at, **settings):
            return stack.enter_context(closing(OpenAIBackend(*(at or (url,)), **settings)))

        yield opened


@pytest.fixture
def backend(opened):
    return opened(pause=0.001)


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


def test_a_server_that_is_not_vllm_is_asked_for_the_standard_only(opened, behaviour):
    behaviour.models = {"tiny": "somebody"}
    backend = opened()
    sampling = replace(DRAWN, stop=("[[A]]", "[[B]]"))
    found = by_sample(backend.generate([ask(str(i), f"Q{i}", sampling=sampling, n=2) for i in range(10)]))
    standard = {"model", "messages", "n", "seed", "temperature", "top_p", "max_tokens"}
    assert all(set(body) == standard for body in chats(behaviour))
    assert any("[[" in completion.text for completion in found.values())
    for completion in found.values():
        assert completion.text.count("[[") <= 1, "the reply is cut behind the stop text, which is kept"
        assert "[[" not in completion.text or completion.text.endswith("]]")


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


def test_requests_are_in_flight_together_but_bounded(opened, behaviour):
    backend = opened(sequences=4)
    behaviour.hold = threading.Event()
    running = backend.generate([ask(str(i)) for i in range(12)])
    release = threading.Timer(0.3, behaviour.hold.set)
    release.start()
    assert len(list(running)) == 12
    release.join()
    assert behaviour.most_at_once == 4


def test_leaving_a_call_half_way_leaves_the_rest_unasked(opened, behaviour):
    backend = opened(sequences=2)
    running = backend.generate([ask(str(i)) for i in range(50)])
    next(running)
    running.close()
    assert len(chats(behaviour)) < 10


def test_an_image_travels_as_bytes_before_the_text(backend, behaviour, scenes):
    list(backend.generate([ask(image=scenes[0])]))
    first, second = chats(behaviour)[0]["messages"][0]["content"]
    header, data = first["image_url"]["url"].split(",")
    assert header == "data:image/png;base64"
    assert base64.b64decode(data) == scenes[0].read_bytes()
    assert second == {"type": "text", "text": "How many?"}


def test_an_image_travels_as_a_path_where_the_server_reads_the_same_disk(opened, behaviour, scenes):
    backend = opened(readable=scenes[0].parent)
    list(backend.generate([ask(image=scenes[0])]))
    shown = chats(behaviour)[0]["messages"][0]["content"][0]
    assert shown["image_url"]["url"] == f"file://{scenes[0].resolve()}"


def test_an_image_outside_the_folder_a_server_may_read_travels_as_bytes(opened, behaviour, scenes, tmp_path):
    backend = opened(readable=tmp_path / "elsewhere")
    list(backend.generate([ask(image=scenes[0])]))
    assert chats(behaviour)[0]["messages"][0]["content"][0]["image_url"]["url"].startswith("data:image/png;base64,")


def test_a_missing_image_is_named_and_the_others_are_answered(backend, tmp_path):
    requests = [ask("lost", image=tmp_path / "gone.png", n=2), *(ask(str(number)) for number in range(5))]
    found = by_sample(backend.generate(requests))
    assert len(found) == 7
    assert "gone.png: cannot be read" in (found["lost", 1].fault or "")
    assert all(one.fault is None and one.text for (key, _), one in found.items() if key != "lost")


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


def test_a_prefix_is_refused_by_servers_that_cannot(opened, behaviour):
    behaviour.models = {"tiny": "somebody"}
    backend = opened()
    with pytest.raises(BackendError, match="no way to continue a partial reply"):
        list(backend.generate([ask(prefix="I see")]))


def told(model, text, before, tokens):
    """The shares the fake model gives to these tokens after `before`."""
    messages = [{"role": "user", "content": text}]
    weights = [math.exp(log_odds(model, messages, before, token)) for token in tokens]
    return [weight / sum(weights) for weight in weights]


CHOICES = (" [[A]]", " [[B]]")


@pytest.mark.parametrize("splits", [False, True])
@pytest.mark.parametrize("way", ["tokens", "older server", "behind a balancer"])
def test_odds_of_verdicts_are_the_models_whatever_its_tokens(backend, behaviour, splits, way):
    behaviour.splits_verdicts = splits
    behaviour.tokenizes = way != "behind a balancer"
    behaviour.knows_token_ids = way == "tokens"
    requests = [
        ask(str(number), f"Q{number}", prefix=f"I see {number}. Verdict:", choices=CHOICES) for number in range(40)
    ]
    found = by_sample(backend.generate(requests))
    for number, request in enumerate(requests):
        before, tokens = (f"{request.prefix} [[", "AB") if splits else (request.prefix, CHOICES)
        expected = told("tiny", f"Q{number}", before, tokens)
        completion = found[str(number), 0]
        assert completion.choice_probabilities == pytest.approx(expected, abs=1e-6)
        assert completion.text == CHOICES[expected.index(max(expected))]


def test_odds_are_asked_for_in_one_short_request_where_the_texts_part(backend, behaviour):
    behaviour.splits_verdicts = True
    list(backend.generate([ask(prefix="So", choices=CHOICES)]))
    (body,) = chats(behaviour)
    assert body["messages"][-1] == {"role": "assistant", "content": "So [["}
    assert (body["max_tokens"], len(body["logprob_token_ids"])) == (1, 2)


def test_a_prefix_that_melts_with_the_choice_is_cut_where_the_tokens_part(backend, behaviour):
    list(backend.generate([ask(prefix="So I say yes", choices=("terday", "es"))]))
    (body,) = chats(behaviour)
    assert body["messages"][-1]["content"] == "So I say ", "yesterday and yeses are words of their own"


def test_a_server_that_is_not_vllm_is_read_from_its_most_likely_tokens(opened, behaviour):
    behaviour.models = {"tiny": "somebody"}
    backend = opened()
    (found,) = backend.generate([ask(choices=("B", "A", "neither"))])
    assert found.choice_probabilities == pytest.approx((1 / 3, 2 / 3, 0))
    assert (found.text, found.tokens, found.sample) == ("A", 0, 0)


def test_a_server_that_lists_adapters_still_has_one_base_model(opened, behaviour):
    behaviour.models["judge-v1-0123"] = "vllm"
    behaviour.parents["judge-v1-0123"] = "tiny"
    backend = opened()
    list(backend.generate([ask()]))
    assert chats(behaviour)[0]["model"] == "tiny"


def test_choices_without_log_probabilities_are_a_sentence(backend, behaviour):
    behaviour.no_logprobs = True
    with pytest.raises(BackendError, match="no log-probabilities"):
        list(backend.generate([ask(choices=("A", "B"))]))


def test_a_stream_joined_is_the_first_sample(backend):
    for stop in ((), ("[[A]]",), ("ue", "[[B]]")):
        for number in range(6):
            request = ask(text=f"Q{number}", n=2, sampling=replace(DRAWN, stop=stop))
            *pieces, whole = backend.stream(request)
            asked = by_sample(backend.generate([request]))["k", 0]
            assert "".join(pieces) == whole.text == asked.text
            assert whole.finish == asked.finish
            assert len(pieces) > 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_trouble_is_waited_out(backend, behaviour, status):
    behaviour.fail = [status, status]
    behaviour.retry_after = "0"
    assert len(list(backend.generate([ask()]))) == 1
    assert len(chats(behaviour)) == 3


def test_lasting_trouble_is_a_sentence_with_what_the_server_said(opened, behaviour):
    backend = opened(tries=3, pause=0.001, patience=0)
    behaviour.always = 503
    with pytest.raises(BackendError, match=r"answered 503 .*not now"):
        list(backend.generate([ask()]))
    assert [body["messages"][0]["content"] for body in chats(behaviour)] == ["How many?"] * 3 + ["Hi"]


def test_a_refused_request_is_asked_twice_then_stored_with_its_reason(backend, behaviour):
    behaviour.refused = "broken"
    found = by_sample(
        backend.generate([ask(str(number), f"Q{number}") for number in range(9)] + [ask("x", "broken", n=3)])
    )
    assert len(found) == 12
    faults = [one.fault for (key, _), one in found.items() if key == "x"]
    assert all("answered 400" in (fault or "") and "cannot identify image" in (fault or "") for fault in faults)
    assert sum("broken" in json.dumps(body["messages"]) for body in chats(behaviour)) == 2


@pytest.mark.parametrize("status", [400, 404, 408, 425, 429, 502, 529])
def test_one_fault_of_a_moment_costs_no_reply(backend, behaviour, status):
    behaviour.fail = [status]
    found = list(backend.generate([ask(str(number)) for number in range(8)]))
    assert [one.fault for one in found] == [None] * 8


@pytest.mark.parametrize("odd", ODD_ANSWERS, ids=repr)
def test_an_answer_of_odd_shape_is_asked_again_and_never_taken_as_whole(backend, behaviour, odd):
    behaviour.odd = [odd, odd]
    (found,) = backend.generate([ask()])
    assert found.fault is None
    assert "half" not in found.text
    assert len(chats(behaviour)) == 3


def whole(content, **more):
    return {"choices": [{"message": {"content": content, **more}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    ("answer", "text", "thinking"),
    [
        (whole([{"type": "text", "text": "I say "}, {"type": "text", "text": "[[A]]"}]), "I say [[A]]", ""),
        (whole([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "[[A]]"}]), "[[A]]", "hm"),
        (whole([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, "[[B]]"]), "[[B]]", "hm"),
        (whole("[[A]]", reasoning_content="hm"), "[[A]]", "hm"),
        (whole(None, refusal="I cannot."), "I cannot.", ""),
        (whole(None), "", ""),
        (whole("cut \ud83d here"), "cut \ufffd here", ""),
        ({"choices": [{"message": "plain", "finish_reason": "eos_token"}], "usage": None}, "plain", ""),
    ],
)
def test_replies_of_other_shapes_are_read(backend, behaviour, answer, text, thinking):
    behaviour.odd = [answer]
    (found,) = backend.generate([ask()])
    assert (found.text, found.thinking, found.fault) == (text, thinking, None)


def test_a_reply_that_a_filter_cut_is_stored_with_its_reason(backend, behaviour):
    behaviour.odd = [{"choices": [{"message": {"content": "[[A]]"}, "finish_reason": "content_filter"}]}]
    cut, _ = sorted(backend.generate([ask("1"), ask("2", "other")]), key=lambda one: one.fault is None)
    assert "content filter" in (cut.fault or "")
    assert cut.text == ""


def test_a_request_that_kills_the_server_each_time_does_not_end_the_others(opened, behaviour):
    backend = opened(sequences=2, tries=3, pause=0.001, patience=0.1)
    behaviour.poison = "deadly"
    found = by_sample(backend.generate([ask("x", "deadly"), *(ask(str(number), f"Q{number}") for number in range(60))]))
    assert len(found) == 61
    assert "answered 500" in (found["x", 0].fault or "")
    assert sum(one.fault is not None for one in found.values()) == 1


def test_a_server_that_goes_away_ends_the_work_after_all_else_is_yielded(opened, behaviour):
    backend = opened(sequences=4, tries=2, pause=0.001, patience=0.05)
    running = backend.generate([ask(str(number), f"Q{number}") for number in range(50)])
    got = [next(running)]
    behaviour.always = 503
    with pytest.raises(BackendError, match="answered 503"):
        got.extend(running)
    assert all(one.fault is None for one in got), "a busy server is no request's own fault"


@pytest.mark.parametrize("status", [500, 503])
def test_the_last_request_that_a_server_fails_is_its_own_fault_if_it_answers_others(opened, behaviour, status):
    backend = opened(tries=2, pause=0.001, patience=0.02)
    behaviour.poison, behaviour.poison_status = "deadly", status
    (found,) = backend.generate([ask("x", "deadly")])
    assert f"answered {status}" in (found.fault or "")
    assert "answers others" in (found.fault or "")


class Gate(threading.Event):
    """An event that knows how many wait for it."""

    def __init__(self):
        super().__init__()
        self.arrived = threading.Semaphore(0)

    def wait(self, timeout=None):
        self.arrived.release()
        return super().wait(timeout)


def test_a_backend_that_is_closed_in_the_middle_of_its_work_waits_for_what_is_under_way(opened, behaviour):
    """A connection that is made while its client is closed would stay open for ever."""
    backend = opened(sequences=8)
    behaviour.hold = Gate()
    running = backend.generate([ask(str(number)) for number in range(8)])
    first = threading.Thread(target=next, args=(running,))
    first.start()
    for _ in range(8):
        behaviour.hold.arrived.acquire()
    closes = threading.Thread(target=backend.close)
    closes.start()
    behaviour.hold.set()
    closes.join()
    first.join()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("openai")]
    assert len({one.key for one in running}) == 7, "and none of it is lost"


def test_a_server_that_refuses_everything_is_not_stored_as_replies(backend, behaviour):
    behaviour.refused = "Q"
    got = []
    with pytest.raises(BackendError, match=r"answered 400 .*refused the first 16 requests, and answered none"):
        got.extend(backend.generate([ask(str(number), f"Q{number}") for number in range(40)]))
    assert got == []


def test_faults_at_random_lose_no_reply_and_repeat_none_not_even_after_a_stop(opened, behaviour):
    """The same for 10,000: tests/bench/bench_served.py."""
    backend = opened(sequences=16, pause=0.001)
    behaviour.faults, behaviour.refused = random.Random(0), "broken"
    requests = [ask(str(number), f"Q{number}", sampling=replace(DRAWN, max_tokens=3)) for number in range(400)]
    requests += [ask(f"x{number}", f"broken {number}") for number in range(3)]
    running = backend.generate(requests)
    stored = [next(running) for _ in range(150)]
    running.close()
    before = len(chats(behaviour))
    kept = {one.key for one in stored}
    stored += backend.generate([request for request in requests if request.key not in kept])
    assert sorted(one.key for one in stored) == sorted(request.key for request in requests)
    assert {one.key for one in stored if one.fault} == {"x0", "x1", "x2"}
    again = {body["messages"][0]["content"] for body in chats(behaviour)[before:]}
    assert not again & {f"Q{key}" for key in kept}, "what is stored is not asked again"
    lost = 16  # under way when the work was stopped
    assert len(chats(behaviour)) <= len(requests) + 3 + behaviour.faults_given + lost, "no answer was asked for twice"
    plain = [one for one in requests if one.key in kept and not one.key.startswith("x")]
    behaviour.faults = None
    assert by_sample(backend.generate(plain)).items() <= by_sample(stored).items()


def test_a_stop_that_is_asked_for_while_a_server_is_away_ends_the_wait(opened, behaviour):
    def stop():
        if len(chats(behaviour)) >= 3:
            raise StopRequested("stopped")

    behaviour.always = 503
    backend = opened(pause=0.2, tick=stop)
    with pytest.raises(StopRequested):
        list(backend.generate([ask(str(number)) for number in range(3)]))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("3", 3.0), ("0.5", 0.5), ("Fri, 31 Dec 1999 23:59:59 GMT", 0.0), ("soon", None), (None, None), ("-2", 0.0)],
)
def test_a_server_says_in_either_form_how_long_to_wait(header, seconds):
    assert asked_wait(header) == seconds


def test_a_date_to_wait_for_is_that_many_seconds_away():
    in_a_minute = formatdate(time.time() + 60, usegmt=True)
    assert asked_wait(in_a_minute) == pytest.approx(60, abs=2)


@pytest.fixture
def second_url():
    behaviour = Behaviour()
    server = serve(behaviour)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1", behaviour
    server.shutdown()
    thread.join()
    server.server_close()


def test_replicas_share_the_requests_and_one_that_fails_is_left_aside(opened, url, behaviour, second_url):
    other, its = second_url
    backend = opened([url, other], sequences=8, pause=0.001)
    requests = [ask(str(number), f"Q{number}") for number in range(60)]
    assert all(one.fault is None for one in backend.generate(requests))
    assert min(len(chats(behaviour)), len(chats(its))) > 10
    its.always = 502
    assert all(one.fault is None for one in backend.generate(requests))


def test_an_adapter_reaches_every_replica(opened, url, behaviour, second_url, adapter):
    other, its = second_url
    backend = opened([url, other])
    backend.load_judge("judge-v1", adapter)
    assert [len([1 for path, _ in one.asked if path == "/v1/load_lora_adapter"]) for one in (behaviour, its)] == [1, 1]


def test_an_adapter_in_a_shared_folder_names_the_base_that_servers_were_started_with(
    opened, behaviour, adapter, tmp_path
):
    shared = tmp_path / "shared"
    shared.mkdir()
    backend = opened(adapters_folder=shared)
    backend.load_judge("judge-v1", adapter)
    name = backend._names["judge-v1"]
    assert [path.name for path in shared.iterdir()] == [name]
    config = json.loads((shared / name / "adapter_config.json").read_text())
    assert config == {"base_model_name_or_path": "/models/tiny", "r": 8}, "what --model said, to the letter"
    assert not any(path == "/v1/load_lora_adapter" for path, _ in behaviour.asked)
    behaviour.root = "/moved/tiny"
    opened(adapters_folder=shared).load_judge("judge-v1", adapter)
    config = json.loads((shared / name / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "/moved/tiny", "they were started again, from elsewhere"
    assert [path.name for path in shared.iterdir()] == [name]
    backend = opened(adapters_folder=tmp_path / "not mounted")
    with pytest.raises(ModelError, match=r"model\.adapters_folder: cannot put"):
        backend.load_judge("judge-v1", adapter)


def test_servers_of_different_bases_share_no_adapters(opened, url, second_url, adapter, tmp_path):
    other, its = second_url
    its.root = "/elsewhere/tiny"
    with pytest.raises(ModelError, match=r"started with different --model \(/models/tiny, /elsewhere/tiny\)"):
        opened([url, other], adapters_folder=tmp_path).load_judge("judge-v1", adapter)


@pytest.mark.parametrize("listed", [["tiny"], {"data": ["tiny"]}, [{"id": "tiny"}]])
def test_models_listed_in_other_forms_are_read(opened, monkeypatch, listed):
    monkeypatch.setattr(HttpDoor, "get", lambda _door, _path: listed)
    opened()


@pytest.mark.parametrize("listed", [None, 3, "tiny", {"data": "tiny"}])
def test_models_listed_in_no_known_form_are_a_sentence(opened, monkeypatch, listed):
    monkeypatch.setattr(HttpDoor, "get", lambda _door, _path: listed)
    with pytest.raises(BackendError, match="lists its models in no known form"):
        opened(tries=1)


def test_the_key_comes_from_the_environment_and_a_wrong_one_is_said_so(opened, behaviour, monkeypatch):
    behaviour.key = "secret"
    with pytest.raises(BackendError, match="set JUDGE_STUDIO_API_KEY"):
        opened()
    monkeypatch.setenv("JUDGE_STUDIO_API_KEY", "secret")
    backend = opened()
    assert len(list(backend.generate([ask()]))) == 1


def test_a_server_that_is_not_there_is_a_sentence(opened, url):
    with pytest.raises(BackendError, match=r"cannot be reached .*model\.url"):
        opened("http://127.0.0.1:9/v1", tries=2, pause=0.001)
    with pytest.raises(BackendError, match="answered 404"):
        opened(url.removesuffix("/v1"))


def test_the_model_is_chosen_by_name_or_because_it_is_the_only_one(opened, behaviour):
    behaviour.models = {"tiny": "vllm", "other": "vllm"}
    with pytest.raises(ModelError, match=r"serves tiny, other; name one"):
        opened()
    with pytest.raises(ModelError, match="does not serve 'third'"):
        opened(model="third")
    backend = opened(model="other", judges={"judge-v1": "tiny"})
    list(backend.generate([ask(), ask(judge="judge-v1")]))
    assert sorted(body["model"] for body in chats(behaviour)) == ["other", "tiny"]
    with pytest.raises(ModelError, match=r"judge 'judge-v2': is not loaded \(loaded: judge-v0, judge-v1\)"):
        list(backend.generate([ask(judge="judge-v2")]))


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


def test_other_weights_under_the_same_version_get_another_name_on_the_server(opened, behaviour, adapter, tmp_path):
    names = []
    for folder in (adapter, write_adapter(tmp_path / "retrained", b"other"), adapter):
        backend = opened(model="tiny")
        backend.load_judge("judge-v1", folder)
        names.append(backend._names["judge-v1"])
    assert names[0] != names[1]
    assert names[0] == names[2]
    assert sum(path == "/v1/load_lora_adapter" for path, _ in behaviour.asked) == 2, "known weights are not sent again"


def test_adapters_that_cannot_be_loaded_are_refused(opened, behaviour, backend, adapter, tmp_path):
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
    plain = opened()
    with pytest.raises(ModelError, match="loads no adapters"):
        plain.load_judge("judge-v1", adapter)


def shown_by(behaviour):
    """Media type and bytes of the picture that was posted last."""
    url = chats(behaviour)[-1]["messages"][0]["content"][0]["image_url"]["url"]
    kind, data = url.removeprefix("data:").split(";base64,")
    return kind, base64.b64decode(data)


def test_a_turned_photograph_is_sent_upright_with_its_true_media_type(backend, behaviour, tmp_path):
    photo = tmp_path / "phone.heic"  # whatever it is called
    photo.write_bytes(rotated_jpeg(6, picture(40, 30)))
    list(backend.generate([ask(image=photo)]))
    kind, data = shown_by(behaviour)
    image = Image.open(io.BytesIO(data))
    assert (kind, image.format, image.size, image.getexif().get(0x0112)) == ("image/png", "PNG", (30, 40), None)


def test_a_plain_picture_is_sent_as_it_is_whatever_it_is_called(backend, behaviour, tmp_path):
    data = file_bytes(picture())
    (tmp_path / "drawing.jpg").write_bytes(data)
    list(backend.generate([ask(image=tmp_path / "drawing.jpg")]))
    assert shown_by(behaviour) == ("image/png", data)


def test_a_turned_photograph_does_not_travel_as_a_path(opened, behaviour, tmp_path):
    (tmp_path / "phone.jpg").write_bytes(rotated_jpeg(8, picture(40, 30)))
    backend = opened(readable=tmp_path)
    list(backend.generate([ask(image=tmp_path / "phone.jpg")]))
    assert Image.open(io.BytesIO(shown_by(behaviour)[1])).size == (30, 40)


def test_half_an_emoji_in_a_message_travels_as_the_sign_for_it(backend, behaviour):
    list(backend.generate([ask(text="cut \ud83d")]))
    assert chats(behaviour)[-1]["messages"][0]["content"] == "cut \ufffd"
