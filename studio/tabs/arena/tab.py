"""The Arena tab: a person says which answer is better, blind and by keys; what they say is held against every judge."""

from typing import Any

import gradio as gr

from engine.errors import JudgeStudioError
from engine.measure.hand_labels import next_to_label, record_answer, undo_last
from engine.workspace.folders import RunFolder
from studio.look import cards
from studio.look.sheet import card_html
from studio.page.page import Page, Tab
from studio.page.pulse import Moment, stamp
from studio.tabs.arena.view import ANSWERS, RATER, UNDO, show_arena


def build(page: Page) -> None:
    """Lay out the Arena tab and connect its events. Call it inside the app's gr.Tab."""
    said = card_html(visible=False)
    item = card_html(keys=True, elem_id="arena-item")
    agreement = card_html(elem_id="arena-agreement")
    differences = card_html()
    outputs = [said, item, agreement, differences]

    def folder(run: str | None) -> RunFolder | None:
        return page.workspace.run(run) if run else None

    def redraw(run: str | None) -> list[Any]:
        shown = show_arena(page.catalog(), folder(run), page.image_url)
        return [gr.update(visible=False), shown.item, shown.agreement, shown.differences]

    def act(event: gr.EventData, run: str | None) -> list[Any]:
        chosen = folder(run)
        if chosen is None:
            return redraw(run)
        try:
            answer(chosen, str(getattr(event, "act", "")), str(getattr(event, "id", "")))
        except JudgeStudioError as error:
            fault = gr.update(value=cards.sheet(cards.note(str(error), tone="error")), visible=True)
            return [fault, *redraw(run)[1:]]
        return redraw(run)

    page.redraw("arena", redraw, [page.run], outputs)
    # Every press is answered, one after the other: the item it was about comes along, so none counts for the next.
    item.click(act, [page.run], outputs, **page.turns("arena", "multiple"))


def answer(run: RunFolder, act: str, item_id: str) -> None:
    """Keep an answer about the item that was shown, or take the last one back. Both texts are untrusted.

    A press that comes late, when its item has been answered already, changes nothing.
    """
    if act == UNDO:
        undo_last(run, rater=RATER)
        return
    shown = next_to_label(run, rater=RATER)
    if shown is not None and shown.item.item_id == item_id and act in {one for one, _, _ in ANSWERS}:
        record_answer(run, shown, act, rater=RATER)  # type: ignore[arg-type]


def _labels(now: Moment) -> list[str]:
    """Answers of this person, in this browser or another."""
    return [stamp(now.folder.folder / "labels.jsonl")] if now.folder else []


TAB = Tab(key="arena", label="Arena", build=build, watches=(_labels,))
