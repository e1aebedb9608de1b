"""Tiny real models with random weights, saved as complete folders: tokenizer, processor, chat template, weights.

They stand in for downloads in tests: each loads with `AutoModelForImageTextToText` and `AutoProcessor`, answers
nonsense, and does so in milliseconds. Imports of torch and transformers happen inside the functions.
"""

import random
from pathlib import Path
from typing import Any

COLOURS = ("red", "green", "blue", "yellow", "purple", "orange", "black", "white")
SHAPES = ("circle", "square", "triangle", "star", "cross")
PLACES = ("top left", "top right", "middle", "bottom left", "bottom right")

LLAVA_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
LLAVA_SPECIALS = ["<pad>", "<s>", "</s>", "<image>", "<|system|>", "<|user|>", "<|assistant|>"]

GEMMA_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "<start_of_turn>{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] | trim }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<start_of_image>{% else %}{{ part['text'] | trim }}{% endif %}"
    "{% endfor %}{% endif %}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
GEMMA_SPECIALS = [
    *("<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"),
    *("<start_of_image>", "<end_of_image>", "<image_soft_token>"),
]

MLLAMA_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|image|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
MLLAMA_SPECIALS = [
    *("<|begin_of_text|>", "<|end_of_text|>", "<|pad|>", "<|start_header_id|>", "<|end_header_id|>"),
    *("<|eot_id|>", "<|python_tag|>"),
]


IDEFICS_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}:"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
IDEFICS_SPECIALS = [
    *("<pad>", "<s>", "<end_of_utterance>", "<image>", "<fake_token_around_image>", "<global-img>", "<|im_start|>"),
    *(f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)),
]

QWEN_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QWEN_SPECIALS = [
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    *("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"),
]


def save_tiny_llava(folder: Path, *, seed: int = 0, width: int = 128, vision_layers: int = 3, layers: int = 4) -> Path:
    """A Llava of the embedded model's shape (48x48 images, 9 image tokens, vocabulary about 600). Returns `folder`."""
    import torch
    from transformers import (
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokenizer = _byte_level_tokenizer(LLAVA_SPECIALS, bos="<s>", eos="</s>", pad="<pad>")
    side = 48
    images = CLIPImageProcessorPil(
        size={"height": side, "width": side}, do_center_crop=False, crop_size={"height": side, "width": side}
    )
    processor = LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=16,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=LLAVA_TEMPLATE,
    )
    torch.manual_seed(seed)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=vision_layers,
            num_attention_heads=max(1, width // 64),
            image_size=side,
            patch_size=16,
            projection_dim=width,
            initializer_range=0.08,
        ),
        text_config=LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=3 * width,
            num_hidden_layers=layers,
            num_attention_heads=max(1, width // 64),
            num_key_value_heads=max(1, width // 64),
            head_dim=64,
            max_position_embeddings=2048,
            initializer_range=0.08,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        ),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        image_seq_length=9,
        initializer_range=0.08,
        tie_word_embeddings=True,
    )
    return _save(LlavaForConditionalGeneration(config), processor, folder)


def save_tiny_gemma3(folder: Path, *, seed: int = 0) -> Path:
    """A Gemma3: sliding window of 24 tokens, two-way attention inside the image, grouped heads, no system role."""
    import torch
    from transformers import (
        Gemma3Config,
        Gemma3ForConditionalGeneration,
        Gemma3Processor,
        Gemma3TextConfig,
        SiglipVisionConfig,
    )
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    tokenizer = _byte_level_tokenizer(
        GEMMA_SPECIALS,
        bos="<bos>",
        eos="<eos>",
        pad="<pad>",
        extra={
            "boi_token": "<start_of_image>",
            "eoi_token": "<end_of_image>",
            "image_token": "<image_soft_token>",
        },
    )
    processor = Gemma3Processor(
        image_processor=Gemma3ImageProcessorPil(size={"height": 32, "width": 32}),
        tokenizer=tokenizer,
        chat_template=GEMMA_TEMPLATE,
        image_seq_length=4,
    )
    torch.manual_seed(seed)
    config = Gemma3Config(
        text_config=Gemma3TextConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=16,
            query_pre_attn_scalar=16,
            sliding_window=24,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
            max_position_embeddings=1024,
            initializer_range=0.2,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        ),
        vision_config=SiglipVisionConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=32,
            patch_size=8,
        ),
        mm_tokens_per_image=4,
        boi_token_index=tokenizer.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=tokenizer.convert_tokens_to_ids("<end_of_image>"),
        image_token_index=tokenizer.convert_tokens_to_ids("<image_soft_token>"),
        initializer_range=0.2,
    )
    model = Gemma3ForConditionalGeneration(config)
    with torch.no_grad():  # freshly made ones project every image to nothing
        model.base_model.multi_modal_projector.mm_input_projection_weight.normal_(0.0, 1.0)
    return _save(model, processor, folder)


def save_tiny_mllama(folder: Path, *, seed: int = 0) -> Path:
    """A Llama-3.2-Vision (cross-attention to the image, no image tokens in the text): the paper's family."""
    import torch
    from transformers import MllamaConfig, MllamaForConditionalGeneration, MllamaProcessor
    from transformers.models.mllama.configuration_mllama import MllamaTextConfig, MllamaVisionConfig
    from transformers.models.mllama.image_processing_pil_mllama import MllamaImageProcessorPil

    # The image token is the last one and has an input embedding but no output row, as in the published models.
    tokenizer = _byte_level_tokenizer(
        MLLAMA_SPECIALS, bos="<|begin_of_text|>", eos="<|eot_id|>", pad="<|pad|>", last="<|image|>"
    )
    side = 28
    processor = MllamaProcessor(
        image_processor=MllamaImageProcessorPil(size={"height": side, "width": side}, max_image_tiles=2),
        tokenizer=tokenizer,
        chat_template=MLLAMA_TEMPLATE,
    )
    torch.manual_seed(seed)
    config = MllamaConfig(
        text_config=MllamaTextConfig(
            vocab_size=len(tokenizer) - 1,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            cross_attention_layers=[1, 3],
            max_position_embeddings=1024,
            initializer_range=0.2,
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        ),
        vision_config=MllamaVisionConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_global_layers=1,
            attention_heads=2,
            image_size=side,
            patch_size=14,
            vision_output_dim=96,
            intermediate_layers_indices=[0, 1],
            max_num_tiles=2,
            supported_aspect_ratios=[[1, 1], [1, 2], [2, 1]],
        ),
        image_token_index=tokenizer.convert_tokens_to_ids("<|image|>"),
        initializer_range=0.2,
    )
    model = MllamaForConditionalGeneration(config)
    with torch.no_grad():  # the published gates are open; freshly made ones are shut and would hide the image
        for name, weight in model.named_parameters():
            if name.endswith("_gate"):
                weight.fill_(1.0)
    return _save(model, processor, folder)


def save_tiny_idefics3(folder: Path, *, seed: int = 0) -> Path:
    """An Idefics3: an image becomes several tiles beside the whole, with row and column markers in the text."""
    import torch
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration, Idefics3Processor, LlamaConfig
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

    tokenizer = _byte_level_tokenizer(IDEFICS_SPECIALS, bos="<s>", eos="<end_of_utterance>", pad="<pad>")
    processor = Idefics3Processor(
        image_processor=Idefics3ImageProcessorPil(size={"longest_edge": 64}, max_image_size={"longest_edge": 32}),
        tokenizer=tokenizer,
        image_seq_len=4,
        chat_template=IDEFICS_TEMPLATE,
    )
    torch.manual_seed(seed)
    config = Idefics3Config(
        text_config=LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            initializer_range=0.2,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        ),
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 8,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.2,
    )
    return _save(Idefics3ForConditionalGeneration(config), processor, folder)


def save_tiny_qwen2_vl(folder: Path, *, seed: int = 0) -> Path:
    """A Qwen2-VL (positions in three axes, images of any shape). Its folder holds everything but loads only with
    torchvision; `eyes_only_qwen_processor` makes a processor that does without."""
    import json

    import torch
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    tokenizer = _byte_level_tokenizer(QWEN_SPECIALS, bos="<|endoftext|>", eos="<|im_end|>", pad="<|endoftext|>")
    token = tokenizer.convert_tokens_to_ids
    torch.manual_seed(seed)
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 1024,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
            "initializer_range": 0.2,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
        },
        vision_config={
            "depth": 2,
            "embed_dim": 32,
            "hidden_size": 64,
            "num_heads": 2,
            "mlp_ratio": 2,
            "patch_size": 14,
            "spatial_merge_size": 2,
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
    )
    Qwen2VLForConditionalGeneration(config).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    Qwen2VLImageProcessorPil(min_pixels=28 * 28, max_pixels=56 * 112).save_pretrained(folder)
    settings = folder / "preprocessor_config.json"
    named = {**json.loads(settings.read_text()), "processor_class": "Qwen2VLProcessor"}
    settings.write_text(json.dumps(named))
    return folder


def eyes_only_qwen_processor(folder: Path) -> Any:
    """The Qwen2-VL processor without its video part, which needs torchvision."""
    from transformers import AutoTokenizer, Qwen2VLProcessor
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
    from transformers.processing_utils import ProcessorMixin

    class EyesOnly(Qwen2VLProcessor):
        def __init__(self, image_processor: Any, tokenizer: Any, chat_template: str) -> None:
            self.image_token, self.video_token = "<|image_pad|>", None
            self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
            ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

        @classmethod
        def get_attributes(cls) -> list[str]:
            return ["image_processor", "tokenizer"]

    images = Qwen2VLImageProcessorPil.from_pretrained(folder)
    return EyesOnly(images, AutoTokenizer.from_pretrained(folder), chat_template=QWEN_TEMPLATE)


def save_tiny_text_model(folder: Path) -> Path:
    """A language model without eyes, for the refusal."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = _byte_level_tokenizer(LLAVA_SPECIALS, bos="<s>", eos="</s>", pad="<pad>")
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_tiny_adapter(base: Path, folder: Path, *, seed: int = 0, rank: int = 4, scale: float = 0.3) -> Path:
    """A LoRA adapter of `base` on the language layers' linears, with random weights strong enough to be seen.

    `scale` is the standard deviation of the second matrix; at 0 the adapter changes nothing.
    """
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForImageTextToText

    torch.manual_seed(seed)
    model = AutoModelForImageTextToText.from_pretrained(base, local_files_only=True)
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules=r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)",
    )
    tuned = get_peft_model(model, config)
    with torch.no_grad():
        for name, weight in tuned.named_parameters():
            if "lora_B" in name:
                weight.normal_(0.0, scale)
    tuned.save_pretrained(folder)
    return folder


def save_scenes(folder: Path, count: int, *, side: int = 48, seed: int = 0) -> list[Path]:
    """`count` PNG images with a few coloured blocks each, all different. Returns their paths."""
    from PIL import Image, ImageDraw

    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)
    paths = []
    for index in range(count):
        image = Image.new("RGB", (side, side), tuple(chance.randrange(180, 256) for _ in range(3)))
        draw = ImageDraw.Draw(image)
        for _ in range(chance.randint(1, 5)):
            x, y, size = (
                chance.randrange(side - 8),
                chance.randrange(side - 8),
                chance.randrange(6, side // 3),
            )
            draw.rectangle((x, y, x + size, y + size), fill=tuple(chance.randrange(256) for _ in range(3)))
        path = folder / f"scene-{index:03d}.png"
        image.save(path)
        paths.append(path)
    return paths


def _save(model: Any, processor: Any, folder: Path) -> Path:
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _byte_level_tokenizer(
    specials: list[str],
    *,
    bos: str,
    eos: str,
    pad: str,
    last: str | None = None,
    extra: dict[str, str] | None = None,
) -> Any:
    """A byte-level BPE of about 600 tokens, so any text encodes. `last` is a special token added at the very end."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(_corpus(), trainer)
    if last is not None:
        core.add_special_tokens([last])
    everything = specials + ([last] if last else [])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token=bos,
        eos_token=eos,
        pad_token=pad,
        additional_special_tokens=[token for token in everything if token not in (bos, eos, pad)],
        extra_special_tokens=extra or {},
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def _corpus() -> list[str]:
    """Sentences of the kind the embedded model reads and writes."""
    chance = random.Random(0)
    lines = []
    for _ in range(600):
        colour, shape, place = chance.choice(COLOURS), chance.choice(SHAPES), chance.choice(PLACES)
        lines.append(f"How many {colour} {shape}s are there in the picture? I see {chance.randint(0, 5)}.")
        lines.append(f"The {place} has a big {colour} {shape}. Response A: yes. Response B: no.")
        lines.append(f"Which response is better? A1: There is a {shape}. Verdict: [[{chance.choice('AB')}]]")
    return lines
