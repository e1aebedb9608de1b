"""How likely a server's model finds each of a few given next texts.

The texts are compared by the server's own tokens: where " [[A]]" is one token, its letters say nothing.
"""

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.backends.base import Request
from engine.backends.served.http_door import RefusedRequest
from engine.backends.served.replicas import Replicas
from engine.backends.served.replies import choices_of
from engine.backends.served.top_tokens import choice_shares
from engine.errors import BackendError

_TOP_TOKENS = 20
"""Most likely next tokens a server can be asked for: the standard's limit, and vLLM's default."""
_TAIL = 40
"""Characters of the prefix's last word that are tokenized with a choice: the two may melt into one token."""
_SMALLEST = 1e-30
_LEFT_OUT = ("top_p", "top_k", "min_p", "stop", "include_stop_str_in_output", "return_token_ids")
"""What shapes a sample and has no part in the model's own odds."""


@dataclass(frozen=True, slots=True)
class _Fork:
    """Where the choices part: after `prefix`, each goes on with a token of its own."""

    prefix: str
    ids: tuple[int, ...]


class OddsReader:
    """Asks `replicas` for odds. `body_of` writes the request's body, `model` is the base model's served name.

    vLLM is asked for the very tokens in which the choices begin to differ; where it does not tokenize (a balancer
    that passes on /v1 only) or does not know the option, for the likelihood of each choice as part of the prompt.
    Other servers are read from their most likely next tokens, as far as those tell.
    """

    def __init__(
        self, replicas: Replicas, body_of: Callable[[Request], dict[str, Any]], *, model: str, is_vllm: bool
    ) -> None:
        self._replicas = replicas
        self._body_of = body_of
        self._model = model
        self._is_vllm = is_vllm
        self._by_tokens = is_vllm
        self._known: dict[str, tuple[int, ...]] = {}
        self._alone = threading.Lock()
        """vLLM 0.32 with adapters on a CPU dies of two requests for the likelihood of prompts in one batch."""

    def shares(self, request: Request, left: threading.Event) -> tuple[float, ...]:
        """The probability of each of the request's choices, summing to 1 over them.

        Raises what `Replicas.ask` raises, and `BackendError` if the server gives no log-probabilities.
        """
        if not self._is_vllm:
            return self._from_top_tokens(request, left)
        if self._by_tokens:
            try:
                fork = self._fork(request, left)
            except RefusedRequest:
                self._by_tokens, fork = False, None
            found = None if fork is None else self._at(fork, request, left)
            if found is not None:
                return found
        return self._from_prompts(request, left)

    def log_odds(self, request: Request, left: threading.Event) -> float:
        """Log odds of the first of two choices against the second. Raises what `shares` raises."""
        first, second = (math.log(max(share, _SMALLEST)) for share in self.shares(request, left))
        return first - second

    # --- by the tokens in which the choices part ---------------------------------------------------------------------

    def _fork(self, request: Request, left: threading.Event) -> _Fork | None:
        """None where one text is the beginning of another, or three begin alike."""
        words = max(request.prefix.rfind(" "), request.prefix.rfind("\n")) + 1
        cut = max(words, len(request.prefix) - _TAIL)
        head, tail = request.prefix[:cut], request.prefix[cut:]
        ids = [self._ids(tail + choice, left) for choice in request.choices]
        same = 0
        while all(len(one) > same and one[same] == ids[0][same] for one in ids):
            same += 1
        if any(len(one) <= same for one in ids):
            return None
        parting = tuple(one[same] for one in ids)
        said = self._text(ids[0][:same], left) if same else ""
        if len(set(parting)) < len(parting) or not (tail + request.choices[0]).startswith(said):
            return None
        return _Fork(head + said, parting)

    def _at(self, fork: _Fork, request: Request, left: threading.Event) -> tuple[float, ...] | None:
        """None where the server did not tell of these tokens."""
        body = self._one_token(replace(request, prefix=fork.prefix)) | {
            "logprob_token_ids": list(fork.ids),
            "return_tokens_as_token_ids": True,
        }
        rows = self._replicas.ask("/chat/completions", body, self._top_rows, left=left)
        found = {token.removeprefix("token_id:"): chance for token, chance in rows}
        said = [found.get(str(one)) for one in fork.ids]
        return None if any(one is None for one in said) else _softmax([one for one in said if one is not None])

    def _ids(self, text: str, left: threading.Event) -> tuple[int, ...]:
        if text not in self._known:
            body = {"model": self._model, "prompt": text, "add_special_tokens": False}
            self._known[text] = self._replicas.ask("/tokenize", body, _token_ids, left=left, beside=True)
        return self._known[text]

    def _text(self, ids: Sequence[int], left: threading.Event) -> str:
        body = {"model": self._model, "tokens": list(ids)}
        return self._replicas.ask("/detokenize", body, _prompt_text, left=left, beside=True)

    # --- by the likelihood of each choice as part of the prompt ----------------------------------------------------

    def _from_prompts(self, request: Request, left: threading.Event) -> tuple[float, ...]:
        told = []
        for choice in request.choices:
            body = self._one_token(replace(request, prefix=request.prefix + choice))
            del body["logprobs"], body["top_logprobs"]
            body["prompt_logprobs"] = 0
            with self._alone:
                told.append(self._replicas.ask("/chat/completions", body, self._prompt_rows, left=left))
        same = 0
        while all(len(one) > same and one[same][0] == told[0][same][0] for one in told):
            same += 1
        return _softmax([sum(chance for _, chance in one[same:]) for one in told])

    def _prompt_rows(self, answer: Any) -> list[tuple[str, float]]:
        """(token id, log-probability) of every token of the prompt but the first."""
        rows = answer.get("prompt_logprobs") if isinstance(answer, Mapping) else None
        try:
            return [
                (str(token), float(row["logprob"])) for one in (rows or [])[1:] for token, row in list(one.items())[:1]
            ] or self._nothing()
        except (AttributeError, KeyError, TypeError, ValueError):
            return self._nothing()

    # --- by the most likely next tokens ------------------------------------------------------------------------------

    def _from_top_tokens(self, request: Request, left: threading.Event) -> tuple[float, ...]:
        rows = self._replicas.ask("/chat/completions", self._one_token(request), self._top_rows, left=left)
        return choice_shares(request.choices, rows)

    def _one_token(self, request: Request) -> dict[str, Any]:
        body = {name: value for name, value in self._body_of(request).items() if name not in _LEFT_OUT}
        return body | {"max_tokens": 1, "temperature": 1.0, "logprobs": True, "top_logprobs": _TOP_TOKENS}

    def _top_rows(self, answer: Any) -> list[tuple[str, float]]:
        """(token, log-probability) of the next token's candidates."""
        try:
            rows = choices_of(self._replicas.where, answer)[0]["logprobs"]["content"][0]["top_logprobs"]
            return [(str(row["token"]), float(row["logprob"])) for row in rows] or self._nothing()
        except (KeyError, IndexError, TypeError, ValueError):
            return self._nothing()

    def _nothing(self) -> list[tuple[str, float]]:
        raise BackendError(
            f"server {self._replicas.where}: gives no log-probabilities; choices need a server that does."
        )


def _softmax(chances: Sequence[float]) -> tuple[float, ...]:
    largest = max(chances)
    weights = [math.exp(one - largest) for one in chances]
    return tuple(weight / sum(weights) for weight in weights)


def _token_ids(answer: Any) -> tuple[int, ...]:
    ids = answer.get("tokens") if isinstance(answer, Mapping) else None
    if not isinstance(ids, Sequence) or not all(isinstance(one, int) for one in ids):
        raise RefusedRequest("the server's /tokenize gives no list of ids.")
    return tuple(ids)


def _prompt_text(answer: Any) -> str:
    text = answer.get("prompt") if isinstance(answer, Mapping) else None
    if not isinstance(text, str):
        raise RefusedRequest("the server's /detokenize gives no text.")
    return text
