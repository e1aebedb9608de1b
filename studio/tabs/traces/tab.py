"""The Traces tab: the funnel of selection, rulings with both orders beside each other, and the replay of select."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from studio.look.keys import ANSWERED
from studio.look.sheet import EACH_CLICK, card_html
from studio.page import pulse
from studio.page.clicks import Clicks
from studio.page.page import Page, Tab
from studio.page.pulse import only_changed
from studio.queries.notes import marked_in, toggle_mark
from studio.tabs.filters import LONGEST, names_of, place_of, read_choice
from studio.tabs.traces.place import TracesPlace, turn
from studio.tabs.traces.replay_panel import build_replay
from studio.tabs.traces.view import FATES, LENGTH_CHOICES, TracesShown, read_mark, show_traces

_PLACE = names_of(TracesPlace)
_CHOICES = ("reason", "order", "verdict", "judge", "dimension", "iteration", "compare", "length")
"""Fields of the place with a drop-down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """The components of the tab."""

    place: dict[str, Any]
    """By field of `TracesPlace`."""
    funnel: Any
    templates: Any
    head: Any
    listed: Any
    foot: Any

    @property
    def outputs(self) -> list[Any]:
        places = [self.place[name] for name in _PLACE]
        return [*places, self.funnel, self.templates, self.head, self.listed, self.foot]


def build(page: Page) -> None:
    """Lay out the Traces tab and connect its events. Call it inside the app's gr.Tab."""
    funnel = card_html(elem_id="traces-funnel")
    boxes = _lay_out_filters()
    templates = card_html(elem_id="traces-templates")
    build_replay(page, boxes["iteration"])
    head, listed = card_html(elem_id="traces-head"), card_html(walks=True, elem_id="traces-list")
    hidden = {name: page.url.hidden(f"traces.{name}") for name in ("at", "pair", "template")}
    parts = _Parts(
        place={**boxes, **hidden}, funnel=funnel, templates=templates, head=head, listed=listed, foot=card_html()
    )
    _bind(page, parts)
    _connect(page, parts)


def _lay_out_filters() -> dict[str, Any]:
    common: dict[str, Any] = {"min_width": 110, "interactive": True, "filterable": False}
    boxes: dict[str, Any] = {}
    with gr.Row(elem_classes="st-panel st-pad st-filters"):
        boxes["fate"] = gr.Radio(
            [(label, value) for value, label in FATES.items()], value="", label="Fate", elem_classes="st-seg",
            min_width=300,
        )  # fmt: skip
        for name in ("reason", "order", "verdict", "judge", "dimension"):
            boxes[name] = gr.Dropdown([("Any", "")], value="", label=name.capitalize(), **common)
        boxes["length"] = gr.Dropdown(list(LENGTH_CHOICES), value="", label="Length", **common)
        boxes["iteration"] = gr.Dropdown([], value=None, label="Iteration", **common)
        boxes["compare"] = gr.Dropdown([("–", "")], value="", label="Compare with", **common)
        boxes["text"] = gr.Textbox(
            label="Find in text", placeholder="at first sight…", max_length=LONGEST, min_width=160,
            elem_classes="st-find",
        )  # fmt: skip
        boxes["group"] = gr.Checkbox(label="Group by beginning", min_width=150, scale=0)
        boxes["marked"] = gr.Checkbox(label="Marked only", min_width=120, scale=0)
    return boxes


def _bind(page: Page, parts: _Parts) -> None:
    for name in ("fate", "group", "marked"):
        page.url.bind(f"traces.{name}", parts.place[name])
    page.url.bind("traces.q", parts.place["text"])
    for name in _CHOICES:
        page.url.bind(f"traces.{name}", parts.place[name], read=read_choice)


def _connect(page: Page, parts: _Parts) -> None:
    shown = gr.State(())
    place = [parts.place[name] for name in _PLACE]
    clicks = Clicks([*parts.outputs, shown])
    inputs, outputs = [page.run, *place, shown, *clicks.counts], [*parts.outputs, shown, *clicks.counts]
    tab = _Answers(page)
    latest = page.turns("traces", "always_last")
    each = page.turns("traces", "multiple")
    page.redraw("traces", clicks.redrawn(tab.redraw), inputs, outputs)
    boxes = [parts.place[name].input for name in ("fate", *_CHOICES, "text", "group", "marked")]
    gr.on([*boxes, parts.place["text"].submit], clicks.counted(tab.anew), inputs, outputs, **latest)
    act = clicks.counted(tab.act)
    clicked = [html.click for html in (parts.funnel, parts.templates, parts.head, parts.listed)]
    gr.on(clicked, act, inputs, outputs, **each).then(None, None, None, js=f"() => {{ {ANSWERED} }}")
    parts.listed.click(_cleared, None, parts.place["text"], **EACH_CLICK)
    parts.foot.click(act, inputs, outputs, **each).then(None, None, None, js=_TO_LIST)


class _Answers:
    """What the tab does with a visitor's values, all of them untrusted."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def _show(self, run: str | None, wanted: TracesPlace, before: tuple[str, ...]) -> list[Any]:
        page = self._page
        return _updates(show_traces(page.catalog(), page.workspace, page.image_url, run, wanted), before)

    def redraw(self, run: str | None, *values: Any) -> list[Any]:
        return self._show(run, place_of(TracesPlace, values[:-1]), values[-1])

    def anew(self, run: str | None, *values: Any) -> list[Any]:
        """Another filter begins on its first page."""
        return self._show(run, replace(place_of(TracesPlace, values[:-1]), at=""), values[-1])

    def act(self, event: gr.EventData, run: str | None, *values: Any) -> list[Any]:
        """A click in a card, or a key."""
        wanted, name = place_of(TracesPlace, values[:-1]), str(getattr(event, "act", ""))
        key = str(getattr(event, "id", ""))[:LONGEST]
        if run is None:
            return self._show(run, wanted, values[-1])
        if name in ("next-page", "previous-page"):
            marks = marked_in(self._page.workspace, run)
            wanted = turn(self._page.catalog(), run, wanted, forward=name == "next-page", marks=marks)
        elif name == "funnel":
            wanted = _of_step(wanted, key)
        elif name == "template":
            wanted = replace(wanted, template="" if key == wanted.template else key, at="")
        elif name == "mark":
            self._mark(run, key)
        elif name == "all-pairs":
            wanted = replace(wanted, pair="", at="")
        elif name == "clear":
            wanted = TracesPlace(iteration=wanted.iteration, compare=wanted.compare)
        return self._show(run, wanted, values[-1])

    def _mark(self, run: str, key: str) -> None:
        mark = read_mark(key)
        if mark is not None and run in {folder.name for folder in self._page.workspace.runs()}:
            toggle_mark(self._page.workspace, run, mark)


def _cleared(event: gr.EventData) -> Any:
    """ "Clear filters" also empties the text box, which `act` does not write."""
    return "" if getattr(event, "act", "") == "clear" else gr.skip()


def _of_step(place: TracesPlace, key: str) -> TracesPlace:
    """The filter that a step of the funnel stands for; pressed again it is lifted."""
    if key == "kept":
        return replace(place, fate="" if place.fate == "kept" else "kept", reason="", at="")
    reason = "" if key == place.reason else key
    return replace(place, fate="", reason=reason, at="")


def _updates(now: TracesShown, before: tuple[str, ...]) -> list[Any]:
    place = now.place
    boxes = {
        "fate": gr.update(choices=list(now.fates), value=place.fate if place.fate in FATES else ""),
        "reason": gr.update(choices=list(now.reasons), value=place.reason),
        "order": gr.update(choices=list(now.orders), value=place.order),
        "verdict": gr.update(choices=list(now.verdicts), value=place.verdict),
        "judge": gr.update(choices=list(now.judges), value=place.judge),
        "dimension": gr.update(choices=list(now.dimensions), value=place.dimension),
        "iteration": gr.update(choices=list(now.iterations), value=place.iteration or None),
        "compare": gr.update(choices=list(now.compares), value=_offered(place.compare, now.compares)),
        "length": gr.update(choices=list(LENGTH_CHOICES), value=_offered(place.length, LENGTH_CHOICES)),
        "text": gr.skip(),  # what somebody is typing stays
        "template": place.template,
        "pair": place.pair,
        "at": place.at,
        "marked": place.marked,
        "group": place.group,
    }
    texts = (now.funnel, now.templates, now.head, now.list, now.foot)
    return [*(boxes[name] for name in _PLACE), *only_changed(texts, before), texts]


def _offered(value: str, choices: Sequence[tuple[str, str]]) -> str:
    return value if value in {key for _, key in choices} else ""


_TO_LIST = "() => { const head = document.querySelector('#traces-head'); if (head) head.scrollIntoView(); }"

TAB = Tab(key="traces", label="Traces", build=build, watches=(pulse.notes,))
