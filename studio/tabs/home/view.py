"""What the Home tab shows: the chosen run at work or at rest, all runs, and the demo in an empty workspace."""

import threading
from dataclasses import dataclass, replace

from engine.assets import SHIPPED
from engine.config import Settings, load_settings
from engine.runs.pace import shipped_rates, timed_pace
from engine.runs.plan import run_plan
from engine.workspace.files import bytes_under
from engine.workspace.folders import RunFolder, Workspace
from studio.jobs import runs as jobs
from studio.look import cards, words
from studio.look.cards import Action, Html
from studio.page.place import link
from studio.page.pulse import stage_stamps
from studio.run.ledger import ledger
from studio.run.promise import promise
from studio.run.stats import stats
from studio.run.view import (
    RunView,
    device_words,
    heartbeat,
    kept_words,
    main_action,
    pays_words,
    recent_events,
    run_row,
    sentence,
    still_pays,
    view_of,
)

DEMO_PRESET = "shapes"
FINISHED = Action(label="Look at a finished run", url="finished/")
"""The run that ships, opened beside this workspace by the same server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The cards of the tab as HTML."""

    run: str
    runs: str
    progress: str = ""
    """What became of a finished run stage by stage, below its duel; of any other run this is part of `run`."""


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
    offered = [] if workspace.is_read_only else [FINISHED, Action(label="New run", url=link("launch"))]
    buttons = [cards.tour_button(), *(cards.button(replace(one, small=True)) for one in offered)]
    aside = cards.element("div", *buttons, class_="st-row is-tight")
    table = cards.panel(cards.runs_table(rows, selected=chosen.name), title="Runs", aside=aside)
    head, progress = run_panel(view)
    return Home(
        run=cards.sheet(head),
        progress=cards.sheet(progress) if progress else "",
        runs=cards.sheet(table, cards.sub(_miniature(view), dim=True)),
    )


def run_panel(view: RunView) -> tuple[Html, Html]:
    """The chosen run: what it does, ledger, strip, events. Of a finished one in two parts, for the duel between."""
    ledgers = [cards.stage_ledger(ledger(view)), cards.stat_strip(stats(view))] if view.fault is None else []
    if view.shown_state == "done":
        return cards.panel(_head(view)), cards.panel(*ledgers, foot=_foot(view), title="How it went")
    return cards.panel(_head(view), *ledgers, foot=_foot(view)), cards.EMPTY


def _head(view: RunView) -> Html:
    """Name, state, one sentence on what goes on, and what can be done now."""
    chip = cards.state_chip(view.shown_state if view.shown_state != "starting" else "queued")
    title = cards.element("div", cards.element("h1", cards.esc(view.name)), chip, class_="st-row")
    tone = "st-sub is-c-rejected" if view.shown_state == "failed" else "st-sub"
    about = cards.element("p", cards.esc(sentence(view)), class_=tone, dir="auto")
    said = pays_words(view) if view.shown_state == "done" else promise(view)
    more = cards.sub(said) if said else cards.EMPTY
    main = main_action(view)
    buttons = [*([cards.button(main)] if main else []), *_others(view)]
    return cards.element(
        "div",
        cards.element("div", title, about, more),
        cards.element("div", *buttons, class_="st-row is-tight"),
        class_="st-pad st-between st-head",
    )


def _foot(view: RunView) -> Html:
    signs = [part for part in (heartbeat(view), _small(device_words(view) if view.is_active else "")) if part]
    if not view.events and not signs:
        return cards.EMPTY
    beat = cards.element("div", *signs, class_="st-stack is-close")
    return cards.element("div", cards.log_lines(recent_events(view, 2)), beat, class_="st-between")


def _others(view: RunView) -> list[Html]:
    """Beside the one main button: stop an active run, what a failed one said, go on with one that still pays."""
    if view.folder.workspace.is_read_only:
        return []
    if view.shown_state == "done" and still_pays(view):
        return [cards.button(Action(label="Run one more iteration", act="next-iteration", key=view.name))]
    if view.is_active:
        stopping = view.shown_state == "stopping"
        label = "Stopping" if stopping else "Stop"
        said = f"{label} {view.name}. {kept_words(view)}"
        stop = Action(label=label, act="stop", key=view.name, kind="stop", disabled=stopping, said=said)
        return [cards.button(stop)]
    if view.shown_state == "failed":
        url = link("launch", view.name, {"launch.view": "run"})
        return [cards.button(Action(label="Show the error", url=url))]
    return []


def _small(text: str) -> Html:
    return cards.element("small", cards.esc(text), class_="st-dim") if text else cards.EMPTY


def delete_question(run: RunFolder) -> Html:
    return cards.confirm(
        f"Delete {run.name}?",
        f"Its pairs, traces, judge versions and scores ({words.size(size_of(run))}) are deleted for good. "
        "So are the pictures that nothing else in this workspace uses.",
        yes=Action(label=f"Delete {run.name}", act="delete-yes", key=run.name, kind="stop"),
        no=Action(label="Keep it", act="keep", key=run.name),
    )


def _empty(workspace: Workspace) -> Html:
    settings = load_settings(preset=DEMO_PRESET)
    command = jobs.command_line("run", ["--preset", DEMO_PRESET], workspace).replace(" \\\n ", "")  # short: one line
    start = cards.empty(
        "Run the demo to watch a small judge improve itself on drawn scenes: real images, real training, "
        f"{words.plural(settings.loop.iterations, 'iteration')} on this machine. Nothing is downloaded. "
        f"{_takes(settings, workspace)}",
        Action(label="Run the demo", act="demo", kind="main"),
        FINISHED,
        Action(label="Use my own images", url=link("images")),
        title="No runs yet",
        command_line=command,
    )
    return cards.panel(start, cards.first_steps())


def _takes(settings: Settings, workspace: Workspace) -> str:
    """How long the model works for the demo: by a reply timed here, else at the pace of the measured runs."""
    timed = timed_pace(settings, workspace)
    plan = run_plan(settings, workspace, seconds_per_ruling=timed or shipped_rates()["evaluate"])
    if plan.seconds is None:
        return ""
    return f"The model works for about {words.about(plan.seconds)}{'' if timed else ', on a machine like ours'}."


def _miniature(view: RunView) -> str:
    if view.settings is not None and view.settings.model.base in SHIPPED:
        return (
            f"{view.settings.model.base} is a working miniature with a few million parameters. The same run takes any "
            "image-text model by changing one setting."
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
