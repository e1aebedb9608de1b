"""What the settings are called on the page, where their key says it badly, and which of them a choice makes idle."""

from collections.abc import Mapping
from typing import Any

LABELS: Mapping[str, str] = {
    "model.base": "Base model",
    "model.prompts": "Prompt pack",
    "model.backend": "Where the model runs",
    "model.dtype": "Number format",
    "model.revision": "Revision on the hub",
    "model.url": "Address of the server",
    "model.served_name": "Its name on the server",
    "model.vllm_python": "Python that has vLLM",
    "model.vllm_options": "More options for vLLM",
    "model.adapters_folder": "Folder the server takes adapters from",
    "source.kind": "What the images are",
    "source.path": "Folder, file or dataset",
    "source.dataset_config": "Configuration of the dataset",
    "source.count": "Scenes to draw",
    "source.look": "Weather of the scenes",
    "source.look_from": "Thinnest weather",
    "source.look_to": "Thickest weather",
    "source.limit": "At most this many images",
    "source.open_share": "Share of open questions",
    "source.max_side": "Longest side of an image, px",
    "source.max_pixels": "Largest image taken, pixels",
    "source.max_bytes": "Largest file taken, bytes",
    "synthesize.writer": "Who writes the answers",
    "synthesize.instructions": "Instructions per iteration",
    "synthesize.samples": "Answers per closed question",
    "synthesize.min_votes": "Vote floor",
    "synthesize.open_temperature": "Temperature of open answers",
    "synthesize.top_p": "Nucleus (top p)",
    "synthesize.top_k": "Likeliest tokens (top k)",
    "synthesize.max_length_change": "Largest change of length",
    "synthesize.max_tokens": "Longest answer, tokens",
    "judge.top_p": "Nucleus (top p)",
    "judge.max_tokens": "Longest trace, tokens",
    "select.max_per_pair": "At most per pair",
    "select.balance": "As many A as B",
    "select.max_per_image": "At most per image",
    "select.max_per_dimension": "At most per dimension",
    "select.max_traces": "At most in an iteration",
    "select.exclude_flagged": "Leave flagged pairs out",
    "train.start": "Trained on from",
    "train.epochs": "Passes (epochs)",
    "train.micro_batch_size": "Traces at once",
    "train.rank": "LoRA rank",
    "train.alpha": "LoRA scale",
    "train.dropout": "LoRA dropout",
    "train.layers": "What is adapted",
    "train.responses": "Train on the answers too",
    "train.augment": "Changes to the pictures",
    "train.augment_strength": "Strength of those changes",
    "train.max_steps": "At most this many steps",
    "evaluate.items": "Items per benchmark",
    "evaluate.max_tokens": "Longest trace, tokens",
    "evaluate.look": "Weather of the benchmark",
    "evaluate.look_from": "Thinnest weather there",
    "evaluate.look_to": "Thickest weather there",
    "evaluate.image_blind": "Control: no image",
    "evaluate.wrong_image": "Control: another item's image",
    "evaluate.prompted": "Control: replies begun by",
    "evaluate.control_items": "Items for these controls",
    "loop.patience": "Iterations without a gain",
    "loop.budget_minutes": "Time budget, min",
}
"""By key; the others are called as their key says."""

_OF_A_BACKEND: Mapping[str, frozenset[str]] = {
    "model.device": frozenset({"transformers"}),
    "model.dtype": frozenset({"transformers", "vllm"}),
    "model.revision": frozenset({"transformers", "vllm"}),
    "model.url": frozenset({"openai", "vllm"}),
    "model.served_name": frozenset({"openai"}),
    "model.vllm_python": frozenset({"vllm"}),
    "model.vllm_options": frozenset({"vllm"}),
    "model.adapters_folder": frozenset({"openai", "vllm"}),
}
_OF_A_SOURCE: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("count", "difficulty", "look", "look_from", "look_to"), frozenset({"drawn"})),
    "path": frozenset({"folder", "zip", "dataset", "table"}),
    **dict.fromkeys(("dataset_config", "split"), frozenset({"dataset"})),
    **dict.fromkeys(
        ("image_column", "question_column", "choices_column", "answer_column"), frozenset({"dataset", "table"})
    ),
}


def is_asked(key: str, values: Mapping[str, Any]) -> bool:
    """Whether a setting means anything where the backend and the source are those of `values`."""
    group, _, name = key.partition(".")
    if group == "source" and name in _OF_A_SOURCE:
        return str(values.get("source.kind")) in _OF_A_SOURCE[name]
    if key in _OF_A_BACKEND:
        return str(values.get("model.backend")) in _OF_A_BACKEND[key]
    return True


DECIDING = ("model.backend", "source.kind")
"""Settings on which it depends what else is asked."""
