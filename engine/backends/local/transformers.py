"""The in-process backend: any image-text-to-text model of the transformers library, on a CPU or a GPU.

It loads the model, hands requests to a scheduler judge by judge, and knows no model family by name.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError

from engine.backends.base import Completion, Request
from engine.backends.local.adapters import Judges, judges_for
from engine.backends.local.chat import ChatEncoder, ImageSlot, Prompt
from engine.backends.local.choices import choice_probabilities
from engine.backends.local.decoding import DecodingState, PlainState, batch_inputs
from engine.backends.local.memory import RowBudget, is_out_of_memory
from engine.backends.local.scheduling import Decoder, Job, Scheduler
from engine.backends.local.shared_prefix import SharedPrefixState, supports
from engine.backends.local.stopping import PieceReader, ReplyText
from engine.backends.local.vision import ImageFeatures
from engine.backends.model_files import check_model, damaged, first_line
from engine.errors import BackendError, ModelError

_WINDOW = 64
"""Requests encoded ahead at a time: enough to sort by length, few enough that the first reply comes soon."""

_SEVERAL = 2
_SEEN = ("text only", "with image", "with several images")
"""Number of images, at most `_SEVERAL` → what prompts with so many are called: each kind has its way of decoding."""

_TRIAL_TOKENS = 2
"""Tokens decoded when a fast way is compared with the plain one."""


class TransformersBackend:
    """See `Backend`. `base` is a folder or a Hugging Face id.

    Raises `ModelError` when the model cannot be loaded or is no vision-language model. `rows` caps how many samples
    run together (None: as memory allows); `threads` sets torch's threads for the whole process; `processor` takes the
    place of the one in the model's folder.
    """

    continues = True

    def __init__(
        self,
        base: str | Path,
        *,
        device: str = "auto",
        dtype: str = "auto",
        revision: str | None = None,
        rows: int | None = None,
        threads: int | None = None,
        processor: Any = None,
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self._name = str(base)
        self.model: Any = load_model(self._name, device=device, dtype=dtype, revision=revision)
        processor = processor or load_processor(self._name, revision=revision)
        self.encoder = ChatEncoder(processor, model_name=self._name)
        self._judges: Judges = judges_for(self.model, base_name=self._name)
        self._rows = rows
        self._replies = ReplyText(self.encoder.tokenizer)
        self._ends = frozenset(self.encoder.end_ids() | _configured_ends(self.model))
        self._decoders: dict[int, Decoder] = {}

    def load_judge(self, judge: str, adapter: Path) -> None:
        """See `Backend`."""
        self._judges.load(judge, adapter)

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """See `Backend`. Requests are worked off judge by judge; within one, many prompts at a time."""
        slots = _Slots(requests, self._judges)
        by_judge: dict[tuple[str, bool, int], list[Request]] = {}
        for request in requests:
            seen = min(len(request.pictures), _SEVERAL)
            by_judge.setdefault((request.judge, bool(request.choices), seen), []).append(request)
        for (judge, choosing, _), group in by_judge.items():
            yield from (self._choose if choosing else self._sample)(judge, group, slots)

    def stream(self, request: Request) -> Iterator[str | Completion]:
        """See `Backend`."""
        one = replace(request, n=1, choices=())
        prompt = self.encoder.encode(one, _Slots([one], self._judges).slot(one))
        scheduler = self._scheduler(one.judge, [prompt])
        reader = PieceReader(self._replies, stops=one.sampling.stop, anchor=prompt.anchor)
        scheduler.add([Job(one, prompt, [0])])
        while scheduler.busy:
            self._judges.activate(one.judge)
            finished = scheduler.advance()
            piece = reader.last(finished[0].text) if finished else reader.piece(scheduler.newest())
            if piece:
                yield piece
            yield from finished

    def close(self) -> None:
        """See `Backend`."""
        self.model = self._judges = None  # type: ignore[assignment]
        self._decoders.clear()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def how(self) -> dict[str, str]:
        """How prompts with and without image were decoded so far, for `doctor` and the log."""
        return {
            _SEEN[seen]: (
                f"{'shared prefix' if decoder.shared else 'plain'}, "
                f"images {'encoded once' if decoder.features is not None else 'as pixels'}"
            )
            for seen, decoder in self._decoders.items()
        }

    def _sample(self, judge: str, requests: Sequence[Request], slots: "_Slots") -> Iterator[Completion]:
        """All samples of requests for one judge version."""
        waiting = iter(requests)
        scheduler: Scheduler | None = None
        while True:
            while scheduler is None or scheduler.waiting_rows < scheduler.rows:
                window = [request for request in itertools.islice(waiting, _WINDOW) if request.n > 0]
                if not window:
                    break
                jobs = [Job(one, self.encoder.encode(one, slots.slot(one)), list(range(one.n))) for one in window]
                self._judges.activate(judge)
                scheduler = scheduler or self._scheduler(judge, [job.prompt for job in jobs])
                scheduler.add(jobs)
            if scheduler is None or not scheduler.busy:
                return
            # Somebody may have used the backend for another version since the last completion was taken.
            self._judges.activate(judge)
            yield from scheduler.advance()

    def _choose(self, judge: str, requests: Sequence[Request], slots: "_Slots") -> Iterator[Completion]:
        """Probabilities of given next texts, for requests of one judge version."""
        for start in range(0, len(requests), _WINDOW):
            window = requests[start : start + _WINDOW]
            prompts = [self.encoder.encode(one, slots.slot(one)) for one in window]
            self._judges.activate(judge)
            decoder = self._decoder(prompts)
            ids = [[self.encoder.ids_of(choice, after=one.prefix) for choice in one.choices] for one in window]
            odds = choice_probabilities(decoder, RowBudget(self.model, most_rows=self._rows), prompts, ids)
            for one, shares in zip(window, odds, strict=True):
                best = max(range(len(shares)), key=shares.__getitem__)
                yield Completion(
                    key=one.key,
                    sample=0,
                    text=one.choices[best],
                    tokens=0,
                    finish="stop",
                    choice_probabilities=tuple(shares),
                )

    def _scheduler(self, judge: str, prompts: Sequence[Prompt]) -> Scheduler:
        self._judges.activate(judge)
        return Scheduler(self._decoder(prompts), RowBudget(self.model, most_rows=self._rows))

    def _decoder(self, prompts: Sequence[Prompt]) -> Decoder:
        """How to decode prompts like these; the first time it is found out by trying on them."""
        seen = 0 if prompts[0].image is None else min(len(prompts[0].image.paths), _SEVERAL)
        if seen not in self._decoders:
            features, shared = self._fastest(prompts[:2])
            self._decoders[seen] = Decoder(
                model=self.model,
                device=self.model.device,
                replies=self._replies,
                pad=self.encoder.tokenizer.pad_token_id or 0,
                ends=self._ends,
                blocked_V=self._blocked(),
                features=features,
                shared=shared,
            )
        return self._decoders[seen]

    @torch.inference_mode()
    def _fastest(self, prompts: Sequence[Prompt]) -> tuple[ImageFeatures | None, bool]:
        """(image features or None, shared prefix?): the fastest way whose logits match the plain way's."""
        features = ImageFeatures(self.model) if prompts[0].image is not None else None
        usable = features if features is not None and features.usable else None
        shared = supports(self.model)
        ways = [(usable, True), (None, True)] if shared else []
        ways += [(usable, False)] if usable is not None else []
        prompts = [one for one in prompts if _alike(one, prompts[0])]
        plain = self._trial(prompts, None, shared=False)
        for way in dict.fromkeys(ways):
            try:
                if _match(plain, self._trial(prompts, way[0], shared=way[1]), self.model.dtype):
                    return way
            except Exception as error:  # whatever a family does differently, the plain way remains
                if is_out_of_memory(error):
                    raise
        return None, False

    def _trial(self, prompts: Sequence[Prompt], features: ImageFeatures | None, *, shared: bool) -> list[torch.Tensor]:
        """Logits of a few greedy tokens behind two rows per prompt. The prompts' image slots are left as they are."""
        copies = [replace(one, image=None if one.image is None else replace(one.image)) for one in prompts]
        inputs = batch_inputs(copies, model=self.model, features=features, pad=self.encoder.tokenizer.pad_token_id or 0)
        state: DecodingState = SharedPrefixState(self.model, inputs) if shared else PlainState(self.model, inputs)
        state.select(torch.arange(len(prompts), device=self.model.device).repeat_interleave(2))
        logits = [state.logits_RV]
        for token in range(_TRIAL_TOKENS):
            state.step(torch.full((2 * len(prompts),), token, device=self.model.device))
            logits.append(state.logits_RV)
        return logits

    def _blocked(self) -> torch.Tensor:
        """-inf for ids that must not be sampled: special tokens but end tokens, and rows without a token."""
        size = self.model.get_output_embeddings().weight.shape[0]
        blocked_V = torch.zeros(size, device=self.model.device)
        never = (self.encoder.special_ids() | _configured_specials(self.model)) - self._ends
        blocked_V[[token for token in never if token < size]] = -torch.inf
        blocked_V[len(self.encoder.tokenizer) :] = -torch.inf
        return blocked_V


class _Slots:
    """The images of one call: each is read once, and let go when the last prompt that shows it is done. Several of one
    prompt are one."""

    def __init__(self, requests: Sequence[Request], judges: Judges) -> None:
        self._judges = judges
        self._left = Counter(self._key(one) for one in requests if one.pictures)
        self._slots: dict[tuple[tuple[Path, ...], str], ImageSlot] = {}

    def slot(self, request: Request) -> ImageSlot | None:
        """The slot of the request's images; to be asked once per request."""
        if not request.pictures:
            return None
        key, (first, *more) = self._key(request), request.pictures
        slot = self._slots.setdefault(key, ImageSlot(first, more=tuple(more)))
        self._left[key] -= 1
        if not self._left[key]:
            slot.awaited = False
            del self._slots[key]
        return slot

    def _key(self, request: Request) -> tuple[tuple[Path, ...], str]:
        """Versions that see alike share a slot."""
        return request.pictures, request.judge if self._judges.changes_eyes(request.judge) else ""


def load_model(name: str, *, device: str, dtype: str, revision: str | None) -> Any:
    """The model in evaluation mode on its device, every weight from its files and no code run from them.

    Raises `ModelError`.
    """
    check_model(name)
    place = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    if place.type == "cuda" and not torch.cuda.is_available():
        raise ModelError("model.device: is cuda but torch sees no GPU; set it to auto or cpu.")
    # Half precision is slow on most CPUs; on a GPU the checkpoint's own format is meant.
    kind: Any = ("auto" if place.type == "cuda" else torch.float32) if dtype == "auto" else getattr(torch, dtype)
    transformers.logging.disable_progress_bar()
    try:
        config = transformers.AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=False)
        known = transformers.AutoModelForImageTextToText._model_mapping
        if type(config) not in known or config.is_encoder_decoder:
            raise ModelError(
                f"model '{name}': is not a vision-language chat model (its type is '{config.model_type}'); "
                "choose an image-text-to-text model such as a Llava, Qwen-VL or Llama-3.2-Vision."
            )
        model, loaded = transformers.AutoModelForImageTextToText.from_pretrained(
            name,
            config=config,
            dtype=kind,
            revision=revision,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except ModelError:
        raise
    except SafetensorError as error:
        raise damaged(f"model '{name}'", first_line(error)) from None
    except Exception as error:  # a folder can hold anything, and its loader raise anything
        raise ModelError(f"model '{name}': cannot be loaded ({first_line(error)}); check model.base.") from None
    _check_complete(name, loaded["missing_keys"])
    return model.to(place).eval().requires_grad_(False)


def _check_complete(name: str, missing: Iterable[str]) -> None:
    """Weights that the files lack were filled with random numbers; tied ones are not among them."""
    lacking = sorted(missing)
    if lacking:
        raise ModelError(
            f"model '{name}': its files lack {len(lacking)} weights, the first is {lacking[0]}; "
            "download it again, or choose a complete model."
        )


def load_processor(name: str, *, revision: str | None) -> Any:
    """The model's processor. Raises `ModelError`, naming the extra to install when torchvision is missing."""
    try:
        processor = transformers.AutoProcessor.from_pretrained(name, revision=revision, trust_remote_code=False)
    except Exception as error:  # as above
        if "torchvision" in str(error).lower():
            raise ModelError(
                f"model '{name}': its processor needs torchvision; install it with `pip install 'judge-studio[gpu]'`."
            ) from None
        raise ModelError(f"model '{name}': its processor cannot be loaded ({first_line(error)}).") from None
    if not hasattr(processor, "image_processor") or not hasattr(processor, "tokenizer"):
        raise ModelError(f"model '{name}': has no processor for images; choose a complete vision-language model.")
    return processor


def _configured_ends(model: Any) -> set[int]:
    """End tokens that the checkpoint itself names."""
    ends = model.generation_config.eos_token_id
    return set() if ends is None else {ends} if isinstance(ends, int) else set(ends)


def _configured_specials(model: Any) -> set[int]:
    """Placeholder ids that only the model's configuration knows (image, video, begin of image, …)."""
    return {
        value
        for name, value in vars(model.config).items()
        if name.endswith(("_token_id", "_token_index")) and isinstance(value, int)
    }


def _alike(one: Prompt, other: Prompt) -> bool:
    """Whether two prompts can be collated as pixels."""
    if one.image is None or other.image is None:
        return one.image is other.image
    shapes = [
        {name: value.shape for name, value in prompt.image.inputs.items()} for prompt in (one, other) if prompt.image
    ]
    return shapes[0] == shapes[1]


def _match(plain: list[torch.Tensor], fast: list[torch.Tensor], dtype: torch.dtype) -> bool:
    """Whether the logits are the same but for rounding."""
    tolerance = 0.01 if dtype == torch.float32 else 0.25  # in standard deviations; a wrong mask or position gives > 1
    return all(
        bool((one - two).abs().max() <= tolerance * one.std().clamp(min=1e-6))
        for one, two in zip(plain, fast, strict=True)
    )


__all__ = ["BackendError", "TransformersBackend", "load_model", "load_processor"]
