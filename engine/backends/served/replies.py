"""What an answer to a chat request holds, whatever its shape: text, thinking, tokens, and how it ended.

Whatever cannot be understood is trouble to be asked again, never a text taken as whole. It asks nobody anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from engine.backends.served.http_door import PassingTrouble, RefusedRequest
from engine.text import without_halves

_WHOLE = frozenset({"stop", "eos", "eos_token", "end_turn", "stop_sequence"})
"""Finish reasons of a reply that ended by itself: the standard's, and what other servers write for it."""
_CUT = frozenset({"length", "max_tokens"})
_THINKING_KEYS = ("reasoning_content", "reasoning")
_THINKING_PARTS = frozenset({"thinking", "reasoning"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One sample, as a server gave it."""

    text: str
    thinking: str
    """What the server's reasoning parser took out of the text; "" if nothing."""
    finish: Literal["stop", "length"]
    tokens: int
    """Exact where the server lists token ids or there is one reply, else shared out by length."""
    fault: str | None = None
    """Why there is no such sample: a filter cut it. None if there is one."""


def replies_of(url: str, answer: Any) -> list[Reply]:
    """The samples of one answer, in order; at least one.

    Raises `PassingTrouble` where the answer is not what was asked for, `RefusedRequest` for an error that is told in
    it and speaks of the request.
    """
    choices = choices_of(url, answer)
    samples = [_sample(url, choice) for choice in choices]
    usage = answer.get("usage")
    tokens = _tokens_of(choices, [len(one.text) for one in samples], usage if isinstance(usage, Mapping) else {})
    return [replace(one, tokens=count) for one, count in zip(samples, tokens, strict=True)]


class StreamedReply:
    """One sample, put together from the events of a stream."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._finish: Any = None
        self._ids = 0
        self._events = 0
        self._told: int | None = None

    def take(self, event: Any) -> str:
        """The text that one more event adds."""
        if isinstance(event, Mapping) and not event.get("error") and not event.get("choices"):
            self._told = _whole_number(event.get("usage"))
            return ""  # usage, or a sign of life
        choice = choices_of(self._url, event)[0]
        self._finish = choice.get("finish_reason") or self._finish
        ids = choice.get("token_ids")
        self._ids += len(ids) if isinstance(ids, Sequence) else 0
        delta = choice.get("delta")
        if not isinstance(delta, Mapping):
            return ""
        text, thinking = _message(self._url, delta)
        self._events += bool(text or thinking)
        self._text.append(text)
        self._thinking.append(thinking)
        return text

    def reply(self, *, is_stopped: bool = False) -> Reply:
        """The whole sample; `is_stopped` where the reader had enough before the server said how it ended.

        Tokens are those listed or told, else one for every event with text.
        """
        if self._finish == "content_filter":
            return _filtered(self._url)
        return Reply(
            text="".join(self._text),
            thinking="".join(self._thinking),
            finish="stop" if is_stopped else _finish(self._url, self._finish),
            tokens=self._ids or self._told or self._events,
        )


def _whole_number(usage: Any) -> int | None:
    count = usage.get("completion_tokens") if isinstance(usage, Mapping) else None
    return count if isinstance(count, int) else None


def choices_of(url: str, answer: Any) -> list[dict[str, Any]]:
    """The answer's choices as mappings, at least one. Raises `PassingTrouble`; `RefusedRequest` for an error in it."""
    if not isinstance(answer, Mapping):
        raise PassingTrouble(f"server {url}: answered a {type(answer).__name__} instead of an object; see its log.")
    if answer.get("error"):
        raise _error_in(url, answer["error"])
    choices = answer.get("choices")
    if not isinstance(choices, Sequence) or not choices or not all(isinstance(one, dict) for one in choices):
        raise PassingTrouble(f"server {url}: answered without a reply; see the server's log.")
    return list(choices)


def text_of(content: Any) -> tuple[str, str] | None:
    """(text, thinking) of a message's content: a text, a list of parts, or nothing; None for anything else."""
    if content is None:
        return "", ""
    if isinstance(content, str):
        return without_halves(content), ""
    if not isinstance(content, Sequence):
        return None
    text, thinking = [], []
    for part in content:
        if isinstance(part, str):
            text.append(part)
        elif isinstance(part, Mapping) and part.get("type") in _THINKING_PARTS:
            thinking.append(_thought(part))
        elif isinstance(part, Mapping) and isinstance(part.get("text"), str):
            text.append(part["text"])
        else:
            return None
    return without_halves("".join(text)), without_halves("".join(thinking))


def _thought(part: Mapping[str, Any]) -> str:
    said = part.get("thinking") or part.get("reasoning") or part.get("text") or ""
    if isinstance(said, str):
        return said
    found = text_of(said)
    return found[0] if found else ""


def _sample(url: str, choice: Mapping[str, Any]) -> Reply:
    """Its tokens are counted by the caller, who knows the others."""
    reason = choice.get("finish_reason")
    if reason == "content_filter":
        return _filtered(url)
    finish = _finish(url, reason)
    text, thinking = _message(url, choice.get("message"))
    return Reply(text=text, thinking=thinking, finish=finish, tokens=0)


def _filtered(url: str) -> Reply:
    return Reply(
        text="", thinking="", finish="stop", tokens=0, fault=f"server {url}: its content filter cut the reply."
    )


def _message(url: str, message: Any) -> tuple[str, str]:
    if isinstance(message, str):
        return without_halves(message), ""
    if not isinstance(message, Mapping):
        raise PassingTrouble(f"server {url}: answered a reply without a message; see the server's log.")
    found = text_of(message.get("content"))
    if found is None:
        raise PassingTrouble(f"server {url}: answered a message of no known form; see the server's log.")
    text, thinking = found
    beside = next((message[key] for key in _THINKING_KEYS if isinstance(message.get(key), str)), "")
    refusal = message.get("refusal")
    return text or (without_halves(refusal) if isinstance(refusal, str) else ""), thinking or without_halves(beside)


def _finish(url: str, reason: Any) -> Literal["stop", "length"]:
    said = reason.lower() if isinstance(reason, str) else reason
    if said in _WHOLE:
        return "stop"
    if said in _CUT:
        return "length"
    raise PassingTrouble(f"server {url}: broke the reply off (finish reason {str(reason)[:40]}); see the server's log.")


def _error_in(url: str, error: Any) -> PassingTrouble | RefusedRequest:
    """An error told in an answer of status 200."""
    code = error.get("code") if isinstance(error, Mapping) else None
    said = error.get("message") if isinstance(error, Mapping) else error
    sentence = f"server {url}: answered an error ({' '.join(str(said).split())[:300]}); see the server's log."
    return RefusedRequest(sentence) if code in (400, 413, 415, 422) else PassingTrouble(sentence)


def _tokens_of(choices: Sequence[Mapping[str, Any]], lengths: Sequence[int], usage: Mapping[str, Any]) -> list[int]:
    """The end token is not counted where the server lists ids."""
    counts = []
    for choice in choices:
        ids = choice.get("token_ids")
        if not isinstance(ids, Sequence):
            break
        counts.append(len(ids) - (choice.get("finish_reason") == "stop" and choice.get("stop_reason") is None))
    if len(counts) == len(choices):
        return counts
    said = usage.get("completion_tokens")
    total = said if isinstance(said, int) else 0
    return [round(total * length / max(1, sum(lengths))) for length in lengths]
