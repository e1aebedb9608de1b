"""The settings of a run as form fields, made from the one definition in `engine.config`: nothing is typed twice.

It knows names, types, ranges and words of settings; no Gradio, no values of a visitor.
"""

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from engine.config import Settings, flat, load_settings, parse_settings
from engine.errors import SettingsError
from studio.look import words
from studio.page.setting_labels import LABELS

Control = Literal["number", "text", "choice", "switch", "list"]

_METHODS = {"lora": "LoRA", "full": "Full fine-tuning"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """One setting."""

    key: str
    """"judge.temperature"."""
    control: Control
    is_whole: bool
    """Numbers without a fraction."""
    is_optional: bool
    """Empty means None."""
    choices: tuple[str, ...]
    help: str
    """The description, with range and unit."""
    unit: str | None

    @property
    def group(self) -> str:
        return self.key.partition(".")[0]

    @property
    def label(self) -> str:
        """ "Traces per order", with the unit where there is one."""
        if self.key in LABELS:
            return LABELS[self.key]
        words = self.key.partition(".")[2].replace("_", " ").capitalize()
        return f"{words}, {self.unit}" if self.unit else words


@cache
def form_fields() -> tuple[FormField, ...]:
    """Every setting in the order of definition."""
    found = []
    for group, info in Settings.model_fields.items():
        model = info.annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        found += [_field(f"{group}.{name}", field) for name, field in model.model_fields.items()]
    return tuple(found)


def group_help(group: str) -> str:
    """The first sentence of the group's description."""
    model = Settings.model_fields[group].annotation
    return (model.__doc__ or "").strip().partition("\n")[0]


def _field(key: str, info: FieldInfo) -> FormField:
    kind, is_optional = _without_none(info.annotation)
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    unit = extra.get("unit")
    return FormField(
        key=key,
        control=_control(kind),
        is_whole=kind is int,
        is_optional=is_optional,
        choices=tuple(str(value) for value in get_args(kind)) if get_origin(kind) is Literal else (),
        help=" ".join(part for part in (_said_once(key, info.description or ""), _range(info)) if part),
        unit=str(unit) if unit else None,
    )


def _said_once(key: str, description: str) -> str:
    """The description without the label that stands above it already: "Base model: shapes-vlm, …"."""
    begins = f"{LABELS.get(key, '')}: "
    return description[len(begins) :] if len(begins) > 2 and description.startswith(begins) else description


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) in (types.UnionType, typing.Union):
        parts = [part for part in get_args(hint) if part is not type(None)]
        return parts[0], len(parts) < len(get_args(hint))
    return hint, False


def _control(kind: Any) -> Control:
    if kind is bool:
        return "switch"
    if kind in (int, float):
        return "number"
    if get_origin(kind) is Literal:
        return "choice"
    return "list" if get_origin(kind) is tuple else "text"


def _range(info: FieldInfo) -> str:
    """ "From 1 to 64." in the numbers of the definition; "" where there is none."""
    low = next((f"{rule.ge:,}" for rule in info.metadata if isinstance(rule, Ge)), None)
    over = next((f"{rule.gt:,}" for rule in info.metadata if isinstance(rule, Gt)), None)
    high = next((f"{rule.le:,}" for rule in info.metadata if isinstance(rule, Le)), None)
    under = next((f"{rule.lt:,}" for rule in info.metadata if isinstance(rule, Lt)), None)
    start = f"from {low}" if low else f"above {over}" if over else ""
    end = f"to {high}" if high else f"below {under}" if under else ""
    text = " ".join(part for part in (start, end) if part)
    return f"{text.capitalize()}." if text else ""


# --- values ------------------------------------------------------------------------------------------------------


def as_shown(field: FormField, value: Any) -> Any:
    """A setting's value as its control takes it."""
    if field.control == "list":
        return ", ".join(str(part) for part in value or ())
    if field.control == "text" or field.is_optional:
        return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    return value


def as_setting(field: FormField, value: Any) -> Any:
    """What a visitor entered as a setting's value; not checked yet."""
    if field.control == "list":
        return [part.strip() for part in str(value or "").split(",") if part.strip()]
    if field.control == "text":
        text = str(value or "").strip()
        return None if field.is_optional and not text else text
    return _as_number(field, value) if field.control == "number" else value


def _as_number(field: FormField, value: Any) -> Any:
    """A number, None for an empty optional one, or the text itself, which the config then refuses in its words."""
    if isinstance(value, str):
        text = value.strip().replace(",", "")
        if not text and field.is_optional:
            return None
        try:
            value = float(text)
        except ValueError:
            return value
    return int(value) if value is not None and field.is_whole and float(value).is_integer() else value


def preset_values(preset: str) -> dict[str, Any]:
    """Every setting of a preset, by key."""
    return flat(load_settings(preset=preset))


def changes(preset: str, shown: Mapping[str, Any]) -> dict[str, Any]:
    """What differs from the preset, by key: the overrides of the command."""
    before = preset_values(preset)
    entered = {field.key: as_setting(field, shown[field.key]) for field in form_fields() if field.key in shown}
    return {key: value for key, value in entered.items() if not _same(value, before[key])}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return list(one) == list(other)
    return bool(one == other)


def fault_of(field: FormField, value: Any) -> str | None:
    """The config's own sentence if this value cannot be, for the place right below the field; None if it can."""
    try:
        parse_settings(_nested({field.key: as_setting(field, value)}), where="settings")
    except SettingsError as error:
        return str(error).partition(": ")[2]
    return None


def settings_of(preset: str, overrides: Mapping[str, Any]) -> Settings:
    """The settings that a run would get. Raises `SettingsError`."""
    return parse_settings(_nested({**preset_values(preset), **overrides}), where="settings")


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, value in values.items():
        group, _, name = key.partition(".")
        nested.setdefault(group, {})[name] = value
    return nested


def summaries(settings: Settings) -> dict[str, str]:
    """Each group in a few words, for the line of its accordion."""
    model, source, synthesize = settings.model, settings.source, settings.synthesize
    judge, select, train, evaluate, loop = (
        settings.judge,
        settings.select,
        settings.train,
        settings.evaluate,
        settings.loop,
    )
    caps = [
        f"{limit} per {name} at most"
        for name, limit in (("pair", select.max_per_pair), ("image", select.max_per_image))
        if limit is not None
    ]
    budget = f"{loop.budget_minutes:g} min at most" if loop.budget_minutes else "no time budget"
    start = {"previous": "the previous version", "best": "the best version so far"}.get(train.start, "the base model")
    labels = f", labels by {select.labels}" if select.labels != "construction" else ""
    return {
        "model": f"{model.backend}, device {model.device}, prompts {settings.prompt_pack}",
        "source": f"{source.kind}, {words.plural(source.questions_per_image, 'question')} per image, "
        f"{words.percent(source.held_out)} held out",
        "synthesize": f"{synthesize.samples} samples, majority from {synthesize.min_votes} votes, "
        f"temperature {synthesize.temperature:g}",
        "judge": f"both orders, {judge.traces_per_order} samples, temperature {judge.temperature:g}",
        "select": ", ".join([f"{select.rule} rule", *(["balance A and B"] if select.balance else []), *caps]) + labels,
        "train": f"{_METHODS[train.method]} from {start}, rate {train.learning_rate:g}, epochs {train.epochs:g}",
        "evaluate": f"{evaluate.items} items of {', '.join(evaluate.benchmarks)}, strict protocol",
        "loop": f"patience {loop.patience}, {budget}, seed {loop.seed}",
    }


def groups(fields: Sequence[FormField]) -> dict[str, list[FormField]]:
    """Fields by group, in order."""
    found: dict[str, list[FormField]] = {}
    for field in fields:
        found.setdefault(field.group, []).append(field)
    return found
