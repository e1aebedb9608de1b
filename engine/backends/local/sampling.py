"""Drawing the next token of many rows at once. Every row has its own settings and its own stream of chance.

It knows nothing of models: logits in, token ids out.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_FIRST_LOOK = 128
"""Most likely tokens looked at before a nucleus is sorted in full; they nearly always hold it."""


def chances(seed: int, sample: int, count: int) -> NDArray[np.float64]:
    """`count` numbers in [0, 1) that depend on (seed, sample) alone; number i is for the i-th token of the sample.

    Philox is counter-based: the stream is the same wherever, and in whatever batch, it is drawn.
    """
    key = np.array([seed, sample], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key)).random(count)


def next_tokens(
    logits_RV: Tensor, *, blocked_V: Tensor, temperature_R: Tensor, top_k_R: Tensor, top_p_R: Tensor, chance_R: Tensor
) -> Tensor:
    """One token id per row, long, on the device of the logits.

    `blocked_V` is added to the logits (0, or -inf for what must never be written). A row of temperature 0 takes the
    most likely token. Others are drawn by inverting the cumulative distribution in vocabulary order at `chance_R`, so
    the result does not depend on the other rows. Top-k comes first, then top-p of what is left, as in
    transformers and vLLM; `top_k_R` 0 and `top_p_R` 1 do not restrict.
    """
    logits_RV = logits_RV.float() + blocked_V
    drawn_R = temperature_R > 0
    if not bool(drawn_R.any()):
        return logits_RV.argmax(-1)
    warmth_R1 = torch.where(drawn_R, temperature_R, torch.ones_like(temperature_R))[:, None]
    odds_RV = torch.softmax(logits_RV / warmth_R1, -1)
    if bool(((top_k_R > 0) | (top_p_R < 1)).any()):
        odds_RV = _restricted(odds_RV, top_k_R, top_p_R)
    # float64: over a large vocabulary the running sum of float32 loses the small probabilities.
    heap_RV = odds_RV.cumsum(-1, dtype=torch.float64)
    mark_R1 = chance_R.to(torch.float64)[:, None] * heap_RV[:, -1:]
    sampled_R = torch.searchsorted(heap_RV, mark_R1, right=True)[:, 0].clamp_(max=logits_RV.shape[-1] - 1)
    return sampled_R if bool(drawn_R.all()) else torch.where(drawn_R, sampled_R, logits_RV.argmax(-1))


def _restricted(odds_RV: Tensor, top_k_R: Tensor, top_p_R: Tensor) -> Tensor:
    """The odds with everything outside top-k and top-p set to 0 (not normalised again)."""
    vocabulary = odds_RV.shape[-1]
    limited_R = (top_k_R > 0) | (top_p_R < 1)
    limit_R = torch.where(top_k_R > 0, top_k_R.clamp(max=vocabulary), vocabulary)
    width = min(vocabulary, _FIRST_LOOK)
    best_RK, ids_RK = odds_RV.topk(width, -1)
    short_R = limited_R & (limit_R > width) & (best_RK.sum(-1) < top_p_R)
    if bool(short_R.any()):
        best_RK, ids_RK = odds_RV.topk(vocabulary, -1)
    rank_K = torch.arange(best_RK.shape[-1], device=odds_RV.device)
    best_RK = best_RK.masked_fill(rank_K[None] >= limit_R[:, None], 0.0)
    heap_RK = best_RK.cumsum(-1)
    # Rows without top-k measure the nucleus against everything, those with it against what top-k left.
    whole_R = torch.where(top_k_R > 0, heap_RK[:, -1], torch.ones_like(top_p_R))
    nucleus_R = torch.where(top_p_R < 1, top_p_R * whole_R, torch.full_like(top_p_R, 2.0))
    kept_RK = best_RK * (heap_RK - best_RK < nucleus_R[:, None])
    return torch.where(limited_R[:, None], torch.zeros_like(odds_RV).scatter_(1, ids_RK, kept_RK), odds_RV)
