"""The Pairs tab: filter, page through, open, annotate and flag the pairs of a run. What it shows is in `view`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from engine.errors import JudgeStudioError, UsageError
from studio.look import cards
from studio.look.keys import ANSWERED, Walk, read_walk
from studio.look.sheet import EACH_CLICK, card_html
from studio.page import pulse
from studio.page.clicks import Clicks
from studio.page.page import Page, Tab
from studio.page.pulse import only_changed
from studio.queries import notes
from studio.queries.notes import Note
from studio.queries.shelf import shelf_of
from studio.tabs.filters import LONGEST, names_of, place_of, read_choice
from studio.tabs.pairs.place import PairsPlace, PairsSight, look_at, opened, step, turn, walked
from studio.tabs.pairs.view import KINDS, PairsShown, show_no_run, show_pairs

_PLACE = names_of(PairsPlace)


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What is shown."""

    texts: tuple[str, ...] = ()
    """Head, list, drawer and foot."""
    run: str | None = None
    item: str = ""
    """Whose note the box holds: a copied run has pairs of the same ids."""
    answered: int = 0
    """Last question of the page's keys that was answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """The components of the tab."""

    place: dict[str, Any]
    """By field of `PairsPlace`."""
    head: Any
    listed: Any
    foot: Any
    drawer: Any
    detail: Any
    note: Any
    save: Any
    flag: Any
    copy: Any
    said: Any
    """How a note or flag went."""

    @property
    def outputs(self) -> list[Any]:
        named = [self.place[name] for name in ("kind", "strategy", "dimension", "iteration", "fate", "at", "item")]
        return [*named, self.drawer, self.note, self.said, self.flag, self.head, self.listed, self.detail, self.foot]


def build(page: Page) -> None:
    """Lay out the Pairs tab and connect its events. Call it inside the app's gr.Tab."""
    filters = _lay_out_filters()
    with gr.Row(elem_classes="st-gap st-browse"):
        with gr.Column(scale=8, min_width=320):
            with gr.Row(elem_classes="st-listhead"):
                head = card_html()
                filters["view"] = gr.Radio(
                    [("Cards", "cards"), ("Table", "table")], value="cards", label="View", show_label=False,
                    container=False, elem_classes="st-seg", scale=0, min_width=130,
                )  # fmt: skip
            listed = card_html(walks=True, elem_id="pairs-list", elem_classes="st-flags")
            foot = card_html()
        with gr.Column(scale=4, min_width=340, visible=False, elem_classes="st-drawer") as drawer:
            drawn = _lay_out_drawer()
    hidden = {"at": page.url.hidden("pairs.at"), "item": page.url.hidden("pairs.item")}
    parts = _Parts(place={**filters, **hidden}, head=head, listed=listed, foot=foot, drawer=drawer, **drawn)
    _bind(page, parts)
    _connect(page, parts)


def _lay_out_filters() -> dict[str, Any]:
    common: dict[str, Any] = {"min_width": 120, "interactive": True}
    with gr.Row(elem_classes="st-panel st-pad st-filters"):
        return {
            "kind": gr.Radio(
                [(label, value) for value, label in KINDS.items()], value="", label="Instruction",
                elem_classes="st-seg", min_width=280,
            ),
            "dimension": gr.Dropdown([("Any", "")], value="", label="Dimension", **common),
            "strategy": gr.Dropdown([("Any", "")], value="", label="Strategy", **common),
            "iteration": gr.Dropdown([], value=None, label="Iteration", **common),
            "fate": gr.Dropdown([("Any", "")], value="", label="Fate", **common),
            "text": gr.Textbox(
                label="Find in text", placeholder="star, two objects…", max_length=LONGEST, min_width=160,
                elem_classes="st-find",
            ),
            "flagged": gr.Checkbox(label="Flagged only", min_width=120, scale=0),
        }  # fmt: skip


def _lay_out_drawer() -> dict[str, Any]:
    """Actions first: they stay in view while the pair below them is read."""
    with gr.Row(elem_classes="st-drawer-acts"):
        flag = gr.Button("Flag pair", size="sm", min_width=90)
        copy = gr.Button("Copy link", size="sm", min_width=90, elem_id="pairs-copy")
    said = card_html(visible=False, elem_classes="st-drawer-said")
    detail = card_html(closes=True, elem_id="pairs-drawer")
    with gr.Column(elem_classes="st-pad"):
        note = gr.Textbox(
            label="Note", placeholder="Why is this pair good or bad?", lines=2, max_lines=8,
            max_length=notes.LONGEST_NOTE,
        )  # fmt: skip
        save = gr.Button("Save note", size="sm", min_width=90)
    return {"detail": detail, "note": note, "save": save, "flag": flag, "copy": copy, "said": said}


def _bind(page: Page, parts: _Parts) -> None:
    for name in ("kind", "view", "flagged"):
        page.url.bind(f"pairs.{name}", parts.place[name])
    page.url.bind("pairs.q", parts.place["text"])
    for name in ("dimension", "strategy", "iteration", "fate"):
        page.url.bind(f"pairs.{name}", parts.place[name], read=read_choice)


def _connect(page: Page, parts: _Parts) -> None:
    shown = gr.State(Before())
    place = [parts.place[name] for name in _PLACE]
    clicks = Clicks([*parts.outputs, shown])
    latest = page.turns("pairs", "always_last")
    inputs, outputs = [page.run, *place, shown, *clicks.counts], [*parts.outputs, shown, *clicks.counts]
    tab = _Answers(page, len(parts.outputs) + 1)
    redraw, anew, act = clicks.redrawn(tab.redraw), clicks.counted(tab.anew), clicks.counted(tab.act)
    box = parts.place
    page.redraw("pairs", redraw, inputs, outputs)
    filters = [box[name].input for name in ("kind", "strategy", "dimension", "iteration", "fate", "flagged", "text")]
    gr.on(filters, anew, inputs, outputs, **latest)
    box["text"].submit(anew, inputs, outputs, **latest)
    box["view"].input(clicks.counted(tab.again), inputs, outputs, **latest)
    # Every question of the list is answered, however many come: see `WALK_SCRIPT`.
    moves = page.turns("pairs", "multiple")
    gr.on([parts.listed.click, parts.detail.click], act, inputs, outputs, **moves).then(None, None, None, js=_KEEP)
    parts.head.click(act, inputs, outputs, **moves).then(None, None, None, js=_TO_LIST)
    parts.foot.click(act, inputs, outputs, **moves).then(None, None, None, js=_TO_HEAD)
    parts.listed.click(_cleared, None, [box["text"], box["flagged"]], **EACH_CLICK)
    parts.save.click(tab.keep, [page.run, box["item"], parts.note, shown], parts.said, show_progress="hidden")
    parts.flag.click(tab.mark, [page.run, box["item"]], parts.said, show_progress="hidden").then(
        redraw, inputs, outputs, **latest
    )
    parts.copy.click(None, None, None, js=_COPY)


class _Answers:
    """What the tab does with a visitor's values, all of them untrusted."""

    def __init__(self, page: Page, width: int) -> None:
        self._page = page
        self._nothing = [gr.skip()] * width
        """Without `clicks.counts`."""

    def show(self, run: str | None, wanted: PairsPlace, before: Before) -> list[Any]:
        if run is None:
            return _updates(show_no_run(wanted), run, before, before.answered)
        return self._show(self._look(run, wanted), before)

    def _look(self, run: str, wanted: PairsPlace) -> PairsSight:
        return look_at(self._page.catalog(), run, wanted, notes.flagged_in(self._page.workspace, run))

    def _show(self, sight: PairsSight, before: Before, *, answered: int = 0) -> list[Any]:
        page, answered = self._page, answered or before.answered
        now = show_pairs(page.workspace, page.image_url, sight, answered=answered)
        if now.place.iteration:
            shelf_of(page.catalog()).warm(sight.run)
        return _updates(now, sight.run, before, answered)

    def redraw(self, run: str | None, *values: Any) -> list[Any]:
        return self.show(run, _place(*values[:-1]), values[-1])

    def again(self, run: str | None, *values: Any) -> list[Any]:
        """The same in another form. Keys may have chosen another pair since the page asked: it stays chosen."""
        wanted, before = _place(*values[:-1]), values[-1]
        return self.show(run, replace(wanted, item=before.item) if before.run == run else wanted, before)

    def anew(self, run: str | None, *values: Any) -> list[Any]:
        """Another filter begins on its first page; the chosen pair stays."""
        *asked, before = values
        return self.again(
            run, *(("" if name == "at" else value) for name, value in zip(_PLACE, asked, strict=True)), before
        )

    def act(self, event: gr.EventData, run: str | None, *values: Any) -> list[Any]:
        """A click in a card, or a key."""
        wanted, name = _place(*values[:-1]), str(getattr(event, "act", ""))
        if run is None:
            return self.show(run, wanted, values[-1])
        key = str(getattr(event, "id", ""))[:LONGEST]
        if name == "clear":
            return self.show(run, PairsPlace(iteration=wanted.iteration, view=wanted.view), values[-1])
        sight = self._look(run, wanted)
        if name in ("move", "flag"):
            return self._follow(sight, read_walk(key), values[-1], flags=name == "flag")
        if name in ("next", "previous"):
            sight = step(sight, forward=name == "next")
        elif name in ("next-page", "previous-page"):
            sight = turn(sight, forward=name == "next-page")
        elif name == "open":
            sight = opened(sight, key)
        elif name == "close":
            sight = replace(sight, place=replace(sight.place, item=""))
        return self._show(sight, values[-1])

    def _follow(self, sight: PairsSight, walk: Walk, before: Before, *, flags: bool) -> list[Any]:
        """To where keys walked. A flag is set even if its question comes late."""
        there = walked(sight, walk)
        if flags:
            self.mark(there.run, there.place.item)
        if walk.is_late(before.answered):
            return self._nothing
        return self._show(self._look(there.run, there.place) if flags else there, before, answered=walk.number)

    def keep(self, run: str | None, chosen: str, words: str, before: Before) -> Any:
        """Save the note."""

        def change(name: str, pair: str) -> str:
            if (before.run, before.item) != (name, chosen):  # the run was changed and its note is still on its way
                raise UsageError("note: another pair was chosen just now. Look at its note, then save again.")
            notes.save_note(self._page.workspace, name, pair, words)
            return "Note saved." if words.strip() else "Note removed."

        return _said(self._page, run, chosen, change)

    def mark(self, run: str | None, chosen: str) -> Any:
        """Flag the pair, or take the flag back."""

        def change(name: str, pair: str) -> str:
            flagged = not notes.read_note(self._page.workspace, name, pair).flagged
            notes.set_flag(self._page.workspace, name, pair, flagged)
            return "Flagged: left out when select runs the next time." if flagged else "Flag removed."

        return _said(self._page, run, chosen, change)


def _place(*values: Any) -> PairsPlace:
    return place_of(PairsPlace, values)


def _updates(now: PairsShown, run: str | None, before: Before, answered: int) -> list[Any]:
    """What changed of the tab. A note that somebody is writing stays as long as its pair is chosen."""
    texts = (now.head, now.list, now.drawer, now.foot)
    another = (run, now.place.item) != (before.run, before.item)
    left = now.note or Note(text="", flagged=False)
    return [
        gr.update(choices=list(now.kinds), value=now.place.kind if now.place.kind in KINDS else ""),
        gr.update(choices=list(now.strategies), value=now.place.strategy),
        gr.update(choices=list(now.dimensions), value=now.place.dimension),
        gr.update(choices=list(now.iterations), value=now.place.iteration or None),
        gr.update(choices=list(now.fates), value=now.place.fate),
        now.place.at,
        now.place.item,
        gr.update(visible=bool(now.drawer)),
        left.text if another else gr.skip(),
        gr.update(value="", visible=False) if another else gr.skip(),
        gr.update(value="Remove flag" if left.flagged else "Flag pair"),
        *only_changed(texts, before.texts),
        Before(texts=texts, run=run, item=now.place.item, answered=answered),
    ]


def _cleared(event: gr.EventData) -> list[Any]:
    """ "Clear filters" also empties what `act` does not write: the text box and the flag."""
    is_clear = getattr(event, "act", "") == "clear"
    return ["", False] if is_clear else [gr.skip(), gr.skip()]


def _said(page: Page, run: str | None, item: str, change: Callable[[str, str], str]) -> Any:
    """Carry out a change to the chosen pair's note or flag; the sentence on how it went, in its card."""
    _, _, pair_id = item.partition("-")
    if run is None or not pair_id:
        return gr.skip()
    try:
        sentence = change(page.workspace.existing_run(run).name, pair_id)
    except JudgeStudioError as error:
        return gr.update(value=cards.sheet(cards.note(str(error), tone="error")), visible=True)
    return gr.update(value=cards.sheet(cards.sub(sentence)), visible=True)


_KEEP = f"""() => {{
  const chosen = document.querySelector('#pairs-list .is-on');
  if (chosen) chosen.scrollIntoView({{block: 'nearest'}});
  {ANSWERED}
}}"""
_TO_LIST = (
    "() => { const list = document.querySelector('#pairs-list'); if (list) list.scrollIntoView({block: 'nearest'}); }"
)
_TO_HEAD = "() => { document.querySelector('.st-browse .st-listhead').scrollIntoView({block: 'start'}); }"
"""Pressed at the foot: the next page is read from its top."""
_COPY = """() => {
  const button = document.querySelector('#pairs-copy'), url = window.location.href;
  const done = () => {
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = 'Copy link'; }, 1500);
  };
  const byHand = () => { window.prompt('Link to this pair', url); };
  if (navigator.clipboard && isSecureContext) navigator.clipboard.writeText(url).then(done, byHand); else byHand();
}"""

TAB = Tab(key="pairs", label="Pairs", build=build, watches=(pulse.notes,))
