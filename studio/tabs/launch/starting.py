"""Starting the run that the form describes, after asking once more where it is known to fail; previewing its pairs."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.errors import JudgeStudioError
from engine.runs.ready import ready_facts
from studio.jobs import child
from studio.jobs import runs as jobs
from studio.jobs.places import check_places
from studio.look import cards, words
from studio.page.page import Page
from studio.page.settings_form import settings_of
from studio.tabs.launch.editing import show_plan
from studio.tabs.launch.form import LaunchForm, read_form
from studio.tabs.launch.ready import refusal, timing_steps
from studio.tabs.launch.view import preview_card

PREVIEW_PAIRS = 6
_PREVIEW_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Starting:
    """The components around the form that start something."""

    start: Any
    preview: Any
    message: Any
    """What has happened, above everything."""
    refused: Any
    """Why it was not started, or the question whether it should be; gone once the form is changed."""
    previewed: Any
    plan: Any
    """Its card has the button that times a reply."""
    command: Any


def connect_starting(page: Page, form: LaunchForm, parts: Starting, view: Any) -> None:
    """Join the buttons; a run that was started is shown in place of the form (`view`)."""
    started = [parts.message, parts.refused, page.run, view, form.name]
    options: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": 1}

    def begin(*inputs: Any) -> list[Any]:
        return start(page, inputs, asks=True)

    def confirmed(event: gr.EventData, *inputs: Any) -> list[Any]:
        if getattr(event, "act", "") != "start-anyway":
            return [gr.skip(), gr.update(visible=False), gr.skip(), gr.skip(), gr.skip()]
        return start(page, inputs, asks=False)

    def make_preview(*inputs: Any) -> Iterator[Any]:
        preset, _, overrides = read_form(inputs)
        try:
            check_places(page.workspace, overrides)
        except JudgeStudioError as error:
            yield _shown(cards.note(str(error), tone="error"))
            return
        for shown in preview_steps(jobs.Launch(preset=preset, overrides=overrides)):
            yield _shown(shown)

    def time_reply(event: gr.EventData, *inputs: Any) -> Iterator[Any]:
        if getattr(event, "act", "") != "time":
            return
        preset, name, overrides = read_form(inputs)
        try:
            check_places(page.workspace, overrides)
        except JudgeStudioError as error:
            yield [_shown(cards.note(str(error), tone="error")), gr.skip(), gr.skip()]
            return
        for shown in timing_steps(page.workspace, jobs.Launch(preset=preset, overrides=overrides)):
            yield [_shown(shown), gr.skip(), gr.skip()]
        yield [gr.skip(), *show_plan(page.workspace, preset, name, overrides)]

    parts.start.click(begin, form.inputs, started, **page.turns("launch"))
    parts.refused.click(confirmed, form.inputs, started, **page.turns("launch"))
    parts.preview.click(make_preview, form.inputs, parts.previewed, **options)
    parts.plan.click(time_reply, form.inputs, [parts.message, parts.plan, parts.command], **options)


def start(page: Page, inputs: Any, *, asks: bool) -> list[Any]:
    """What the page shows once the run has started, or the sentence or question why not; `asks` before a failure."""
    preset, name, overrides = read_form(inputs)
    try:
        page.workspace.check_writable()
        check_places(page.workspace, overrides)
        if asks:
            settings = settings_of(preset, overrides)
            question = refusal(ready_facts(settings, page.workspace), settings)
            if question:
                return _refused(question)
        run = jobs.start_run(page.workspace, jobs.Launch(preset=preset, overrides=overrides, name=name or None))
    except JudgeStudioError as error:
        return _refused(cards.note(str(error), tone="error"))
    names = [folder.name for folder in page.workspace.runs()]
    said = cards.note(f"{run} has started. You can close the page: the run goes on.")
    return [_shown(said), gr.update(visible=False), gr.update(choices=names, value=run), "run", ""]


def _refused(why: cards.Html) -> list[Any]:
    """Nothing has started: the form stays, and what was said of it before is out of date."""
    return [gr.update(visible=False), _shown(why), gr.skip(), gr.skip(), gr.skip()]


def _shown(body: cards.Html) -> Any:
    return gr.update(value=cards.sheet(body), visible=True)


def preview_steps(launch: jobs.Launch) -> Iterator[cards.Html]:
    """Words and seconds while a child process makes the pairs, then the pairs, or the sentence why not."""
    asked = ["preview", *launch.words(), "--pairs", str(PREVIEW_PAIRS), "--json"]
    began = time.monotonic()
    try:
        for end in child.until_ended(child.COMMANDS, asked, seconds=_PREVIEW_SECONDS):
            told = words.duration(int(time.monotonic() - began))
            yield (
                _preview_outcome(end)
                if end is not None
                else cards.note(f"Loading the model and making {PREVIEW_PAIRS} pairs, {told}.")
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
