"""The endpoint as programs use it: the openai client, curl and httpx; wrong keys, broken pictures, many at once."""

import base64
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import openai
import pytest
from PIL import Image

from engine.backends.base import Request
from engine.judging.judges import JudgeRef, resolve_judge
from engine.workspace.folders import open_workspace
from tests.engine.serve.judge_server import judge_server, scene_url
from tests.fake_backend import FakeBackend
from tests.patience import seconds

GOOD, BAD = "Three of them.", "Four of them."
KEY = "open sesame"
get, post = (partial(call, timeout=seconds(60)) for call in (httpx.get, httpx.post))


def sees(request: Request, _sample: int) -> str:
    """Prefers the answer with the smaller number, whatever its place; flips over questions that say so."""
    text = request.messages[-1].text
    if "flip" in text:
        return "First. [[A]]"
    assert request.image is None or request.image.is_file()
    return f"I see three. [[{'A' if text.index(GOOD) < text.index(BAD) else 'B'}]]"


def sure(_: Request):
    return [0.9, 0.1]


@pytest.fixture(scope="module")
def judges(tmp_path_factory: pytest.TempPathFactory) -> list[JudgeRef]:
    ref = resolve_judge("shapes-vlm", open_workspace(tmp_path_factory.mktemp("ws")))
    return [replace(ref, label="shapes-01/judge-v2"), replace(ref, label="shapes-01/judge-v0")]


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> str:
    return scene_url(tmp_path_factory.mktemp("scenes"))


@pytest.fixture(scope="module")
def url(judges: list[JudgeRef]):
    with judge_server(FakeBackend(sees, choose=sure, shuffle=1), judges) as address:
        yield address


def comparison(picture: str | None, **more: object) -> dict:
    return {"image": picture, "question": "How many?", "a": GOOD, "b": BAD, **more}


def chat(picture: str, question: str = "How many?", a: str = GOOD, b: str = BAD) -> list[dict]:
    return [
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": picture}}, {"type": "text", "text": question}],
        },
        {"role": "assistant", "content": a},
        {"role": "assistant", "content": b},
    ]


def error_of(answer: httpx.Response) -> str:
    assert "Traceback" not in answer.text
    return answer.json()["error"]["message"]


# --- OpenAI's protocol ---------------------------------------------------------------------------------------------


def test_openai_client_gets_the_verdict_and_the_whole_ruling(url, picture):
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none")
    answer = client.chat.completions.create(model="shapes-01/judge-v2", messages=chat(picture))
    assert answer.choices[0].message.content == "[[A]]"
    assert answer.model == "shapes-01/judge-v2"
    ruling = answer.model_extra["ruling"]
    assert (ruling["verdict"], [one["order"] for one in ruling["orders"]]) == ("A", ["AB", "BA"])
    assert "I see three." in answer.choices[0].message.model_extra["reasoning_content"]
    assert [model.id for model in client.models.list()] == ["shapes-01/judge-v2", "shapes-01/judge-v0"]


def test_openai_client_that_streams_gets_the_same(url, picture):
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none")
    stream = client.chat.completions.create(model="shapes-01/judge-v2", messages=chat(picture), stream=True)
    assert "".join(part.choices[0].delta.content or "" for part in stream) == "[[A]]"


def test_chat_content_is_the_ruling_where_json_is_asked_for(url, picture):
    body = {"messages": chat(picture, a=BAD, b=GOOD), "response_format": {"type": "json_object"}}
    content = post(f"{url}/v1/chat/completions", json=body).json()["choices"][0]["message"]["content"]
    assert json.loads(content)["verdict"] == "B"


def test_order_flip_has_no_verdict_token(url, picture):
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none")
    answer = client.chat.completions.create(model="shapes-01/judge-v2", messages=chat(picture, "flip"))
    assert "[[" not in answer.choices[0].message.content
    assert answer.model_extra["ruling"]["verdict"] == "order-flip"


@pytest.mark.parametrize(
    ("turns", "says"),
    [
        ([{"role": "user", "content": "Which?"}], "are not a question and two answers"),
        ([{"role": "system", "content": "Be fair."}, *chat("x")], "are not a question and two answers"),
        ("hello", "are not a question and two answers"),
        ([*chat("x")[:2], {"role": "assistant", "content": None}], "neither a text nor a list"),
        ([*chat("x")[:2], {"role": "assistant", "content": [{"type": "audio"}]}], "part of type 'audio'"),
    ],
)
def test_messages_of_another_form_are_refused_in_a_sentence(url, turns, says):
    answer = post(f"{url}/v1/chat/completions", json={"messages": turns})
    assert answer.status_code == 400
    assert says in error_of(answer)


def test_unknown_model_is_not_found_and_those_served_are_named(url, picture):
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    with pytest.raises(openai.NotFoundError, match="Served are: shapes-01/judge-v2"):
        client.chat.completions.create(model="gpt-4o", messages=chat(picture))


# --- our own -------------------------------------------------------------------------------------------------------


def test_curl_gets_verdict_confidence_and_reasons_of_both_orders(url, picture, tmp_path):
    (tmp_path / "ask.json").write_text(json.dumps(comparison(picture, key="mine")))
    words = ["curl", "-sS", "-H", "content-type: application/json", "-d", f"@{tmp_path}/ask.json", f"{url}/v1/judge"]
    said = json.loads(subprocess.run(words, capture_output=True, check=True, text=True).stdout)
    assert (said["key"], said["judge"], said["verdict"]) == ("mine", "shapes-01/judge-v2", "A")
    assert said["confidence"] == pytest.approx(0.5)  # 0.9 in the one order, 1 − 0.9 in the other
    assert [one["verdict"] for one in said["orders"]] == ["A", "A"]
    assert said["orders"][0]["reasoning"] == "I see three. [[A]]"


def test_batch_keeps_its_order_and_an_error_its_place(url, picture):
    rows = [
        comparison(picture, key="1"),
        comparison("data:image/png;base64,bm8gcGljdHVyZQ=="),
        {"question": "How many?", "a": GOOD},
        comparison(None, a=BAD, b=GOOD),
    ]
    found = post(f"{url}/v1/judge", json={"comparisons": rows, "judge": "shapes-01/judge-v0"}).json()["rulings"]
    assert [one.get("verdict") for one in found] == ["A", None, None, "B"]
    assert found[0]["judge"] == "shapes-01/judge-v0"
    assert "it is text, not an image" in found[1]["error"]["message"]
    assert found[2]["error"]["message"] == "comparisons[2]: 'b' is missing or no text."


@pytest.mark.parametrize(
    ("image", "says"),
    [
        ("data:image/png;base64,bm8gcGljdHVyZQ==", "it is text, not an image"),
        ("data:image/png,raw", "is not base64"),
        ("*** no base64 ***", "is not base64"),
        ("https://example.org/cat.png", "nothing is fetched"),
        ("file:///etc/passwd", "nothing is fetched"),
        ("/etc/passwd", "is not base64"),
        (7, "'image' is no text"),
    ],
)
def test_picture_that_cannot_be_used_is_a_400_with_the_reason(url, image, says):
    answer = post(f"{url}/v1/judge", json=comparison(image))
    assert answer.status_code == 400
    assert says in error_of(answer)


@pytest.mark.parametrize(
    ("send", "status", "says"),
    [
        ({"content": b"{}"}, 415, "content-type: application/json"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, "is not JSON"),
        ({"json": [1]}, 400, "no JSON object"),
        ({"json": {"comparisons": []}}, 400, "a list of 1 to 1,024"),
        ({"json": {"quesion": "?"}}, 400, "no field called 'quesion'"),
        ({"json": {"comparisons": [{}], "orders": 1}}, 400, "no field called 'orders'"),
    ],
)
def test_request_of_another_form_is_refused_in_a_sentence(url, send, status, says):
    answer = post(f"{url}/v1/judge", **send)
    assert answer.status_code == status
    assert says in error_of(answer)


def test_unknown_path_and_method_name_what_there_is(url):
    assert "POST /v1/judge" in error_of(get(f"{url}/v2"))
    assert get(f"{url}/v1/judge").status_code == 405


def test_page_of_somebody_else_cannot_ask_by_a_name_of_its_own(url):
    assert get(f"{url}/v1/models", headers={"host": "evil.example"}).status_code == 403


def test_wrong_key_is_refused_and_the_right_one_answers(judges, picture):
    with judge_server(FakeBackend(sees, choose=sure), judges, key=KEY) as url:
        assert "no key" in error_of(get(f"{url}/v1/models"))
        wrong = openai.OpenAI(base_url=f"{url}/v1", api_key="guess", max_retries=0)
        with pytest.raises(openai.AuthenticationError, match="a wrong key"):
            wrong.chat.completions.create(model="shapes-01/judge-v2", messages=chat(picture))
        right = openai.OpenAI(base_url=f"{url}/v1", api_key=KEY)
        answer = right.chat.completions.create(model="shapes-01/judge-v2", messages=chat(picture))
        assert answer.choices[0].message.content == "[[A]]"


def test_judge_that_fails_is_a_503_sentence_and_the_next_is_answered(judges, picture):
    broken = [True]

    def reply(request: Request, sample: int) -> str:
        if broken.pop() if broken else False:
            raise RuntimeError("CUDA error: device-side assert\n  in a long tale")
        return sees(request, sample)

    with judge_server(FakeBackend(reply, choose=sure), judges) as url:
        failed = post(f"{url}/v1/judge", json=comparison(picture))
        assert failed.status_code == 503
        assert error_of(failed) == "the judge failed (RuntimeError). Ask again, or see the server's log."
        assert post(f"{url}/v1/judge", json=comparison(picture)).json()["verdict"] == "A"


def test_64_clients_at_once_each_get_their_own_ruling_in_few_calls_of_the_backend(judges, tmp_path):
    pictures = [scene_url(tmp_path, number) for number in range(4)]
    backend = FakeBackend(sees, choose=sure, shuffle=2)

    def ask(number: int) -> tuple[str, str]:
        a, b = (GOOD, BAD) if number % 2 else (BAD, GOOD)
        body = comparison(pictures[number % 4], key=str(number)) | {"a": f"{a} {number}", "b": f"{b} {number}"}
        said = post(f"{url}/v1/judge", json=body).json()
        return said["key"], said["verdict"]

    with judge_server(backend, judges) as url, ThreadPoolExecutor(64) as pool:
        found = list(pool.map(ask, range(256)))
    assert found == [(str(number), "A" if number % 2 else "B") for number in range(256)]
    assert len(backend.calls) < 256  # one call per comparison and phase would be 512
    assert sum(backend.calls) == 4 * 256


def test_photograph_is_shown_upright_and_one_sent_again_is_not_read_again(judges, tmp_path):
    seen: list[Path] = []

    def reply(request: Request, sample: int) -> str:
        assert request.image is not None
        seen.append(request.image)
        with Image.open(request.image) as image:
            assert image.size == (30, 60)
        return sees(request, sample)

    photograph = Image.new("RGB", (60, 30), "green")
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by the camera
    photograph.save(tmp_path / "turned.jpg", exif=exif)
    sent = base64.b64encode((tmp_path / "turned.jpg").read_bytes()).decode()
    with judge_server(FakeBackend(reply, choose=sure), judges) as url:
        for _ in range(2):
            assert post(f"{url}/v1/judge", json=comparison(sent)).json()["verdict"] == "A"
    assert len(set(seen)) == 1
    assert not seen[0].exists()  # kept only while the judge is open


def test_backend_error_keeps_its_own_sentence(judges, picture):
    with judge_server(FakeBackend(sees, fail_after=0), judges) as url:
        assert error_of(post(f"{url}/v1/judge", json=comparison(picture))).endswith("Start it again.")


def test_several_pictures_reach_the_judge_in_both_forms(judges, picture):
    backend = FakeBackend(sees, choose=sure)
    several = chat(picture)
    several[0]["content"].append({"type": "image_url", "image_url": {"url": picture}})
    with judge_server(backend, judges) as url:
        own = comparison(None, image=[picture, picture], a_images=[picture])
        assert post(f"{url}/v1/judge", json=own).json()["verdict"] == "A"
        assert {len(request.pictures) for request in backend.requests} == {3}
        backend.requests.clear()
        answer = post(f"{url}/v1/chat/completions", json={"messages": several})
        assert answer.json()["ruling"]["verdict"] == "A"
        assert {len(request.pictures) for request in backend.requests} == {2}
        assert "at most 16" in error_of(post(f"{url}/v1/judge", json=comparison(None, image=[picture] * 17)))
