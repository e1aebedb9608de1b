"""Every setting, defined once: name, type, range, default, unit and help. The page and `--help` are made from it.

A setting changes results and is recorded with the run. What only changes speed is not a setting.
"""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from engine.assets import SHIPPED, assets_folder
from engine.errors import SettingsError
from engine.text import read_yaml, typed


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)


def _setting(default: Any, help: str, *, unit: str | None = None, **bounds: Any) -> Any:
    """One setting; `unit` is shown after the value."""
    extra: dict[str, Any] | None = {"unit": unit} if unit else None
    return Field(default, description=help, json_schema_extra=extra, **bounds)


class ModelSettings(_Group):
    """Which model, and how it is reached."""

    base: str = _setting("shapes-vlm", "Base model: shapes-vlm (embedded), a Hugging Face id, or a folder.")
    prompts: str = _setting("auto", "Prompt pack: a name under assets/prompts or a .yaml file; auto fits the model.")
    backend: Literal["transformers", "openai", "vllm"] = _setting(
        "transformers", "transformers runs in this process; openai asks a server by URL; vllm starts one."
    )
    device: Literal["auto", "cpu", "cuda"] = _setting("auto", "Where the model runs.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = _setting("auto", "Number format of the weights.")
    revision: str | None = _setting(None, "Git revision of a Hugging Face model, for exact repeats.")
    url: str | None = _setting(
        None, "Address of an OpenAI-compatible server, e.g. http://127.0.0.1:8000/v1; several are separated by commas."
    )
    served_name: str | None = _setting(None, "Name of the base model on that server; the base name if empty.")
    vllm_python: str | None = _setting(None, "Python of another environment that has vLLM; this one if empty.")
    vllm_options: tuple[str, ...] = _setting(
        (), "More options for a vLLM that is started, e.g. --max-model-len=8192, --tensor-parallel-size=2."
    )
    adapters_folder: str | None = _setting(
        None, "Folder from which all servers at model.url resolve adapters; without one they are posted to each."
    )


class SourceSettings(_Group):
    """Where the images come from and what is asked about them."""

    kind: Literal["drawn", "folder", "zip", "dataset", "table"] = _setting(
        "drawn", "drawn scenes, a folder, a zip, a Hugging Face dataset, or a parquet/jsonl table."
    )
    path: str | None = _setting(None, "Folder, file, or Hugging Face dataset id.")
    dataset_config: str | None = _setting(None, "Configuration name of a Hugging Face dataset.")
    split: str = _setting("train", "Split of a Hugging Face dataset.")
    image_column: str = _setting("image", "Column that holds the image.")
    question_column: str | None = _setting(None, "Column that holds the question, if the source has one.")
    choices_column: str | None = _setting(None, "Column that holds a list of options, if the source has one.")
    answer_column: str | None = _setting(None, "Column with the right answer; read by the oracle ablation only.")
    answers: Literal["own", "key"] = _setting(
        "own", "own: the source's column; key: the answer key of drawn scenes (oracle ablation only)."
    )
    count: int = _setting(400, "Drawn scenes to make.", unit="images", ge=1, le=1_000_000)
    difficulty: str = _setting("mixed", "Difficulty of drawn scenes.")
    look: Literal["clear", "fog", "night"] = _setting("clear", "Weather of drawn scenes.")
    look_from: float = _setting(0.0, "Thinnest weather of drawn scenes; 0 is clear.", ge=0, le=1)
    look_to: float = _setting(0.8, "Thickest weather of drawn scenes; 1 hides everything.", ge=0, le=1)
    limit: int | None = _setting(None, "Take at most this many images; all if empty.", unit="images", ge=1)
    questions: Literal["bank", "model", "own"] = _setting(
        "bank", "bank: the prompt pack's questions; model: written by the model; own: the source's column."
    )
    questions_per_image: int = _setting(2, "Questions asked about each image.", ge=1, le=64)
    open_share: float = _setting(0.5, "Share of open questions among those of the bank.", ge=0, le=1)
    held_out: float = _setting(0.1, "Share of images set apart for evaluation.", ge=0, le=0.9)
    max_side: int = _setting(1344, "Longer images are scaled down to this side.", unit="px", ge=16, le=8192)
    max_pixels: int = _setting(100_000_000, "Images with more pixels are skipped unread.", unit="px", ge=1024)
    max_bytes: int = _setting(50_000_000, "Larger files are skipped unread.", unit="bytes", ge=1024)


class SynthesizeSettings(_Group):
    """How preference pairs are written. Defaults for closed questions are the paper's (arXiv 2512.05145)."""

    writer: Literal["previous", "base"] = _setting("previous", "Judge version that writes the responses.")
    instructions: int | None = _setting(
        None, "Instructions taken per iteration, a fresh slice each time; all if empty.", ge=1
    )
    samples: int = _setting(16, "Responses sampled per closed question.", ge=2, le=256)
    min_votes: int = _setting(5, "Votes the majority answer needs.", unit="votes", ge=1)
    temperature: float = _setting(0.6, "Sampling temperature of responses.", ge=0, le=5)
    open_temperature: float | None = _setting(
        None, "Sampling temperature of open responses; that of all responses if empty.", ge=0, le=5
    )
    top_p: float = _setting(0.9, "Nucleus of responses.", gt=0, le=1)
    top_k: int = _setting(50, "Most likely tokens kept; 0 keeps all.", ge=0)
    alteration_temperature: float = _setting(0.7, "Sampling temperature of alterations.", ge=0, le=5)
    alteration_tries: int = _setting(2, "Attempts at a valid alteration before the pair is dropped.", ge=1, le=16)
    max_length_change: float = _setting(
        0.2, "An altered response whose length differs by more than this share is dropped.", ge=0, le=10
    )
    dimensions: tuple[str, ...] = _setting((), "Dimensions of alterations; all of the prompt pack if empty.")
    strategy: Literal["majority", "oracle"] = _setting(
        "majority", "Closed questions: majority vote, or the source's own answers (ablation)."
    )
    even_answers: bool = _setting(
        False,
        "Drop closed pairs of answers that win a question more often than they lose it, so that a text alone tells "
        "less. All pairs of an iteration are then written at its end.",
    )
    max_tokens: int = _setting(512, "Longest response.", unit="tokens", ge=1, le=32_768)


class JudgeSettings(_Group):
    """How the current judge rules on the pairs."""

    traces_per_order: int = _setting(3, "Traces sampled per pair and order.", ge=1, le=64)
    temperature: float = _setting(1.0, "Sampling temperature of traces.", ge=0, le=5)
    top_p: float = _setting(1.0, "Nucleus of traces.", gt=0, le=1)
    max_tokens: int = _setting(1024, "Longest trace.", unit="tokens", ge=1, le=32_768)


class SelectSettings(_Group):
    """Which traces are trained on."""

    rule: Literal["joint", "per-order", "consistency", "any"] = _setting(
        "joint",
        "joint: both orders must name the preferred response; per-order: each order by itself; consistency: both "
        "orders must name the same one, whichever it is (control); any: every verdict (control).",
    )
    max_per_pair: int = _setting(2, "Kept traces per pair, both orders together.", ge=1)
    balance: bool = _setting(True, "Keep as many traces that say A as traces that say B.")
    max_per_image: int | None = _setting(None, "Kept traces per image.", ge=1)
    max_per_dimension: int | None = _setting(None, "Kept traces per dimension.", ge=1)
    max_traces: int | None = _setting(None, "Kept traces of an iteration, to compare rules at the same size.", ge=1)
    exclude_flagged: bool = _setting(True, "Leave out pairs that somebody flagged in the studio.")
    labels: Literal["construction", "coin", "coin-per-order"] = _setting(
        "construction",
        "What says which response is preferred: how the pair was made; a coin per pair, or per order too (controls).",
    )

    @model_validator(mode="before")
    @classmethod
    def _older_names(cls, values: Any) -> Any:
        """`labels: random` of older runs tossed a coin per order and changed the rule by itself."""
        if isinstance(values, dict) and values.get("labels") == "random":
            return {**values, "labels": "coin-per-order", "rule": "per-order"}
        return values


class TrainSettings(_Group):
    """How the kept traces are trained on: TRL SFT with a PEFT adapter."""

    method: Literal["lora", "full"] = _setting(
        "lora", "lora: a small adapter; full: the layers' own weights (in this process only; a rate near 1e-5)."
    )
    start: Literal["previous", "best", "base"] = _setting(
        "previous", "Continue from the previous judge, from the best one so far, or from the base."
    )
    epochs: float = _setting(5.0, "Passes over the kept traces.", gt=0, le=100)
    learning_rate: float = _setting(1e-4, "Peak learning rate; of an adapter, 5e-5 and more.", gt=0, le=1)
    batch_size: int = _setting(32, "Traces per optimizer step.", ge=1)
    micro_batch_size: int = _setting(4, "Traces per forward pass; the rest is accumulated.", ge=1)
    rank: int = _setting(16, "LoRA rank.", ge=1, le=1024)
    alpha: int = _setting(32, "LoRA scale.", ge=1)
    dropout: float = _setting(0.0, "LoRA dropout.", ge=0, lt=1)
    layers: Literal["language", "eyes", "all"] = _setting(
        "language",
        "Adapted layers: the language model's; those of its eyes (vision tower and projector; in this process only); "
        "or both.",
    )
    responses: bool = _setting(
        False, "Also train on the responses that kept traces name, as answers to their own questions."
    )
    augment: tuple[Literal["haze", "brightness", "contrast", "colour", "blur"], ...] = _setting(
        (), "Changes to the pictures of training rows, none of which moves anything; none if empty."
    )
    augment_strength: float = _setting(0.5, "How far those changes may go.", gt=0, le=1)
    pictures: Literal["own", "shuffled"] = _setting(
        "own", "shuffled: every pair is trained on with another pair's picture (control that must gain nothing)."
    )
    warmup: float = _setting(0.05, "Share of steps with rising learning rate.", ge=0, lt=1)
    max_steps: int | None = _setting(None, "Stop training after this many optimizer steps.", ge=1)


class EvaluateSettings(_Group):
    """How judge versions are measured: both orders, same items for all."""

    benchmarks: tuple[str, ...] = _setting(
        ("held-out",), "held-out (own pairs on held-out images), shapes, or .jsonl files."
    )
    items: int = _setting(600, "Items per benchmark.", ge=1)
    max_tokens: int = _setting(1024, "Longest trace.", unit="tokens", ge=1, le=32_768)
    look: Literal["clear", "fog", "night"] = _setting("clear", "Weather of the shapes benchmark.")
    look_from: float = _setting(0.0, "Thinnest weather of the shapes benchmark; 0 is clear.", ge=0, le=1)
    look_to: float = _setting(0.8, "Thickest weather of the shapes benchmark; 1 hides everything.", ge=0, le=1)
    image_blind: bool = _setting(True, "Also measure every version without the image (control).")
    wrong_image: bool = _setting(
        True, "Also measure every version with another item's picture, and each iteration's pairs (control)."
    )
    prompted: str | None = _setting(
        None,
        "Words at the beginning of a careful reply. judge-v0 is also measured with its replies begun by them: what "
        "asking is worth without training (control); not measured if empty.",
    )
    control_items: int | None = _setting(
        200, "Items per benchmark, and pairs, on which controls that ask the model are measured; all if empty.", ge=1
    )


class LoopSettings(_Group):
    """How long it goes on."""

    iterations: int = _setting(4, "Most iterations.", ge=1, le=999)
    patience: int = _setting(2, "Stop after this many iterations without a gain that excludes zero.", ge=1)
    budget_minutes: float | None = _setting(None, "Stop before an iteration that would exceed this.", unit="min", gt=0)
    seed: int = _setting(0, "Seed of everything that is drawn.", ge=0, le=2**31 - 1)


class Settings(_Group):
    """All settings of a run."""

    model: ModelSettings = ModelSettings()
    source: SourceSettings = SourceSettings()
    synthesize: SynthesizeSettings = SynthesizeSettings()
    judge: JudgeSettings = JudgeSettings()
    select: SelectSettings = SelectSettings()
    train: TrainSettings = TrainSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    loop: LoopSettings = LoopSettings()

    @property
    def prompt_pack(self) -> str:
        """Name of the prompt pack with `auto` resolved."""
        if self.model.prompts != "auto":
            return self.model.prompts
        return "shapes" if Path(self.model.base).name in SHIPPED else "default"


def presets() -> list[str]:
    """Names under assets/presets."""
    return sorted(path.stem for path in (assets_folder() / "presets").glob("*.yaml"))


def load_settings(
    *, preset: str | None = None, file: Path | None = None, overrides: dict[str, Any] | None = None
) -> Settings:
    """Settings from a preset, then a file, then `{"judge.temperature": "0.7"}` overrides; later ones win.

    A text is read by the kind of its setting: a name stays what it is, also where YAML would see a number or a comment
    in it; numbers are decimal. Raises `SettingsError` naming the place, the value and what would fit.
    """
    values: dict[str, Any] = {}
    where = "settings"
    if preset is not None:
        if preset not in presets():
            raise SettingsError(f"--preset: no preset called '{preset}'. Use one of {', '.join(presets())}.")
        _merge(values, read_yaml(assets_folder() / "presets" / f"{preset}.yaml"))
        where = f"preset {preset}"
    if file is not None:
        _merge(values, read_yaml(file))
        where = file.name
    for key, value in (overrides or {}).items():
        _merge(values, _nested(key, value))
        where = "settings"
    return parse_settings(_by_kind(values), where=where)


def parse_settings(values: dict[str, Any], *, where: str) -> Settings:
    """Check a plain mapping. Raises `SettingsError` with the first fault, naming the nearest known setting."""
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        fault = error.errors()[0]
        path = [str(part) for part in fault["loc"]]
        if fault["type"] == "extra_forbidden":
            raise SettingsError(_unknown_setting(path, where)) from None
        raise SettingsError(
            f"{where}: {'.'.join(path)} cannot be {fault['input']!r}: {fault['msg']}. Change the value."
        ) from None


def settings_as_dict(settings: Settings) -> dict[str, Any]:
    """Plain values, ready for YAML or JSON; the inverse of `parse_settings`."""
    return settings.model_dump(mode="json")


def flat(settings: Settings) -> dict[str, Any]:
    """`{"judge.temperature": 1.0, …}` in the order of definition."""
    return {
        f"{group}.{name}": value
        for group, members in settings_as_dict(settings).items()
        for name, value in members.items()
    }


def _unknown_setting(path: list[str], where: str) -> str:
    known = list(Settings.model_fields)
    if len(path) > 1:
        group = Settings.model_fields[path[0]].annotation
        assert isinstance(group, type)
        assert issubclass(group, BaseModel)
        known = list(group.model_fields)
        where = f"{where}: {path[0]}"
    near = difflib.get_close_matches(path[-1], known, n=1)
    hint = f"Did you mean '{near[0]}'?" if near else f"Known are {', '.join(known)}."
    return f"{where}: no setting called '{path[-1]}'. {hint}"


def _by_kind(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same groups with every text read by the kind of its setting; what is unknown is left for the check."""
    read: dict[str, Any] = dict(values)
    for group, info in Settings.model_fields.items():
        if not isinstance(members := values.get(group), dict):
            continue
        assert isinstance(info.annotation, type)
        assert issubclass(info.annotation, BaseModel)
        known = info.annotation.model_fields
        read[group] = {
            name: typed(f"{group}.{name}", known[name].annotation, value)
            if isinstance(value, str) and name in known
            else value
            for name, value in members.items()
        }
    return read


def _nested(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {part: value}
    assert isinstance(value, dict)
    return value


def _merge(into: dict[str, Any], values: dict[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
