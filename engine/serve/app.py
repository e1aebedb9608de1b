"""The HTTP side of a judge in use: `/v1/judge`, and `/v1/chat/completions` and `/v1/models` for OpenAI's clients.

Every failure is a sentence with a status; no traceback leaves the process.
"""

import asyncio
import hmac
import itertools
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from engine.errors import JudgeStudioError, SourceError, UsageError
from engine.judging.ruling import Ruling
from engine.serve.binding import is_loopback
from engine.serve.desk import BusyError
from engine.serve.forms import (
    chat_events,
    chat_json,
    error_json,
    many_of,
    question_of,
    question_of_chat,
    ruling_json,
)
from engine.serve.use import Contest, OpenJudge
from engine.text import without_halves

MOST_BYTES = 256 * 1024 * 1024
"""Of one request: a thousand comparisons with photographs of a few hundred kilobytes."""

_SMALL_BYTES = 256 * 1024
"""A body that is read faster than a thread for it is found."""

_Endpoint = Callable[[Request], Awaitable[Response]]


class Refusal(Exception):
    """A request that is not answered: HTTP status, short code and sentence."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.code = status, code


def create_app(judge: OpenJudge, *, key: str | None, local_only: bool) -> Starlette:
    """The application for an opened judge. With `key`, every request must carry it as a bearer token.

    `local_only`: requests under another name than this machine's are refused, so that no web page whose name was
    pointed at 127.0.0.1 can ask (DNS rebinding).
    """
    doors = _Doors(judge)
    routes = (
        ("/v1/judge", doors.judge, "POST"),
        ("/v1/chat/completions", doors.chat, "POST"),
        ("/v1/models", doors.models, "GET"),
    )

    def guarded(endpoint: _Endpoint) -> _Endpoint:
        async def answer(request: Request) -> Response:
            try:
                _check_caller(request, key=key, local_only=local_only)
                return await endpoint(request)
            except Refusal as refusal:
                return JSONResponse(error_json(str(refusal), refusal.code), refusal.status, _headers(refusal.status))
            except JudgeStudioError as error:
                status, code = _status(error)
                return JSONResponse(error_json(str(error), code), status, _headers(status))
            except Exception as error:
                print(f"{request.url.path}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
                sentence = f"the server failed on this request ({type(error).__name__}); its log says where."
                return JSONResponse(error_json(sentence, "server_error"), 500)

        return answer

    return Starlette(
        routes=[Route(path, guarded(endpoint), methods=[method]) for path, endpoint, method in routes],
        exception_handlers={HTTPException: _unknown_place},
    )


class _Doors:
    """The endpoints. Pictures are decoded in threads, rulings awaited; nothing here blocks the others."""

    def __init__(self, judge: OpenJudge) -> None:
        self._judge = judge
        self._numbers = itertools.count(1)

    async def models(self, _: Request) -> Response:
        """The open judges."""
        rows = [
            {"id": name, "object": "model", "created": 0, "owned_by": "judge-studio"} for name in self._judge.judges
        ]
        return JSONResponse({"object": "list", "data": rows})

    async def judge(self, request: Request) -> Response:
        """One comparison, or {"comparisons": […]}. In a batch, what cannot be asked has its error in its own place."""
        body = await _body(request)
        name = self._named(body.get("judge"), "judge")
        if "comparisons" not in body:
            ruling = await asyncio.wrap_future(await run_in_threadpool(self._submit, body, "", name))
            return JSONResponse(ruling_json(ruling, body.get("key")))
        rows = many_of(body)
        asked = await run_in_threadpool(self._submit_all, rows, name)
        return JSONResponse({"rulings": [await _outcome(row, one) for row, one in zip(rows, asked, strict=True)]})

    async def chat(self, request: Request) -> Response:
        """A ruling on a question and two answers in chat messages."""
        body = await _body(request)
        name = self._named(body.get("model"), "model")
        answer = await run_in_threadpool(lambda: self._judge.submit(question_of_chat(body), judge=name))
        found = chat_json(await asyncio.wrap_future(answer), body=body, number=next(self._numbers))
        if body.get("stream"):
            return StreamingResponse(iter(chat_events(found)), media_type="text/event-stream")
        return JSONResponse(found)

    def _named(self, name: Any, field: str) -> str | None:
        if name is None or name in self._judge.judges:
            return None if name is None else str(name)
        listed = ", ".join(self._judge.judges)
        raise Refusal(404, "model_not_found", f"{field}: '{str(name)[:200]}' is not served here. Served are: {listed}.")

    def _submit(self, row: Any, where: str, name: str | None) -> Future[Ruling]:
        asked: Contest = question_of(row, where)
        return self._judge.submit(asked, judge=name)

    def _submit_all(self, rows: Any, name: str | None) -> "list[Future[Ruling] | JudgeStudioError]":
        found: list[Future[Ruling] | JudgeStudioError] = []
        for place, row in enumerate(rows):
            try:
                found.append(self._submit(row, f"comparisons[{place}]: ", name))
            except BusyError:
                raise
            except JudgeStudioError as error:
                found.append(error)
        return found


async def _outcome(row: Any, asked: "Future[Ruling] | JudgeStudioError") -> dict[str, Any]:
    """One place of a batch: its ruling, or its error."""
    key = row.get("key") if isinstance(row, Mapping) else None
    try:
        if isinstance(asked, JudgeStudioError):
            raise asked
        return ruling_json(await asyncio.wrap_future(asked), key)
    except JudgeStudioError as error:
        return {"key": key, **error_json(str(error), _status(error)[1])}


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object of a request."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal(415, "not_json", "the request is no JSON. Send it with content-type: application/json.")
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > MOST_BYTES:
            raise Refusal(413, "too_large", f"the request has more than {MOST_BYTES / 1e6:,.0f} MB. Send it in parts.")
    try:
        body = json.loads(data) if len(data) <= _SMALL_BYTES else await run_in_threadpool(json.loads, bytes(data))
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "not_json", f"the request is not JSON ({error}). Correct it.") from None
    body = without_halves(body)
    if not isinstance(body, dict):
        raise Refusal(400, "not_json", "the request is no JSON object. See /v1/judge in the README.")
    return body


def _check_caller(request: Request, *, key: str | None, local_only: bool) -> None:
    if local_only and not is_loopback(request.url.hostname or ""):
        raise Refusal(403, "wrong_host", "this server answers only under a name of its own machine, e.g. 127.0.0.1.")
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    if key is not None and not (kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), key.encode())):
        found = "no key" if not given else "a wrong key"
        raise Refusal(401, "invalid_api_key", f"{found} came with the request. Send authorization: Bearer KEY.")


def _status(error: JudgeStudioError) -> tuple[int, str]:
    if isinstance(error, SourceError | UsageError):
        return 400, "invalid_request_error"
    return 503, "busy" if isinstance(error, BusyError) else "judge_failed"


def _headers(status: int) -> dict[str, str]:
    return {401: {"www-authenticate": "Bearer"}, 503: {"retry-after": "5"}}.get(status, {})


async def _unknown_place(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = "POST /v1/judge, POST /v1/chat/completions and GET /v1/models"
    sentence = f"{request.method} {request.url.path[:200]} is not here. There are {known}."
    return JSONResponse(error_json(sentence, "not_found"), error.status_code)
