"""Encoding each image once: a model's image features are made apart from its prompts and handed to its forward.

transformers gives nearly every family the same two doors for this, `get_image_features` and the forward argument
`mm_encoder_outputs`. Where either is missing the pixels go through forward as usual.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.backends.local.chat import ImageSlot

_READ_BY_FORWARD = ("pooler_output", "deepstack_features")
"""The fields forward reads of pre-encoded images (`_slice_mm_encoder_output` in transformers' generation/utils.py)."""

PIXELS = "pixel_values"
"""How the names of an image's large inputs begin, in every family."""

_IMAGES_AT_ONCE = 64
"""Images per call of the vision tower; beyond that only memory grows."""


class _MisfitError(Exception):
    """The features of several images cannot be told apart: the family dropped some rows. One by one they can."""


@dataclass(slots=True)
class Features:
    """One image's share of the vision tower's output, by field, nested as the tower nested it."""

    kind: type[Any]
    fields: dict[str, Any]


class ImageFeatures:
    """Makes and joins image features for one model. `usable` is False where the family lacks the two doors."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._encode = getattr(model.base_model, "get_image_features", None)
        takes = inspect.signature(model.forward).parameters
        self.usable = self._encode is not None and "mm_encoder_outputs" in takes
        self.reads = frozenset(inspect.signature(self._encode).parameters) if self._encode is not None else frozenset()

    def encode(self, slots: Sequence[ImageSlot]) -> None:
        """Give every slot its features; images of one shape go through the tower together."""
        alike: dict[tuple[Any, ...], list[ImageSlot]] = {}
        for slot in {id(slot): slot for slot in slots}.values():
            if slot.features is None:
                shape = tuple((name, tuple(value.shape)) for name, value in sorted(slot.inputs.items()))
                alike.setdefault(shape, []).append(slot)
        for group in alike.values():
            for start in range(0, len(group), _IMAGES_AT_ONCE):
                some = group[start : start + _IMAGES_AT_ONCE]
                try:
                    self._encode_alike(some)
                except _MisfitError:
                    for slot in some:
                        self._encode_alike([slot])

    def joined(self, slots: Sequence[ImageSlot]) -> dict[str, Any]:
        """The forward argument for a batch whose prompts ask about `slots`, in this order (repeats allowed)."""
        parts = [slot.features for slot in slots]
        device = self._model.device
        fields = {name: _moved(_join([part.fields[name] for part in parts]), device) for name in parts[0].fields}
        return {"image": parts[0].kind(**fields)}

    def _encode_alike(self, slots: list[ImageSlot]) -> None:
        inputs = {
            name: torch.cat([slot.inputs[name] for slot in slots]).to(self._model.device)
            for name in slots[0].inputs
            if name in self.reads
        }
        inputs = {name: _as_weights(value, self._model.dtype) for name, value in inputs.items()}
        made = self._encode(**inputs, return_dict=True)  # type: ignore[misc]
        fields = {name: made.get(name) for name in _READ_BY_FORWARD if made.get(name) is not None}
        shares = {name: _split(value, len(slots)) for name, value in fields.items()}
        for index, slot in enumerate(slots):
            slot.inputs = {name: value for name, value in slot.inputs.items() if not name.startswith(PIXELS)}
            # Host memory: hundreds of images wait their turn in a call, and the features of one can be 100 MB.
            kept = {name: _moved(share[index], "cpu") for name, share in shares.items()}
            slot.features = Features(type(made), kept)


def _as_weights(value: Tensor, dtype: torch.dtype) -> Tensor:
    return value.to(dtype) if value.is_floating_point() else value


def _moved(value: Any, device: Any) -> Any:
    return value.to(device) if isinstance(value, Tensor) else [_moved(entry, device) for entry in value]


def _split(value: Any, count: int) -> list[Any]:
    """One share per image of equal-shaped images: of a tensor by rows, of a list by entries, of deeper lists inside."""
    if isinstance(value, Tensor):
        if value.shape[0] % count:
            raise _MisfitError
        return list(value.chunk(count))
    if all(isinstance(entry, Tensor) for entry in value):
        if len(value) % count:
            raise _MisfitError
        each = len(value) // count
        return [list(value[index * each : (index + 1) * each]) for index in range(count)]
    layers = [_split(entry, count) for entry in value]
    return [[layer[index] for layer in layers] for index in range(count)]


def _join(shares: list[Any]) -> Any:
    """Undo `_split` for any selection of shares."""
    first = shares[0]
    if isinstance(first, Tensor):
        return torch.cat(shares)
    if all(isinstance(entry, Tensor) for entry in first):
        return [entry for share in shares for entry in share]
    return [_join([share[layer] for share in shares]) for layer in range(len(first))]
