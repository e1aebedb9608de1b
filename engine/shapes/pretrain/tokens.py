"""The tokenizer and chat template of the embedded model: byte-level BPE in which every corpus word is one token.

Any text encodes, because the alphabet is all 256 bytes; decoding gives back the same text.
"""

import random

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from engine.prompts import PromptPack
from engine.shapes.pretrain.corpus import TASKS, example
from engine.shapes.questions import NUMBERS, SLOTS
from engine.shapes.scenes import scene_seed

BOS, EOS, PAD, IMAGE, USER, ASSISTANT = "<bos>", "<eos>", "<pad>", "<image>", "<user>", "<assistant>"

_WORD = r" ?\[\[[AB]\]\]| ?[A-Z][0-9]+:?| ?[A-Za-z]+| ?[0-9]| ?[^\sA-Za-z0-9]|\s"
"""What may become one token: a verdict, a sentence tag such as " A3:", a word with the space before it."""

CHAT_TEMPLATE = """\
{{- bos_token -}}
{%- for message in messages -%}
{%- if message['role'] == 'assistant' -%}
{{- '<assistant>' -}}
{%- else -%}
{{- '<user>' -}}
{%- endif -%}
{%- if message['content'] is string -%}
{{- message['content'] -}}
{%- else -%}
{%- for part in message['content'] -%}
{%- if part['type'] == 'image' -%}
{{- '<image>' -}}
{%- else -%}
{{- part['text'] -}}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- if message['role'] == 'assistant' -%}
{{- eos_token -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<assistant>' -}}
{%- endif -%}
"""


def build_tokenizer(pack: PromptPack, examples: int = 4000) -> PreTrainedTokenizerFast:
    """A tokenizer trained on the first `examples` conversations of the corpus and on all its words."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORD), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=4096,  # never reached: merging ends when every word is one token
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[PAD, BOS, EOS, IMAGE, USER, ASSISTANT],
        show_progress=False,
    )
    core.train_from_iterator(_texts(pack, examples), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token=BOS, eos_token=EOS, pad_token=PAD, padding_side="left",
        extra_special_tokens={"image_token": IMAGE}, additional_special_tokens=[USER, ASSISTANT],
        clean_up_tokenization_spaces=False, model_max_length=1024,
    )  # fmt: skip
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def _texts(pack: PromptPack, examples: int) -> list[str]:
    rng = random.Random(0)
    made = [example(rng.choice(list(TASKS)), scene_seed("pretrain", -1, i), "normal", pack) for i in range(examples)]
    words = sorted({word for values in SLOTS.values() for value in values for word in value.split()} | set(NUMBERS))
    listed = [f" {word}" for word in words] * 2 + words * 2
    tags = [f" {letter}{number}{end}" for letter in "AB" for number in range(1, 10) for end in (":", "")] * 2
    return (
        [text for e in made for text in (e.prompt, e.text)] + listed + tags + [" [[A]]", " [[B]]", "[[A]]", "[[B]]"] * 2
    )
