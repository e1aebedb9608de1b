"""The form of a new run: its components, how they are laid out, what they hold. What a click does is not here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.config import Settings, presets
from engine.errors import SettingsError
from engine.workspace.folders import Workspace
from studio.jobs import uploads
from studio.look import cards
from studio.page.setting_labels import is_asked
from studio.page.settings_form import (
    FormField,
    as_shown,
    changes,
    form_fields,
    group_help,
    groups,
    preset_values,
    settings_of,
    summaries,
)

FIRST_PRESET = "shapes"
ABOVE = ("model.base", "source.count", "loop.iterations")
"""Settings that stand above the groups, because nearly every run changes them."""
_LABELS = {
    "shapes": "Shapes demo",
    "shapes-full": "Shapes, longer",
    "elicitation": "Shapes, a hidden skill",
    "paper": "Paper settings",
    "qwen3-vl-8b": "Qwen3-VL 8B",
    "qwen2.5-vl-7b": "Qwen2.5-VL 7B",
    "gemma-3-12b": "Gemma 3 12B",
    "smolvlm2-2b": "SmolVLM2 2B",
}
_GROUP_NAMES = {"model": "Model", "source": "Source", "loop": "Stop"}


_LEFT_SCRIPT = """
const told = new WeakMap();
const now = (field) => field.type === 'checkbox' ? String(field.checked) : field.value;
const left = (event) => setTimeout(() => {
  const setting = event.target.closest('[id^="set-"]');
  if (!setting || told.get(event.target) === now(event.target)) return;
  told.set(event.target, now(event.target));
  trigger('input', {field: setting.id});
});
const form = element.closest('.st-form');
form.addEventListener('focusin', (event) => { if (event.target.type !== 'checkbox') told.set(event.target, now(event.target)); });
form.addEventListener('focusout', left);
form.addEventListener('change', left);
form.addEventListener('keydown', (event) => { if (event.key === 'Enter') left(event); });
"""  # noqa: E501
"""One listener on the page for a hundred fields: as listeners of Gradio's they were half of what the browser had to go
through before anything was shown. A field that was left as it was is not told; a drop-down is left when one chooses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchForm:
    """The components of the form."""

    head: Any
    """`gr.HTML` above the fields; its `input` says which of them was left: `event.field`, an element id."""
    preset: Any
    name: Any
    source: Any
    fields: Mapping[str, Any]
    """By the key of the setting, in the order of definition."""
    accordions: Mapping[str, Any]

    @property
    def inputs(self) -> list[Any]:
        """What `read_form` takes."""
        return [self.preset, self.name, *self.fields.values()]


def lay_out_form(workspace: Workspace) -> LaunchForm:
    """Preset, name, images, the settings nearly every run changes, and all others in folded groups."""
    values = preset_values(FIRST_PRESET)
    fields = {field.key: field for field in form_fields()}
    made: dict[str, Any] = {}
    with gr.Column(elem_classes="st-panel st-form"):
        title = (
            "<header><h2>New run</h2><span class='st-sub'>Start from a preset, change what you need.</span></header>"
        )
        head = gr.HTML(cards.sheet(cards.Html(title)), apply_default_css=False, js_on_load=_LEFT_SCRIPT)
        with gr.Column(elem_classes="st-pad"):
            preset = gr.Radio(
                [(_LABELS.get(name, name), name) for name in _preset_names()],
                value=FIRST_PRESET,
                label="Preset",
                elem_classes="st-seg is-many",
            )
            with gr.Row():
                name = gr.Textbox(label="Run name", placeholder="automatic", max_length=64, elem_id="set-name")
                source = gr.Dropdown(source_choices(workspace), value="drawn", label="Images")
            with gr.Row():
                for key in ABOVE:
                    made[key] = _control(fields[key], values)
        accordions = _lay_out_groups(values, made)
    ordered = {key: made[key] for key in fields}
    return LaunchForm(head=head, preset=preset, name=name, source=source, fields=ordered, accordions=accordions)


def _lay_out_groups(values: Mapping[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    """A folded group for each part of the settings; its controls are added to `made`."""
    accordions = {}
    told = summaries(settings_of(FIRST_PRESET, {}))
    for group, members in groups(form_fields()).items():
        with gr.Accordion(_accordion_label(group, told[group], 0), open=False) as accordions[group]:
            gr.HTML(cards.sheet(cards.sub(group_help(group), dim=True)), apply_default_css=False)
            with gr.Row(elem_classes="st-fields"):
                for field in members:
                    if field.key not in ABOVE:
                        made[field.key] = _control(field, values)
    return accordions


def _preset_names() -> list[str]:
    return sorted(presets(), key=lambda name: (name != FIRST_PRESET, name == "paper", name))


def _control(field: FormField, values: Mapping[str, Any]) -> Any:
    """One setting as a component; unit, default, range and help all come from the definition."""
    shown = as_shown(field, values[field.key])
    common: dict[str, Any] = {
        "label": field.label,
        "info": field.help,
        "min_width": 180,
        "elem_id": field_id(field),
        "visible": is_asked(field.key, values),
    }
    if field.control == "switch":
        return gr.Checkbox(value=shown, **common)
    if field.control == "choice":
        return gr.Dropdown(list(field.choices), value=shown, **common)
    if field.control == "number" and not field.is_optional:  # Gradio's number field turns an empty one into 0
        return gr.Number(value=shown, **common)
    placeholder = "empty" if field.is_optional else "all" if field.control == "list" else None
    return gr.Textbox(value=shown, placeholder=placeholder, max_length=2000, **common)


def field_id(field: FormField) -> str:
    """The element id of a setting's control."""
    return "set-" + field.key.replace(".", "-").replace("_", "-")


def source_choices(workspace: Workspace) -> list[tuple[str, str]]:
    """Drawn scenes, what was taken in on the Images tab, and whatever the settings below name."""
    found = [(source.label_with_count, source.key) for source in uploads.sources(workspace) if source.is_usable]
    return [("drawn scenes", "drawn"), *found, ("as set under Source", "own")]


# --- what it holds -----------------------------------------------------------------------------------------------


def read_form(inputs: Sequence[Any]) -> tuple[str, str, dict[str, Any]]:
    """Preset, run name and the settings that differ from the preset, from the form's values in order."""
    preset, name, *values = inputs
    shown = {field.key: value for field, value in zip(form_fields(), values, strict=True)}
    known = preset if preset in presets() else FIRST_PRESET
    return known, str(name or "").strip(), changes(known, shown)


def nearest_preset(values: Mapping[str, Any]) -> str:
    """The preset that differs from these settings in the fewest."""
    return min(
        _preset_names(), key=lambda name: sum(values[key] != value for key, value in preset_values(name).items())
    )


def field_updates(values: Mapping[str, Any], *, chosen: Mapping[str, Any] | None = None) -> list[Any]:
    """Every control with its value of `values`, shown where it means anything; `chosen`: only these get new values."""
    return [
        gr.update(
            visible=is_asked(field.key, values),
            **(
                {"value": as_shown(field, values[field.key]), "info": field.help}
                if chosen is None or field.key in chosen
                else {}
            ),
        )
        for field in form_fields()
    ]


def accordion_updates(preset: str, overrides: Mapping[str, Any]) -> list[Any]:
    """What each group says of itself while it is folded."""
    try:
        told = summaries(settings_of(preset, overrides))
    except SettingsError:
        return [gr.skip() for _ in Settings.model_fields]
    counts = {group: sum(key.startswith(f"{group}.") for key in overrides) for group in told}
    return [gr.update(label=_accordion_label(group, text, counts[group])) for group, text in told.items()]


def _accordion_label(group: str, told: str, changed: int) -> str:
    name = _GROUP_NAMES.get(group, group.capitalize())
    return f"{name} · {told}" + (f" · {changed} changed" if changed else "")
