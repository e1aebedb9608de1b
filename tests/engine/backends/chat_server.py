"""A small real server that speaks the OpenAI protocol as vLLM does, for tests. It always answers the same nonsense.

Run as a file it takes the place of `python -m vllm.entrypoints.openai.api_server …`; see `fake_vllm`.
What a reply is depends on the model's name, the messages and the seed, as with a real model.
"""

import argparse
import hashlib
import json
import math
import os
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

WORDS = ("red", "blue", "circle", "star", "left", "big", "[[A]]", "[[B]]")


@dataclass
class Behaviour:
    """What the server is like, and what it was asked."""

    models: dict[str, str] = field(default_factory=lambda: {"tiny": "vllm"})
    """Served names and their owners; adapters are added."""
    parents: dict[str, str] = field(default_factory=dict)
    """Adapter → its base model, as vLLM lists it."""
    key: str | None = None
    fail: list[int] = field(default_factory=list)
    """Status codes of the next answers, before it behaves."""
    retry_after: str | None = None
    most_samples: int = 100
    """Samples it gives per request, however many were asked for."""
    no_logprobs: bool = False
    loads_adapters: bool = True
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    hold: threading.Event | None = None
    """If given, replies wait for it."""


def reply_words(model: str, messages: Any, seed: int, limit: int) -> list[str]:
    """The reply as words; it ends by itself after at most 12."""
    digest = hashlib.sha256(json.dumps([model, messages, seed]).encode()).digest()
    words = [WORDS[byte % len(WORDS)] for byte in digest[: 4 + digest[31] % 9]]
    return words[:limit]


class Handler(BaseHTTPRequestHandler):
    """One request."""

    behaviour: Behaviour
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        if self.path == "/health":
            return self._send({})
        if not self._may():
            return None
        parents = self.behaviour.parents
        rows = [
            {"id": name, "owned_by": owner, "parent": parents.get(name)}
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
        if self.path != "/v1/chat/completions":
            return self._send({}, 404)
        return self._chat(body)

    def _chat(self, body: dict[str, Any]) -> None:
        behaviour = self.behaviour
        with LOCK:
            behaviour.at_once += 1
            behaviour.most_at_once = max(behaviour.most_at_once, behaviour.at_once)
            failure = behaviour.fail.pop(0) if behaviour.fail else None
        try:
            if behaviour.hold is not None:
                behaviour.hold.wait(10)
            if failure is not None:
                return self._send({"error": "not now"}, failure)
            if body["model"] not in behaviour.models:
                return self._send({"error": {"message": f"The model `{body['model']}` does not exist."}}, 404)
            if body.get("temperature") == 0 and body.get("n", 1) > 1:
                return self._send({"error": {"message": "n must be 1 when using greedy sampling"}}, 400)
            return self._stream(body) if body.get("stream") else self._send(self._answer(body))
        finally:
            with LOCK:
                behaviour.at_once -= 1

    def _answer(self, body: dict[str, Any]) -> dict[str, Any]:
        count = min(body.get("n", 1), self.behaviour.most_samples)
        choices = [self._sample(body, index) for index in range(count)]
        tokens = sum(len(choice["words"]) + (choice["finish_reason"] == "stop") for choice in choices)
        for choice in choices:
            choice.pop("words")
        return {"choices": choices, "usage": {"completion_tokens": tokens}}

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

    def _send(self, value: Any, status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        if status == 429 and self.behaviour.retry_after is not None:
            self.send_header("Retry-After", self.behaviour.retry_after)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


LOCK = threading.Lock()


def serve(behaviour: Behaviour, port: int = 0) -> ThreadingHTTPServer:
    """A server on 127.0.0.1; the caller runs and closes it."""
    handler = type("BoundHandler", (Handler,), {"behaviour": behaviour})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    return server


def fake_vllm(folder: Path, *, first: str = "") -> Path:
    """An executable that can be named as the Python of an environment with vLLM. `first` is shell run before it."""
    script = folder / "python-with-vllm"
    script.write_text(f'#!/bin/sh\n{first}\nexec "{sys.executable}" "{__file__}" "$@"\n')
    script.chmod(0o755)
    return script


def main() -> None:
    """As `python -m vllm.entrypoints.openai.api_server` would be called. Leaves its arguments and pids in files."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("-m", dest="module")
    for name in ("--model", "--served-model-name", "--dtype", "--host", "--max-lora-rank", "--max-loras", "--revision",
                 "--generation-config"):  # fmt: skip
        parser.add_argument(name)
    parser.add_argument("--port", type=int)
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
    server = serve(behaviour, options.port)
    said = {"options": {name: str(value) for name, value in vars(options).items()}, "pids": pids}
    (options.allowed_local_media_path / "started.json").write_text(json.dumps(said))
    server.serve_forever()


if __name__ == "__main__":
    main()
