"""What Launch shows as HTML: the plan of a new run, the preview, a run at work or at rest. Plain values, no Gradio."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.config import Settings
from engine.records import Step
from engine.runs.plan import TIMED, PlanStage, RunPlan
from engine.workspace.folders import Workspace
from studio.jobs import runs as jobs
from studio.look import cards, words
from studio.look.cards import Action, Html, PairCard, PlanRow, Stat
from studio.page.place import link
from studio.page.settings_form import summaries
from studio.queries.training import ends
from studio.run.ledger import stage_cells
from studio.run.view import (
    RunView,
    base_name,
    device_words,
    heartbeat,
    kept_words,
    leaks_of,
    recent_events,
    sentence,
    source_words,
)

_EVENTS = 14
_LOG_LINES = 30


# --- a new run ---------------------------------------------------------------------------------------------------


def plan_card(plan: RunPlan) -> Html:
    """Stages with their counts and times, and upper bounds of time, memory and disk."""
    time = words.about(plan.seconds)
    memory, memory_unit = _sized(plan.memory_bytes)
    disk, disk_unit = _sized(plan.disk_bytes)
    strip = cards.stat_strip(
        [
            Stat(label="Time", value=time, context="at most" if plan.seconds is not None else _why_unknown(plan)),
            Stat(label="Memory", value=memory, unit=memory_unit, context="at most" if memory_unit else ""),
            Stat(label="Disk", value=disk, unit=disk_unit, context=f"at most; {words.size(plan.free_bytes)} free"),
        ],
        bare=True,
    )
    calls = words.number(plan.calls, missing="as many as the source asks for")
    basis = (
        f"Times come from {plan.estimated_from}, by units of work."
        if plan.estimated_from == TIMED
        else f"Times are those of {plan.estimated_from}, per unit of work, on the machine where it ran."
        if plan.estimated_from
        else "Times are known once a reply was timed, or a run of this model has finished a stage here."
    )
    body = _stacked(
        _heading("Before the first iteration"),
        cards.plan([_row(stage) for stage in plan.baseline]),
        _heading("Each iteration"),
        cards.plan([_row(stage) for stage in plan.stages]),
        cards.sub(f"{calls} model replies at most. {basis} You can close the page: the run goes on."),
        *(cards.sub(note, dim=True) for note in plan.notes),
    )
    chip = cards.chip(f"{words.plural(plan.iterations, 'iteration')} at most")
    return cards.panel(strip, body, title="Plan", aside=chip)


def _why_unknown(plan: RunPlan) -> str:
    """Why there is no time for the whole run."""
    if plan.estimated_from is None:
        return "no earlier run"
    missing = [stage.stage for stage in plan.stages if stage.seconds is None]
    return f"{missing[0]} was never finished" if missing else "the source says no number"


def _row(stage: PlanStage) -> PlanRow:
    time = words.about(stage.seconds) if stage.seconds is not None else None
    return PlanRow(stage=stage.stage, what=stage.what[:1].upper() + stage.what[1:], time=time)


def _stacked(*body: Html) -> Html:
    """The body of a panel with room between its parts."""
    return cards.padded(cards.element("div", *body, class_="st-stack"))


def _heading(text: str) -> Html:
    return cards.element("h3", cards.esc(text))


def _sized(bytes_: int | None) -> tuple[str, str]:
    if bytes_ is None:
        return words.MISSING, ""
    value, _, unit = words.size(bytes_).partition(" ")
    return value, unit


def command_card(workspace: Workspace, launch: jobs.Launch) -> Html:
    """The command that Start runs."""
    return cards.panel(cards.padded(cards.command(jobs.command_line("run", launch.words(), workspace))))


def preview_card(pairs: Sequence[Mapping[str, Any]]) -> Html:
    """Pairs that were just made with these settings. They come from a model: every text is data."""
    shown = [
        PairCard(
            pair_id=str(pair.get("pair_id", "")),
            src=str(pair.get("image") or "") or None,
            width=pair.get("width") if isinstance(pair.get("width"), int) else None,
            question=str(pair.get("question", "")),
            strategy=str(pair.get("strategy", "")),
            dimension=str(pair.get("dimension", "")),
            preferred=str(pair.get("preferred", "")),
            degraded=str(pair.get("degraded", "")),
            votes=pair.get("votes") if isinstance(pair.get("votes"), str) else None,
            fate=str(pair["dropped"]) if pair.get("dropped") else None,
        )
        for pair in pairs
    ]
    usable = sum(not pair.get("dropped") for pair in pairs)
    says = f"{words.plural(usable, 'pair')} usable of {words.plural(len(pairs), 'instruction')}. Nothing was kept."
    aside = cards.element("span", cards.esc(says), class_="st-sub")
    return cards.panel(cards.padded(cards.pair_grid(shown)), title="Preview", aside=aside)


# --- a run -------------------------------------------------------------------------------------------------------


def settings_card(view: RunView, differs: Mapping[str, Any]) -> Html:
    """What the run was made with: each group in words, then every setting that is not the default."""
    copy = cards.button(Action(label="Copy to a new run", act="copy", key=view.name, small=True))
    if view.settings is None:
        return cards.panel(cards.padded(cards.note(view.fault or "", tone="error")), title=f"Settings of {view.name}")
    told = cards.note("Settings are fixed once a run has started, so its numbers stay comparable.")
    rows = _settings_rows(view.settings)
    own = [(key, str(value)) for key, value in differs.items()]
    more = cards.element(
        "details",
        cards.element("summary", cards.esc(f"{words.plural(len(own), 'setting')} other than the default")),
        cards.key_values(own, wide=True),
        class_="st-more",
    )
    body = _stacked(told, cards.key_values(rows, wide=True), more if own else cards.EMPTY)
    return cards.panel(body, title=f"Settings of {view.name}", aside=copy)


def _settings_rows(settings: Settings) -> list[tuple[str, str]]:
    told = summaries(settings)
    rows = [("Base model", base_name(settings)), ("Source", source_words(settings.source))]
    names = {"model": "Backend", "source": "Questions", "loop": "Stop"}
    return rows + [(names.get(group, group.capitalize()), text) for group, text in told.items()]


def run_card(view: RunView, steps: Sequence[Step]) -> Html:
    """The run at work or at rest, with its one action and what that keeps."""
    chip = cards.state_chip(view.shown_state if view.shown_state != "starting" else "queued")
    aside = heartbeat(view)
    head = cards.element("div", cards.element("h2", cards.esc(view.name)), chip, class_="st-row")
    parts = [
        _error(view) if view.shown_state == "failed" else cards.sub(sentence(view)),
        *(cards.note(sentence, tone="warn") for sentence in leaks_of(view)),
        _heading(_where(view)),
        cards.stage_list(stage_cells(view, view.state.iteration)),
    ]
    facts = [*_loss(steps), *([("Device", device_words(view))] if device_words(view) else [])]
    if facts:
        parts.append(cards.key_values(facts))
    parts += _actions(view)
    title = cards.element("header", head, aside)
    foot = cards.element("footer", cards.command(_command(view)))
    return cards.element("section", title, _stacked(*parts), foot, class_="st-panel")


def _error(view: RunView) -> Html:
    return cards.note(view.state.error or view.fault or "It failed without a word.", tone="error")


def _where(view: RunView) -> str:
    if not view.state.iteration:
        return "Before the first iteration"
    left = words.about(view.state.run_left) if view.is_active and view.state.run_left is not None else ""
    of = f" of {view.state.iterations}" if view.state.iterations else ""
    return f"Iteration {view.state.iteration}{of}" + (f", {left} at most when it began" if left else "")


def _loss(steps: Sequence[Step]) -> list[tuple[str, str]]:
    first, last = ends([step.loss for step in steps])
    if first is None or last is None:
        return []
    return [("Loss", f"{last:.3f} at step {steps[-1].step}, was {first:.3f}; means of a tenth")]


def _actions(view: RunView) -> list[Html]:
    """The one button, and in words what it keeps."""
    if view.is_active:
        stopping = view.shown_state == "stopping"
        stop = Action(
            label="Stopping" if stopping else "Stop the run",
            act="stop",
            key=view.name,
            kind="stop",
            wide=True,
            disabled=stopping,
        )
        return [cards.button(stop), cards.sub(f"Stops after its batch. {kept_words(view)}")]
    if view.shown_state in ("stopped", "failed"):
        resume = Action(label="Resume the run", act="resume", key=view.name, kind="main", wide=True)
        other = Action(label="Copy with another base model", act="copy-base", key=view.name, wide=True)
        others = [cards.button(other)] if view.shown_state == "failed" and view.settings is not None else []
        return [cards.button(resume), *others, cards.sub(kept_words(view))]
    compare = link("versions", view.name)
    return [
        cards.button(Action(label="Compare the versions", url=compare, kind="main", wide=True)),
        cards.element(
            "div",
            cards.button(Action(label="Run next iteration", act="next-iteration", key=view.name)),
            cards.button(Action(label="Run until it stops paying", act="until-plateau", key=view.name)),
            class_="st-row is-tight",
        ),
        cards.sub(
            "Both go on from what is there. The second stops when the paired gain has not excluded zero for "
            f"{_patience(view)}."
        ),
    ]


def _patience(view: RunView) -> str:
    return words.plural(view.settings.loop.patience if view.settings else 1, "iteration")


def _command(view: RunView) -> str:
    if view.shown_state == "done":  # what the button "Run next iteration" does
        more = ["--iterations", str(jobs.finished_iterations(view.folder) + 1)]
        return jobs.command_line("resume", [view.name, *more], view.folder.workspace)
    return jobs.command_line("stop" if view.is_active else "resume", [view.name], view.folder.workspace)


def events_card(view: RunView) -> Html:
    """The last events of the run."""
    aside = cards.element("span", cards.esc("events.jsonl"), class_="st-sub")
    lines = recent_events(view, _EVENTS)
    body = cards.log_lines(lines) if lines else cards.sub("Nothing has happened yet.", dim=True)
    return cards.panel(cards.padded(body), title="Events", aside=aside)


def log_card(view: RunView) -> Html:
    """What the run's process printed; open where it failed, because the reason may be there."""
    lines = jobs.log_tail(view.folder, _LOG_LINES)
    if not lines:
        return cards.EMPTY
    failed = view.shown_state == "failed"
    text = cards.element("pre", cards.esc("\n".join(lines)), class_="st-cmd", dir="ltr")
    summary = cards.element("summary", cards.esc(f"Log, the last {words.plural(len(lines), 'line')}"))
    return cards.panel(cards.padded(cards.element("details", summary, text, class_="st-more", open=failed)))
