"""The replay of the Traces tab: other settings of select, what they would have kept, and a run that keeps it."""

from typing import Any

import gradio as gr

from engine.config import SelectSettings, Settings, flat, parse_settings
from engine.errors import JudgeStudioError
from engine.stages.select.reasons import GRAVEST_FIRST, KEPT
from engine.workspace.folders import Workspace
from engine.workspace.run_record import run_settings
from studio.jobs.runs import Launch, command_line, start_run
from studio.look import cards, words
from studio.look.cards import Action, Html
from studio.look.cards.tables import Column, row, table
from studio.look.sheet import card_html
from studio.page.page import Page
from studio.page.place import link
from studio.page.settings_form import FormField, form_fields
from studio.tabs.traces.place import TracesPlace, settle
from studio.tabs.traces.replay import Replay, replay, stored_settings

_REPLAYED = ("rule", "max_per_pair", "max_per_image", "max_per_dimension", "balance", "exclude_flagged")
"""Settings of select that the replay offers."""


def _replayed_fields() -> dict[str, FormField]:
    fields = {field.key: field for field in form_fields()}
    return {name: fields[f"select.{name}"] for name in _REPLAYED}


def _control(field: FormField, value: Any) -> Any:
    common: dict[str, Any] = {"value": value, "label": field.label, "info": field.help}
    if field.control == "choice":
        return gr.Radio(list(field.choices), **common)
    if field.control == "switch":
        return gr.Checkbox(**common)
    return gr.Number(precision=0, **common)


def build_replay(page: Page, iteration: Any) -> None:
    """Lay out the replay: other settings of select, and at once what the training set would have been."""
    usual = SelectSettings()
    with (
        gr.Column(elem_classes="st-panel"),
        gr.Accordion("Replay the selection with other settings", open=False, elem_id="traces-replay") as panel,
    ):
        with gr.Row():
            boxes = [_control(field, getattr(usual, name)) for name, field in _replayed_fields().items()]
        result = card_html(elem_id="traces-replayed")
        with gr.Row():
            start = gr.Button("Start a run with this selection", scale=0, min_width=240, elem_id="traces-start")
        started = card_html(visible=False)
    _connect(page, iteration, panel, boxes, result)
    start.click(
        lambda run, *values: start_with(page.workspace, run, values), [page.run, *boxes], [started, page.run],
        show_progress="minimal", concurrency_limit=1,
    )  # fmt: skip


def _connect(page: Page, iteration: Any, panel: Any, boxes: list[Any], result: Any) -> None:
    def again(run: str | None, number: str | None, *values: Any) -> str:
        return show_replay(page, run, number, values)

    def own(run: str | None) -> tuple[Any, ...]:
        """The settings the run selects with."""
        try:
            known = stored_settings(page.workspace, run) if run else SelectSettings()
        except JudgeStudioError:
            known = SelectSettings()
        return tuple(getattr(known, name) for name in _REPLAYED)

    def begin(run: str | None, number: str | None) -> list[Any]:
        """The run's own settings, and their result."""
        values = own(run)
        return [*values, show_replay(page, run, number, values)]

    quiet: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "always_last"}
    elsewhere = cards.sheet(cards.sub("Another selection is chosen above. Change a setting to replay it."))
    page.run.change(lambda run: [*own(run), elsewhere], page.run, [*boxes, result], **quiet)
    iteration.change(lambda: elsewhere, None, result, **quiet)
    panel.expand(begin, [page.run, iteration], [*boxes, result], show_progress="minimal")
    gr.on(
        [box.input for box in boxes], again, [page.run, iteration, *boxes], result, show_progress="minimal",
        trigger_mode="always_last",
    )  # fmt: skip


def show_replay(page: Page, run: str | None, iteration: str | None, values: tuple[Any, ...]) -> str:
    """Stored against replayed selection as HTML, or the sentence that says why not."""
    try:
        if run is None:
            return cards.sheet(cards.empty_place("traces"))
        place = settle(page.catalog(), run, TracesPlace(iteration=str(iteration or "")))
        if not place.iteration.isdecimal():
            return cards.sheet(cards.note("Choose one iteration to replay its selection."))
        settings = chosen_settings(page.workspace, run, values)
        outcome = replay(page.catalog(), page.workspace, run, int(place.iteration), settings)
        return cards.sheet(replay_card(outcome, settings, run=run, iteration=int(place.iteration)))
    except JudgeStudioError as error:
        return cards.sheet(cards.note(str(error), tone="error"))


def chosen_settings(workspace: Workspace, run: str, values: tuple[Any, ...]) -> SelectSettings:
    """The run's own settings of select with the replay's. Raises `SettingsError` for a value that does not fit."""
    kept = stored_settings(workspace, run).model_dump()
    return parse_settings({"select": {**kept, **dict(zip(_REPLAYED, values, strict=True))}}, where="replay").select


def launch_with(workspace: Workspace, run: str, values: tuple[Any, ...]) -> Launch:
    """A new run with the settings of this one and the replay's selection."""
    chosen = chosen_settings(workspace, run, values).model_dump()
    own = {**flat(run_settings(workspace.existing_run(run))), **{f"select.{name}": chosen[name] for name in chosen}}
    usual = flat(Settings())
    overrides = {name: value for name, value in own.items() if value != usual[name]}
    return Launch(preset=None, overrides=overrides, name=workspace.free_name(f"{run[:50]}-select"))


def start_with(workspace: Workspace, run: str | None, values: tuple[Any, ...]) -> list[Any]:
    """Start that run; what to say, and the run to choose. It synthesizes and judges anew, as any run does."""
    try:
        if run is None:
            return [gr.skip(), gr.skip()]
        launch = launch_with(workspace, run, values)
        name = start_run(workspace, launch)
    except JudgeStudioError as error:
        return [gr.update(value=cards.sheet(cards.note(str(error), tone="error")), visible=True), gr.skip()]
    names = [folder.name for folder in workspace.runs()]
    watch = Action(label="Watch it", url=link("launch", name, {"launch.view": "run"}), small=True)
    said = cards.note(f"{name} has started, with the settings of {run} and this selection.", action=watch)
    command = cards.command(command_line("run", launch.words(), workspace))
    return [
        gr.update(value=cards.sheet(cards.element("div", said, command, class_="st-stack")), visible=True),
        gr.update(choices=names, value=name),
    ]


# --- what it shows -----------------------------------------------------------------------------------------------

_REPLAY = (
    Column(name=""),
    Column(name="Stored", is_number=True),
    Column(name="Replayed", is_number=True),
    Column(name="Change", is_number=True),
)


def replay_card(result: Replay, settings: SelectSettings, *, run: str, iteration: int) -> Html:
    """Stored against replayed: kept traces and pairs, by reason code and by dimension."""
    kept, now = (result.stored or {}).get(KEPT, 0), result.replayed.get(KEPT, 0)
    sentence = (
        f"{run}, iteration {iteration}: with these settings {words.number(now)} of "
        f"{words.plural(result.traces, 'trace')} would be trained on"
        + (f" instead of {words.number(kept)}: {words.number(result.gained)} more, {words.number(result.lost)} fewer"
           if result.stored else "")
        + f". They come from {words.plural(result.replayed_pairs, 'pair')}"
        + (f" instead of {words.number(result.stored_pairs)}." if result.stored else ".")
    )  # fmt: skip
    codes = [code for code in (KEPT, *GRAVEST_FIRST) if code in result.replayed or code in (result.stored or {})]
    by_reason = [
        _compared("kept" if code == KEPT else code, (result.stored or {}).get(code), result.replayed.get(code, 0))
        for code in codes
    ]
    names = sorted({*result.stored_kept, *result.replayed_kept})
    by_dimension = [
        _compared(name, result.stored_kept.get(name, 0) if result.stored else None, result.replayed_kept.get(name, 0))
        for name in names
    ]
    tables = [table(_REPLAY, by_reason, caption="Traces by reason")]
    if by_dimension:
        head = cards.element("h3", cards.esc("Kept, by dimension"))
        tables += [head, table(_REPLAY, by_dimension, caption="Kept traces by dimension")]
    said = cards.sub(f"{sentence} Rule: {settings.rule}. Took {words.duration(result.seconds)}; nothing was written.")
    return cards.element("div", said, *tables, class_="st-stack")


def _compared(name: str, stored: int | None, replayed: int) -> Html:
    change = "–" if stored is None else words.signed(replayed - stored, 0)
    cells = [name, words.number(stored, missing="–"), words.number(replayed), change]
    return row(_REPLAY, [cards.esc(cell) for cell in cells])
