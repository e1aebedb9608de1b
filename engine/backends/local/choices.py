"""How likely each of a few given texts is as the next text: teacher-forced, nothing is sampled."""

from collections.abc import Sequence

import torch

from engine.backends.local.chat import Prompt
from engine.backends.local.decoding import PlainState
from engine.backends.local.memory import RowBudget, is_out_of_memory
from engine.backends.local.scheduling import Decoder
from engine.backends.local.shared_prefix import SharedPrefixState
from engine.errors import BackendError


def choice_probabilities(
    decoder: Decoder, budget: RowBudget, prompts: Sequence[Prompt], choices: Sequence[Sequence[Sequence[int]]]
) -> list[list[float]]:
    """For each prompt the probability of each of its choices (lists of token ids, not empty), summing to 1.

    Raises `BackendError` when not even one prompt fits into memory.
    """
    results: list[list[float]] = []
    while len(results) < len(prompts):
        count = _fitting(decoder, budget, prompts[len(results) :], choices[len(results) :])
        part = slice(len(results), len(results) + count)
        exhausted = False
        try:
            results += _scored(decoder, prompts[part], choices[part])
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            exhausted = True
        if exhausted and not budget.halve():
            raise BackendError("model: out of memory with one prompt at a time; use a device with more memory.")
    return results


def _fitting(
    decoder: Decoder, budget: RowBudget, prompts: Sequence[Prompt], choices: Sequence[Sequence[Sequence[int]]]
) -> int:
    """How many of the prompts run together; at least 1."""
    limit, rows, tokens, count = budget.rows(prompts[0].length), 0, 0, 0
    for prompt, some in zip(prompts, choices, strict=True):
        rows += len(some)
        tokens += prompt.length
        full = rows > limit or tokens > budget.prompt_tokens
        if count and (full or not decoder.fit_together(prompt, prompts[0])):
            break
        count += 1
    return count


@torch.inference_mode()
def _scored(
    decoder: Decoder, prompts: Sequence[Prompt], choices: Sequence[Sequence[Sequence[int]]]
) -> list[list[float]]:
    inputs = decoder.inputs(prompts)
    state = SharedPrefixState(decoder.model, inputs) if decoder.shared else PlainState(decoder.model, inputs)
    device = decoder.device
    flat = [list(ids) for some in choices for ids in some]
    owner_R = torch.repeat_interleave(torch.arange(len(prompts)), torch.tensor([len(some) for some in choices]))
    total_R = torch.zeros(len(flat), dtype=torch.float64)
    longest = max(len(ids) for ids in flat)
    ids_RL = torch.tensor([ids + [0] * (longest - len(ids)) for ids in flat])
    length_R = torch.tensor([len(ids) for ids in flat])
    state.select(owner_R.to(device))
    for place in range(longest):
        log_odds_RV = torch.log_softmax(state.logits_RV.float(), -1)
        token_R = ids_RL[:, place]
        picked_R = log_odds_RV.gather(1, token_R[:, None].to(device))[:, 0].cpu().double()
        total_R += torch.where(place < length_R, picked_R, torch.zeros_like(picked_R))
        if place + 1 < longest:
            state.step(token_R.to(device))
    parts = torch.split(total_R, [len(some) for some in choices])
    return [torch.softmax(part, 0).tolist() for part in parts]
