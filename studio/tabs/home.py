"""The Home tab: the chosen run at work, all runs, and the demo in an empty workspace."""

import threading
from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.config import load_settings
from engine.errors import JudgeStudioError
from engine.workspace.files import bytes_under
from engine.workspace.folders import RunFolder, Workspace
from studio.jobs import runs as jobs
from studio.look import cards, words
from studio.look.cards import Action, Html
from studio.look.sheet import card_html
from studio.page import pulse
from studio.page.page import Page, Tab
from studio.page.place import link
from studio.page.pulse import only_changed, stage_stamps
from studio.run.ledger import ledger
from studio.run.stats import stats
from studio.run.view import (
    RunView,
    device_words,
    heartbeat,
    kept_words,
    main_action,
    recent_events,
    run_row,
    sentence,
    view_of,
)

DEMO_PRESET = "shapes"
DEMO_RUN = "shapes-01"
"""A fixed name: of two clicks on the demo, one reserves it and the other is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The two cards of the tab as HTML."""

    run: str
    runs: str


def build(page: Page) -> None:
    """Lay out the Home tab and connect its events. Call it inside the app's gr.Tab."""
    shown = gr.State(())
    message = card_html(visible=False)
    # What is in the workspace now is not known here: this is built once, for every page until its first answer.
    run_card = card_html(cards.sheet(cards.panel(cards.padded(cards.sub("Looking into the workspace…", dim=True)))))
    runs_card = card_html()

    def redraw(run: str | None, before: tuple[str, ...]) -> list[Any]:
        return _changed(show_home(page.workspace, run), before)

    def act(event: gr.EventData, run: str | None, before: tuple[str, ...]) -> list[Any]:
        outcome = do(page.workspace, str(getattr(event, "act", "")), str(getattr(event, "id", "")), run)
        names = [folder.name for folder in page.workspace.runs()]
        update = gr.update(choices=names, value=outcome.run)
        note = gr.update(value=outcome.message, visible=bool(outcome.message))
        return [note, update, *_changed(show_home(page.workspace, outcome.run), before)]

    page.redraw("home", redraw, [page.run, shown], [run_card, runs_card, shown])
    gr.on(
        [message.click, run_card.click, runs_card.click],
        act,
        [page.run, shown],
        [message, page.run, run_card, runs_card, shown],
        show_progress="hidden",
    ).then(None, None, None, js="() => { window.scrollTo({top: 0}); }")


def _changed(home: Home, before: tuple[str, ...]) -> list[Any]:
    now = (home.run, home.runs)
    return [*only_changed(now, before), now]


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
            name = jobs.start_run(workspace, jobs.Launch(preset=DEMO_PRESET, overrides={}, name=DEMO_RUN))
            return Done(run=name, message=_said(f"{name} has started. You can close the page: the run goes on."))
        if act not in ("open", "resume", "stop", "delete", "delete-yes"):
            return Done(run=run)
        folder = workspace.existing_run(key)
        if act == "delete":
            return Done(run=run, message=cards.sheet(_question(folder)))
        if act == "delete-yes":
            jobs.delete_run(folder)
            left = [other.name for other in workspace.runs()]
            return Done(run=run if run in left else next(iter(left), None), message=_said(f"{key} is deleted."))
        if act == "resume":
            jobs.resume_run(folder)
        if act == "stop":
            jobs.stop_run(folder)
        return Done(run=folder.name)
    except JudgeStudioError as error:
        return Done(run=run, message=cards.sheet(cards.note(str(error), tone="error")))


def _said(text: str) -> str:
    return cards.sheet(cards.note(text))


# --- what it shows ---------------------------------------------------------------------------------------------


def show_home(workspace: Workspace, run: str | None) -> Home:
    """The tab as HTML: the chosen run (the newest if it is gone), and the table of runs."""
    found = workspace.runs()
    if not found:
        return Home(run=cards.sheet(_empty(workspace)), runs="")
    chosen = next((folder for folder in found if folder.name == run), found[0])
    view = view_of(chosen)
    rows = [
        run_row(view if folder == chosen else view_of(folder, with_events=False), size_of(folder)) for folder in found
    ]
    new = cards.button(Action(label="New run", url=link("launch"), small=True))
    table = cards.panel(cards.runs_table(rows, selected=chosen.name), title="Runs", aside=new)
    return Home(run=cards.sheet(run_panel(view)), runs=cards.sheet(table, cards.sub(_miniature(view), dim=True)))


def run_panel(view: RunView) -> Html:
    """The chosen run: what it does, ledger, strip, last events."""
    chip = cards.state_chip(view.shown_state if view.shown_state != "starting" else "queued")
    title = cards.element("div", cards.element("h1", cards.esc(view.name)), chip, class_="st-row")
    tone = "st-sub is-c-rejected" if view.shown_state == "failed" else "st-sub"
    about = cards.element("p", cards.esc(sentence(view)), class_=tone, dir="auto")
    buttons = [cards.button(main_action(view)), *_others(view)]
    head = cards.element(
        "div",
        cards.element("div", title, about),
        cards.element("div", *buttons, class_="st-row is-tight"),
        class_="st-pad st-between st-head",
    )
    signs = [part for part in (heartbeat(view), _small(device_words(view))) if part]
    foot = cards.EMPTY
    if view.events or signs:
        beat = cards.element("div", *signs, class_="st-stack is-close")
        foot = cards.element("div", cards.log_lines(recent_events(view, 2)), beat, class_="st-between")
    parts = [head]
    if view.fault is None:
        parts += [cards.stage_ledger(ledger(view)), cards.stat_strip(stats(view))]
    return cards.panel(*parts, foot=foot)


def _others(view: RunView) -> list[Html]:
    """Beside the one main button: stop an active run, resume a failed one."""
    if view.is_active:
        stopping = view.shown_state == "stopping"
        label = "Stopping" if stopping else "Stop"
        said = f"{label} {view.name}. {kept_words(view)}"
        stop = Action(label=label, act="stop", key=view.name, kind="stop", disabled=stopping, said=said)
        return [cards.button(stop)]
    if view.shown_state == "failed":
        return [cards.button(Action(label="Resume", act="resume", key=view.name))]
    return []


def _small(text: str) -> Html:
    return cards.element("small", cards.esc(text), class_="st-dim") if text else cards.EMPTY


def _question(run: RunFolder) -> Html:
    return cards.confirm(
        f"Delete {run.name}?",
        f"Its pairs, traces, judge versions and scores ({words.size(size_of(run))}) are deleted for good. "
        "The pictures stay, because other runs may use them.",
        yes=Action(label=f"Delete {run.name}", act="delete-yes", key=run.name, kind="stop"),
        no=Action(label="Keep it", act="keep", key=run.name),
    )


def _empty(workspace: Workspace) -> Html:
    settings = load_settings(preset=DEMO_PRESET)
    command = jobs.command_line("run", ["--preset", DEMO_PRESET], workspace).replace(" \\\n ", "")  # short: one line
    start = cards.empty(
        "Run the demo to watch a small judge improve itself on drawn scenes: real images, real training, "
        f"{words.plural(settings.loop.iterations, 'iteration')} on this machine. Nothing is downloaded.",
        Action(label="Run the demo", act="demo", kind="main"),
        Action(label="Use my own images", url=link("images")),
        title="No runs yet",
        command_line=command,
    )
    return cards.panel(start, cards.first_steps())


def _miniature(view: RunView) -> str:
    if view.settings is not None and view.settings.model.base == "shapes-vlm":
        return (
            "shapes-vlm is a working miniature with a few million parameters. The same run takes any image-text model "
            "by changing one setting."
        )
    return ""


# --- size on disk ----------------------------------------------------------------------------------------------

_SIZES: dict[str, tuple[str, int]] = {}
_MEASURING = threading.Lock()


def size_of(run: RunFolder) -> int | None:
    """Bytes of the run's folder; walked again only after a part was added or a stage ended."""
    mark = " ".join(stage_stamps(run))
    with _MEASURING:
        known = _SIZES.get(str(run.folder))
        if known is not None and known[0] == mark:
            return known[1]
        try:
            size = bytes_under(run.folder)
        except OSError:  # files come and go while a run works
            return known[1] if known else None
        _SIZES[str(run.folder)] = (mark, size)
        return size


TAB = Tab(key="home", label="Home", build=build, watches=(pulse.clock, pulse.all_runs))
