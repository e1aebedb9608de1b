"""Plain attention for training on a CPU: two batched products with a softmax between, in the dtype of autocast.

torch's fused kernel is two to four times slower than this for short bf16 sequences on CPUs (measured on an
AMD EPYC with avx512_bf16, 5-25 sequences of 60-280 tokens). Generation uses the fused kernel as usual.
"""

from typing import Any

import torch
from transformers import AttentionInterface

NAME = "shapes-plain"


def plain_attention(
    module: torch.nn.Module,
    query_BHTD: torch.Tensor,
    key_BHTD: torch.Tensor,
    value_BHTD: torch.Tensor,
    _mask: torch.Tensor | None,
    scaling: float | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Causal where the module is, without any other mask: batches are right-padded. Returns (B, T, H, D)."""
    B, H, T, D = query_BHTD.shape
    bias_TT = query_BHTD.new_zeros(T, T)
    if getattr(module, "is_causal", False):
        bias_TT = torch.full_like(bias_TT, float("-inf")).triu(1)
    scores_NTT = torch.baddbmm(
        bias_TT.expand(B * H, T, T), query_BHTD.reshape(B * H, T, D), key_BHTD.reshape(B * H, T, D).transpose(1, 2),
        alpha=D**-0.5 if scaling is None else scaling,
    )  # fmt: skip
    mixed_NTD = torch.bmm(scores_NTT.softmax(-1), value_BHTD.reshape(B * H, T, D))
    return mixed_NTD.view(B, H, T, D).transpose(1, 2), None


AttentionInterface.register(NAME, plain_attention)
