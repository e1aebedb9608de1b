"""The one door to an HTTP server: retries, time limits, and errors as sentences. It knows nothing of models."""

import json
import os
import random
import time
from collections.abc import Iterator
from typing import Any

import httpx

from engine.errors import BackendError

API_KEY_VARIABLE = "JUDGE_STUDIO_API_KEY"
"""The only place a key is read from."""

_AGAIN = {408, 429, 500, 502, 503, 504}
"""Answers after which the same question may succeed later."""

_LONGEST_PAUSE = 60.0


class HttpDoor:
    """One server. `tries` counts all attempts; pauses between them double from `pause` seconds, with chance.

    Every method raises `BackendError` when the server refuses or stays away.
    """

    def __init__(
        self, url: str, *, api_key: str | None = None, tries: int = 6, pause: float = 0.5, timeout: float = 600.0
    ) -> None:
        self.url = url.rstrip("/")
        key = api_key or os.environ.get(API_KEY_VARIABLE)
        self._tries = tries
        self._pause = pause
        try:
            host = httpx.URL(self.url).host
        except httpx.InvalidURL as error:
            raise BackendError(f"model.url: '{url}' is no address ({error}); write http://host:port/v1.") from None
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(timeout, connect=10.0),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
            trust_env=host not in ("127.0.0.1", "localhost", "::1"),  # no proxy between us and this machine
        )

    def get(self, path: str) -> Any:
        """The JSON answer of a GET."""
        return self._json(self._answer("GET", path, None), path)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON answer of a POST."""
        return self._json(self._answer("POST", path, body), path)

    def post_status(self, path: str, body: dict[str, Any]) -> tuple[int, str]:
        """Status and text of a POST that the caller judges; only unreachable servers raise."""
        try:
            answer = self._client.post(self.url + path, json=body)
        except httpx.TransportError as error:
            raise BackendError(self._away(error)) from None
        return answer.status_code, answer.text

    def events(self, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The JSON objects of a server-sent event stream, up to its [DONE]. Not retried once it has begun."""
        try:
            with self._client.stream("POST", self.url + path, json=body) as answer:
                if answer.status_code != httpx.codes.OK:
                    answer.read()
                    raise BackendError(self._refusal(answer))
                for line in answer.iter_lines():
                    data = line.removeprefix("data:").strip()
                    if data == "[DONE]":
                        return
                    if line.startswith("data:"):
                        yield json.loads(data)
        except httpx.TransportError as error:
            raise BackendError(self._away(error)) from None
        except ValueError:
            raise BackendError(f"server {self.url}: sent a broken event stream; check what runs there.") from None

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _answer(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
        """A 200 answer, or `BackendError` after the last try."""
        for attempt in range(self._tries):
            last = attempt + 1 == self._tries
            try:
                answer = self._client.request(method, self.url + path, json=body)
            except httpx.TransportError as error:
                if last:
                    raise BackendError(self._away(error)) from None
                time.sleep(self._wait(attempt, None))
                continue
            if answer.status_code == httpx.codes.OK:
                return answer
            if last or answer.status_code not in _AGAIN:
                raise BackendError(self._refusal(answer))
            time.sleep(self._wait(attempt, answer.headers.get("retry-after")))
        raise AssertionError("unreachable: the last try returns or raises")

    def _wait(self, attempt: int, asked: str | None) -> float:
        """Seconds to pause: what the server asks for, else doubling with chance so that clients spread out."""
        if asked is not None and asked.isdigit():
            return min(_LONGEST_PAUSE, float(asked))
        return float(min(_LONGEST_PAUSE, self._pause * 2**attempt) * random.uniform(0.5, 1.0))

    def _json(self, answer: httpx.Response, path: str) -> Any:
        try:
            return answer.json()
        except ValueError:
            raise BackendError(
                f"server {self.url}: {path} answered something else than JSON; model.url should end in /v1."
            ) from None

    def _refusal(self, answer: httpx.Response) -> str:
        if answer.status_code in (401, 403):
            return f"server {self.url}: refused the key ({answer.status_code}); set {API_KEY_VARIABLE}."
        said = " ".join(answer.text.split())[:300]
        return f"server {self.url}: answered {answer.status_code} ({said or 'no text'}); see the server's log."

    def _away(self, error: httpx.TransportError) -> str:
        reason = str(error) or type(error).__name__
        return f"server {self.url}: cannot be reached ({reason}); start it or correct model.url."
