"""What the form of a new run does while it is edited: presets, own images, faults at their field, plan and command."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from engine.assets import SHIPPED
from engine.config import presets
from engine.errors import JudgeStudioError
from engine.machine import this_machine
from engine.runs.costs import card_here
from engine.runs.plan import run_plan
from engine.runs.ready import ready_facts
from engine.workspace.folders import Workspace
from studio.jobs import runs as jobs
from studio.jobs import uploads
from studio.jobs.places import check_places
from studio.look import cards, words
from studio.page.page import Page
from studio.page.setting_labels import DECIDING, is_asked
from studio.page.settings_form import fault_of, form_fields, preset_values, settings_of
from studio.tabs.launch.form import (
    FIRST_PRESET,
    LaunchForm,
    accordion_updates,
    field_id,
    field_updates,
    read_form,
    source_choices,
)
from studio.tabs.launch.ready import ready_card
from studio.tabs.launch.view import command_card, plan_card

OWN_IMAGES = ("qwen3-vl-8b", "smolvlm2-2b")
"""Presets for pictures of one's own: the advice on a large card, and the smallest model that sees photos."""
_LARGE_CARD = 80
"""GB that the first of them wants."""
_FEW = 500
"""Own images below which a fifth is held out: a twentieth would be too few to measure on."""
_FEW_HELD_OUT = 0.2


def show_plan(workspace: Workspace, preset: str, name: str, overrides: Mapping[str, Any]) -> tuple[str, str]:
    """Plan with what speaks for and against it, and the command, as HTML; a fault's sentence in their place."""
    launch = jobs.Launch(preset=preset, overrides=overrides, name=name or None)
    command = cards.sheet(command_card(workspace, launch))
    try:
        check_places(workspace, overrides)
        settings = settings_of(preset, overrides)
        facts = ready_card(ready_facts(settings, workspace), settings)
        return cards.sheet(facts, plan_card(run_plan(settings, workspace))), command
    except JudgeStudioError as error:
        return cards.sheet(cards.note(str(error), tone="error")), command


def own_images_preset() -> str:
    """The preset for own images that suits this machine."""
    card = card_here(this_machine())
    return OWN_IMAGES[0] if card is not None and card.memory >= _LARGE_CARD else OWN_IMAGES[1]


def connect_form(page: Page, form: LaunchForm, plan: Any, command: Any, *, told: Any, refused: Any) -> None:
    """Join the form's fields to plan, command and each other; `told` says what choosing own images changed, `refused`
    why the form as it was could not be started."""
    editing = _Editing(page.workspace)
    views = [refused, plan, command, *form.accordions.values()]
    quiet = page.turns("launch", "always_last")
    fields = list(form.fields.values())
    form.head.input(editing.changed, form.inputs, [*fields, *views], **quiet)
    form.preset.input(
        editing.restarted, [form.preset, form.name, form.source], [*fields, form.source, told, *views], **quiet
    )
    page.url.bind("launch.images", form.source, read=lambda key: _source_update(page.workspace, key))
    # The plan in a second step: coming from Images, the tab is drawn from the old form at the same moment.
    form.source.change(editing.chosen, [form.source, *form.inputs], [form.preset, told, *fields], **quiet).then(
        editing.planned, form.inputs, views, **quiet
    )


class _Editing:
    """The listeners of the form, for one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._fields = {field.key: field for field in form_fields()}
        self._keys = {field_id(field): key for key, field in self._fields.items()}

    def changed(self, event: gr.EventData, *inputs: Any) -> list[Any]:
        """A field was left: its fault below it, which others mean something now, and what follows for the plan."""
        left = self._keys.get(str(getattr(event, "field", "")))
        shown = dict(zip(self._fields, inputs[2:], strict=True))
        updates = {}
        if left in DECIDING:
            updates = {key: gr.update(visible=is_asked(key, shown)) for key in self._fields}
        if left is not None:
            field = self._fields[left]
            fault = fault_of(field, shown[left])
            updates[left] = gr.update(info=f"✕ {fault}" if fault else field.help)
        return [*(updates.get(key, gr.skip()) for key in self._fields), *self.planned(*inputs)]

    def planned(self, *inputs: Any) -> list[Any]:
        preset, name, overrides = read_form(inputs)
        plan = show_plan(self._workspace, preset, name, overrides)
        return [gr.update(visible=False), *plan, *accordion_updates(preset, overrides)]

    def restarted(self, preset: str, name: str, source: str) -> list[Any]:
        """Another preset: its values; images that were chosen stay chosen where the preset takes any."""
        known = preset if preset in presets() else FIRST_PRESET
        values = preset_values(known)
        kept = own_source(self._workspace, source) if values["source.kind"] != "drawn" else {}
        source = "drawn" if values["source.kind"] == "drawn" else source if kept else "own"
        plan = show_plan(self._workspace, known, name, kept)
        views = [gr.update(visible=False), *plan, *accordion_updates(known, kept)]
        return [*field_updates({**values, **kept}), source, gr.update(visible=False), *views]

    def chosen(self, source: str, *inputs: Any) -> list[Any]:
        """Other images. Own ones in the embedded model's preset switch to one whose model can see photos."""
        preset, _, overrides = read_form(inputs)
        now = {**preset_values(preset), **overrides}
        asked = uploads.source_settings(self._workspace, source)
        if now["model.base"] not in SHIPPED or asked.get("source.kind", "drawn") == "drawn":
            updates = field_updates({**now, **asked}, chosen=asked)
            return [gr.skip(), gr.update(visible=False), *updates]
        preset = own_images_preset()
        values = {**preset_values(preset), **own_source(self._workspace, source)}
        return [preset, _shown_note(self._workspace, source, values), *field_updates(values)]


def own_source(workspace: Workspace, key: str) -> dict[str, Any]:
    """Settings for images that were taken in: where they lie, how many are held out to measure on; {} for others."""
    source = next((one for one in uploads.sources(workspace) if one.key == key), None)
    asked = uploads.source_settings(workspace, key) if source is not None else {}
    if source is None or asked.get("source.kind") == "drawn":
        return {}
    return {**asked, **({"source.held_out": _FEW_HELD_OUT} if source.images < _FEW else {})}


def _shown_note(workspace: Workspace, key: str, values: Mapping[str, Any]) -> Any:
    """What choosing own images changed, and what is still to be decided."""
    source = next(one for one in uploads.sources(workspace) if one.key == key)
    held = round(source.images * float(values["source.held_out"]))
    text = (
        f"{words.plural(source.images, 'image')} of your own. The demo's model, shapes-vlm, knows drawn shapes only, "
        f"so {values['model.base']} is set here; name another that can see photos under Base model if you like. "
        f"{words.plural(held, 'image')} are held out: every version is measured on pairs about them, and nothing is "
        "trained on them."
    )
    return gr.update(value=cards.sheet(cards.note(text)), visible=True)


def _source_update(workspace: Workspace, key: str) -> Any:
    choices = source_choices(workspace)
    if key not in {value for _, value in choices}:
        raise ValueError(key)
    return gr.update(choices=choices, value=key)
