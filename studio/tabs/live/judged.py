"""The end of the Live judge tab: a judged file one by one, by flip, disagreement, verdict and text."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import gradio as gr

from engine.errors import JudgeStudioError
from studio.jobs import batches
from studio.jobs.batches import JudgedFile
from studio.look import cards, words
from studio.look.sheet import card_html
from studio.page.page import Page
from studio.queries.judged import OUTCOMES, JudgedFilter, Show, judged_page
from studio.tabs.filters import LONGEST, names_of, place_of, read_choice
from studio.tabs.live.components import hidden, told
from studio.tabs.live.judged_view import OUTCOME_WORDS, show_judged
from studio.tabs.live.judging import Update

_PAGE = 10
"""Comparisons shown at once."""
_FOLLOWED = 20_000
"""Rulings of a file that is still being judged up to which each look reads them again; a longer one is read again once
it is done."""
_SHOWS = {"": "All", "flips": "Flips", "differ": "Judges differ"}


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPlace:
    """What a visitor looks at. All values are untrusted."""

    file: str = ""
    """Its key; the newest file where it names none there is."""
    show: str = ""
    verdict: str = ""
    text: str = ""
    at: str = ""
    """How many that match come before those that are shown."""

    @property
    def start(self) -> int:
        return int(self.at) if self.at.isdecimal() and len(self.at) < 9 else 0

    @property
    def wanted(self) -> JudgedFilter:
        return JudgedFilter(
            show=cast(Show, self.show if self.show in _SHOWS else ""),
            verdict=self.verdict if self.verdict in OUTCOMES else "",
            text=self.text,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Boxes:
    """The components."""

    panel: Any
    place: Mapping[str, Any]
    """By field of `JudgedPlace`."""
    message: Any
    listed: Any
    seen: Any
    """What is shown: the place, and how far each file was."""

    @property
    def asked(self) -> list[Any]:
        return [*(self.place[name] for name in names_of(JudgedPlace)), self.seen]

    @property
    def all(self) -> list[Any]:
        return [self.panel, *self.asked, self.message, self.listed]


def build(page: Page, ticking: Any) -> None:
    """Lay out the panel. `ticking` ticks while a file is being judged."""
    boxes = _lay_out(page)
    judged = OneByOne(page=page, boxes=boxes)
    page.redraw("live", judged.redrawn, boxes.asked, boxes.all)
    ticking.tick(judged.redrawn, boxes.asked, boxes.all, **page.turns("live"))
    filters = [boxes.place[name].input for name in ("file", "show", "verdict", "text")]
    latest = page.turns("live", "always_last")
    gr.on([*filters, boxes.place["text"].submit], judged.anew, boxes.asked, boxes.all, **latest)
    boxes.listed.click(judged.act, boxes.asked, boxes.all, **page.turns("live", "multiple"))


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
    place = {"file": file, "show": show, "verdict": verdict, "text": text, "at": page.url.hidden("live.at")}
    return Boxes(panel=panel, place=place, message=message, listed=listed, seen=gr.State(None))


@dataclass(frozen=True, slots=True, kw_only=True)
class OneByOne:
    """The listeners: the values of `JudgedPlace`, and what is shown."""

    page: Page
    boxes: Boxes

    def redrawn(self, *values: Any) -> Update:
        """Only what is new to the page."""
        *asked, seen = values
        place, files = place_of(JudgedPlace, asked), self._files()
        return {self.boxes.seen: seen} if seen == (place, _stand(files, place.file)) else self._drawn(place, files)

    def anew(self, *values: Any) -> Update:
        """Another filter begins on its first page."""
        return self._drawn(replace(place_of(JudgedPlace, values[:-1]), at=""), self._files())

    def act(self, event: gr.EventData, *values: Any) -> Update:
        """A button below the list, or the one of an empty list."""
        place, name = place_of(JudgedPlace, values[:-1]), str(getattr(event, "act", ""))
        if name == "clear":
            return {**self._drawn(JudgedPlace(file=place.file), self._files()), self.boxes.place["text"]: ""}
        step = {"next": _PAGE, "previous": -_PAGE}.get(name, 0)
        return self._drawn(replace(place, at=str(max(0, place.start + step))), self._files())

    def _files(self) -> list[JudgedFile]:
        """Of which some comparison is judged, newest first."""
        return [one for one in batches.batches(self.page.workspace) if one.done]

    def _drawn(self, place: JudgedPlace, files: Sequence[JudgedFile]) -> Update:
        boxes, wanted = self.boxes, place.wanted
        if not files:
            return {boxes.panel: gr.update(visible=False)}
        key = place.file if place.file in {one.key for one in files} else files[0].key
        try:
            path = batches.verdicts_file(self.page.workspace, key)
            found = judged_page(path, wanted, start=place.start, count=_PAGE)
        except JudgeStudioError as error:
            return {boxes.panel: gr.update(visible=True), boxes.message: told(str(error), "error"), boxes.listed: ""}
        shows = [(f"{label} {words.number(found.counts.get(name, 0))}", name) for name, label in _SHOWS.items()]
        says = [(f"{OUTCOME_WORDS[one]} {words.number(found.counts.get(one, 0))}", one) for one in OUTCOMES]
        now = replace(place, file=key, show=wanted.show, verdict=wanted.verdict, at=str(found.start or ""))
        return {
            boxes.panel: gr.update(visible=True),
            boxes.message: hidden(),
            boxes.place["file"]: gr.update(choices=[(one.name[:80], one.key) for one in files], value=key),
            boxes.place["show"]: gr.update(choices=shows, value=now.show),
            boxes.place["verdict"]: gr.update(choices=[("Anything", ""), *says], value=now.verdict),
            boxes.place["at"]: now.at,
            boxes.listed: show_judged(found, lambda image: self._image_url(key, image)),
            boxes.seen: (now, _stand(files, key)),
        }

    def _image_url(self, key: str, image: str) -> str | None:
        """Pictures of an upload lie in the workspace's own folder, and no other file is shown."""
        place = os.path.normpath(os.path.join("batches", key, image))
        return self.page.image_url(place) if place.startswith(f"images{os.sep}") else None


def _stand(files: Sequence[JudgedFile], shown: str) -> tuple[tuple[str, int | None], ...]:
    """How far each file is; None for the one that is shown while it is judged and too long to be followed."""
    return tuple(
        (one.key, None if one.key == shown and one.state == "running" and one.done > _FOLLOWED else one.done)
        for one in files
    )
