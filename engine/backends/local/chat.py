"""From a conversation to what a model's forward takes, for whatever processor the model family has.

Untrusted text stays text: wherever it spells a special token, the tokenizer is made to see ordinary characters.
It knows no family: everything is asked of the tokenizer, the processor and the chat template.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import BatchEncoding

from engine.backends.base import Request
from engine.backends.pictures import ImageRefused, picture_for_model
from engine.errors import BackendError, ModelError
from engine.text import without_halves

_MARK = "\ue0f7"
"""A private-use character put inside special tokens that untrusted text spells; the text is split there."""

_Turn = tuple[str, Sequence[str | Path]]
"""Role, and the text with the files of pictures where they stand in it."""

_PROBE = {"system": "Probe alpha.", "user": "Probe beta.", "assistant": "Probe gamma."}
_PROBES: list[_Turn] = [(role, [text]) for role, text in _PROBE.items()]


@dataclass(slots=True)
class ImageSlot:
    """One image of a call, shared by all prompts that ask about it, so that it is processed and encoded once; or the
    several images of one prompt, in the order shown."""

    path: Path
    change: Callable[[Any], Any] | None = None
    """What is done to the RGB picture before anything else sees it; None: nothing."""
    processed: Any = None
    """What the image processor returned; kept while prompts about the image are still to be encoded."""
    sizes: tuple[tuple[int, int], ...] = ()
    """Pixels of each, once they were read."""
    awaited: bool = True
    """Whether a further prompt about it will be encoded."""
    inputs: dict[str, Tensor] = field(default_factory=dict)
    """The same as forward takes it, batch of one; without pixels once `features` exist."""
    features: Any = None
    """What the model's eyes made of it, see `vision.py`; None until somebody needs it."""
    more: tuple[Path, ...] = ()
    """Images beside the first."""

    @property
    def paths(self) -> tuple[Path, ...]:
        return (self.path, *self.more)


@dataclass(slots=True)
class Prompt:
    """One request ready for the model."""

    ids_1T: Tensor
    """Token ids, long, without padding."""
    text_inputs: dict[str, Tensor]
    """Further inputs that run along the tokens, each (1, T, …)."""
    image: ImageSlot | None
    anchor: list[int]
    """Ids of the forced beginning of the reply; [] without one."""

    @property
    def length(self) -> int:
        """Tokens, those that stand for the image included."""
        return self.ids_1T.shape[1]


class ChatEncoder:
    """Renders and encodes conversations with one model's processor.

    Raises `ModelError` at construction when the processor has no usable chat template.
    """

    def __init__(self, processor: Any, *, model_name: str) -> None:
        self._processor = processor
        self._tokenizer_door = _TokenizerDoor(processor.tokenizer)
        self._image_door = _ImageDoor(processor.image_processor)
        processor.tokenizer = self._tokenizer_door
        processor.image_processor = self._image_door
        self.tokenizer: Any = self._tokenizer_door.inner
        self._specials = _special_texts(processor, self.tokenizer)
        self._layout = _find_layout(self._render_with, model_name)

    def encode(self, request: Request, slot: ImageSlot | None) -> Prompt:
        """`slot` holds the request's images; they are read and processed here unless that was done before.

        Raises `BackendError` when an image cannot be read.
        """
        conversation = [
            (message.role, [self._as_text(one) if isinstance(one, str) else one for one in message.pieces()])
            for message in request.messages
        ]
        leads = slot is not None and not any(message.pictures for message in request.messages)
        text = self._render_with(self._layout, conversation, image=leads) + self._as_text(request.prefix)
        inputs = self._process(text, slot)
        ids_1T = inputs.pop("input_ids")
        inputs.pop("attention_mask", None)
        along = {name: value for name, value in inputs.items() if value.shape[:2] == ids_1T.shape}
        if slot is not None and not slot.inputs and slot.features is None:
            slot.inputs = {name: value for name, value in inputs.items() if name not in along}
        if slot is not None and not slot.awaited:
            slot.processed = None
        anchor = self.ids_of(request.prefix) if request.prefix else []
        return Prompt(ids_1T=ids_1T, text_inputs=along, image=slot, anchor=anchor)

    def ids_of(self, text: str, *, after: str = "") -> list[int]:
        """Token ids of `text` where it continues the plain text `after`; special tokens in it stay text."""
        whole = self._tokenizer_door.plain_ids(self._as_text(after + text))
        before = self._tokenizer_door.plain_ids(self._as_text(after)) if after else []
        if after and whole[: len(before)] != before:  # the two texts melt into one token
            return self._tokenizer_door.plain_ids(self._as_text(text))
        return whole[len(before) :]

    def end_ids(self) -> set[int]:
        """Ids that end an assistant turn: the tokenizer's end token and the one the chat template writes there."""
        ends = {self.tokenizer.eos_token_id} - {None}
        closed = self._render_with(self._layout, _PROBES, image=True, reply=False)
        tail = closed[closed.rindex(_PROBE["assistant"]) + len(_PROBE["assistant"]) :]
        special = self.special_ids()
        written = [token for token in self._tokenizer_door.plain_ids(tail) if token in special]
        return ends | set(written[:1])

    def special_ids(self) -> set[int]:
        """Ids that only templates may write: special tokens, and placeholders the processor expands."""
        added = {token for token, entry in self.tokenizer.added_tokens_decoder.items() if entry.special}
        named = {
            value
            for name, value in vars(self._processor).items()
            if name.endswith("_token_id") and isinstance(value, int)
        }
        return added | named | set(self.tokenizer.all_special_ids)

    def _as_text(self, untrusted: str) -> str:
        """`untrusted` with a mark inside each special token it spells, also where they overlap."""
        text = without_halves(untrusted).replace(_MARK, "")
        return self._specials.sub(lambda found: found.group()[0] + _MARK, text) if text else text

    def _process(self, text: str, slot: ImageSlot | None) -> dict[str, Tensor]:
        """Run the processor on one rendered conversation."""
        more: dict[str, Any] = {}
        beginning = self.tokenizer.bos_token
        if beginning and text.startswith(beginning):  # as transformers' own apply_chat_template does
            more["add_special_tokens"] = False
        if slot is None:
            return dict(self._processor(text=[text], return_tensors="pt", **more))
        if slot.processed is not None:
            images = [_stand_in(size) for size in slot.sizes]
        else:
            images = [_open_image(path) for path in slot.paths]
            images = images if slot.change is None else [slot.change(image) for image in images]
            slot.sizes = tuple(image.size for image in images)
        with self._image_door.working_on(slot):
            return dict(self._processor(text=[text], images=images, return_tensors="pt", **more))

    def _render_with(
        self, layout: "_Layout", conversation: "Sequence[_Turn]", *, image: bool, reply: bool = True
    ) -> str:
        text: str = self._processor.apply_chat_template(
            layout.messages(conversation, image=image), tokenize=False, add_generation_prompt=reply
        )
        return text


@dataclass(frozen=True, slots=True)
class _Layout:
    """How this model's chat template wants its messages."""

    parts: bool
    """Text-only messages are lists of parts too, not plain strings."""
    system: bool
    """It knows a system role; without one the system text leads the first user turn."""

    def messages(self, conversation: Sequence[_Turn], *, image: bool) -> list[dict[str, Any]]:
        """For the template. `image`: one picture stands before the first user turn's text."""
        turns = list(conversation)
        if not self.system and turns and turns[0][0] == "system":
            (_, lead), *turns = turns
            at = next((i for i, (role, _) in enumerate(turns) if role == "user"), None)
            if at is None:
                turns.insert(0, ("user", lead))
            else:
                first, *others = turns[at][1]
                joined = [f"{lead[0]}\n\n{first}"] if isinstance(first, str) else [f"{lead[0]}\n\n", first]
                turns[at] = ("user", [*joined, *others])
        at = next((i for i, (role, _) in enumerate(turns) if role == "user"), None) if image else None
        return [
            {"role": role, "content": self._content(pieces, leads=number == at)}
            for number, (role, pieces) in enumerate(turns)
        ]

    def _content(self, pieces: Sequence[str | Path], *, leads: bool) -> Any:
        if not leads and not self.parts and all(isinstance(one, str) for one in pieces):
            return "".join(map(str, pieces))
        parts = [{"type": "text", "text": one} if isinstance(one, str) else {"type": "image"} for one in pieces]
        return [{"type": "image"}, *parts] if leads else parts


def _find_layout(render: Any, model_name: str) -> _Layout:
    """Try the layouts in use until one shows every probe text."""
    reasons = []
    for system in (True, False):
        for parts in (True, False):
            layout = _Layout(parts=parts, system=system)
            try:
                text = render(layout, _PROBES, image=True)
            except Exception as error:  # templates raise whatever their author thought of
                reasons.append(str(error))
                continue
            if all(probe in text for probe in _PROBE.values()):
                return layout
    reason = f" ({reasons[0]})" if reasons else ""
    raise ModelError(
        f"model '{model_name}': its processor has no chat template that shows an image, a question and a reply"
        f"{reason}; choose an instruction-tuned model."
    )


def _special_texts(processor: Any, tokenizer: Any) -> re.Pattern[str]:
    """Finds the first character of every special token, overlapping ones too."""
    texts = set(tokenizer.all_special_tokens)
    texts |= {entry.content for entry in tokenizer.added_tokens_decoder.values() if entry.special}
    for name, value in vars(processor).items():
        if name.endswith("_token") and isinstance(value, str):
            texts.add(value)
    longest_first = sorted((text for text in texts if len(text) > 1), key=len, reverse=True)
    return (
        re.compile(f"(?=(?:{'|'.join(map(re.escape, longest_first))})).", re.DOTALL)
        if longest_first
        else re.compile(r"(?!)")
    )


def _open_image(path: Path) -> Any:
    try:
        return picture_for_model(path)
    except ImageRefused as refusal:
        raise BackendError(
            f"image {path}: cannot be read ({refusal}); restore the file or leave the item out."
        ) from None


def _stand_in(size: tuple[int, int]) -> Any:
    """A blank of the same size, for a processor that will get back what it made of the image before."""
    from PIL import Image

    return Image.new("RGB", size)


class _TokenizerDoor:
    """Stands before the tokenizer inside a processor: splits the text at marks, so that no special token survives.

    The processor may rewrite the text first (image tokens are multiplied there); that is why this cannot be done
    outside it.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.inner = tokenizer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def __call__(self, text: Any, *args: Any, **options: Any) -> Any:
        texts = [text] if isinstance(text, str) else text
        if not any(_MARK in one for one in texts):
            return self.inner(text, *args, **options)
        (one,) = texts
        tensors = options.pop("return_tensors", None)
        pieces = []
        for piece in one.split(_MARK):
            pieces.append(self.inner([piece], *args, **options))
            options["add_special_tokens"] = False  # those that begin a text belong before its first piece only
        return _PiecedEncoding(pieces, [len(piece) for piece in one.split(_MARK)], tensor_type=tensors)

    def plain_ids(self, text: str) -> list[int]:
        """Ids of a text split at its marks, without the tokens a tokenizer puts around a whole text."""
        pieces = text.split(_MARK)
        return [token for piece in pieces for token in self.inner.encode(piece, add_special_tokens=False)]


class _PiecedEncoding(BatchEncoding):  # type: ignore[misc]
    """The encodings of consecutive pieces of one text as one, for processors that ask where a character went."""

    def __init__(self, pieces: list[Any], lengths: list[int], *, tensor_type: Any) -> None:
        whole = {name: [[entry for piece in pieces for entry in piece[name][0]]] for name in pieces[0]}
        super().__init__(whole, tensor_type=tensor_type)
        self._pieces = pieces
        self._lengths = lengths

    def char_to_token(self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0) -> Any:
        """The token of a character of the marked text, counted as the processor sees it; None for a mark."""
        place, first = batch_or_char_index if char_index is None else char_index, 0
        for piece, length in zip(self._pieces, self._lengths, strict=True):
            if place < length:
                token = piece.char_to_token(0, place, sequence_index)
                return None if token is None else first + token
            place -= length + len(_MARK)
            first += len(piece["input_ids"][0])
        return None


class _ImageDoor:
    """Stands before the image processor: an image that was processed for one prompt is not processed again."""

    def __init__(self, image_processor: Any) -> None:
        self._inner = image_processor
        self._slot: ImageSlot | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @contextmanager
    def working_on(self, slot: ImageSlot) -> Iterator[None]:
        self._slot = slot
        try:
            yield
        finally:
            self._slot = None

    def __call__(self, images: Any, *args: Any, **options: Any) -> Any:
        slot = self._slot
        if slot is None:
            return self._inner(images, *args, **options)
        if slot.processed is None:
            slot.processed = self._inner(images, *args, **options)
        made = slot.processed
        return type(made)(dict(made))  # a copy: processors take keys out of it
