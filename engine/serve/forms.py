"""What callers send and what they get: our own small JSON, and the chat messages of OpenAI's clients. Pure.

A caller's mistake is a `UsageError` or `SourceError` that names the place; nothing is guessed.
"""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import UsageError
from engine.judging.ruling import Ruling, as_row
from engine.records import MOST_PICTURES
from engine.serve.pictures import picture_bytes
from engine.serve.use import Contest

MOST_COMPARISONS = 1024
"""Of one request; more are sent in parts."""

HOW_TO_CHAT = "Send three: the user's with picture and question, then two of the assistant, answer A and answer B."
_TOKENS = {"A": "[[A]]", "B": "[[B]]", "tie": "[[C]]"}
"""A verdict as MT-Bench writes it (arXiv 2306.05685). What is no verdict has no token."""
_NO_VERDICT = {
    "order-flip": "No verdict: shown in the other order, the judge chose the other answer.",
    "invalid": "No verdict: a reply stated none, or several.",
}


def question_of(row: Any, where: str = "") -> Contest:
    """One comparison of our own form: {"image", "question", "a", "b"}; without image, or null, it has none. Several are
    a list; those inside an answer are "a_images" and "b_images"."""
    if not isinstance(row, Mapping):
        raise UsageError(f"{where}expected an object with image, question, a, b.")
    known = {"key", "image", "question", "a", "b", "judge", "a_images", "b_images"}
    unknown = sorted(set(row) - known)
    if unknown:
        raise UsageError(f"{where}no field called '{unknown[0]}'. Fields are: {', '.join(sorted(known))}.")
    for field in ("question", "a", "b"):
        if not isinstance(row.get(field), str):
            raise UsageError(f"{where}'{field}' is missing or no text.")
    asked, in_a, in_b = (_pictures(row.get(name), f"{where}'{name}'") for name in ("image", "a_images", "b_images"))
    return _contest(where, asked, row["question"], row["a"], row["b"], a_images=in_a, b_images=in_b)


def _pictures(given: Any, what: str) -> list[bytes]:
    """One picture, or several in a list, each a text. Raises `UsageError` that begins with `what`."""
    many = given if isinstance(given, list) else [] if given is None else [given]
    if not all(isinstance(one, str) for one in many):
        raise UsageError(f"{what} is no text. Send data:image/png;base64,…")
    return [picture_bytes(one) for one in many]


def _contest(
    where: str, asked: list[bytes], question: str, a: str, b: str, *, a_images: list[bytes], b_images: list[bytes]
) -> Contest:
    if (many := len(asked) + len(a_images) + len(b_images)) > MOST_PICTURES:
        raise UsageError(f"{where}the comparison holds {many:,} pictures. Send at most {MOST_PICTURES}.")
    return Contest(
        image=asked[0] if asked else None,
        question=question,
        a=a,
        b=b,
        more_images=tuple(asked[1:]),
        a_images=tuple(a_images),
        b_images=tuple(b_images),
    )


def many_of(body: Mapping[str, Any]) -> Sequence[Any]:
    """The rows of a batch."""
    rows = body["comparisons"]
    if not isinstance(rows, list) or not 0 < len(rows) <= MOST_COMPARISONS:
        raise UsageError(f"comparisons: expected a list of 1 to {MOST_COMPARISONS:,} objects.")
    if unknown := sorted(set(body) - {"comparisons", "judge"}):
        raise UsageError(f"no field called '{unknown[0]}' beside comparisons. It may have: judge.")
    return rows


def ruling_json(ruling: Ruling, key: Any = None) -> dict[str, Any]:
    """A ruling as our own form has it; the same fields as a line of `judge-studio judge FILE --out`."""
    return {"key": key, **as_row(ruling)}


def question_of_chat(body: Mapping[str, Any]) -> Contest:
    """The comparison in chat messages. Raises `UsageError` where they are no picture, question and two answers."""
    turns = body.get("messages")
    if not isinstance(turns, list) or [isinstance(t, Mapping) and t.get("role") for t in turns] != [
        "user",
        "assistant",
        "assistant",
    ]:
        raise UsageError(f"messages: are not a question and two answers. {HOW_TO_CHAT}")
    if body.get("n") not in (None, 1):
        raise UsageError("n: a ruling is greedy, so every further one would be the same. Leave n at 1.")
    texts, images = zip(*(_parts(turn, place) for place, turn in enumerate(turns)), strict=True)
    asked, in_a, in_b = (_pictures(found, "messages: image_url") for found in images)
    return _contest("messages: ", asked, *texts, a_images=in_a, b_images=in_b)


def _parts(turn: Mapping[str, Any], place: int) -> tuple[str, list[str]]:
    """The text of a message and the addresses of its pictures."""
    content = turn.get("content")
    if isinstance(content, str):
        return content, []
    if not isinstance(content, list):
        raise UsageError(f"messages[{place}].content: is neither a text nor a list of parts.")
    texts, images = [], []
    for part in content:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind == "image_url":
            address = part.get("image_url")
            images.append(str(address.get("url") if isinstance(address, Mapping) else address))
        else:
            raise UsageError(f"messages[{place}].content: has a part of type '{kind}'. Use text and image_url.")
    return "\n".join(texts), images


def chat_json(ruling: Ruling, *, body: Mapping[str, Any], number: int) -> dict[str, Any]:
    """A ruling as a chat completion. The content is the verdict; reasons are in `reasoning_content`, all in `ruling`.

    With `response_format` {"type": "json_object"} the content is the whole ruling as JSON.
    """
    wanted = body.get("response_format")
    as_json = isinstance(wanted, Mapping) and wanted.get("type") == "json_object"
    row = as_row(ruling)
    message = {
        "role": "assistant",
        "content": json.dumps(row, ensure_ascii=False) if as_json else verdict_text(ruling),
        "reasoning_content": "\n\n".join(
            f"Order {one.order}, answer {one.order[0]} shown first as Response A:\n{one.reasoning}"
            for one in ruling.orders
        ),
    }
    return {
        "id": f"ruling-{number}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": ruling.judge,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "ruling": row,
    }


def chat_events(completion: Mapping[str, Any]) -> list[str]:
    """The same as the events of a stream. A ruling comes whole: it is not one before both orders are in."""
    choice = completion["choices"][0]
    chunk = {**completion, "object": "chat.completion.chunk"}
    pieces = ({"delta": choice["message"], "finish_reason": None}, {"delta": {}, "finish_reason": "stop"})
    events = [json.dumps({**chunk, "choices": [{"index": 0, **piece}]}, ensure_ascii=False) for piece in pieces]
    return [f"data: {event}\n\n" for event in (*events, "[DONE]")]


def verdict_text(ruling: Ruling) -> str:
    """ "[[A]]", "[[B]]", "[[C]]" for a tie, or a sentence without a token where there is no verdict."""
    return _TOKENS.get(ruling.verdict) or _NO_VERDICT[ruling.verdict]


def error_json(message: str, code: str) -> dict[str, Any]:
    """An error in the form that OpenAI's clients read."""
    return {"error": {"message": message, "type": code, "param": None, "code": code}}
