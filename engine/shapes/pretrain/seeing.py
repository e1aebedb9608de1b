"""The first stage of pre-training: every cell's image feature learns to name its own words.

The words are scored against the token embeddings themselves, so what the tower sees is in the language of the
decoder before the decoder learns to speak. Without this, descriptions take about ten times longer.
"""

import random

import torch
from torch.nn.functional import cross_entropy
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

from engine.shapes.pretrain.batches import pixels
from engine.shapes.pretrain.model import image_features
from engine.shapes.scenes import COLOURS, COLUMNS, ROWS, SHAPES, SIZES, Difficulty, Scene, glimpse, scene_seed

DIFFICULTIES: tuple[Difficulty, ...] = ("easy", "normal", "hard")

GROUPS: tuple[tuple[str, ...], ...] = (
    (*SIZES, "nothing"), (*COLOURS, "nothing"), (*SHAPES, "nothing"), ROWS, COLUMNS,
)  # fmt: skip
"""Words among which each cell must choose one per group."""
LENGTH = 2.0
"""Length that features are drawn to, about that of a word's embedding. Left alone they grow a hundred times
longer (tried): the words are then still told apart, but the decoder can no longer learn from them."""


def cell_words(scene: Scene) -> list[list[int]]:
    """For each of the 9 cells the index of its word in every group."""
    things = {thing.cell: thing for thing in scene.things}
    words: list[list[int]] = []
    for cell in range(9):
        thing = things.get(cell)
        named = (thing.size, thing.colour, thing.shape) if thing else ("nothing",) * 3
        found = [group.index(word) for group, word in zip(GROUPS, named, strict=False)]
        words.append([*found, *divmod(cell, 3)])
    return words


def seeing_batch(seed: int, step: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels float32 (B, 3, 48, 48) and word indices int64 (B, 9, groups) of one step."""
    rng = random.Random(f"seeing/{seed}/{step}")
    images: list[torch.Tensor] = []
    words: list[list[list[int]]] = []
    for _ in range(size):
        difficulty = rng.choices(DIFFICULTIES, (0.2, 0.5, 0.3))[0]
        image, scene = glimpse(scene_seed("pretrain", seed, rng.getrandbits(48)), difficulty)
        images.append(pixels(image))
        words.append(cell_words(scene))
    return torch.stack(images), torch.tensor(words)


def seeing_loss(
    model: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerFast,
    pixels_BCHW: torch.Tensor, words_BPG: torch.Tensor,
) -> tuple[torch.Tensor, list[float]]:  # fmt: skip
    """Mean negative log likelihood of the cells' words, and the share right per group."""
    features_BPD = image_features(model, pixels_BCHW).float()
    table_VD = model.get_input_embeddings().weight.float()
    length_BP1 = features_BPD.norm(dim=-1, keepdim=True)
    total = 0.3 * (length_BP1 / LENGTH).log().square().mean()
    features_BPD = features_BPD / length_BP1 * features_BPD.shape[-1] ** 0.5  # as the decoder's first norm does
    right: list[float] = []
    for index, group in enumerate(GROUPS):
        ids = [tokenizer(f" {word}", add_special_tokens=False).input_ids[0] for word in group]
        scores_NW = (features_BPD @ table_VD[ids].T).flatten(0, 1)
        target_N = words_BPG[..., index].flatten()
        total = total + cross_entropy(scores_NW, target_N)
        right.append((scores_NW.argmax(-1) == target_N).float().mean().item())
    return total, right
