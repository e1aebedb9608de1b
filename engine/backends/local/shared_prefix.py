"""Fast decoding for models with ordinary causal attention: the prompt's keys are kept once for all its samples.

While decoding, attention is computed here: the rows of one prompt meet its keys in one matrix product, and each row
meets the keys of its own tokens. That reads far less memory than a full cache per row, needs no mask building, and
lets finished rows leave and new prompts join. `supports` tells whether a model's layers are of that kind.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AttentionInterface, Cache, DynamicCache
from transformers.cache_utils import DynamicLayer

from engine.backends.local.decoding import BatchInputs, prefill

_NAME = "judge_studio_shared_prefix"

_FIRST_ROOM = 32
"""Tokens a row's own cache has room for at first; it grows by half when full."""

_STALE = 0.25
"""Share of prompts without rows, or of leading columns without keys, at which the cache is packed anew."""

_HARMLESS = {"dropout", "position_ids", "is_causal", "use_cache", "cache_position", "return_dict", "past_key_values"}
"""Options of transformers' attention interface that change nothing for one new token behind a full cache."""


class UnsupportedAttentionError(Exception):
    """The model's attention does something this file does not. Decode it plainly instead."""


def supports(model: Any) -> bool:
    """Whether every layer caches plain keys and values of the whole text, as far as the configuration tells."""
    config = model.config.get_text_config(decoder=True)
    if not model._can_set_attn_implementation() or getattr(config, "cross_attention_layers", None):
        return False
    layers = DynamicCache(config=config).layers
    return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)


class SharedPrefixState:
    """A batch of R rows that belong to G prompts; see `DecodingState`.

    Prompt keys are (G, heads, T, D), padded on the left. A row's own keys are (R, heads, S, D); all rows end at the
    same column, so a row that joined later has padding on its left.
    """

    def __init__(self, model: Any, inputs: BatchInputs) -> None:
        self._model = model
        self._book = _Book(model.device)
        count = len(DynamicCache(config=model.config.get_text_config(decoder=True)).layers)
        self._layers = [_SharedLayer(self._book) for _ in range(count)]
        self._cache = Cache(layers=list(self._layers))
        output, carried = prefill(model, inputs, self._cache)
        for layer in self._layers:
            layer.close_prompt()
        starts_G = (inputs.along["attention_mask"] == 0).sum(1).cpu().numpy()
        self._book.start(inputs.ids_PT.shape[1], starts_G, dtype=self._layers[0].prompt_keys.dtype)
        self._positions = carried["position_ids"][..., -1:]  # (R, 1), or (axes, R, 1) for rotary positions in space
        self.logits_RV: Tensor = output.logits[:, -1]

    def select(self, rows: Tensor) -> None:
        """See `DecodingState`. Cheap when most rows stay where they are."""
        self.logits_RV = self.logits_RV[rows]
        self._positions = self._positions.index_select(self._positions.ndim - 2, rows)
        moved = self._book.select(rows.cpu().numpy())
        for layer in self._layers:
            layer.move_rows(moved, len(rows))
        packing = self._book.pack()
        if packing is not None:
            for layer in self._layers:
                layer.pack(*packing)

    def step(self, tokens_R: Tensor) -> None:
        """See `DecodingState`."""
        self._positions = self._positions + 1
        self._book.advance()
        with _attending_here(self._model):
            output = self._model(
                input_ids=tokens_R[:, None],
                position_ids=self._positions,
                past_key_values=self._cache,
                use_cache=True,
                return_dict=True,
            )
        self.logits_RV = output.logits[:, -1]

    def join(self, other: "SharedPrefixState") -> None:
        """Append the rows of `other`, which must not be used afterwards."""
        self.logits_RV = torch.cat([self.logits_RV, other.logits_RV])
        self._positions = torch.cat([self._positions, other._positions], self._positions.ndim - 2)
        for layer, more in zip(self._layers, other._layers, strict=True):
            layer.join(more)
        self._book.join(other._book)

    def cache_bytes(self) -> int:
        """See `DecodingState`."""
        return sum(layer.held_bytes() for layer in self._layers)


class _Book:
    """Which row belongs to which prompt, and which cached columns are padding. One for all layers of a batch."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.decoding = False
        self.prompt_length = 0
        self.own_length = 0
        """Columns of the rows' own keys, the one being computed included."""

    def start(self, prompt_length: int, starts_G: NDArray[np.int64], *, dtype: torch.dtype) -> None:
        """After the prompts ran: one row per prompt. `starts_G` is the padding on the left of each."""
        self.decoding = True
        self._dtype = dtype
        self.prompt_length = prompt_length
        self._prompt_starts_G = starts_G
        self._own_starts_R = np.zeros(len(starts_G), np.int64)
        self._prompt_of_R = np.arange(len(starts_G))
        self._arrange()

    @property
    def rows(self) -> int:
        return len(self._prompt_of_R)

    def advance(self) -> None:
        self.own_length += 1
        if self._own_mask is not None and self.own_length > self._own_mask.shape[-1]:
            self._make_own_mask()

    def select(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Keep `rows`. Returns (to, from): the rows that change their place."""
        to = np.flatnonzero(rows != np.arange(len(rows)))
        self._prompt_of_R = self._prompt_of_R[rows]
        self._own_starts_R = self._own_starts_R[rows]
        self._arrange()
        return self._sent(to), self._sent(rows[to])

    def pack(self) -> tuple[Tensor, int, int] | None:
        """If enough is stale: the prompts to keep and the leading (prompt, own) columns to drop."""
        kept = np.unique(self._prompt_of_R)
        prompt_columns = int(self._prompt_starts_G[kept].min())
        own_columns = int(self._own_starts_R.min())
        stale_prompts = 1 - len(kept) * (self.prompt_length - prompt_columns) / max(
            1, self.prompts * self.prompt_length
        )
        if stale_prompts < _STALE and own_columns < max(_FIRST_ROOM, _STALE * self.own_length):
            return None
        self._prompt_of_R = np.searchsorted(kept, self._prompt_of_R)
        self._prompt_starts_G = self._prompt_starts_G[kept] - prompt_columns
        self._own_starts_R = self._own_starts_R - own_columns
        self.prompt_length -= prompt_columns
        self.own_length -= own_columns
        self._arrange()
        return self._sent(kept), prompt_columns, own_columns

    def join(self, other: "_Book") -> None:
        both = (self, other)
        prompt_length = max(book.prompt_length for book in both)
        own_length = max(book.own_length for book in both)
        self._prompt_of_R = np.concatenate([self._prompt_of_R, other._prompt_of_R + self.prompts])
        self._prompt_starts_G = np.concatenate(
            [book._prompt_starts_G + prompt_length - book.prompt_length for book in both]
        )
        self._own_starts_R = np.concatenate([book._own_starts_R + own_length - book.own_length for book in both])
        self.prompt_length, self.own_length = prompt_length, own_length
        self._arrange()

    def _arrange(self) -> None:
        """Where each row stands in the grid of prompts × places, and the additive masks."""
        self.prompts = len(self._prompt_starts_G)
        counts_G = np.bincount(self._prompt_of_R, minlength=self.prompts)
        self.places = int(counts_G.max())
        order = np.argsort(self._prompt_of_R, kind="stable")
        place_R = np.empty(self.rows, np.int64)
        place_R[order] = np.arange(self.rows) - np.repeat(counts_G.cumsum() - counts_G, counts_G)
        cell_R = self._prompt_of_R * self.places + place_R
        self.full = self.rows == self.prompts * self.places and bool((cell_R == np.arange(self.rows)).all())
        self.cell_R = self._sent(cell_R)
        self.prompt_mask_G11T = self._mask(self._prompt_starts_G, self.prompt_length)
        self._make_own_mask()

    def _make_own_mask(self) -> None:
        self._own_mask = self._mask(self._own_starts_R, self.own_length + 64)  # 64: not to make it for every token

    def own_mask(self) -> Tensor | None:
        return None if self._own_mask is None else self._own_mask[..., : self.own_length]

    def _mask(self, starts: NDArray[np.int64], length: int) -> Tensor | None:
        """(n, 1, 1, length) with -inf before each start, else 0; None when nothing is hidden."""
        if not starts.any():
            return None
        hidden = self._sent(np.arange(length) < starts[:, None])[:, None, None]
        return torch.zeros(hidden.shape, dtype=self._dtype, device=self._device).masked_fill_(hidden, -math.inf)

    def _sent(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._device)


class _SharedLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values of one layer: the prompts' once, and each row's own in a buffer that grows by half."""

    def __init__(self, book: _Book) -> None:
        super().__init__()
        self.book = book
        self.is_initialized = False
        self.keys: Tensor | None = None
        self.values: Tensor | None = None
        self.prompt_keys: Tensor
        self.prompt_values: Tensor
        self.own_keys: Tensor | None = None
        self.own_values: Tensor | None = None

    def update(self, keys: Tensor, values: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Called by the model. The prompt's keys go back as they are; a new token's carry this layer along."""
        if not self.book.decoding:
            if self.is_initialized:
                raise UnsupportedAttentionError("one cache layer is used by two attention layers")
            self.is_initialized = True
            self.keys, self.values = keys, values
            return keys, values
        column = self.book.own_length - 1
        self.own_keys = _written(self.own_keys, column, keys)
        self.own_values = _written(self.own_values, column, values)
        keys._judge_studio_layer = self  # type: ignore[attr-defined]
        return keys, values

    def get_seq_length(self) -> int:
        return self.book.prompt_length + self.book.own_length

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0

    def close_prompt(self) -> None:
        """Put the prompts' keys into the layout that decoding reads."""
        if self.keys is None or self.values is None:
            raise UnsupportedAttentionError("a layer does not use its cache")
        self.prompt_keys, self.prompt_values = self.keys.contiguous(), self.values.contiguous()
        self.keys = self.values = None

    def move_rows(self, moved: tuple[Tensor, Tensor], rows: int) -> None:
        """Shrink to `rows` rows after copying rows from their old places to the new ones."""
        to, origin = moved
        used = self.book.own_length
        for own in (self.own_keys, self.own_values):
            if own is not None and len(to):
                own[to, :, :used] = own[origin, :, :used]
        if self.own_keys is not None and self.own_values is not None:
            self.own_keys, self.own_values = self.own_keys[:rows], self.own_values[:rows]

    def pack(self, prompts: Tensor, prompt_columns: int, own_columns: int) -> None:
        """Drop prompts without rows and columns without keys. The book has been packed already."""
        self.prompt_keys = self.prompt_keys[prompts, :, prompt_columns:].contiguous()
        self.prompt_values = self.prompt_values[prompts, :, prompt_columns:].contiguous()
        if self.own_keys is not None and self.own_values is not None:
            end = own_columns + self.book.own_length
            self.own_keys = self.own_keys[:, :, own_columns:end].contiguous()
            self.own_values = self.own_values[:, :, own_columns:end].contiguous()

    def join(self, other: "_SharedLayer") -> None:
        """Append the other's prompts and rows, right-aligned. The books are joined afterwards."""
        both = (self, other)
        prompt_length = max(layer.book.prompt_length for layer in both)
        own_length = max(layer.book.own_length for layer in both)
        self.prompt_keys = torch.cat([_right_aligned(layer.prompt_keys, prompt_length) for layer in both])
        self.prompt_values = torch.cat([_right_aligned(layer.prompt_values, prompt_length) for layer in both])
        if own_length:
            keys = [_right_aligned(layer._own(layer.own_keys, layer.prompt_keys), own_length) for layer in both]
            values = [_right_aligned(layer._own(layer.own_values, layer.prompt_values), own_length) for layer in both]
            self.own_keys, self.own_values = torch.cat(keys), torch.cat(values)

    def held_bytes(self) -> int:
        held = (self.prompt_keys, self.prompt_values, self.own_keys, self.own_values)
        return sum(tensor.nbytes for tensor in held if tensor is not None)

    def _own(self, own: Tensor | None, like: Tensor) -> Tensor:
        """The used part of the rows' own keys or values."""
        if own is None:
            return like.new_zeros((self.book.rows, like.shape[1], 0, like.shape[3]))
        return own[:, :, : self.book.own_length]


def _written(own: Tensor | None, column: int, new: Tensor) -> Tensor:
    """`own` with `new` (R, heads, 1, D) at `column`, moved to a larger buffer when it is full."""
    room = 0 if own is None else own.shape[2]
    if own is None or column >= room:
        rows, heads, _, width = new.shape
        larger = new.new_empty((rows, heads, max(_FIRST_ROOM, column + column // 2), width))
        if own is not None:
            larger[:, :, :column] = own[:, :, :column]
        own = larger
    own[:, :, column] = new[:, :, 0]
    return own


def _right_aligned(keys: Tensor, length: int) -> Tensor:
    missing = length - keys.shape[2]
    return torch.nn.functional.pad(keys, (0, 0, missing, 0)) if missing else keys


@contextmanager
def _attending_here(model: Any) -> Iterator[None]:
    """Within it the model's text layers attend through this file; their configuration is put back afterwards."""
    configs = _attention_configs(model)
    before = [config._attn_implementation_internal for config in configs]
    for config in configs:
        config._attn_implementation_internal = _NAME
    try:
        yield
    finally:
        for config, name in zip(configs, before, strict=True):
            config._attn_implementation_internal = name


def _attention_configs(model: Any) -> list[Any]:
    """Configurations that the text decoder's attention layers and its mask builder read."""
    known = getattr(model, "_judge_studio_configs", None)
    if known is None:
        configs = {id(part.config): part.config for part in model.get_decoder().modules() if hasattr(part, "config")}
        known = list(configs.values())
        model._judge_studio_configs = known
    return cast(list[Any], known)


def shared_prefix_attention(
    module: Any,  # noqa: ARG001  given by transformers
    query: Tensor,
    key: Tensor,
    value: Tensor,  # noqa: ARG001  is in the layer already
    attention_mask: Tensor | None,  # noqa: ARG001  None: transformers builds none for an attention it does not know
    scaling: float | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attention of one new token per row to its prompt and to its own tokens.

    `query` is (R, query heads, 1, D); `key` carries the layer it was put into. Returns (R, 1, query heads, D).
    Raises `UnsupportedAttentionError` on any option it does not know, since ignoring one would change the result.
    """
    layer = getattr(key, "_judge_studio_layer", None)
    strange = sorted(name for name, option in options.items() if name not in _HARMLESS and option is not None)
    if layer is None or query.shape[2] != 1 or strange:
        raise UnsupportedAttentionError(f"attention with {strange or 'rewritten keys'}")
    book: _Book = layer.book
    rows, query_heads, _, width = query.shape
    shared = query_heads // key.shape[1]  # Q: query heads per key head
    scale = width**-0.5 if scaling is None else scaling
    query_RHQD = query.reshape(rows, key.shape[1], shared, width) * scale

    prompt_scores = _to_cells(query_RHQD, book) @ layer.prompt_keys.transpose(2, 3)  # (G, H, places*Q, T)
    if book.prompt_mask_G11T is not None:
        prompt_scores = prompt_scores + book.prompt_mask_G11T
    own_scores_RHQS = query_RHQD @ layer.own_keys[:, :, : book.own_length].transpose(2, 3)
    own_mask_R11S = book.own_mask()
    if own_mask_R11S is not None:
        own_scores_RHQS = own_scores_RHQS + own_mask_R11S

    scores = torch.cat([_to_rows(prompt_scores, book, shared), own_scores_RHQS], -1)
    weights = torch.softmax(scores, -1, dtype=torch.float32).to(query.dtype)
    prompt_weights, own_weights = torch.split(weights, [book.prompt_length, book.own_length], -1)
    from_prompt = _to_rows(_to_cells(prompt_weights, book) @ layer.prompt_values, book, shared)
    from_own = own_weights @ layer.own_values[:, :, : book.own_length]
    return (from_prompt + from_own).reshape(rows, 1, query_heads, -1), None


AttentionInterface.register(_NAME, shared_prefix_attention)


def _to_cells(rows_RHQX: Tensor, book: _Book) -> Tensor:
    """Rows into the grid of prompts × places: (G, H, places*Q, X); empty places hold zeros."""
    _, heads, shared, size = rows_RHQX.shape
    if not book.full:
        grid = rows_RHQX.new_zeros((book.prompts * book.places, heads, shared, size))
        rows_RHQX = grid.index_copy_(0, book.cell_R, rows_RHQX)
    if book.places == 1:
        return rows_RHQX
    grid_GPHQX = rows_RHQX.reshape(book.prompts, book.places, heads, shared, size)
    return grid_GPHQX.transpose(1, 2).reshape(book.prompts, heads, book.places * shared, size)


def _to_rows(cells: Tensor, book: _Book, shared: int) -> Tensor:
    """Undo `_to_cells`: (G, H, places*Q, X) to (R, H, Q, X)."""
    _, heads, _, size = cells.shape
    grid = cells.view(book.prompts, heads, book.places, shared, size).transpose(1, 2)
    rows = grid.reshape(book.prompts * book.places, heads, shared, size)
    return rows if book.full else rows[book.cell_R]
