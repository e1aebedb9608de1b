"""The backend for OpenAI-compatible servers by URL. Many requests are in flight at once; no torch is needed.

A vLLM server is asked for more than the standard holds (top-k, partial replies, adapters, stop texts kept).
"""

import base64
import contextlib
import itertools
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.backends.adapter_folder import check_base, fingerprint
from engine.backends.base import Completion, Request
from engine.backends.pictures import DOOR, ImageRefused, is_plain, read_limited, shown_bytes
from engine.backends.served.http_door import HttpDoor, PassingTrouble, RefusedRequest
from engine.backends.served.in_flight import InFlight, samples_of
from engine.backends.served.listing import bases, listed, pick_model, root_of
from engine.backends.served.odds import OddsReader
from engine.backends.served.replicas import Replicas
from engine.backends.served.replies import Reply, StreamedReply, replies_of
from engine.backends.served.shared_adapters import publish
from engine.errors import BackendError, ModelError
from engine.records import BASE_JUDGE
from engine.text import without_halves

_FIRST_FAULTS = 16
"""Requests refused before any was answered, after which the server is taken to refuse all of them."""

_JOINER = "\u2060"
"""Word joiner: invisible. Put inside what looks like a special token, as the server would not keep it plain text."""

LOOKS_SPECIAL = re.compile(
    r"<(?=\|[^<>|\s]{1,64}\|>"  # <|im_end|>, <|image|>, <|eot_id|>
    r"|/?(?:s|pad|bos|eos|unk|image|video|img|fake_token_around_image|end_of_utterance|row_\d+_col_\d+|global-img)>"
    r"|(?:start|end)_of_(?:turn|image)>|image_soft_token>|IMG_CONTEXT>|(?:/?img)>)"
    r"|\[(?=/?(?:INST|IMG|IMG_BREAK|IMG_END)\])"
)
"""The first character of texts that are special tokens in some family that servers run."""


class OpenAIBackend:
    """See `Backend`. `urls` lead to servers that serve the same model (one address, or a list of replicas); `model` is
    its name there (None: the only one they serve).

    `judges` maps judge versions to names the servers know already. Images below the folder `readable` are sent as
    paths, because the servers may read them; all others as bytes. `sequences` bounds the samples under way. With
    `adapters_folder`, a folder that every replica resolves adapters from, judge versions are put there instead of
    posted. `tick` is called about once a second while replies are awaited; what it raises ends the work.
    Raises `BackendError` when a server cannot be reached and `ModelError` when one does not serve the model.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        *,
        model: str | None = None,
        base_name: str | None = None,
        judges: Mapping[str, str] | None = None,
        readable: Path | None = None,
        adapters_folder: Path | None = None,
        sequences: int = 256,
        api_key: str | None = None,
        tries: int = 6,
        patience: float = 300.0,
        pause: float = 0.5,
        timeout: float = 600.0,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        listed = [urls] if isinstance(urls, str) else list(urls)
        doors = [HttpDoor(url, api_key=api_key, timeout=timeout) for url in listed]
        self.replicas = Replicas(doors, tries=tries, patience=patience, pause=pause)
        try:
            rows = [self._models(door, tries) for door in doors]
            named = [pick_model(door.url, model, bases(some)) for door, some in zip(doors, rows, strict=True)]
        except BaseException:
            self.replicas.close()
            raise
        self.is_vllm = all(any(row.get("owned_by") == "vllm" for row in some) for some in rows)
        self.continues = self.is_vllm
        self._names = {BASE_JUDGE: named[0], **(judges or {})}
        self._base_name = base_name or named[0]
        self._roots = [root_of(one, some) for one, some in zip(named, rows, strict=True)]
        self._folders: dict[str, Path] = {}
        self._readable = readable.resolve() if readable else None
        self._adapters_folder = adapters_folder
        self._sequences = sequences
        self._tick = tick
        self._odds = self.odds_of(self.replicas)
        self._answered = False
        self._running: set[InFlight] = set()
        """Work that is not over."""

    def odds_of(self, replicas: Replicas) -> OddsReader:
        """A reader of odds that asks these replicas only."""
        return OddsReader(
            replicas,
            lambda request: self._body(request, first=0, count=1),
            model=self._names[BASE_JUDGE],
            is_vllm=self.is_vllm,
        )

    def load_judge(self, judge: str, adapter: Path) -> None:
        """See `Backend`. Only vLLM servers that allow it can load adapters while they run."""
        folder = adapter.resolve()
        known = self._folders.get(judge)
        if known == folder:
            return
        if judge in self._names:
            raise ModelError(f"judge '{judge}': already stands for {known or self._names[judge]}, not {folder}.")
        check_base(judge, folder, self._base_name)
        # The name holds a hash of the weights: a server that saw another adapter under a name keeps its stale caches.
        name = f"{judge}-{fingerprint(judge, folder)}"
        if self._adapters_folder is not None:
            publish(folder, name, self._adapters_folder, base=self._root())
        else:
            for door in self.replicas.doors:
                if name not in [row.get("id") for row in self._models(door)]:
                    self._load_on_server(door, judge, name, folder)
        self._names[judge] = name
        self._folders[judge] = folder

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """See `Backend`. A server's failure is raised after everything that was under way has been yielded."""
        for request in requests:
            self._name(request)
        waiting = deque(requests)
        held: list[Completion] = []
        failure: BackendError | None = None
        with self._flight() as flight:
            while flight.requests or (waiting and failure is None):
                while waiting and failure is None and flight.has_room_for(waiting[0]):
                    flight.start(waiting.popleft())
                try:
                    completions = flight.next()
                except BackendError as error:
                    failure = failure or error
                    continue
                if not self._answered and all(one.fault for one in completions):
                    held += completions
                    failure = failure or self._refuses_all(held)
                    continue
                self._answered = True
                yield from itertools.chain(held, completions)
                held = []
            if failure is None:
                yield from held
        if failure is not None:
            raise failure

    @contextlib.contextmanager
    def _flight(self) -> Iterator[InFlight]:
        """Requests under way, which `close` ends as well."""
        flight = InFlight(self._ask, limit=self._sequences, tick=self._tick)
        self._running.add(flight)
        try:
            yield flight
        finally:
            self._running.discard(flight)
            flight.leave()

    def stream(self, request: Request) -> Iterator[str | Completion]:
        """See `Backend`."""
        door = self.replicas.doors[0]
        body = {**self._body(request, first=0, count=1), "stream": True}
        streamed, sent, stops = StreamedReply(door.url), "", request.sampling.stop
        with contextlib.closing(door.events("/chat/completions", body)) as events:
            for event in events:
                text = sent + streamed.take(event)
                stopped = _cut(text, stops)
                piece = (text if stopped is None else stopped)[len(sent) :]
                if piece:
                    yield piece
                sent = text
                if stopped is not None:
                    break
        yield _completion(request, 0, streamed.reply(is_stopped=_cut(sent, stops) is not None))

    def close(self) -> None:
        """See `Backend`. The servers go on running. Replies still under way are waited for: a connection that is made
        while its client is closed would stay open for ever."""
        for flight in list(self._running):
            flight.leave()
        self.replicas.close()

    def _ask(self, request: Request, left: threading.Event) -> list[Completion]:
        """All samples of one request. What the server refuses to answer becomes samples that say why."""
        samples: list[Completion] = []
        try:
            return self._answers(request, left, samples)
        except RefusedRequest as error:
            missing = range(len(samples), samples_of(request))
            return [*samples, *(_fault(request, sample, str(error)) for sample in missing)]

    def _answers(self, request: Request, left: threading.Event, samples: list[Completion]) -> list[Completion]:
        """`samples`, filled; a server that gives fewer than asked for is asked again for the rest."""
        if request.choices:
            samples.append(self._choose(request, left))
            return samples
        if request.sampling.temperature == 0 and request.n > 1:  # all the same, and vLLM refuses to repeat itself
            (one,) = self._answers(replace(request, n=1), left, [])
            return [replace(one, sample=sample) for sample in range(request.n)]
        while len(samples) < request.n:
            body = self._body(request, first=len(samples), count=request.n - len(samples))
            replies = self.replicas.ask("/chat/completions", body, self._read_replies, left=left)
            for reply in replies[: request.n - len(samples)]:
                samples.append(_completion(request, len(samples), reply))
        return samples

    def _read_replies(self, answer: Any) -> list[Reply]:
        return replies_of(self.replicas.where, answer)

    def _choose(self, request: Request, left: threading.Event) -> Completion:
        """The odds of the given next texts."""
        shares = self._odds.shares(request, left)
        best = max(range(len(shares)), key=shares.__getitem__)
        return Completion(
            key=request.key, sample=0, text=request.choices[best], tokens=0, finish="stop", choice_probabilities=shares
        )

    def _refuses_all(self, faults: Sequence[Completion]) -> BackendError | None:
        """The error of a server that has answered nothing so far, once it is clear that it will not."""
        if len({one.key for one in faults}) < _FIRST_FAULTS:
            return None
        return BackendError(f"{faults[0].fault} It refused the first {_FIRST_FAULTS} requests, and answered none.")

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
        if self.is_vllm:
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
                f"server {self.replicas.where}: the standard has no way to continue a partial reply; "
                "use a vLLM server or the transformers backend for this."
            )
        return {"add_generation_prompt": False, "continue_final_message": True}

    def _messages(self, request: Request) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        leads = [] if request.image is None else [request.image]
        for message in request.messages:
            pieces = list(message.pieces())
            if message.role == "user":
                pieces, leads = [*leads, *pieces], []
            is_text = all(isinstance(piece, str) for piece in pieces)
            content = _as_text(message.text) if is_text else [self._part(piece) for piece in pieces]
            messages.append({"role": message.role, "content": content})
        if request.prefix:
            messages.append({"role": "assistant", "content": _as_text(request.prefix)})
        return messages

    def _part(self, piece: str | Path) -> dict[str, Any]:
        if isinstance(piece, str):
            return {"type": "text", "text": _as_text(piece)}
        return {"type": "image_url", "image_url": {"url": self._image_url(piece)}}

    def _image_url(self, image: Path) -> str:
        if self._readable is not None and image.resolve().is_relative_to(self._readable) and is_plain(image):
            return image.resolve().as_uri()
        try:  # a server decodes the picture in its own way: it must see what this process would
            data, kind = shown_bytes(read_limited(image, DOOR), DOOR)
        except ImageRefused as refusal:
            raise RefusedRequest(f"image {image}: cannot be read ({refusal}); restore the file.") from None
        return f"data:{kind};base64,{base64.b64encode(data).decode()}"

    def _name(self, request: Request) -> str:
        """The served name of the request's judge version."""
        name = self._names.get(request.judge)
        if name is None:
            loaded = ", ".join(self._names)
            raise ModelError(f"judge '{request.judge}': is not loaded (loaded: {loaded}); load its adapter first.")
        return name

    def _models(self, door: HttpDoor, tries: int = 3) -> list[dict[str, Any]]:
        """What a server lists: "id", and on a vLLM server "owned_by": "vllm" and, for adapters, their "parent"."""
        for attempt in range(1, tries + 1):
            try:
                return listed(door.url, door.get("/models"))
            except PassingTrouble as trouble:
                if attempt == tries or trouble.status == 404:  # a wrong path stays wrong
                    raise
                threading.Event().wait(self.replicas.pause_for(attempt, trouble.wait))
        raise AssertionError("unreachable: the last try returns or raises")

    def _root(self) -> str:
        """What the servers were started with as --model, by which their resolver knows an adapter's base.

        Raises `ModelError` if they were started with different words: one folder cannot name two bases.
        """
        if len(set(self._roots)) > 1:
            raise ModelError(
                f"model.adapters_folder: the servers were started with different --model ({', '.join(self._roots)}), "
                "so no adapter fits them all. Start them with the same words."
            )
        return self._roots[0]

    def _load_on_server(self, door: HttpDoor, judge: str, name: str, folder: Path) -> None:
        status, said = 404, ""
        if self.is_vllm:
            status, said = door.post_status("/load_lora_adapter", {"lora_name": name, "lora_path": str(folder)})
        if status in (404, 405):
            raise ModelError(
                f"judge '{judge}': server {door.url} loads no adapters while it runs; start vLLM with "
                "--enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1, or set model.backend to vllm."
            )
        if status != 200:
            raise ModelError(f"judge '{judge}': the server did not take {folder} ({' '.join(said.split())[:300]}).")


def _as_text(untrusted: str) -> str:
    """The text with an invisible joiner inside whatever looks like a special token."""
    return LOOKS_SPECIAL.sub(lambda found: found.group() + _JOINER, str(without_halves(untrusted)))


def _cut(text: str, stops: Sequence[str]) -> str | None:
    """`text` up to the end of the stop text that is complete first; None if it holds none."""
    ends = [text.find(stop) + len(stop) for stop in stops if stop in text]
    return text[: min(ends)] if ends else None


def _fault(request: Request, sample: int, reason: str) -> Completion:
    return Completion(key=request.key, sample=sample, text="", tokens=0, finish="stop", fault=reason)


def _completion(request: Request, sample: int, reply: Reply) -> Completion:
    stopped = _cut(reply.text, request.sampling.stop)
    return Completion(
        key=request.key,
        sample=sample,
        text=reply.text if stopped is None else stopped,
        tokens=reply.tokens,
        finish=reply.finish if stopped is None else "stop",
        thinking=reply.thinking,
        fault=reply.fault,
    )
