"""The Home tab: the chosen run at work, all runs, and the demo in an empty workspace. What it shows is `view`'s."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.errors import JudgeStudioError
from engine.workspace.folders import Workspace
from studio.jobs import runs as jobs
from studio.look import cards
from studio.look.sheet import card_html
from studio.page import pulse
from studio.page.page import Opening, Page, Tab
from studio.page.pulse import only_changed
from studio.tabs.home.duel import show_duel
from studio.tabs.home.view import DEMO_PRESET, delete_question, show_home

DEMO_RUN = "shapes-01"
"""A fixed name: of two clicks on the demo, one reserves it and the other is refused."""


def build(page: Page) -> None:
    """Lay out the Home tab and connect its events. Call it inside the app's gr.Tab."""
    shown = gr.State(())
    message = card_html(visible=False, asks=True)
    # What is in the workspace now is not known here: this is built once, for every page. See `Opening`.
    run_card, duel_card, progress_card, runs_card = card_html(), card_html(), card_html(), card_html()
    shown_cards = [run_card, progress_card, runs_card, duel_card]

    def first(run: str | None) -> tuple[str, ...]:
        """Without the duel, which asks the tables: their library takes a moment to load."""
        home = show_home(page.workspace, run)
        return home.run, home.progress, home.runs

    def redraw(run: str | None, before: tuple[str, ...]) -> list[Any]:
        now = (*first(run), show_duel(page, run))
        return [*only_changed(now, before), now]

    def act(event: gr.EventData, run: str | None, before: tuple[str, ...]) -> list[Any]:
        outcome = do(page.workspace, str(getattr(event, "act", "")), str(getattr(event, "id", "")), run)
        names = [folder.name for folder in page.workspace.runs()]
        update = gr.update(choices=names, value=outcome.run)
        note = gr.update(value=outcome.message, visible=bool(outcome.message))
        return [note, update, *redraw(outcome.run, before)]

    page.opening.append(Opening(draw=first, cards=shown_cards[:-1]))
    page.redraw("home", redraw, [page.run, shown], [*shown_cards, shown])
    gr.on(
        [message.click, run_card.click, progress_card.click, runs_card.click],
        act,
        [page.run, shown],
        [message, page.run, *shown_cards, shown],
        **page.turns("home", "multiple"),
    ).then(None, None, None, js="() => { window.scrollTo({top: 0}); }")


# --- what a click does -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of a click."""

    run: str | None
    """The run to show now."""
    message: str = ""
    """A sentence or a question, as HTML."""


def do(workspace: Workspace, act: str, key: str, run: str | None) -> Done:
    """Carry out a card's act; a failure becomes the command line's sentence. `act` and `key` are untrusted."""
    try:
        if act == "demo":
            if not jobs.is_at_work(workspace.run(DEMO_RUN)):  # it is when somebody pressed twice
                jobs.start_run(workspace, jobs.Launch(preset=DEMO_PRESET, overrides={}, name=DEMO_RUN))
            return Done(
                run=DEMO_RUN, message=_said(f"{DEMO_RUN} has started. You can close the page: the run goes on.")
            )
        if act in ("open", "resume", "next-iteration", "stop", "delete", "delete-yes"):
            return _done_to_run(workspace, act, key, run)
        return Done(run=run)
    except JudgeStudioError as error:
        return Done(run=run, message=cards.sheet(cards.note(str(error), tone="error")))


def _done_to_run(workspace: Workspace, act: str, key: str, run: str | None) -> Done:
    """A second press of a button that was obeyed is no mistake."""
    folder = workspace.existing_run(key)
    if act == "delete":
        return Done(run=run, message=cards.sheet(delete_question(folder)))
    if act == "delete-yes":
        jobs.delete_run(folder)
        left = [other.name for other in workspace.runs()]
        return Done(run=run if run in left else next(iter(left), None), message=_said(f"{key} is deleted."))
    if act == "resume" and not jobs.is_at_work(folder):
        jobs.resume_run(folder)
    if act == "stop" and jobs.is_at_work(folder):
        jobs.stop_run(folder)
    if act == "next-iteration" and not jobs.is_at_work(folder):
        number = jobs.run_next_iteration(folder)
        return Done(run=folder.name, message=_said(f"{folder.name} goes on with iteration {number}."))
    return Done(run=folder.name)


def _said(text: str) -> str:
    return cards.sheet(cards.note(text))


TAB = Tab(key="home", label="Home", build=build, watches=(pulse.clock, pulse.all_runs))
