"""The end of the Live judge tab: a judged file one by one, by flip, disagreement, verdict and text."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import gradio as gr

from engine.errors import JudgeStudioError
from studio.jobs import batches
from studio.look import cards, words
from studio.look.sheet import EACH_CLICK, card_html
from studio.page.page import Page
from studio.queries.judged import OUTCOMES, JudgedFilter, Show, judged_page
from studio.tabs.filters import LONGEST, read_choice
from studio.tabs.live.components import hidden, told
from studio.tabs.live.judged_view import OUTCOME_WORDS, show_judged
from studio.tabs.live.judging import Update

_PAGE = 20
"""Comparisons shown at once."""
_SHOWS = {"": "All", "flips": "Flips", "differ": "Judges differ"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Boxes:
    """The components."""

    panel: Any
    file: Any
    show: Any
    verdict: Any
    text: Any
    at: Any
    """Hidden: how many that match come before those that are shown."""
    message: Any
    listed: Any

    @property
    def place(self) -> list[Any]:
        return [self.file, self.show, self.verdict, self.text, self.at]

    @property
    def all(self) -> list[Any]:
        return [self.panel, *self.place, self.message, self.listed]


def build(page: Page, ticking: Any) -> None:
    """Lay out the panel. `ticking` ticks while a file is being judged."""
    boxes = _lay_out(page)
    judged = OneByOne(page=page, boxes=boxes)
    options: dict[str, Any] = {
        "show_progress": "hidden", "concurrency_limit": 1, "concurrency_id": f"judged {id(page)}",
    }  # fmt: skip
    page.redraw("live", judged.drawn, boxes.place, boxes.all, **options)
    ticking.tick(judged.drawn, boxes.place, boxes.all, **options)
    changed = [box.input for box in (boxes.file, boxes.show, boxes.verdict, boxes.text)]
    gr.on([*changed, boxes.text.submit], judged.anew, boxes.place, boxes.all, trigger_mode="always_last", **options)
    boxes.listed.click(judged.act, boxes.place, boxes.all, **EACH_CLICK)


def _lay_out(page: Page) -> Boxes:
    common: dict[str, Any] = {"min_width": 150, "interactive": True, "filterable": False}
    with gr.Column(elem_classes="st-panel", elem_id="live-judged", visible=False) as panel:
        gr.HTML(cards.sheet(cards.panel_head("One by one")), apply_default_css=False)
        with gr.Row(elem_classes="st-pad st-filters"):
            show = gr.Radio(
                [(label, name) for name, label in _SHOWS.items()], value="", label="Show", elem_classes="st-seg",
                min_width=300,
            )  # fmt: skip
            verdict = gr.Dropdown([("Any", "")], value="", label="A judge says", **common)
            file = gr.Dropdown([], value=None, label="File", **common)
            text = gr.Textbox(
                label="Find in text", placeholder="question, answer or reasoning", max_length=LONGEST, min_width=160,
                elem_classes="st-find",
            )  # fmt: skip
        message = card_html(visible=False)
        listed = card_html(elem_id="live-judged-list")
    page.url.bind("live.file", file, read=read_choice)
    page.url.bind("live.show", show)
    page.url.bind("live.says", verdict, read=read_choice)
    page.url.bind("live.q", text)
    return Boxes(
        panel=panel, file=file, show=show, verdict=verdict, text=text, at=page.url.hidden("live.at"), message=message,
        listed=listed,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class OneByOne:
    """The listeners. All values are a visitor's."""

    page: Page
    boxes: Boxes

    def drawn(self, key: str | None, show: str | None, verdict: str | None, text: str | None, at: str | None) -> Update:
        """The page of comparisons that these values ask for, of the newest file where they name none there is."""
        boxes = self.boxes
        files = {one.key: one.name for one in batches.batches(self.page.workspace) if one.done}
        if not files:
            return {boxes.panel: gr.update(visible=False)}
        key = key if key in files else next(iter(files))
        wanted = JudgedFilter(
            show=cast(Show, show if show in _SHOWS else ""),
            verdict=verdict if verdict in OUTCOMES else "",
            text=(text or "")[:LONGEST],
        )
        start = int(at) if at and at.isdecimal() and len(at) < 9 else 0
        try:
            found = judged_page(batches.verdicts_file(self.page.workspace, key), wanted, start=start, count=_PAGE)
        except JudgeStudioError as error:
            return {boxes.panel: gr.update(visible=True), boxes.message: told(str(error), "error"), boxes.listed: ""}
        return {
            boxes.panel: gr.update(visible=True),
            boxes.message: hidden(),
            boxes.file: gr.update(choices=[(name[:80], one) for one, name in files.items()], value=key),
            **self._counted(found.counts, wanted),
            boxes.at: str(found.start or ""),
            boxes.listed: show_judged(found, lambda image: self._image_url(key, image)),
        }

    def anew(self, key: str | None, show: str | None, verdict: str | None, text: str | None, _at: str) -> Update:
        """Another filter begins on its first page."""
        return self.drawn(key, show, verdict, text, "")

    def act(
        self, event: gr.EventData, key: str | None, show: str | None, verdict: str | None, text: str | None, at: str
    ) -> Update:
        """A button below the list, or the one of an empty list."""
        name = str(getattr(event, "act", ""))
        if name == "clear":
            return {**self.drawn(key, "", "", "", ""), self.boxes.text: ""}
        start = int(at) if at and at.isdecimal() and len(at) < 9 else 0
        step = {"next": _PAGE, "previous": -_PAGE}.get(name, 0)
        return self.drawn(key, show, verdict, text, str(max(0, start + step)))

    def _counted(self, counts: Mapping[str, int], wanted: JudgedFilter) -> Update:
        """The choices with how many comparisons each has."""
        shows = [(f"{label} {words.number(counts.get(name, 0))}", name) for name, label in _SHOWS.items()]
        says = [(f"{OUTCOME_WORDS[one]} {words.number(counts.get(one, 0))}", one) for one in OUTCOMES]
        return {
            self.boxes.show: gr.update(choices=shows, value=wanted.show),
            self.boxes.verdict: gr.update(choices=[("Anything", ""), *says], value=wanted.verdict),
        }

    def _image_url(self, key: str, image: str) -> str | None:
        """Pictures of an upload lie in the workspace's own folder, and no other file is shown."""
        place = os.path.normpath(os.path.join("batches", key, image))
        return self.page.image_url(place) if place.startswith(f"images{os.sep}") else None
