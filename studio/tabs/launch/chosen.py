"""The chosen run on Launch: its settings, events and log, and the one thing to do with it now."""

from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from engine.config import Settings, flat
from engine.errors import JudgeStudioError
from engine.records import Step
from engine.workspace.folders import RunFolder, Workspace
from engine.workspace.run_record import run_settings
from studio.jobs import runs as jobs
from studio.look import cards
from studio.look.sheet import EACH_CLICK
from studio.page.page import Page
from studio.page.pulse import only_changed
from studio.run.view import view_of
from studio.tabs.launch.editing import show_plan
from studio.tabs.launch.form import LaunchForm, field_updates, nearest_preset, read_form, source_choices
from studio.tabs.launch.view import events_card, log_card, run_card, settings_card

UNTIL_PLATEAU = 999
"""Most iterations the settings allow; the loop ends itself when it no longer pays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchPlaces:
    """The components that show either the form or the chosen run."""

    view: Any
    """Which of the two."""
    new: Any
    old: Any
    plan: Any
    command: Any
    about: Any
    run_now: Any
    message: Any
    previewed: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What the tab shows, to send only what changed."""

    is_run: bool
    """The chosen run, not the form."""
    state: str
    """Of that run; "" of the form."""
    sources: list[tuple[str, str]]
    texts: tuple[str, ...]


def connect_run(page: Page, form: LaunchForm, places: LaunchPlaces) -> None:
    """Draw the form's plan or the chosen run, and answer its buttons."""
    chosen = _Chosen(page.workspace)
    shown = gr.State(Drawn(is_run=False, state="", sources=source_choices(page.workspace), texts=()))
    outputs = [
        places.new, places.old, places.plan, places.command, places.about, places.run_now, form.source,
        places.message, shown,
    ]  # fmt: skip
    asked = [places.view, page.run, shown, *form.inputs]
    page.redraw("launch", chosen.redraw, asked, outputs)
    places.view.change(chosen.switched, asked, [*outputs, places.previewed], **page.turns("launch", "always_last"))
    acted = [places.message, places.about, places.run_now, shown]
    places.run_now.click(chosen.act, [page.run, shown], acted, **page.turns("launch", "multiple"))
    copied = [places.view, form.preset, form.source, *form.fields.values()]
    places.about.click(chosen.copy, None, copied, **EACH_CLICK)
    places.run_now.click(chosen.copy, None, copied, **EACH_CLICK).then(None, None, None, js=_TO_BASE)


class _Chosen:
    """The listeners of the chosen run, for one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def redraw(self, which: str, run: str | None, before: Drawn, *inputs: Any) -> list[Any]:
        is_run = which == "run" and run is not None
        texts = show_run(self._workspace.run(str(run))) if is_run else show_plan(self._workspace, *read_form(inputs))
        sources = source_choices(self._workspace)
        state = view_of(self._workspace.run(str(run))).shown_state if is_run else ""
        now = Drawn(is_run=is_run, state=state, sources=sources, texts=("", "", *texts) if is_run else (*texts, "", ""))
        # What stays is not sent: a form that is shown anew forgets what is being typed into it.
        both = [gr.update(visible=not is_run), gr.update(visible=is_run)]
        return [
            *(both if is_run != before.is_run else [gr.skip(), gr.skip()]),
            *only_changed(now.texts, before.texts),
            gr.update(choices=sources) if sources != before.sources else gr.skip(),
            # "It has started" is not true of a run that has failed meanwhile.
            gr.update(visible=False) if state == "failed" and before.state not in ("", "failed") else gr.skip(),
            now,
        ]

    def switched(self, which: str, run: str | None, before: Drawn, *inputs: Any) -> list[Any]:
        """The other of the two; what was said of the form stays with a run that has just started."""
        *drawn, message, now = self.redraw(which, run, before, *inputs)
        return [*drawn, message if which == "run" else gr.update(visible=False), now, gr.update(visible=False)]

    def act(self, event: gr.EventData, run: str | None, before: Drawn) -> list[Any]:
        anew = replace(before, texts=())
        name, key = str(getattr(event, "act", "")), str(getattr(event, "id", ""))
        try:
            said = do(self._workspace, name, key)
        except JudgeStudioError as error:
            shown = gr.update(value=cards.sheet(cards.note(str(error), tone="error")), visible=True)
            return [shown, *show_run(self._workspace.run(str(run))), anew]
        shown = gr.update(value=cards.sheet(cards.note(said)), visible=True) if said else gr.update(visible=False)
        return [shown, *show_run(self._workspace.run(str(run))), anew]

    def copy(self, event: gr.EventData) -> list[Any]:
        """The run's settings in the form, for a new run."""
        nothing = [gr.skip()] * (3 + len(flat(Settings())))
        if getattr(event, "act", "") not in ("copy", "copy-base"):
            return nothing
        try:
            settings = run_settings(self._workspace.existing_run(str(getattr(event, "id", ""))))
        except JudgeStudioError:
            return nothing
        values = flat(settings)
        return ["new", nearest_preset(values), "own", *field_updates(values)]


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


_TO_BASE = """() => {
  if (!document.querySelector('[data-act="copy-base"]')) return;
  const look = (left) => {
    const box = document.querySelector('#set-model-base textarea, #set-model-base input');
    if (box && box.offsetParent) { box.focus(); box.select(); } else if (left) setTimeout(look, 100, left - 1);
  };
  look(30);
}"""
"""The copy is there to get another base model: its field is chosen once the form is shown."""
