"""A small real server that speaks the OpenAI protocol as vLLM does, for tests. It always answers the same nonsense.

Run as a file it takes the place of `python -m vllm.entrypoints.openai.api_server …`; see `fake_vllm`.
What a reply is depends on the model's name, the messages and the seed, as with a real model.
"""

import argparse
import hashlib
import itertools
import json
import math
import os
import random
import re
import socket
import socketserver
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.patience import seconds

WORDS = ("red", "blue", "circle", "star", "left", "big", "[[A]]", "[[B]]")


@dataclass
class Behaviour:
    """What the server is like, and what it was asked."""

    models: dict[str, str] = field(default_factory=lambda: {"tiny": "vllm"})
    """Served names and their owners; adapters are added."""
    root: str = "/models/tiny"
    """What its --model named."""
    parents: dict[str, str] = field(default_factory=dict)
    """Adapter → its base model, as vLLM lists it."""
    key: str | None = None
    fail: list[int] = field(default_factory=list)
    """Status codes of the next answers, before it behaves."""
    always: int | None = None
    """If given, the status of every answer to a chat."""
    retry_after: str | None = None
    most_samples: int = 100
    """Samples it gives per request, however many were asked for."""
    no_logprobs: bool = False
    tokenizes: bool = True
    """Whether it answers beside /v1, as vLLM does and many a balancer does not."""
    knows_token_ids: bool = True
    """Whether it tells of the tokens it is asked for, as vLLM does since 0.32."""
    splits_verdicts: bool = False
    """Whether " [[A]]" is three tokens to it, else it is one."""
    odd: list[Any] = field(default_factory=list)
    """The next answers to chats, of status 200, before it behaves: a text is sent as it is, all else as JSON."""
    faults: random.Random | None = None
    """If given, two in a hundred chats are answered by a fault of some kind."""
    faults_given: int = 0
    poison: str | None = None
    """A chat that holds this text is always answered by `poison_status`."""
    poison_status: int = 500
    refused: str | None = None
    """A chat that holds this text is always answered by 400."""
    blind: bool = False
    """It answers as if it saw no image."""
    resolves: Path | None = None
    """A folder from which it loads adapters when they are asked for, as vLLM's plugin does."""
    deaf: bool = False
    """It takes adapters and answers as the base model."""
    loads_adapters: bool = True
    metrics: str = "vllm:prefix_cache_queries_total 200.0\nvllm:prefix_cache_hits_total 150.0\n"
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    hold: threading.Event | None = None
    """If given, replies wait for it."""


VOCABULARY: list[str] = []
"""Texts of the tokens seen so far, by id."""


def token_ids(text: str, *, split: bool) -> list[int]:
    """As a tokenizer cuts it: " [[A]]" is one token, or three."""
    verdicts = r" ?\[\[|\]\]" if split else r" ?\[\[(?:A|B|C|tie)\]\]"
    ids = []
    with LOCK:
        for token in re.findall(rf"{verdicts}| ?\w+|\s|.", text, re.S):
            if token not in VOCABULARY:
                VOCABULARY.append(token)
            ids.append(VOCABULARY.index(token))
    return ids


def log_odds(model: str, messages: Any, before: str, token: str) -> float:
    """The fake model's opinion of a token that follows `before` in the reply, up to a constant."""
    if token == "]]":
        return 0.0
    digest = hashlib.sha256(json.dumps([model, messages, before, token]).encode()).digest()
    return digest[0] / 64 - 4


ODD_ANSWERS: tuple[Any, ...] = (
    [], None, 7, "gateway timeout", '{"choices": [{"mess', {}, {"choices": []}, {"choices": None},
    {"choices": [None]}, {"choices": ["text"]}, {"choices": [{"finish_reason": "stop"}]},
    {"error": {"message": "engine died", "code": 500}}, {"error": "overloaded"},
    {"choices": [{"message": {"content": "half a re"}, "finish_reason": None}]},
    {"choices": [{"message": {"content": "half a re"}, "finish_reason": "abort"}]},
    {"choices": [{"message": {"content": {"no": "form"}}, "finish_reason": "stop"}]},
    {"choices": [{"message": {"content": [{"type": "text"}]}, "finish_reason": "stop"}]},
)  # fmt: skip
"""Answers of status 200 that are no reply."""

PASSING = (404, 408, 425, 429, 500, 502, 503, 504, 529)


def reply_words(model: str, messages: Any, seed: int, limit: int) -> list[str]:
    """The reply as words; it ends by itself after at most 12."""
    digest = hashlib.sha256(json.dumps([model, messages, seed]).encode()).digest()
    words = [WORDS[byte % len(WORDS)] for byte in digest[: 4 + digest[31] % 9]]
    return words[:limit]


class Handler(BaseHTTPRequestHandler):
    """One request."""

    behaviour: Behaviour
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: two would wait 40 ms for each other

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        if self.path == "/health":
            return self._send({})
        if self.path == "/metrics" and self.behaviour.tokenizes:
            return self._send_text(self.behaviour.metrics)
        if not self._may():
            return None
        parents = self.behaviour.parents
        rows = [
            {"id": name, "owned_by": owner, "parent": parents.get(name), "root": self.behaviour.root}
            for name, owner in self.behaviour.models.items()
        ]
        return self._send(
            {"data": rows} if self.path == "/v1/models" else {}, 200 if self.path == "/v1/models" else 404
        )

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._may():
            return None
        self.behaviour.asked.append((self.path, body))
        if self.path == "/v1/load_lora_adapter":
            return self._load(body)
        if self.path in ("/tokenize", "/detokenize") and self.behaviour.tokenizes:
            return self._tokens(body)
        if self.path != "/v1/chat/completions":
            return self._send({}, 404)
        return self._chat(body)

    def _chat(self, body: dict[str, Any]) -> None:
        behaviour = self.behaviour
        with LOCK:
            behaviour.at_once += 1
            behaviour.most_at_once = max(behaviour.most_at_once, behaviour.at_once)
            failure = behaviour.fail.pop(0) if behaviour.fail else behaviour.always
            odd = [behaviour.odd.pop(0)] if behaviour.odd else []
            if behaviour.faults is not None and behaviour.faults.random() < 0.02:
                failure, odd = random_fault(behaviour.faults)
                behaviour.faults_given += 1
        try:
            if behaviour.hold is not None:
                behaviour.hold.wait(seconds(30))
            if failure is not None:
                return self._send({"error": "not now"}, failure)
            if odd:
                return self._send_text(odd[0]) if isinstance(odd[0], str) else self._send(odd[0])
            said = json.dumps(body["messages"])
            if behaviour.poison is not None and behaviour.poison in said:
                return self._send({"error": "engine died"}, behaviour.poison_status)
            if behaviour.refused is not None and behaviour.refused in said:
                return self._send({"error": {"message": "cannot identify image file"}}, 400)
            self._resolve(body["model"])
            if body["model"] not in behaviour.models:
                return self._send({"error": {"message": f"The model `{body['model']}` does not exist."}}, 404)
            if body.get("temperature") == 0 and body.get("n", 1) > 1:
                return self._send({"error": {"message": "n must be 1 when using greedy sampling"}}, 400)
            return self._stream(body) if body.get("stream") else self._send(self._answer(body))
        finally:
            with LOCK:
                behaviour.at_once -= 1

    def _resolve(self, name: str) -> None:
        """Only a folder of that name whose base is what --model said, to the letter, is taken."""
        behaviour = self.behaviour
        if behaviour.resolves is None or name in behaviour.models:
            return
        config = behaviour.resolves / name / "adapter_config.json"
        if config.is_file() and json.loads(config.read_text())["base_model_name_or_path"] == behaviour.root:
            behaviour.models[name] = "vllm"
            behaviour.parents[name] = "tiny"

    def _answer(self, body: dict[str, Any]) -> dict[str, Any]:
        count = min(body.get("n", 1), self.behaviour.most_samples)
        choices = [self._sample(body, index) for index in range(count)]
        tokens = sum(len(choice["words"]) + (choice["finish_reason"] == "stop") for choice in choices)
        for choice in choices:
            choice.pop("words")
        answer: dict[str, Any] = {"choices": choices, "usage": {"completion_tokens": tokens}}
        if "prompt_logprobs" in body and not self.behaviour.no_logprobs:
            answer["prompt_logprobs"] = self._prompt_log_odds(body)
        return answer

    def _context(self, body: dict[str, Any]) -> tuple[str, Any, str]:
        """(model, messages before the reply, the reply so far) as the fake model sees them."""
        messages, before = body["messages"], ""
        if body.get("continue_final_message"):
            messages, before = messages[:-1], messages[-1]["content"]
        if self.behaviour.blind:
            messages = [{**one, "content": _without_image(one["content"])} for one in messages]
        model = self.behaviour.parents.get(body["model"], body["model"]) if self.behaviour.deaf else body["model"]
        return model, messages, before

    def _prompt_log_odds(self, body: dict[str, Any]) -> list[Any]:
        model, messages, reply = self._context(body)
        rows: list[Any] = [None, {"7": {"logprob": -1.0}}]
        before = ""
        for token in token_ids(reply, split=self.behaviour.splits_verdicts):
            text = VOCABULARY[token]
            rows.append({str(token): {"logprob": log_odds(model, messages, before, text), "decoded_token": text}})
            before += text
        return rows

    def _tokens(self, body: dict[str, Any]) -> None:
        if self.path == "/detokenize":
            return self._send({"prompt": "".join(VOCABULARY[one] for one in body["tokens"])})
        ids = token_ids(body["prompt"], split=self.behaviour.splits_verdicts)
        return self._send({"tokens": ids, "count": len(ids)})

    def _sample(self, body: dict[str, Any], index: int) -> dict[str, Any]:
        seed = 0 if body.get("temperature") == 0 else body.get("seed", 0) + index
        words = reply_words(body["model"], body["messages"], seed, body["max_tokens"])
        finish, stopped_by = ("length" if len(words) == body["max_tokens"] else "stop"), None
        for place, word in enumerate(words):
            if word in (body.get("stop") or []):
                words, finish, stopped_by = words[: place + 1], "stop", word
                break
        text = " ".join(words if stopped_by is None or body.get("include_stop_str_in_output") else words[:-1])
        choice: dict[str, Any] = {
            "index": index,
            "message": {"role": "assistant", "content": text},
            "finish_reason": finish,
            "words": words,
        }
        if body.get("return_token_ids"):
            ended = finish == "stop" and stopped_by is None
            choice |= {"token_ids": [WORDS.index(word) for word in words] + [99] * ended, "stop_reason": stopped_by}
        if body.get("logprobs") and not self.behaviour.no_logprobs:
            odds = {"A": 0.5, "B": 0.25, "tie": 0.125, "x": 0.125}
            rows = [{"token": token, "logprob": math.log(share)} for token, share in odds.items()]
            if self.behaviour.knows_token_ids and body.get("logprob_token_ids"):
                told = self._context(body)
                rows = [
                    {"token": f"token_id:{one}", "logprob": log_odds(*told, VOCABULARY[one])}
                    for one in body["logprob_token_ids"]
                ]
            choice["logprobs"] = {"content": [{"token": "A", "top_logprobs": rows[: body["top_logprobs"]]}]}
        return choice

    def _stream(self, body: dict[str, Any]) -> None:
        choice = self._sample(body, 0)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        text = choice["message"]["content"]
        events = [{"choices": [{"delta": {"role": "assistant", "content": ""}}]}]
        events += [{"choices": [{"delta": {"content": text[at : at + 3]}}]} for at in range(0, len(text), 3)]
        events += [{"choices": [{"delta": {}, "finish_reason": choice["finish_reason"]}]}, {"choices": []}]
        try:
            for event in events:
                self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
            self.wfile.write(b"data: [DONE]\n\n")
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client had enough
        self.close_connection = True

    def _load(self, body: dict[str, Any]) -> None:
        if not self.behaviour.loads_adapters:
            return self._send({"detail": "Not Found"}, 404)
        if not (Path(body["lora_path"]) / "adapter_config.json").is_file():
            return self._send({"error": "no adapter there"}, 400)
        self.behaviour.models[body["lora_name"]] = "vllm"
        self.behaviour.parents[body["lora_name"]] = "tiny"
        return self._send("Success")

    def _may(self) -> bool:
        if self.behaviour.key and self.headers.get("Authorization") != f"Bearer {self.behaviour.key}":
            self._send({"error": "Unauthorized"}, 401)
            return False
        return True

    def _send_text(self, text: str) -> None:
        self._send(None, data=text.encode("utf-8", "surrogatepass"))

    def _send(self, value: Any, status: int = 200, data: bytes | None = None) -> None:
        data = json.dumps(value).encode() if data is None else data
        self.send_response(status)
        if status == 429 and self.behaviour.retry_after is not None:
            self.send_header("Retry-After", self.behaviour.retry_after)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


LOCK = threading.Lock()


def _without_image(content: Any) -> Any:
    return [part for part in content if part["type"] != "image_url"] if isinstance(content, list) else content


def random_fault(dice: random.Random) -> tuple[int | None, list[Any]]:
    """A status, or an odd answer."""
    return (dice.choice(PASSING), []) if dice.random() < 0.5 else (None, [dice.choice(ODD_ANSWERS)])


class Server(ThreadingHTTPServer):
    """As many connections at once as a test likes: one that is not accepted is tried again after a second."""

    request_queue_size = 512
    daemon_threads = True


class SocketServer(Server):
    """The same behind a Unix socket."""

    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "socket", 0

    def get_request(self) -> Any:
        request, _ = super().get_request()
        return request, ("socket", 0)


def serve(behaviour: Behaviour, port: int = 0, *, at: str | None = None) -> ThreadingHTTPServer:
    """A server on 127.0.0.1, or at a Unix socket; the caller runs and closes it."""
    handler = type("BoundHandler", (Handler,), {"behaviour": behaviour})
    return Server(("127.0.0.1", port), handler) if at is None else SocketServer(at, handler)  # type: ignore[arg-type]


REGISTRY = """
_MODELS = {
    "LlavaForConditionalGeneration": ("llava", "LlavaForConditionalGeneration"),
    "ChildForConditionalGeneration": (
        "child",
        "ChildModel",
    ),
    "DeafForConditionalGeneration": ("deaf", "DeafModel"),
}
"""
MODULES = {
    "llava": "class LlavaForConditionalGeneration(nn.Module, SupportsLoRA, SupportsMultiModal): pass\n",
    "child": "from .llava import LlavaForConditionalGeneration as Parent\nclass ChildModel(Parent): pass\n",
    "deaf": "from .interfaces import SupportsMultiModal\nclass DeafModel(nn.Module, SupportsMultiModal): pass\n",
}
"""What a preflight reads of a vLLM: its registry, and the class statements of its models."""


def serve_behind_one(behaviours: list[Behaviour]) -> ThreadingHTTPServer:
    """A balancer: each connection comes to the next of the replicas."""
    turns = itertools.cycle(behaviours)

    class Balanced(Handler):
        def setup(self) -> None:
            with LOCK:
                self.behaviour = next(turns)
            super().setup()

    return Server(("127.0.0.1", 0), Balanced)


def fake_vllm(folder: Path, *, first: str = "", site: str = "site") -> Path:
    """An executable that can be named as the Python of an environment with vLLM 0.32.0. `first` is shell that is run
    before the server starts."""
    models = folder / site / "vllm" / "model_executor" / "models"
    models.mkdir(parents=True, exist_ok=True)
    (folder / site / "vllm" / "__init__.py").write_text("raise ImportError('a preflight imports nothing')")
    (folder / site / "vllm-0.32.0.dist-info").mkdir(exist_ok=True)
    (folder / site / "vllm-0.32.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0\n"
    )
    (models / "registry.py").write_text(REGISTRY)
    for name, text in MODULES.items():
        (models / f"{name}.py").write_text(text)
    script = folder / "python-with-vllm"
    known = f"import runpy, sys; sys.path.insert(0, {str(folder / site)!r}); sys.argv = sys.argv[2:]; "
    script.write_text(
        f"""#!/bin/sh
if [ "$1" = -I ]; then
    exec "{sys.executable}" -c "{known}runpy.run_path(sys.argv[0], run_name='__main__')" "$@"
fi
{first}
exec "{sys.executable}" "{__file__}" "$@"
"""
    )
    script.chmod(0o755)
    return script


def main() -> None:
    """As `python -m vllm.entrypoints.openai.api_server` would be called. Leaves its arguments and pids in files."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("-m", dest="module")
    for name in ("--model", "--served-model-name", "--dtype", "--uds", "--max-lora-rank", "--max-loras", "--revision",
                 "--generation-config", "--max-num-seqs", "--max-model-len", "--limit-mm-per-prompt"):  # fmt: skip
        parser.add_argument(name)
    parser.add_argument("--enable-lora", action="store_true")
    parser.add_argument("--allowed-local-media-path", type=Path)
    parser.add_argument("--worker", action="store_true", help="also start a deaf child, as a GPU worker may be")
    options = parser.parse_args()
    print("fake vllm starts", flush=True)
    allowed = os.environ.get("VLLM_ALLOW_RUNTIME_LORA_UPDATING") == "1" and options.enable_lora
    pids = [os.getpid()]
    if options.worker:
        import subprocess

        deaf = (
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
        )
        worker = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE)
        assert worker.stdout is not None
        worker.stdout.readline()
        pids.append(worker.pid)
    behaviour = Behaviour(
        models={options.served_model_name: "vllm"}, key=os.environ.get("VLLM_API_KEY"), loads_adapters=allowed
    )
    server = serve(behaviour, at=options.uds)
    said = {"options": {name: str(value) for name, value in vars(options).items()}, "pids": pids}
    (options.allowed_local_media_path / "started.json").write_text(json.dumps(said))
    server.serve_forever()


if __name__ == "__main__":
    main()
