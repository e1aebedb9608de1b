"""Batches of the corpus as tensors: filled by tokens, sorted by length, reproducible from (seed, step) alone."""

import random
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from transformers import PreTrainedTokenizerFast

from engine.prompts import PromptPack
from engine.shapes.pretrain.corpus import Example, example
from engine.shapes.pretrain.curriculum import Phase, choose
from engine.shapes.pretrain.tokens import ASSISTANT, BOS, EOS, IMAGE, PAD, USER
from engine.shapes.scenes import scene_seed

STRIDE = 8
"""Batches made from one pool of examples; the pool is sorted by length, so little of a batch is padding."""


SECOND = "\nResponse B:"
ECHO = 0.3
"""Weight of the second description of two nearly equal ones. Foretelling it teaches the model to hold it against the
first, token by token, which is what finding their difference needs; the replies alone taught that too slowly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Right-padded training batch; no attention mask, because padding comes last and carries no loss."""

    pixels_BCHW: torch.Tensor
    """float32 in [-1, 1]."""
    ids_BT: torch.Tensor
    """int64."""
    weights_BT: torch.Tensor
    """float32; weight of predicting the token at t from those before it, 0 outside the reply."""
    tasks: tuple[str, ...]

    @property
    def tokens(self) -> int:
        return self.ids_BT.numel()


def pixels(image: Image.Image) -> torch.Tensor:
    """float32 (3, 48, 48) in [-1, 1], as the saved image processor gives them for a picture of that size."""
    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 127.5 - 1).permute(2, 0, 1)


def encode(tokenizer: PreTrainedTokenizerFast, made: Example) -> tuple[list[int], list[float]]:
    """Token ids of the whole conversation and the loss weight of each."""
    special = {name: tokenizer.convert_tokens_to_ids(name) for name in (BOS, USER, IMAGE, ASSISTANT, EOS)}
    first, mark, second = made.prompt.partition(SECOND)
    ids = [special[BOS], special[USER], *[special[IMAGE]] * 9]
    weights = [0.0] * len(ids)
    for text, weight in ((first + mark, 0.0), (second, ECHO if made.echoes else 0.0)):
        piece = tokenizer(text, add_special_tokens=False).input_ids
        ids += piece
        weights += [weight] * len(piece)
    ids, weights = [*ids, special[ASSISTANT]], [*weights, 0.0]
    for text, weight in made.reply:
        piece = tokenizer(text, add_special_tokens=False).input_ids
        ids += piece
        weights += [weight] * len(piece)
    return [*ids, special[EOS]], [*weights, 1.0]


def pool(
    seed: int, start: int, phase: Phase, tokenizer: PreTrainedTokenizerFast, pack: PromptPack, budget: int
) -> list[Batch]:
    """`STRIDE` batches of about `budget` tokens each for the steps from `start` on, of the phase's mix."""
    rng = random.Random(f"{seed}/{start}")
    encoded: list[tuple[list[int], list[float], Example]] = []
    total = 0
    while total < STRIDE * budget:
        task, difficulty = choose(phase, rng)
        made = example(task, scene_seed("pretrain", seed, rng.getrandbits(48)), difficulty, pack)
        ids, weights = encode(tokenizer, made)
        encoded.append((ids, weights, made))
        total += len(ids)
    encoded.sort(key=lambda row: len(row[0]))
    batches = [_collate(rows, tokenizer) for rows in _split(encoded, total / STRIDE)]
    rng.shuffle(batches)
    return batches


def _split(
    rows: list[tuple[list[int], list[float], Example]], budget: float
) -> list[list[tuple[list[int], list[float], Example]]]:
    """Exactly `STRIDE` consecutive groups of about equal token counts."""
    groups: list[list[tuple[list[int], list[float], Example]]] = [[] for _ in range(STRIDE)]
    seen = 0
    for row in rows:
        groups[min(STRIDE - 1, int(seen / budget))].append(row)
        seen += len(row[0])
    return [group for group in groups if group]


def _collate(rows: list[tuple[list[int], list[float], Example]], tokenizer: PreTrainedTokenizerFast) -> Batch:
    longest = max(len(ids) for ids, _, _ in rows)
    pad = tokenizer.convert_tokens_to_ids(PAD)
    ids_BT = torch.tensor([ids + [pad] * (longest - len(ids)) for ids, _, _ in rows])
    weights_BT = torch.tensor([weights + [0.0] * (longest - len(weights)) for _, weights, _ in rows])
    return Batch(
        pixels_BCHW=torch.stack([pixels(made.image) for _, _, made in rows]),
        ids_BT=ids_BT, weights_BT=weights_BT, tasks=tuple(made.task for _, _, made in rows),
    )  # fmt: skip
