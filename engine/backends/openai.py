"""The backend for any OpenAI-compatible server by URL. Many requests are in flight at once; no torch is needed.

A vLLM server is asked for more than the standard holds (top-k, partial replies, adapters, stop texts kept).
"""

import base64
import itertools
import mimetypes
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from engine.backends.adapter_folder import check_base, fingerprint
from engine.backends.base import BASE_JUDGE, Completion, Request
from engine.backends.http_door import HttpDoor
from engine.backends.top_tokens import choice_shares
from engine.errors import BackendError, ModelError

_TOP_TOKENS = 20
"""Most likely next tokens a server can be asked for: the standard's limit, and vLLM's default."""

_JOINER = "\u2060"
"""Word joiner: invisible. Put inside what looks like a special token, as the server would not keep it plain text."""

_LOOKS_SPECIAL = re.compile(
    r"<(?=\|[^<>|\s]{1,64}\|>"  # <|im_end|>, <|image|>, <|eot_id|>
    r"|/?(?:s|pad|bos|eos|unk|image|video|img|fake_token_around_image|end_of_utterance|row_\d+_col_\d+|global-img)>"
    r"|(?:start|end)_of_(?:turn|image)>|image_soft_token>|IMG_CONTEXT>|(?:/?img)>)"
    r"|\[(?=/?(?:INST|IMG|IMG_BREAK|IMG_END)\])"
)
"""The first character of texts that are special tokens in some family that servers run."""


class OpenAIBackend:
    """See `Backend`. `model` is the base model's name on the server (None: the only one it serves).

    `judges` maps judge versions to names the server knows already. Images below the folder `readable` are sent as
    paths, because the server may read them; all others as bytes. `in_flight` bounds the requests under way. Raises
    `BackendError` when the server cannot be reached and `ModelError` when it does not serve the model.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        base_name: str | None = None,
        judges: Mapping[str, str] | None = None,
        readable: Path | None = None,
        in_flight: int = 32,
        api_key: str | None = None,
        tries: int = 6,
        pause: float = 0.5,
        timeout: float = 600.0,
    ) -> None:
        self._door = HttpDoor(url, api_key=api_key, tries=tries, pause=pause, timeout=timeout)
        try:
            rows = self._models()
            base = _pick_model(self._door.url, model, [str(row.get("id")) for row in rows if not row.get("parent")])
        except BaseException:
            self._door.close()
            raise
        self._is_vllm = any(row.get("owned_by") == "vllm" for row in rows)
        self.continues = self._is_vllm
        self._names = {BASE_JUDGE: base, **(judges or {})}
        self._base_name = base_name or self._names[BASE_JUDGE]
        self._folders: dict[str, Path] = {}
        self._readable = readable.resolve() if readable else None
        self._in_flight = in_flight

    def load_judge(self, judge: str, adapter: Path) -> None:
        """See `Backend`. Only a vLLM server that allows it can load adapters while it runs."""
        folder = adapter.resolve()
        known = self._folders.get(judge)
        if known == folder:
            return
        if judge in self._names:
            raise ModelError(f"judge '{judge}': already stands for {known or self._names[judge]}, not {folder}.")
        check_base(judge, folder, self._base_name)
        # The name holds a hash of the weights: a server that saw another adapter under a name keeps its stale caches.
        name = f"{judge}-{fingerprint(judge, folder)}"
        if name not in [row.get("id") for row in self._models()]:
            self._load_on_server(judge, name, folder)
        self._names[judge] = name
        self._folders[judge] = folder

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """See `Backend`."""
        for request in requests:
            self._name(request)
        waiting = iter(requests)
        under_way: set[Future[list[Completion]]] = set()
        with ThreadPoolExecutor(self._in_flight, thread_name_prefix="openai") as pool:
            try:
                while True:
                    for request in itertools.islice(waiting, self._in_flight - len(under_way)):
                        under_way.add(pool.submit(self._ask, request))
                    if not under_way:
                        return
                    done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield from future.result()
            finally:
                for future in under_way:
                    future.cancel()

    def stream(self, request: Request) -> Iterator[str]:
        """See `Backend`."""
        body = {**self._body(request, first=0, count=1), "stream": True}
        sent, stops = "", request.sampling.stop
        for event in self._door.events("/chat/completions", body):
            choices = event.get("choices") or [{}]
            text = sent + (choices[0].get("delta", {}).get("content") or "")
            stopped = _cut(text, stops)
            piece = (text if stopped is None else stopped)[len(sent) :]
            if piece:
                yield piece
            if stopped is not None:
                return
            sent = text

    def close(self) -> None:
        """See `Backend`. The server goes on running."""
        self._door.close()

    def _ask(self, request: Request) -> list[Completion]:
        """All samples of one request; a server that gives fewer than asked for is asked again for the rest."""
        if request.choices:
            return [self._choose(request)]
        if request.sampling.temperature == 0 and request.n > 1:  # all the same, and vLLM refuses to repeat itself
            (one,) = self._ask(replace(request, n=1))
            return [replace(one, sample=sample) for sample in range(request.n)]
        samples: list[Completion] = []
        while len(samples) < request.n:
            body = self._body(request, first=len(samples), count=request.n - len(samples))
            answer = self._door.post("/chat/completions", body)
            choices = answer.get("choices") or []
            if not choices:
                raise BackendError(f"server {self._door.url}: answered without a reply; see the server's log.")
            tokens = _tokens_of(choices, answer.get("usage") or {})
            for choice, count in zip(choices[: request.n - len(samples)], tokens, strict=False):
                samples.append(self._completion(request, len(samples), choice, count))
        return samples

    def _choose(self, request: Request) -> Completion:
        """The odds of the given next texts, read from the most likely next tokens where the texts begin to differ."""
        common = _shared_start(request.choices) if self.continues else ""
        rests = tuple(choice[len(common) :] for choice in request.choices)
        body = self._body(replace(request, prefix=request.prefix + common), first=0, count=1)
        body |= {"max_tokens": 1, "temperature": 1.0, "logprobs": True, "top_logprobs": _TOP_TOKENS}
        body = {name: value for name, value in body.items() if name not in ("top_p", "top_k", "stop")}
        answer = self._door.post("/chat/completions", body)
        try:
            rows = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
            tokens = [(str(row["token"]), float(row["logprob"])) for row in rows]
        except (KeyError, IndexError, TypeError, ValueError):
            raise BackendError(
                f"server {self._door.url}: gives no log-probabilities; choices need a server that does."
            ) from None
        shares = choice_shares(rests, tokens)
        best = max(range(len(shares)), key=shares.__getitem__)
        return Completion(
            key=request.key,
            sample=0,
            text=request.choices[best],
            tokens=0,
            finish="stop",
            choice_probabilities=shares,
        )

    def _body(self, request: Request, *, first: int, count: int) -> dict[str, Any]:
        """What is posted for samples `first` to `first + count - 1`."""
        sampling = request.sampling
        body: dict[str, Any] = {
            "model": self._name(request),
            "messages": self._messages(request),
            "n": count,
            "seed": request.seed + first,  # vLLM gives sample i of a call the seed plus i
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
        }
        if self._is_vllm:
            # A model's own generation_config.json would fill in what is left out, and greedy would not be greedy.
            body |= {"top_k": sampling.top_k or -1, "min_p": 0.0, "repetition_penalty": 1.0, "return_token_ids": True}
            if sampling.stop:
                body |= {"stop": list(sampling.stop), "include_stop_str_in_output": True}
        # Others drop the stop text from the reply without saying which it was: the reply is cut here instead.
        if request.prefix:
            body |= self._continuation()
        return body

    def _continuation(self) -> dict[str, Any]:
        if not self.continues:
            raise BackendError(
                f"server {self._door.url}: the standard has no way to continue a partial reply; "
                "use a vLLM server or the transformers backend for this."
            )
        return {"add_generation_prompt": False, "continue_final_message": True}

    def _messages(self, request: Request) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        image = request.image
        for message in request.messages:
            content: Any = _as_text(message.text)
            if image is not None and message.role == "user":
                shown = {"type": "image_url", "image_url": {"url": self._image_url(image)}}
                content, image = [shown, {"type": "text", "text": content}], None
            messages.append({"role": message.role, "content": content})
        if request.prefix:
            messages.append({"role": "assistant", "content": _as_text(request.prefix)})
        return messages

    def _image_url(self, image: Path) -> str:
        if self._readable is not None and image.resolve().is_relative_to(self._readable):
            return image.resolve().as_uri()
        try:
            data = image.read_bytes()
        except OSError as error:
            raise BackendError(f"image {image}: cannot be read ({error.strerror}); restore the file.") from None
        kind = mimetypes.guess_type(image.name)[0] or "image/png"
        return f"data:{kind};base64,{base64.b64encode(data).decode()}"

    def _completion(self, request: Request, sample: int, choice: dict[str, Any], tokens: int) -> Completion:
        text = (choice.get("message") or {}).get("content") or ""
        stopped = _cut(text, request.sampling.stop)
        finish: Literal["stop", "length"] = (
            "length" if choice.get("finish_reason") == "length" and stopped is None else "stop"
        )
        return Completion(
            key=request.key, sample=sample, text=text if stopped is None else stopped, tokens=tokens, finish=finish
        )

    def _name(self, request: Request) -> str:
        """The served name of the request's judge version."""
        name = self._names.get(request.judge)
        if name is None:
            loaded = ", ".join(self._names)
            raise ModelError(f"judge '{request.judge}': is not loaded (loaded: {loaded}); load its adapter first.")
        return name

    def _models(self) -> list[dict[str, Any]]:
        """What the server lists: "id", and on a vLLM server "owned_by": "vllm" and, for adapters, their "parent"."""
        return list(self._door.get("/models").get("data") or [])

    def _load_on_server(self, judge: str, name: str, folder: Path) -> None:
        status, said = 404, ""
        if self._is_vllm:
            status, said = self._door.post_status("/load_lora_adapter", {"lora_name": name, "lora_path": str(folder)})
        if status in (404, 405):
            raise ModelError(
                f"judge '{judge}': server {self._door.url} loads no adapters while it runs; start vLLM with "
                "--enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1, or set model.backend to vllm."
            )
        if status != 200:
            raise ModelError(f"judge '{judge}': the server did not take {folder} ({' '.join(said.split())[:300]}).")


def _pick_model(url: str, wanted: str | None, served: list[str]) -> str:
    if wanted is None and len(served) == 1:
        return served[0]
    if wanted in served:
        return str(wanted)
    listed = ", ".join(served) or "nothing"
    if wanted is None:
        raise ModelError(f"server {url}: serves {listed}; name one with model.served_name.")
    raise ModelError(f"server {url}: does not serve '{wanted}' but {listed}; set model.served_name.")


def _shared_start(texts: Sequence[str]) -> str:
    """What all the texts begin with, at least one character short of each."""
    same = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*texts, strict=False))
    return "".join(letters[0] for letters in same)[: min(map(len, texts)) - 1]


def _as_text(untrusted: str) -> str:
    """The text with an invisible joiner inside whatever looks like a special token."""
    return _LOOKS_SPECIAL.sub(lambda found: found.group() + _JOINER, untrusted)


def _cut(text: str, stops: Sequence[str]) -> str | None:
    """`text` up to the end of the stop text that is complete first; None if it holds none."""
    ends = [text.find(stop) + len(stop) for stop in stops if stop in text]
    return text[: min(ends)] if ends else None


def _tokens_of(choices: Sequence[dict[str, Any]], usage: Mapping[str, Any]) -> list[int]:
    """Tokens of each reply: exact where the server lists their ids or there is one reply, else shared out by length."""
    counts: list[int] = []
    for choice in choices:
        ids = choice.get("token_ids")
        if ids is None:
            break
        ended = choice.get("finish_reason") == "stop" and choice.get("stop_reason") is None
        counts.append(len(ids) - ended)
    if len(counts) == len(choices):
        return counts
    total = int(usage.get("completion_tokens") or 0)
    lengths = [len((choice.get("message") or {}).get("content") or "") for choice in choices]
    return [round(total * length / max(1, sum(lengths))) for length in lengths]
