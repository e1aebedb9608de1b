"""The embedded model: a Llava of two million parameters, its processor, and the folder it is saved as.

CLIP tower (one patch per cell of a scene, so 9 image tokens) → two-layer projector → Llama decoder.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)  # fmt: skip

from engine.shapes.pretrain.tokens import BOS, EOS, IMAGE, PAD
from engine.shapes.scenes import CELL, SIDE

try:  # transformers ≥ 5.2 names its PIL processor; before that the plain name is PIL's
    from transformers import CLIPImageProcessorPil as ImageProcessor
except ImportError:
    from transformers import CLIPImageProcessor as ImageProcessor

WIDTH = 128
HEAD = 64
"""Head size. 32 would do here, but other inference engines have kernels only from 64."""
BICUBIC = 3
"""Pillow's number of the filter that makes a large drawing small. BOX would average as `scenes.glimpse` does, but the
torchvision processors, which vLLM uses, refuse it. What is judged right is the same with both (see the model card)."""
SPREAD = 0.08
"""Initializer range. At this width transformers' 0.02 learns several times slower (tried in a prototype)."""


def build_model(tokenizer: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
    """A freshly initialised model for the tokenizer, fp32, in training mode. Seed torch before."""
    vision = CLIPVisionConfig(
        hidden_size=WIDTH, intermediate_size=3 * WIDTH, num_hidden_layers=3, num_attention_heads=2,
        projection_dim=WIDTH, image_size=SIDE, patch_size=CELL, initializer_range=SPREAD,
    )  # fmt: skip
    text = LlamaConfig(
        vocab_size=-(-len(tokenizer) // 64) * 64, hidden_size=WIDTH, intermediate_size=3 * WIDTH,
        num_hidden_layers=5, num_attention_heads=4, num_key_value_heads=4, head_dim=HEAD,
        max_position_embeddings=1024, tie_word_embeddings=True, initializer_range=SPREAD,
        bos_token_id=tokenizer.convert_tokens_to_ids(BOS), eos_token_id=tokenizer.convert_tokens_to_ids(EOS),
        pad_token_id=tokenizer.convert_tokens_to_ids(PAD),
    )  # fmt: skip
    config = LlavaConfig(
        vision_config=vision, text_config=text, image_token_id=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=9, vision_feature_layer=-1, vision_feature_select_strategy="default",
        projector_hidden_act="gelu", tie_word_embeddings=True,
    )  # fmt: skip
    model = LlavaForConditionalGeneration(config)
    model.generation_config.update(
        bos_token_id=text.bos_token_id, eos_token_id=text.eos_token_id, pad_token_id=text.pad_token_id
    )
    return model.float()


def build_processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """Pixels to [-1, 1] at 48×48 whatever the picture's shape; one <image> becomes nine."""
    images = ImageProcessor(
        do_resize=True, size={"height": SIDE, "width": SIDE}, resample=BICUBIC, do_center_crop=False, do_rescale=True,
        do_normalize=True, image_mean=[0.5] * 3, image_std=[0.5] * 3, do_convert_rgb=True,
    )  # fmt: skip
    return LlavaProcessor(
        image_processor=images, tokenizer=tokenizer, patch_size=CELL, vision_feature_select_strategy="default",
        image_token=IMAGE, num_additional_image_tokens=1, chat_template=tokenizer.chat_template,
    )  # fmt: skip


def image_features(model: LlavaForConditionalGeneration, pixels_BCHW: torch.Tensor) -> torch.Tensor:
    """Projected patch features, float (B, 9, D); the class token is dropped as Llava does."""
    hidden_BPD = model.model.vision_tower(pixels_BCHW).last_hidden_state[:, 1:]
    features_BPD: torch.Tensor = model.model.multi_modal_projector(hidden_BPD)
    return features_BPD


@torch.no_grad()
def inherit(model: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Begin with the weights of an earlier model of the same shape. Its words keep their meaning; new ones are random.

    The vocabularies need not agree: embeddings go by the words themselves. New ones are as long as old ones. Raises
    `ValueError` for a model of another shape.
    """
    stored = load_file(folder / "model.safetensors")
    table_VD = stored.pop("language_model.model.embed_tokens.weight")
    before = PreTrainedTokenizerFast.from_pretrained(folder).get_vocab()
    mine_VD = model.get_input_embeddings().weight
    kept = {row: before[word] for word, row in tokenizer.get_vocab().items() if word in before}
    mine_VD.mul_(table_VD[list(kept.values())].norm(dim=-1).mean() / mine_VD.norm(dim=-1).mean())
    mine_VD[list(kept)] = table_VD[list(kept.values())]
    for name, parameter in model.named_parameters():
        if parameter is mine_VD:
            continue
        known = stored.get(portable_name(name))
        if known is None or known.shape != parameter.shape:
            found = "nothing" if known is None else tuple(known.shape)
            raise ValueError(
                f"{folder}: {portable_name(name)} is {found}, not {tuple(parameter.shape)}. Begin with a model of this "
                "shape, or from nothing."
            )
        parameter.copy_(known)


def save_model(
    model: LlavaForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    *,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a standard Llava folder: config, processor, tokenizer, chat template, safetensors of that format.

    transformers 5 would name the tower `vision_tower.embeddings…`; vLLM 0.32 reads only
    `vision_tower.vision_model…`, and transformers reads both.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model.config.architectures = ["LlavaForConditionalGeneration"]
    model.config.dtype = dtype
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    build_processor(tokenizer).save_pretrained(folder)
    weights = {
        portable_name(name): tensor.detach().to("cpu", dtype).contiguous().clone()
        for name, tensor in model.state_dict().items()
        if name != "lm_head.weight"  # tied to the embeddings
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def portable_name(name: str) -> str:
    """The checkpoint name of a parameter of transformers 5, in the form all engines read."""
    if name.startswith("model.vision_tower."):
        rest = name.removeprefix("model.vision_tower.").removeprefix("vision_model.")
        return f"vision_tower.vision_model.{rest}"
    if name.startswith("model.multi_modal_projector."):
        return name.removeprefix("model.")
    return name.replace("model.language_model.", "language_model.model.", 1)
