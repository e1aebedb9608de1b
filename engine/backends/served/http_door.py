"""The one door to an HTTP server: one question, one answer, and every fault as one of three kinds of error.

It asks once and knows nothing of models; who asks again, and for how long, is in `replicas.py`.
"""

import itertools
import json
import os
import time
from collections.abc import Callable, Generator
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from engine.errors import BackendError

API_KEY_VARIABLE = "JUDGE_STUDIO_API_KEY"
"""The only place a key is read from."""

UNIX = "unix:"
"""Begins the address of a server behind a Unix socket: unix:/folder/vllm.sock."""

_ITS_OWN = frozenset({400, 405, 406, 410, 411, 413, 414, 415, 422, 431, 451})
"""Answers that speak of this very request. All others (404 of a replica that lacks an adapter, 425, 429, 529, …) speak
of the server, which may answer the same question later."""


POOLS = 8
"""Pools of connections that take turns: httpcore looks through its whole pool twice a request, so that one pool of 256
costs as much processor time as all the rest of a request."""


class RefusedRequest(BackendError):
    """The server answers others, but not this request: too long, an image it cannot read, no such page."""


class RefusedKey(BackendError):
    """The server does not know our key; nothing will be answered."""


class PassingTrouble(BackendError):
    """The server is away, busy, or talks nonsense; the same question may succeed later."""

    def __init__(self, message: str, *, wait: float | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.wait = wait
        """Seconds the server asks us to wait; None if it does not say."""
        self.status = status
        """The answer's status; None where there was no answer or it was no use."""


class HttpDoor:
    """One server at `url`, which may be that of a Unix socket.

    Every method raises `RefusedRequest`, `RefusedKey` or `PassingTrouble`.
    """

    def __init__(self, url: str, *, api_key: str | None = None, timeout: float = 600.0, pools: int = POOLS) -> None:
        socket = url.removeprefix(UNIX) if url.startswith(UNIX) else None
        self.url = url.rstrip("/") if socket is None else "http://vllm/v1"
        self.is_local = socket is not None
        """Whether one server of our own stands behind it."""
        self._again: Callable[[], HttpDoor] = lambda: HttpDoor(url, api_key=api_key, timeout=timeout, pools=1)
        key = api_key or os.environ.get(API_KEY_VARIABLE)
        try:
            host = httpx.URL(self.url).host
        except httpx.InvalidURL as error:
            raise BackendError(f"model.url: '{url}' is no address ({error}); write http://host:port/v1.") from None
        # No proxy between us and this machine.
        trust_env = socket is None and host not in ("127.0.0.1", "localhost", "::1")
        trusted = httpx.create_ssl_context(trust_env=trust_env)  # slow to make, so once for all
        # All are kept: with more than are to be kept under way, httpcore closes each connection after one answer.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self._clients = tuple(
            httpx.Client(
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=httpx.Timeout(timeout, connect=10.0),
                limits=limits,
                transport=httpx.HTTPTransport(uds=socket, limits=limits) if socket else None,
                verify=trusted,
                trust_env=trust_env,
            )
            for _ in range(pools)
        )
        self._turns = itertools.cycle(self._clients)

    def fresh(self) -> "HttpDoor":
        """Another door to the same address: who asks one question after the other has one connection, its own."""
        return self._again()

    def get(self, path: str) -> Any:
        """The JSON answer of a GET."""
        return self._json(self._answer("GET", self.url + path, None), path)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON answer of a POST."""
        return self._json(self._answer("POST", self.url + path, body), path)

    def post_beside(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON answer of a POST to a path that lies beside /v1, not below it."""
        return self._json(self._answer("POST", self.url.removesuffix("/v1") + path, body), path)

    def text_beside(self, path: str) -> str:
        """The text of a page that lies beside /v1."""
        return self._answer("GET", self.url.removesuffix("/v1") + path, None).text

    def post_status(self, path: str, body: dict[str, Any]) -> tuple[int, str]:
        """Status and text of a POST that the caller judges; only unreachable servers raise."""
        try:
            answer = next(self._turns).post(self.url + path, json=body)
        except httpx.TransportError as error:
            raise PassingTrouble(self._away(error)) from None
        return answer.status_code, answer.text

    def events(self, path: str, body: dict[str, Any]) -> Generator[dict[str, Any], None, None]:
        """The JSON objects of a server-sent event stream, up to its [DONE]. Not retried once it has begun."""
        try:
            with next(self._turns).stream("POST", self.url + path, json=body) as answer:
                if answer.status_code != httpx.codes.OK:
                    answer.read()
                    raise self._refusal(answer)
                for line in answer.iter_lines():
                    data = line.removeprefix("data:").strip()
                    if data == "[DONE]":
                        return
                    if line.startswith("data:"):
                        yield json.loads(data)
        except httpx.TransportError as error:
            raise PassingTrouble(self._away(error)) from None
        except ValueError:
            raise PassingTrouble(f"server {self.url}: sent a broken event stream; check what runs there.") from None

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients:
            client.close()

    def _answer(self, method: str, url: str, body: dict[str, Any] | None) -> httpx.Response:
        try:
            answer = next(self._turns).request(method, url, json=body)
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise PassingTrouble(self._away(error)) from None
        if answer.status_code != httpx.codes.OK:
            raise self._refusal(answer)
        return answer

    def _json(self, answer: httpx.Response, path: str) -> Any:
        try:
            return answer.json()
        except (ValueError, RecursionError):
            raise PassingTrouble(
                f"server {self.url}: {path} answered something else than JSON; model.url should end in /v1."
            ) from None

    def _refusal(self, answer: httpx.Response) -> BackendError:
        status = answer.status_code
        if status in (401, 403):
            return RefusedKey(f"server {self.url}: refused the key ({status}); set {API_KEY_VARIABLE}.")
        said = " ".join(answer.text.split())[:300]
        sentence = f"server {self.url}: answered {status} ({said or 'no text'}); see the server's log."
        if status in _ITS_OWN:
            return RefusedRequest(sentence)
        return PassingTrouble(sentence, wait=asked_wait(answer.headers.get("retry-after")), status=status)

    def _away(self, error: httpx.TransportError | httpx.DecodingError) -> str:
        reason = str(error) or type(error).__name__
        return f"server {self.url}: cannot be reached ({reason}); start it or correct model.url."


def asked_wait(header: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, in either of its forms (RFC 9110, 10.2.3); None for anything else."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
