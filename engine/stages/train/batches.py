"""Kept traces to training batches, token by token what inference sees: the same encoder writes the prompt.

TRL's own collator would encode a prompt through the chat template, where text that spells a special token becomes
one, and would process an image again in every epoch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.backends.base import Message, Request
from engine.backends.local.chat import ChatEncoder, ImageSlot

IGNORED = -100
"""Label of tokens without loss."""
_CACHE_BYTES = 1_000_000_000
"""Encoded text and processed images kept in memory; what does not fit is made again in every epoch."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One example without padding."""

    ids: Tensor
    """(T,): prompt, completion and the token that ends the turn; long."""
    prompt_length: int
    along: dict[str, Tensor]
    """Inputs that run along the tokens, each (T, …)."""
    image: dict[str, Tensor]
    """Inputs of the image, as the processor made them for a batch of one."""


class Collator:
    """Turns rows `{"images": [path], "prompt": [{"role", "text"}], "completion": text}` into a padded batch.

    A row with a "change" that is not empty shows its picture changed: `change(picture, that text)`.
    Right padding. Labels are the completion and the end of its turn; prompt and padding are `IGNORED`.
    Every row and every image is encoded once, while they fit in the cache.
    """

    def __init__(self, encoder: ChatEncoder, change: Callable[[Any, str], Any] | None = None) -> None:
        self._encoder = encoder
        self._change = change
        self._end = end_of_turn(encoder)
        self._pad = _pad_id(encoder)
        self._known: dict[tuple[str, ...], Encoded] = {}
        self._slots: dict[tuple[str, str], ImageSlot] = {}
        self._room = _CACHE_BYTES

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        examples = [self._example(row) for row in rows]
        width = max(len(example.ids) for example in examples)
        input_ids_BT = torch.full((len(examples), width), self._pad)
        mask_BT = torch.zeros((len(examples), width), dtype=torch.long)
        labels_BT = torch.full((len(examples), width), IGNORED)
        for row, example in enumerate(examples):
            length = len(example.ids)
            input_ids_BT[row, :length] = example.ids
            mask_BT[row, :length] = 1
            labels_BT[row, example.prompt_length : length] = example.ids[example.prompt_length :]
        batch = {"input_ids": input_ids_BT, "attention_mask": mask_BT, "labels": labels_BT}
        for name in examples[0].along:
            batch[name] = _stack([example.along[name] for example in examples], width)
        for name in examples[0].image:
            batch[name] = _join([example.image[name] for example in examples])
        return batch

    def encode(self, row: Mapping[str, Any]) -> Encoded:
        """One row. The prompt's ids are exactly those that the backend feeds the model for the same request."""
        shown = _shown(row)
        slot = self._slot(shown)
        messages = tuple(Message(role=turn["role"], text=turn["text"]) for turn in row["prompt"])
        prompt = self._encoder.encode(Request(key="", messages=messages, image=slot.path), slot)
        self._remember(shown, slot)
        completion = torch.tensor([*self._encoder.ids_of(row["completion"]), self._end])
        ids_T = torch.cat([prompt.ids_1T[0], completion])
        return Encoded(
            ids=ids_T,
            prompt_length=prompt.length,
            along={name: _lengthen(value[0], len(ids_T)) for name, value in prompt.text_inputs.items()},
            image=dict(slot.inputs),
        )

    def _example(self, row: Mapping[str, Any]) -> Encoded:
        key = (*_shown(row), *(turn["text"] for turn in row["prompt"]), row["completion"])
        known = self._known.get(key)
        if known is None:
            known = self.encode(row)
            # Without its image in the cache, a row would hold pixels of its own that nobody counts.
            if _shown(row) in self._slots and self._takes(known.ids.nbytes):
                self._known[key] = known
        return known

    def _slot(self, shown: tuple[str, str]) -> ImageSlot:
        path, change = shown
        if shown in self._slots:
            return self._slots[shown]
        return ImageSlot(path=Path(path), change=partial(self._changed, change) if change else None)

    def _changed(self, seed: str, image: Any) -> Any:
        assert self._change is not None, "a row asks for a change that nobody gave"
        return self._change(image, seed)

    def _remember(self, shown: tuple[str, str], slot: ImageSlot) -> None:
        if shown not in self._slots and self._takes(sum(value.nbytes for value in slot.inputs.values())):
            self._slots[shown] = slot

    def _takes(self, size: int) -> bool:
        """Whether the cache has room for `size` more bytes, which it then counts."""
        if size > self._room:
            return False
        self._room -= size
        return True


def _shown(row: Mapping[str, Any]) -> tuple[str, str]:
    """A row's picture: its path and how it is changed."""
    return row["images"][0], row.get("change") or ""


def end_of_turn(encoder: ChatEncoder) -> int:
    """The token that ends a reply: the chat template's where it writes one, else the tokenizer's."""
    eos = encoder.tokenizer.eos_token_id
    ends = encoder.end_ids()
    return int(next(iter(sorted(ends - {eos})), eos))


def _pad_id(encoder: ChatEncoder) -> int:
    """What stands in masked places; its value is never seen."""
    pad = encoder.tokenizer.pad_token_id
    return int(encoder.tokenizer.eos_token_id if pad is None else pad)


def _lengthen(value_T: Tensor, length: int) -> Tensor:
    """The last position's value, that of plain text at the prompt's end, repeated up to `length`."""
    missing = length - len(value_T)
    return torch.cat([value_T, value_T[-1:].expand(missing, *value_T.shape[1:])])


def _stack(values: Sequence[Tensor], length: int) -> Tensor:
    return torch.stack([_lengthen(value, length) for value in values])


def _join(values: Sequence[Tensor]) -> Tensor:
    """Along the first axis; other axes that differ (tiles per image) are padded with zeros, as processors do."""
    rank = values[0].dim()
    widest = [max(value.shape[axis] for value in values) for axis in range(rank)]
    padded = []
    for value in values:
        gaps = [(0, widest[axis] - value.shape[axis]) for axis in range(rank - 1, 0, -1)]
        flat = [edge for gap in gaps for edge in gap]
        padded.append(torch.nn.functional.pad(value, flat) if any(flat) else value)
    return torch.cat(padded)
