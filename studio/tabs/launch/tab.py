"""The Launch tab: set up a run and start it, or watch, stop and resume the chosen one."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from engine.config import Settings, flat, presets
from engine.errors import JudgeStudioError, SettingsError
from engine.records import Step
from engine.runs.plan import run_plan
from engine.workspace.folders import RunFolder, Workspace
from engine.workspace.run_record import run_settings
from studio.jobs import child, uploads
from studio.jobs import runs as jobs
from studio.look import cards, words
from studio.look.sheet import card_html
from studio.page import pulse
from studio.page.page import Page, Tab
from studio.page.pulse import only_changed
from studio.page.settings_form import (
    FormField,
    as_shown,
    changes,
    fault_of,
    form_fields,
    group_help,
    groups,
    preset_values,
    settings_of,
    summaries,
)
from studio.run.view import view_of
from studio.tabs.launch.view import (
    command_card,
    events_card,
    log_card,
    plan_card,
    preview_card,
    run_card,
    settings_card,
)

FIRST_PRESET = "shapes"
ABOVE = ("model.base", "source.count", "loop.iterations")
"""Settings that stand above the groups, because nearly every run changes them."""
UNTIL_PLATEAU = 999
"""Most iterations the settings allow; the loop ends itself when it no longer pays."""

_PREVIEW_PAIRS = 6
_PREVIEW_SECONDS = 600.0
_LABELS = {
    "shapes": "Shapes demo",
    "shapes-full": "Shapes, longer",
    "paper": "Paper settings",
    "qwen3-vl-8b": "Qwen3-VL 8B",
    "qwen2.5-vl-7b": "Qwen2.5-VL 7B",
    "gemma-3-12b": "Gemma 3 12B",
    "smolvlm2-2b": "SmolVLM2 2B",
}
_GROUP_NAMES = {"model": "Model", "source": "Source", "loop": "Stop"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn:
    """What the tab shows, to send only what changed."""

    is_run: bool
    """The chosen run, not the form."""
    sources: list[tuple[str, str]]
    texts: tuple[str, ...]


@dataclass(slots=True)
class _Form:
    """The components of the form."""

    preset: Any
    name: Any
    source: Any
    fields: dict[str, Any]
    accordions: dict[str, Any]

    @property
    def inputs(self) -> list[Any]:
        return [self.preset, self.name, *self.fields.values()]


def build(page: Page) -> None:
    """Lay out the Launch tab and connect its events. Call it inside the app's gr.Tab."""
    view = gr.Radio(
        [("New run", "new"), ("The chosen run", "run")],
        value="new",
        show_label=False,
        container=False,
        elem_classes="st-seg",
    )
    page.url.bind("launch.view", view)
    message = card_html(visible=False)
    with gr.Row(equal_height=False, elem_classes="st-gap") as new:
        with gr.Column(scale=2, min_width=320):
            form = _build_form(page.workspace)
        with gr.Column(scale=1, min_width=300):
            plan = card_html()
            start = gr.Button("Start the run", variant="primary", elem_classes="st-btn-main")
            preview = gr.Button(f"Preview {_PREVIEW_PAIRS} pairs first")
            command = card_html()
    previewed = card_html(visible=False)
    with gr.Row(visible=False, equal_height=False, elem_classes="st-gap") as old:
        with gr.Column(scale=2, min_width=320):
            about = card_html()
        with gr.Column(scale=1, min_width=300):
            run_now = card_html()
    _connect_form(page, form, plan, command)
    _connect_start(page, form, start, preview, message, previewed, view)
    _connect_run(page, form, view, new, old, previewed, message, about, run_now, plan, command)


def _build_form(workspace: Workspace) -> _Form:
    values = preset_values(FIRST_PRESET)
    fields = {field.key: field for field in form_fields()}
    made: dict[str, Any] = {}
    with gr.Column(elem_classes="st-panel st-form"):
        gr.HTML(
            cards.sheet(
                cards.Html("<header><h2>New run</h2><span class='st-sub'>Start from a preset, change what you need."
                           "</span></header>")
            ),
            apply_default_css=False,
        )  # fmt: skip
        with gr.Column(elem_classes="st-pad"):
            preset = gr.Radio(
                [(_LABELS.get(name, name), name) for name in _preset_names()],
                value=FIRST_PRESET,
                label="Preset",
                elem_classes="st-seg",
            )
            with gr.Row():
                name = gr.Textbox(label="Run name", placeholder="automatic", max_length=64)
                source = gr.Dropdown(_source_choices(workspace), value="drawn", label="Images")
            with gr.Row():
                for key in ABOVE:
                    made[key] = _control(fields[key], values[key])
        accordions = {}
        told = summaries(settings_of(FIRST_PRESET, {}))
        for group, members in groups(form_fields()).items():
            with gr.Accordion(_accordion_label(group, told[group], 0), open=False) as accordions[group]:
                gr.HTML(cards.sheet(cards.sub(group_help(group), dim=True)), apply_default_css=False)
                with gr.Row(elem_classes="st-fields"):
                    for field in members:
                        if field.key not in ABOVE:
                            made[field.key] = _control(field, values[field.key])
    ordered = {key: made[key] for key in fields}
    return _Form(preset=preset, name=name, source=source, fields=ordered, accordions=accordions)


def _preset_names() -> list[str]:
    return sorted(presets(), key=lambda name: (name != FIRST_PRESET, name == "paper", name))


def _control(field: FormField, value: Any) -> Any:
    """One setting as a component; name, unit, default, range and help all come from the definition."""
    label = "Base model" if field.key == "model.base" else field.label
    shown = as_shown(field, value)
    common: dict[str, Any] = {"label": label, "info": field.help, "min_width": 180, "elem_id": field_id(field)}
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


def _accordion_label(group: str, told: str, changed: int) -> str:
    name = _GROUP_NAMES.get(group, group.capitalize())
    return f"{name} · {told}" + (f" · {changed} changed" if changed else "")


def _source_choices(workspace: Workspace) -> list[tuple[str, str]]:
    """Drawn scenes, what was taken in on the Images tab, and whatever the settings below name."""
    found = [(source.label_with_count, source.key) for source in uploads.sources(workspace) if source.is_usable]
    return [("drawn scenes", "drawn"), *found, ("as set under Source", "own")]


def _source_update(workspace: Workspace, key: str) -> Any:
    choices = _source_choices(workspace)
    if key not in {value for _, value in choices}:
        raise ValueError(key)
    return gr.update(choices=choices, value=key)


# --- the form ----------------------------------------------------------------------------------------------------


def _read(inputs: Sequence[Any]) -> tuple[str, str, dict[str, Any]]:
    """Preset, run name and the settings that differ from the preset, from the form's values in order."""
    preset, name, *values = inputs
    shown = {field.key: value for field, value in zip(form_fields(), values, strict=True)}
    known = preset if preset in presets() else FIRST_PRESET
    return known, str(name or "").strip(), changes(known, shown)


def show_plan(workspace: Workspace, preset: str, name: str, overrides: Mapping[str, Any]) -> tuple[str, str]:
    """Plan and command as HTML; the first fault's sentence where the plan would be."""
    launch = jobs.Launch(preset=preset, overrides=overrides, name=name or None)
    command = cards.sheet(command_card(workspace, launch))
    try:
        return cards.sheet(plan_card(run_plan(settings_of(preset, overrides), workspace))), command
    except JudgeStudioError as error:
        return cards.sheet(cards.note(str(error), tone="error")), command


def _accordion_updates(preset: str, overrides: Mapping[str, Any]) -> list[Any]:
    try:
        told = summaries(settings_of(preset, overrides))
    except SettingsError:
        return [gr.skip() for _ in Settings.model_fields]
    counts = {group: sum(key.startswith(f"{group}.") for key in overrides) for group in told}
    return [gr.update(label=_accordion_label(group, text, counts[group])) for group, text in told.items()]


def _connect_form(page: Page, form: _Form, plan: Any, command: Any) -> None:
    views = [plan, command, *form.accordions.values()]
    quiet: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "always_last"}
    fields = {field.key: field for field in form_fields()}

    def changed(key: str, *inputs: Any) -> list[Any]:
        preset, name, overrides = _read(inputs)
        field = fields[key]
        entered = inputs[2 + list(fields).index(key)]
        fault = fault_of(field, entered)
        info = gr.update(info=f"✕ {fault}" if fault else field.help)
        return [info, *show_plan(page.workspace, preset, name, overrides), *_accordion_updates(preset, overrides)]

    def renamed(*inputs: Any) -> tuple[str, str]:
        return show_plan(page.workspace, *_read(inputs))

    def restarted(preset: str, name: str) -> list[Any]:
        values = preset_values(preset if preset in presets() else FIRST_PRESET)
        shown = [gr.update(value=as_shown(field, values[key]), info=field.help) for key, field in fields.items()]
        source = "drawn" if values["source.kind"] == "drawn" else "own"
        return [*shown, source, *show_plan(page.workspace, preset, name, {}), *_accordion_updates(preset, {})]

    def chosen(source: str) -> list[Any]:
        values = uploads.source_settings(page.workspace, source)
        return [
            gr.update(value=as_shown(field, values[key])) if key in values else gr.skip()
            for key, field in fields.items()
        ]

    def planned(*inputs: Any) -> list[Any]:
        preset, name, overrides = _read(inputs)
        return [*show_plan(page.workspace, preset, name, overrides), *_accordion_updates(preset, overrides)]

    for key, component in form.fields.items():
        triggers = (
            [component.blur, component.submit] if isinstance(component, gr.Textbox | gr.Number) else [component.input]
        )
        gr.on(triggers, _bound(changed, key), form.inputs, [component, *views], **quiet)
    gr.on([form.name.blur, form.name.submit], renamed, form.inputs, [plan, command], **quiet)
    form.preset.input(restarted, [form.preset, form.name], [*form.fields.values(), form.source, *views], **quiet)
    page.url.bind("launch.images", form.source, read=lambda key: _source_update(page.workspace, key))
    # The plan in a second step: coming from Images, the tab is drawn from the old form at the same moment.
    form.source.change(chosen, form.source, [*form.fields.values()], **quiet).then(
        planned, form.inputs, views, show_progress="hidden"
    )


def _bound(function: Any, key: str) -> Any:
    """`function` with its first argument fixed; Gradio counts the parameters of a `functools.partial` wrongly."""

    def call(*inputs: Any) -> Any:
        return function(key, *inputs)

    return call


# --- start and preview -------------------------------------------------------------------------------------------


def _connect_start(page: Page, form: _Form, start: Any, preview: Any, message: Any, previewed: Any, view: Any) -> None:
    def begin(*inputs: Any) -> list[Any]:
        preset, name, overrides = _read(inputs)
        try:
            run = jobs.start_run(page.workspace, jobs.Launch(preset=preset, overrides=overrides, name=name or None))
        except JudgeStudioError as error:
            return [_shown(cards.note(str(error), tone="error")), gr.skip(), gr.skip(), gr.skip()]
        names = [folder.name for folder in page.workspace.runs()]
        said = cards.note(f"{run} has started. You can close the page: the run goes on.")
        return [_shown(said), gr.update(choices=names, value=run), "run", ""]

    def make_preview(*inputs: Any) -> Iterator[Any]:
        preset, _, overrides = _read(inputs)
        launch = jobs.Launch(preset=preset, overrides=overrides)
        for shown in preview_steps(launch):
            yield gr.update(value=cards.sheet(shown), visible=True)

    start.click(
        begin,
        form.inputs,
        [message, page.run, view, form.name],
        show_progress="hidden",
        concurrency_limit=1,
    )
    preview.click(make_preview, form.inputs, previewed, show_progress="hidden", concurrency_limit=1)


def _shown(body: cards.Html) -> Any:
    return gr.update(value=cards.sheet(body), visible=True)


def preview_steps(launch: jobs.Launch) -> Iterator[cards.Html]:
    """Words and seconds while a child process makes the pairs, then the pairs, or the sentence why not."""
    asked = ["preview", *launch.words(), "--pairs", str(_PREVIEW_PAIRS), "--json"]
    began = time.monotonic()
    try:
        for end in child.until_ended(child.COMMANDS, asked, seconds=_PREVIEW_SECONDS):
            told = words.duration(int(time.monotonic() - began))
            yield (
                _preview_outcome(end)
                if end is not None
                else cards.note(f"Loading the model and making {_PREVIEW_PAIRS} pairs, {told}.")
            )
    except TimeoutError:
        yield cards.note("Preview: it took longer than 10 minutes. Use fewer samples.", tone="error")


def _preview_outcome(end: child.Ended) -> cards.Html:
    if end.code != 0:
        return cards.note(end.last_words or "it ended without a word.", tone="error")
    try:
        return preview_card(json.loads(end.said))
    except (ValueError, TypeError, AttributeError):
        return cards.note("the preview printed something that is no list of pairs.", tone="error")


# --- the chosen run ----------------------------------------------------------------------------------------------


def _connect_run(
    page: Page,
    form: _Form,
    view: Any,
    new: Any,
    old: Any,
    previewed: Any,
    message: Any,
    about: Any,
    run_now: Any,
    plan: Any,
    command: Any,
) -> None:
    shown = gr.State(_Drawn(is_run=False, sources=_source_choices(page.workspace), texts=()))

    def redraw(which: str, run: str | None, before: _Drawn, *inputs: Any) -> list[Any]:
        is_run = which == "run" and run is not None
        texts = show_run(page.workspace.run(str(run))) if is_run else show_plan(page.workspace, *_read(inputs))
        sources = _source_choices(page.workspace)
        now = _Drawn(is_run=is_run, sources=sources, texts=("", "", *texts) if is_run else (*texts, "", ""))
        # What stays is not sent: a form that is shown anew forgets what is being typed into it.
        places = [gr.update(visible=not is_run), gr.update(visible=is_run)]
        return [
            *(places if is_run != before.is_run else [gr.skip(), gr.skip()]),
            *only_changed(now.texts, before.texts),
            gr.update(choices=sources) if sources != before.sources else gr.skip(),
            now,
        ]

    def switched(which: str, run: str | None, before: _Drawn, *inputs: Any) -> list[Any]:
        return [*redraw(which, run, before, *inputs), gr.update(visible=False)]

    def act(event: gr.EventData, run: str | None, before: _Drawn) -> list[Any]:
        anew = replace(before, texts=())
        name, key = str(getattr(event, "act", "")), str(getattr(event, "id", ""))
        try:
            said = do(page.workspace, name, key)
        except JudgeStudioError as error:
            return [_shown(cards.note(str(error), tone="error")), *show_run(page.workspace.run(str(run))), anew]
        return [_shown(cards.note(said)) if said else gr.skip(), *show_run(page.workspace.run(str(run))), anew]

    def copy(event: gr.EventData) -> list[Any]:
        if getattr(event, "act", "") != "copy":
            return [gr.skip()] * (2 + len(form.fields))
        try:
            settings = run_settings(page.workspace.existing_run(str(getattr(event, "id", ""))))
        except JudgeStudioError:
            return [gr.skip()] * (2 + len(form.fields))
        values = flat(settings)
        fields = form_fields()
        return ["new", "own", *(gr.update(value=as_shown(field, values[field.key])) for field in fields)]

    outputs = [new, old, plan, command, about, run_now, form.source, shown]
    page.redraw("launch", redraw, [view, page.run, shown, *form.inputs], outputs)
    view.change(
        switched,
        [view, page.run, shown, *form.inputs],
        [*outputs, previewed],
        show_progress="hidden",
        trigger_mode="always_last",
    )
    run_now.click(act, [page.run, shown], [message, about, run_now, shown], show_progress="hidden")
    about.click(copy, None, [view, form.source, *form.fields.values()], show_progress="hidden")


def do(workspace: Workspace, act: str, key: str) -> str:
    """Carry out a card's act; what to say of it. Raises `JudgeStudioError`. `act` and `key` are untrusted."""
    if act not in ("stop", "resume", "next-iteration", "until-plateau"):
        return ""
    run = workspace.existing_run(key)
    if act == "stop":
        jobs.stop_run(run)
        return ""
    if act == "resume":
        jobs.resume_run(run)
        return ""
    if act == "next-iteration":
        return f"{run.name} goes on with iteration {jobs.run_next_iteration(run)}."
    number = jobs.finished_iterations(run) + 1
    jobs.resume_run(run, iterations=UNTIL_PLATEAU)
    return f"{run.name} goes on with iteration {number}."


def show_run(run: RunFolder) -> tuple[str, str]:
    """The chosen run: settings, events and log on the left, state and action on the right."""
    view = view_of(run)
    steps: list[Step] = []
    if view.state.iteration:
        try:
            steps = run.stage(view.state.iteration, "train").read("steps", Step)
        except JudgeStudioError:
            steps = []  # a damaged part is named by the run itself when it is resumed
    differs: dict[str, Any] = {}
    if view.settings is not None:
        usual = flat(Settings())
        differs = {key: value for key, value in flat(view.settings).items() if value != usual[key]}
    about = cards.sheet(settings_card(view, differs), events_card(view), log_card(view))
    return about, cards.sheet(run_card(view, steps))


TAB = Tab(key="launch", label="Launch", build=build, watches=(pulse.clock, pulse.all_runs))
