"""What the Live judge tab shows when it is drawn: first an example, the judges there are, who has the device."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.errors import JudgeStudioError
from engine.workspace.decisions import best_judge
from studio.jobs import runs as jobs
from studio.live import history
from studio.live.answers import device_note, judge_choices, usual_judges
from studio.live.client import busy_devices
from studio.live.own_examples import OwnExample, own_examples
from studio.look import cards
from studio.look.sheet import EACH_CLICK
from studio.page.page import Page
from studio.tabs.live.components import Aside, Form, told
from studio.tabs.live.filling import Filling
from studio.tabs.live.judging import Update
from studio.tabs.live.view import show_history, show_own_buttons


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a page was shown last; only what differs is sent again."""

    judges: tuple[tuple[str, str], ...] = ()
    device: str = ""
    history: str = ""
    own: tuple[str, ...] = ()
    """Run, best version, and the items of its examples."""


def connect(page: Page, form: Form, beside: Aside) -> None:
    """Draw the tab whenever it has reason to, and connect what only a drawn tab has."""
    sight = Sight(page=page, form=form, beside=beside, filling=Filling(page=page, form=form, beside=beside))
    seen = gr.State(Seen())
    outputs = [*sight.filling.outputs, form.busy, form.own, beside.device, beside.history, seen]

    def redraw(run: str | None, *values: Any) -> Update:
        now, update = sight.drawn(run, *values)
        return {**update, seen: now}

    # In turn with what fills the form: a first sight that is late never takes the place of an example that was pressed.
    page.redraw("live", redraw, [page.run, beside.item, beside.brought, form.question, form.judges, seen], outputs)
    form.own.click(sight.own, [page.run], sight.filling.outputs, **page.turns("live", "multiple"))
    beside.device.click(sight.stop_run, None, beside.message, **EACH_CLICK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """The listeners of one page."""

    page: Page
    form: Form
    beside: Aside
    filling: Filling

    def drawn(
        self, run: str | None, key: str, brought: str, question: str, judges: Sequence[str], seen: Seen
    ) -> tuple[Seen, Update]:
        """What is shown now, and what of it is new to the page."""
        workspace, form, beside = self.page.workspace, self.form, self.beside
        busy = busy_devices()
        best, examples = self._examples(run)
        now = Seen(
            judges=tuple((choice.label, choice.name) for choice in judge_choices(workspace)),
            device=cards.sheet(device_note(workspace, busy)),
            history=show_history(workspace),
            own=(run or "", best, *(one.item_id for one in examples)),
        )
        update: Update = {form.busy: gr.update(visible=bool(busy))}
        if now.device != seen.device:
            update[beside.device] = gr.update(value=now.device, visible=bool(busy))
        if now.history != seen.history:
            update[beside.history] = now.history
        if now.own != seen.own:
            update[form.own] = show_own_buttons(examples, self.page.image_url)
        update[form.judges] = _judges_update(now.judges, run, judges, changed=now.judges != seen.judges)
        return now, {**update, **self._filled(key, brought, question, judges, examples)}

    def _filled(
        self, key: str, brought: str, question: str, judges: Sequence[str], examples: Sequence[OwnExample]
    ) -> Update:
        """The past judgement that the URL names; on first sight an example, so that no form is ever empty."""
        found = history.find(self.page.workspace, key) if key and key != brought else None
        if found is not None:
            return self.filling.with_past(found)
        if key or brought or question:
            return {}
        try:
            filled = self.filling.with_own(examples[0]) if examples else self.filling.with_shipped(0)
        except JudgeStudioError:  # a workspace that cannot be written
            return {}
        return {one: value for one, value in filled.items() if not (one is self.form.judges and judges)}

    def _examples(self, run: str | None) -> tuple[str, list[OwnExample]]:
        """The best version of a run and its examples; none of a damaged run, as Home says."""
        if run is None:
            return "", []
        try:
            best = best_judge(self.page.workspace.run(run))
            return best, own_examples(self.page.catalog(), run, best)
        except (JudgeStudioError, TypeError):
            return "", []

    def own(self, event: gr.EventData, run: str | None) -> Update:
        """An example of the run's own was pressed."""
        asked = str(getattr(event, "id", ""))
        example = next((one for one in self._examples(run)[1] if one.item_id == asked), None)
        return {self.beside.brought: gr.skip()} if example is None else self.filling.with_own(example)

    def stop_run(self, event: gr.EventData) -> Any:
        """The run that has the device is to stop."""
        if str(getattr(event, "act", "")) != "stop-run":
            return gr.skip()
        try:
            folder = self.page.workspace.existing_run(str(getattr(event, "id", "")))
            jobs.stop_run(folder)
        except JudgeStudioError as error:
            return told(str(error), "error")
        return told(f"{folder.name} stops after its batch. What it finished is kept; resume it on Home.")


def _judges_update(known: Sequence[tuple[str, str]], run: str | None, judges: Sequence[str], *, changed: bool) -> Any:
    """New choices when a version came or went; a first choice where nothing sensible is chosen."""
    names = [name for _, name in known]
    kept = [name for name in judges or () if name in names]
    if kept and len(kept) == len(judges):
        return gr.update(choices=list(known)) if changed else gr.skip()
    return gr.update(choices=list(known), value=kept or usual_judges(names, run))
