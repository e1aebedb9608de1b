"""How many rows fit into memory at once, and how to tell that too many were tried."""

from typing import Any

import torch

_MOST_ROWS = {"cpu": 256, "cuda": 512}
"""Beyond this, a step's cost grows with the rows and nothing is saved (CPU: measured on two cores)."""

_SHARE = 0.5
"""Share of free memory that caches may take; the rest is for activations, logits and what else runs."""


def row_tokens(*, prompt: int, reply: int, samples: int, shared: bool) -> int:
    """Tokens whose keys and values one row holds: its reply, and its prompt or its share of one that all `samples`
    rows of the prompt hold together."""
    return reply + (-(-prompt // samples) if shared else prompt)


class RowBudget:
    """How many rows may run together; halved whenever memory runs out."""

    def __init__(self, model: Any, *, most_rows: int | None = None) -> None:
        self._device: torch.device = model.device
        self._bytes_per_token = _cache_bytes_per_token(model)
        self.most = most_rows or _MOST_ROWS[self._device.type]
        self.prompt_tokens = 16_384 if self._device.type == "cuda" else 8_192
        """Prompt tokens of one prefill."""

    def rows(self, length: int) -> int:
        """Rows of `length` tokens (see `row_tokens`); at least 1."""
        fitting = int(_SHARE * _free_bytes(self._device) / (self._bytes_per_token * max(1, length)))
        return max(1, min(self.most, fitting))

    def halve(self) -> bool:
        """After running out of memory. False when there was nothing left to halve."""
        if self.most == 1:
            return False
        self.most = max(1, self.most // 2)
        self.prompt_tokens = max(1, self.prompt_tokens // 2)
        return True


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch or Python ran out of memory; torch's CPU allocator has no error class of its own."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    said = str(error)
    return isinstance(error, RuntimeError) and ("can't allocate memory" in said or "ALLOC_FAILED" in said)


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free) + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    import psutil

    return int(psutil.virtual_memory().available)


def _cache_bytes_per_token(model: Any) -> int:
    """Keys and values of all layers for one token of one row."""
    config = model.config.get_text_config(decoder=True)
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * width * model.dtype.itemsize)
