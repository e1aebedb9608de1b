"""Which layers of a vision-language model are trained, in what way, and where that starts from.

Usually all linear layers of the language model and nothing else, so that the adapter also serves in vLLM, whose LoRA
leaves the rest alone. On demand the eyes: everything that makes tokens out of pixels. Never the output head. No model
family is named here.
"""

import re
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils.constants import DUMMY_TARGET_MODULES

from engine.config import TrainSettings
from engine.errors import ModelError


def language_linears(model: Any) -> str:
    """A regular expression that fully matches the names of the language model's linear layers and no others.

    `model` is a transformers image-text-to-text model. Raises `ModelError` if its language model has none.
    """
    decoder = model.get_decoder()
    head = model.get_output_embeddings()
    prefix = next((name for name, module in model.named_modules() if module is decoder), "")
    leaves = {
        name.rsplit(".", 1)[-1]
        for name, module in decoder.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    }
    if not prefix or not leaves:
        raise ModelError(
            f"model {type(model).__name__}: no linear layers of a language model were found to train. "
            "Choose another base model."
        )
    return rf"{re.escape(prefix)}\.(?:.*\.)?(?:{'|'.join(sorted(map(re.escape, leaves)))})"


def eye_layers(model: Any) -> str:
    """The same for the eyes: linear and convolution layers outside the language model and its output head.

    Raises `ModelError` if the model has none.
    """
    decoder, head = model.get_decoder(), model.get_output_embeddings()
    spoken = {id(module) for module in decoder.modules()} | {id(head)}
    names = {
        re.sub(r"(?<=\\.)\d+(?=\\.)", r"\\d+", re.escape(name))  # one pattern for all layers of a tower
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | torch.nn.Conv2d | torch.nn.Conv3d) and id(module) not in spoken
    }
    if not names:
        raise ModelError(
            f"model {type(model).__name__}: no layers of its eyes were found to train. Set train.layers=language."
        )
    return "|".join(sorted(names))


def trained_layers(model: Any, which: str) -> str:
    """A regular expression for the layers that `train.layers` names."""
    parts = [] if which == "eyes" else [language_linears(model)]
    parts += [] if which == "language" else [eye_layers(model)]
    return "|".join(f"(?:{part})" for part in parts) if len(parts) > 1 else parts[0]


def adapted(model: Any, settings: TrainSettings, *, parent: Path | None) -> Any:
    """`model` with what is trained of it: the adapter in folder `parent` continued, or a fresh one.

    Raises `ModelError` if `parent` does not fit the model.
    """
    if parent is None:
        tuned = get_peft_model(model, _fresh(model, settings))
    else:
        try:
            tuned = PeftModel.from_pretrained(model, str(parent), is_trainable=True)
        except (OSError, RuntimeError, ValueError) as error:
            first = " ".join(str(error).split())[:200]
            raise ModelError(
                f"adapter {parent}: cannot be continued on this base model: {first}. Set train.start=base, or restore "
                "it."
            ) from error
    for weight in tuned.parameters():
        if weight.requires_grad and weight.dtype != torch.float32:
            weight.data = weight.data.float()  # a step of 1e-5 of a weight is less than bfloat16 can tell apart
    return tuned


def _fresh(model: Any, settings: TrainSettings) -> LoraConfig:
    """LoRA on the layers that are trained; or, as PEFT keeps it, a copy of each of these layers and no LoRA at all."""
    layers = trained_layers(model, settings.layers)
    if settings.method == "lora":
        return LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            target_modules=layers,
            task_type="CAUSAL_LM",
        )
    whole = [name for name, _ in model.named_modules() if re.fullmatch(layers, name)]
    return LoraConfig(target_modules=DUMMY_TARGET_MODULES, modules_to_save=whole, task_type="CAUSAL_LM")


def layers_kept_whole(model: Any) -> list[str]:
    """Names of the layer classes that FSDP gathers one at a time: those the family never splits and this model has.

    accelerate refuses a class that is missing, and the family of a Llava lists CLIP's text layers, which it has not.
    """
    present = {type(module).__name__ for module in model.modules()}
    return sorted(present & set(model._no_split_modules or ()))


def weights_of(model: Any) -> dict[str, torch.Tensor]:
    """A copy of the adapter's weights by name."""
    return {name: value.detach().clone() for name, value in model.named_parameters() if value.requires_grad}


def largest_change(model: Any, before: dict[str, torch.Tensor]) -> float:
    """The largest absolute difference of any adapter weight from what it was."""
    changes = [(value.detach() - before[name]).abs().max() for name, value in weights_of(model).items()]
    return float(torch.stack([change.float().cpu() for change in changes]).max())
