"""The Compare tab: any judges and controls of any runs beside each other, walked through by keys, saved as one file.

What it shows is in `view`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from engine.errors import JudgeStudioError
from engine.measure.sides import MOST_SIDES
from studio.jobs import runs as jobs
from studio.jobs.handouts import comparison_file
from studio.look import cards, words
from studio.look.keys import ANSWERED, read_walk
from studio.look.sheet import card_html
from studio.page import pulse
from studio.page.clicks import Clicks, fetch_script
from studio.page.page import Page, Tab
from studio.page.pulse import only_changed
from studio.tabs.compare.view import CHANGES, VIEWS, ComparePlace, CompareShown, show_compare, walked

_LONGEST = 300
"""Characters of one value; longer ones come from nobody's page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """The components of the tab."""

    sides: Any
    benchmark: Any
    view: Any
    change: Any
    page: Any
    """Hidden text: number of the page of items."""
    item: Any
    """Hidden text: the chosen item."""
    save: Any
    said: Any
    """How saving went."""
    numbers: Any
    """Column of the numbers."""
    items: Any
    """Row of the grid and the chosen item."""
    drawer: Any
    html: Sequence[Any]
    """Head, numbers, list, pager, detail, command."""
    fetched: Any

    @property
    def place(self) -> list[Any]:
        return [self.sides, self.benchmark, self.view, self.change, self.page, self.item]

    @property
    def outputs(self) -> list[Any]:
        return [*self.place, self.numbers, self.items, self.drawer, self.save, *self.html]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Before:
    """What is shown."""

    texts: tuple[str, ...] = ()
    run: str | None = None
    usual: bool = True
    """The sides are those that the run's choice stands for, not a visitor's."""
    answered: int = 0
    """Last question of the page's keys that was answered."""


def build(page: Page) -> None:
    """Lay out the Compare tab and connect its events. Call it inside the app's gr.Tab."""
    sides, benchmark, view, save = _lay_out_choice()
    said = card_html(visible=False)
    head = card_html(elem_id="compare-head")
    with gr.Column(visible=False) as numbers:
        figures = card_html(elem_id="compare-numbers")
    with gr.Row(visible=False, elem_classes="st-gap st-browse") as items:
        with gr.Column(scale=5, min_width=320, elem_classes="st-panel"):
            with gr.Row(elem_classes="st-paneltop"):
                change = gr.Radio(
                    [(label, key) for key, label in CHANGES.items()], value="worse", show_label=False, label="Items",
                    container=False, elem_classes="st-seg", scale=0, min_width=390,
                )  # fmt: skip
            listed = card_html(walks=True, elem_id="compare-list")
            pager = card_html()
        with gr.Column(scale=7, min_width=340, visible=False, elem_classes="st-drawer st-beside") as drawer:
            detail = card_html(closes=True, elem_id="compare-item")
    command = card_html()
    with page.shelf:
        fetched = gr.DownloadButton("File", elem_id="compare-file", elem_classes="st-fetch")
    parts = _Parts(
        sides=sides, benchmark=benchmark, view=view, change=change, page=page.url.hidden("compare.page"),
        item=page.url.hidden("compare.item"), save=save, said=said, numbers=numbers, items=items, drawer=drawer,
        html=(head, figures, listed, pager, detail, command), fetched=fetched,
    )  # fmt: skip
    _bind(page, parts)
    _connect(page, parts)


def _lay_out_choice() -> tuple[Any, Any, Any, Any]:
    with gr.Row(elem_classes="st-panel st-pad st-filters"):
        sides = gr.Dropdown(
            [], value=[], multiselect=True, max_choices=MOST_SIDES, interactive=True, min_width=320, scale=5,
            label="Judges and controls; the first is what the others are held against", elem_id="compare-sides",
        )  # fmt: skip
        benchmark = gr.Dropdown([], value=None, label="Benchmark", min_width=150, interactive=True, filterable=False)
        view = gr.Radio(
            [(label, key) for key, label in VIEWS.items()], value="numbers", label="View", elem_classes="st-seg",
            min_width=180, scale=0,
        )  # fmt: skip
        save = gr.Button("Save as one file", min_width=150, scale=0)
    return sides, benchmark, view, save


def _bind(page: Page, parts: _Parts) -> None:
    page.url.bind("compare.sides", parts.sides, read=_read_sides)
    page.url.bind("compare.benchmark", parts.benchmark, read=_read_name)
    page.url.bind("compare.view", parts.view)
    page.url.bind("compare.change", parts.change)


def _connect(page: Page, parts: _Parts) -> None:
    shown = gr.State(_Before())
    clicks = Clicks([*parts.outputs, shown])
    inputs, outputs = [page.run, *parts.place, shown, *clicks.counts], [*parts.outputs, shown, *clicks.counts]
    tab = _Answers(page, len(parts.outputs) + 1)
    latest = page.turns("compare", "always_last")
    page.redraw("compare", clicks.redrawn(tab.redraw), inputs, outputs)
    gr.on([parts.benchmark.input, parts.change.input], clicks.counted(tab.anew), inputs, outputs, **latest)
    parts.sides.input(clicks.counted(tab.chosen), inputs, outputs, **latest)
    parts.view.input(clicks.counted(tab.redraw), inputs, outputs, **latest)
    clicked = [html.click for html in parts.html[2:5]]
    gr.on(clicked, clicks.counted(tab.act), inputs, outputs, **page.turns("compare", "multiple")).then(
        None, None, None, js=_KEEP
    )
    parts.save.click(tab.save, [page.run, *parts.place], [parts.said, parts.fetched], show_progress="minimal").success(
        None, None, None, js=fetch_script("compare-file")
    )


class _Answers:
    """What the tab does with a visitor's values, all of them untrusted."""

    def __init__(self, page: Page, width: int) -> None:
        self._page = page
        self._width = width

    def _show(self, run: str | None, wanted: ComparePlace, before: _Before, *, answered: int = 0) -> list[Any]:
        answered = answered or before.answered
        if not wanted.sides and not before.usual and before.run == run:
            wanted = replace(wanted, sides=("",))  # taken away by hand: they stay away
        now = show_compare(self._page.catalog(), self._page.image_url, run, wanted, answered=answered)
        return _updates(self._page, now, run, before, answered, usual=not wanted.sides)

    def redraw(self, run: str | None, *values: Any) -> list[Any]:
        """Sides that nobody chose follow the run."""
        wanted, before = _place(*values[:-1]), values[-1]
        follows = before.usual and before.run is not None and before.run != run
        return self._show(run, replace(wanted, sides=()) if follows else wanted, before)

    def anew(self, run: str | None, *values: Any) -> list[Any]:
        """Another choice begins on its first page."""
        return self._show(run, replace(_place(*values[:-1]), page=0, item=""), values[-1])

    def chosen(self, run: str | None, *values: Any) -> list[Any]:
        """Other sides: those that were chosen, even if they are one or none."""
        wanted, before = replace(_place(*values[:-1]), page=0, item=""), values[-1]
        answer = self._show(run, wanted if wanted.sides else replace(wanted, sides=("",)), before)
        return [*answer[:-1], replace(answer[-1], usual=False)]

    def act(self, event: gr.EventData, run: str | None, *values: Any) -> list[Any]:
        """A click in a card, or a key."""
        wanted, before, answered = _place(*values[:-1]), values[-1], 0
        name, key = str(getattr(event, "act", "")), str(getattr(event, "id", ""))[:_LONGEST]
        if name == "move":
            walk = read_walk(key)
            if walk.is_late(before.answered):
                return [gr.skip()] * self._width
            wanted, answered = walked(self._page.catalog(), run, wanted, walk), walk.number
        elif name in ("next", "previous"):
            walk = read_walk(f"{wanted.item}|{1 if name == 'next' else -1}|0")
            wanted = walked(self._page.catalog(), run, wanted, walk)
        elif name in ("next-page", "previous-page"):
            wanted = replace(wanted, page=max(0, wanted.page + (1 if name == "next-page" else -1)))
        elif name == "item":
            wanted = replace(wanted, item=key)
        elif name == "close":
            wanted = replace(wanted, item="")
        return self._show(run, wanted, before, answered=answered)

    def save(self, run: str | None, *values: Any) -> list[Any]:
        """The comparison as one HTML file, which the page then fetches."""
        place = show_compare(self._page.catalog(), self._page.image_url, run, _place(*values)).place
        try:
            path = comparison_file(self._page.workspace, place.sides, place.benchmark)
        except JudgeStudioError as error:
            return [gr.update(value=cards.sheet(cards.note(str(error), tone="error")), visible=True), gr.skip()]
        told = cards.note(f"{path.name} is ready: {words.size(path.stat().st_size)}.")
        return [gr.update(value=cards.sheet(told), visible=True), gr.update(value=str(path))]


def _place(sides: Any, benchmark: Any, view: Any, change: Any, number: Any, item: Any) -> ComparePlace:
    texts = [str(value or "")[:_LONGEST] for value in (benchmark, view, change, number, item)]
    page = int(texts[3]) if texts[3].isdecimal() and len(texts[3]) < 6 else 0
    named = tuple(str(name)[:_LONGEST] for name in sides or ())[: MOST_SIDES + 1]
    return ComparePlace(sides=named, benchmark=texts[0], view=texts[1], change=texts[2], page=page, item=texts[4])


def _read_sides(text: str) -> Any:
    """Sides of the URL as the only entries, until the tab draws itself and knows the others."""
    names = [name for name in text.split(",") if name][:MOST_SIDES]
    if any(len(name) > _LONGEST for name in names):
        raise ValueError(text)
    return gr.update(choices=names, value=names)


def _read_name(text: str) -> Any:
    if len(text) > _LONGEST:
        raise ValueError(text)
    return gr.update(choices=[text], value=text)


def _updates(
    page: Page, now: CompareShown, run: str | None, before: _Before, answered: int, *, usual: bool
) -> list[Any]:
    place = now.place
    texts = (now.head, now.numbers, now.list, now.pager, now.detail, _command(page, now))
    return [
        gr.update(choices=list(now.sides), value=list(place.sides)),
        gr.update(choices=list(now.benchmarks), value=place.benchmark or None),
        place.view,
        gr.update(choices=list(now.changes), value=place.change),
        str(place.page) if place.page else "",
        place.item,
        gr.update(visible=now.is_compared and place.view == "numbers"),
        gr.update(visible=now.is_compared and place.view == "items"),
        gr.update(visible=bool(now.detail)),
        gr.update(interactive=now.is_compared),
        *only_changed(texts, before.texts),
        _Before(texts=texts, run=run, usual=usual or (before.usual and before.run == run), answered=answered),
    ]


def _command(page: Page, now: CompareShown) -> str:
    if not now.is_compared:
        return ""
    asked = [*now.place.sides, "--benchmark", now.place.benchmark, "--out", "comparison.html"]
    line = jobs.command_line("compare", asked, page.workspace)
    return cards.sheet(cards.panel(cards.padded(cards.command(line))))


_KEEP = f"""() => {{
  const chosen = document.querySelector('#compare-list .is-on');
  if (chosen) chosen.scrollIntoView({{block: 'nearest'}});
  {ANSWERED}
}}"""

TAB = Tab(key="compare", label="Compare", build=build, watches=(pulse.all_runs,))
