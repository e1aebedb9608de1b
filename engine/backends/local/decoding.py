"""Plain decoding: a batch of prompts run through a model's forward with transformers' own cache, for any family.

A state holds the batch between two tokens. It knows nothing of sampling, requests or text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from engine.backends.local.chat import Prompt
from engine.backends.local.vision import PIXELS, ImageFeatures

_BATCH_SECOND = 3
"""Position ids with three axes have the batch as their second (axes of rotary positions first)."""


class DecodingState(Protocol):
    """A batch of R rows, each somewhere behind its prompt."""

    logits_RV: Tensor
    """For the token that comes next."""

    def select(self, rows: Tensor) -> None:
        """Keep these rows (long, on the device; repeats allowed), in this order."""

    def step(self, tokens_R: Tensor) -> None:
        """Append one token to every row and compute the next logits."""

    def cache_bytes(self) -> int:
        """Memory the cache holds now."""


@dataclass(slots=True)
class BatchInputs:
    """What forward takes for a batch of prompts, padded on the left."""

    ids_PT: Tensor
    along: dict[str, Tensor]
    """`attention_mask` and whatever else the family runs along the tokens, each (P, T, …)."""
    images: dict[str, Any]
    """Image inputs: pixels, or encoded images beside the small inputs that position rules read."""
    spent: frozenset[str]
    """Names in `images` that forward must not see again because the encoded images used them up."""


def batch_inputs(prompts: Sequence[Prompt], *, model: Any, features: ImageFeatures | None, pad: int) -> BatchInputs:
    """Collate prompts that have the same kinds of input. With `features` the images go in encoded, else as pixels."""
    longest = max(prompt.length for prompt in prompts)
    device = model.device
    ids_PT = torch.cat([_left_padded(prompt.ids_1T, longest, pad) for prompt in prompts]).to(device)
    mask = [_left_padded(torch.ones_like(prompt.ids_1T), longest, 0) for prompt in prompts]
    along = {"attention_mask": torch.cat(mask).to(device)}
    for name in prompts[0].text_inputs:
        along[name] = torch.cat([_left_padded(prompt.text_inputs[name], longest, 0) for prompt in prompts]).to(device)
    slots = [prompt.image for prompt in prompts if prompt.image is not None]
    images: dict[str, Any] = {}
    if slots and features is not None:
        features.encode(slots)
        images["mm_encoder_outputs"] = features.joined(slots)
    for name in slots[0].inputs if slots else ():
        if not ("mm_encoder_outputs" in images and name.startswith(PIXELS)):
            value = torch.cat([slot.inputs[name] for slot in slots]).to(device)
            images[name] = value.to(model.dtype) if value.is_floating_point() else value
    spent = features.reads if features is not None else frozenset[str]()
    return BatchInputs(ids_PT, along, images, spent)


def prefill(model: Any, inputs: BatchInputs, cache: Any) -> tuple[Any, dict[str, Any]]:
    """Run the prompts. Returns forward's output and what later steps carry on (`model_kwargs` of `generate`)."""
    positions = model._prepare_position_ids_for_generation(inputs.ids_PT, {**inputs.along, **inputs.images})
    carried: dict[str, Any] = {**inputs.along, "position_ids": positions, "past_key_values": cache, "use_cache": True}
    if bool((inputs.along["attention_mask"] == 1).all()):
        carried["attention_mask"] = None  # no padding: attention may take its fast causal path
    if model._supports_logits_to_keep():
        carried["logits_to_keep"] = 1
    shown = {name: value for name, value in inputs.images.items() if name not in inputs.spent}
    ready = model.prepare_inputs_for_generation(inputs.ids_PT, is_first_iteration=True, **carried, **shown)
    return model(**ready, return_dict=True), carried


class PlainState:
    """The batch as transformers' `generate` would hold it: its own cache, mask and positions, grown token by token."""

    def __init__(self, model: Any, inputs: BatchInputs) -> None:
        from transformers import DynamicCache

        self._model = model
        cache = DynamicCache(config=model.config.get_text_config(decoder=True))
        output, carried = prefill(model, inputs, cache)
        self._ids_RT: Tensor = inputs.ids_PT
        self._carried = self._advanced(output, carried)
        self.logits_RV: Tensor = output.logits[:, -1]

    def select(self, rows: Tensor) -> None:
        """See `DecodingState`."""
        self._ids_RT = self._ids_RT[rows]
        self.logits_RV = self.logits_RV[rows]
        self._carried["past_key_values"].batch_select_indices(rows)
        for name, value in self._carried.items():
            if isinstance(value, Tensor):
                batch_axis = 1 if name == "position_ids" and value.ndim == _BATCH_SECOND else 0
                self._carried[name] = value.index_select(batch_axis, rows)

    def step(self, tokens_R: Tensor) -> None:
        """See `DecodingState`."""
        self._ids_RT = torch.cat([self._ids_RT, tokens_R[:, None]], 1)
        ready = self._model.prepare_inputs_for_generation(
            self._ids_RT, next_sequence_length=1, is_first_iteration=False, **self._carried
        )
        output = self._model(**ready, return_dict=True)
        self._carried = self._advanced(output, self._carried)
        self.logits_RV = output.logits[:, -1]

    def cache_bytes(self) -> int:
        """See `DecodingState`."""
        layers = self._carried["past_key_values"].layers
        return sum(layer.keys.nbytes + layer.values.nbytes for layer in layers if layer.keys is not None)

    def _advanced(self, output: Any, carried: dict[str, Any]) -> dict[str, Any]:
        advanced: dict[str, Any] = self._model._update_model_kwargs_for_generation(
            output, carried, is_encoder_decoder=False
        )
        return advanced


def _left_padded(value_1T: Tensor, length: int, filler: int) -> Tensor:
    """(1, T, …) padded on the left to (1, length, …)."""
    missing = length - value_1T.shape[1]
    if missing == 0:
        return value_1T
    padding = value_1T.new_full((1, missing, *value_1T.shape[2:]), filler)
    return torch.cat([padding, value_1T], 1)
