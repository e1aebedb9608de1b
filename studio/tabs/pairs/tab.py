"""The Pairs tab: filter, page through, open, annotate and flag the pairs of a run. What it shows is `pairs_view`'s."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import gradio as gr

from engine.errors import JudgeStudioError, UsageError
from studio.look import cards
from studio.look.sheet import card_html
from studio.page import pulse
from studio.page.clicks import Clicks
from studio.page.page import Page, Tab
from studio.page.pulse import only_changed
from studio.queries import notes
from studio.queries.notes import Note
from studio.queries.shelf import shelf_of
from studio.tabs.pairs.view import KINDS, PairsPlace, PairsShown, opened, show_pairs, step, turn

_LONGEST = 300
"""Characters of one filter value; longer ones come from nobody's page."""

_PLACE = tuple(field.name for field in fields(PairsPlace))


def build(page: Page) -> None:
    """Lay out the Pairs tab and connect its events. Call it inside the app's gr.Tab."""
    shown = gr.State(((), "", ""))
    with gr.Row(elem_classes="st-panel st-pad st-filters"):
        kind = gr.Radio(
            [(label, value) for value, label in KINDS.items()], value="", label="Instruction", elem_classes="st-seg",
            min_width=280,
        )  # fmt: skip
        common: dict[str, Any] = {"min_width": 120, "interactive": True}
        dimension = gr.Dropdown([("Any", "")], value="", label="Dimension", **common)
        strategy = gr.Dropdown([("Any", "")], value="", label="Strategy", **common)
        iteration = gr.Dropdown([], value=None, label="Iteration", **common)
        fate = gr.Dropdown([("Any", "")], value="", label="Fate", **common)
        text = gr.Textbox(label="Find in text", placeholder="star, two objects…", max_length=_LONGEST, min_width=160)
        flagged = gr.Checkbox(label="Flagged only", min_width=120, scale=0)
    with gr.Row(elem_classes="st-gap st-browse"):
        with gr.Column(scale=8, min_width=320):
            with gr.Row(elem_classes="st-listhead"):
                head = card_html()
                view = gr.Radio(
                    [("Cards", "cards"), ("Table", "table")], value="cards", label="View", show_label=False,
                    container=False, elem_classes="st-seg", scale=0, min_width=130,
                )  # fmt: skip
            listed = card_html(elem_id="pairs-list")
        with gr.Column(scale=4, min_width=340, visible=False, elem_classes="st-drawer") as drawer:
            detail = card_html(keys=True, elem_id="pairs-drawer")
            with gr.Column(elem_classes="st-pad"):
                note = gr.Textbox(
                    label="Note", placeholder="Why is this pair good or bad?", lines=2, max_lines=8,
                    max_length=notes.LONGEST_NOTE,
                )  # fmt: skip
                with gr.Row():
                    save = gr.Button("Save note", size="sm", min_width=90)
                    flag = gr.Button("Flag pair", size="sm", min_width=90)
                    copy = gr.Button("Copy link", size="sm", min_width=90, elem_id="pairs-copy")
                said = card_html(visible=False)
    at = page.url.hidden("pairs.at")
    item = page.url.hidden("pairs.item")
    page.url.bind("pairs.kind", kind)
    page.url.bind("pairs.view", view)
    page.url.bind("pairs.flagged", flagged)
    page.url.bind("pairs.q", text)
    for key, box in (("dimension", dimension), ("strategy", strategy), ("iteration", iteration), ("fate", fate)):
        page.url.bind(f"pairs.{key}", box, read=_read_choice)

    boxes = {
        "kind": kind, "strategy": strategy, "dimension": dimension, "iteration": iteration, "fate": fate,
        "text": text, "flagged": flagged, "view": view, "at": at, "item": item,
    }  # fmt: skip
    place = [boxes[name] for name in _PLACE]
    outputs = [
        kind, strategy, dimension, iteration, fate, at, item, drawer, note, said, flag, head, listed, detail, shown,
    ]  # fmt: skip
    clicks = Clicks(outputs)
    inputs, outputs = [page.run, *place, shown, *clicks.counts], [*outputs, *clicks.counts]

    def show(run: str | None, wanted: PairsPlace, before: tuple[tuple[str, ...], str, str]) -> list[Any]:
        now = show_pairs(page.catalog(), page.workspace, page.image_url, run, wanted)
        if run is not None and now.place.iteration:
            shelf_of(page.catalog()).warm(run)
        return _updates(now, run, before)

    def redraw(run: str | None, *values: Any) -> list[Any]:
        return show(run, _place(*values[:-1]), values[-1])

    def anew(run: str | None, *values: Any) -> list[Any]:
        """Another filter begins on its first page; the chosen pair stays."""
        return show(run, replace(_place(*values[:-1]), at=""), values[-1])

    def left_box(run: str | None, *values: Any) -> Sequence[Any]:
        """Text that came without a key press (pasted by menu, dropped) is searched for when the box is left."""
        *asked, before, _, _ = values
        is_new = _place(*asked).text != before[2]
        return clicks.counted(anew)(run, *values) if is_new else [gr.skip()] * len(outputs)

    def act(event: gr.EventData, run: str | None, *values: Any) -> list[Any]:
        wanted, name = _place(*values[:-1]), str(getattr(event, "act", ""))
        if run is None:
            return show(run, wanted, values[-1])
        marked = notes.flagged_in(page.workspace, run)
        if name in ("next", "previous"):
            wanted = step(page.catalog(), run, wanted, marked, forward=name == "next")
        elif name in ("next-page", "previous-page"):
            wanted = turn(page.catalog(), run, wanted, marked, forward=name == "next-page")
        elif name == "open":
            wanted = opened(page.catalog(), run, wanted, marked, str(getattr(event, "id", "")))
        elif name == "close":
            wanted = replace(wanted, item="")
        elif name == "clear":
            wanted = PairsPlace(iteration=wanted.iteration, view=wanted.view)
        return show(run, wanted, values[-1])

    quiet: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "always_last"}
    page.redraw("pairs", clicks.redrawn(redraw), inputs, outputs)
    gr.on(
        [kind.input, strategy.input, dimension.input, iteration.input, fate.input, flagged.input, text.input],
        clicks.counted(anew), inputs, outputs, **quiet,
    )  # fmt: skip
    text.submit(clicks.counted(anew), inputs, outputs, **quiet)
    text.blur(left_box, inputs, outputs, **quiet)
    view.input(clicks.counted(redraw), inputs, outputs, **quiet)
    gr.on([listed.click, detail.click], clicks.counted(act), inputs, outputs, show_progress="hidden").then(
        None, None, None, js=_KEEP
    )
    head.click(clicks.counted(act), inputs, outputs, show_progress="hidden").then(None, None, None, js=_TO_LIST)
    listed.click(_cleared, None, [text, flagged], show_progress="hidden")

    def keep(run: str | None, chosen: str, words: str, before: tuple[tuple[str, ...], str, str]) -> Any:
        def change(name: str, pair: str) -> str:
            if before[1] != _key(name, chosen):  # the run was changed and its note is still on its way
                raise UsageError("note: another pair was chosen just now. Look at its note, then save again.")
            notes.save_note(page.workspace, name, pair, words)
            return "Note saved." if words.strip() else "Note removed."

        return _said(page, run, chosen, change)

    def mark(run: str | None, chosen: str) -> Any:
        def change(name: str, pair: str) -> str:
            flagged = not notes.read_note(page.workspace, name, pair).flagged
            notes.set_flag(page.workspace, name, pair, flagged)
            return "Flagged: left out when select runs the next time." if flagged else "Flag removed."

        return _said(page, run, chosen, change)

    save.click(keep, [page.run, item, note, shown], said, show_progress="hidden")
    flag.click(mark, [page.run, item], said, show_progress="hidden").then(
        clicks.redrawn(redraw), inputs, outputs, **quiet
    )
    copy.click(None, None, None, js=_COPY)


def _place(*values: Any) -> PairsPlace:
    """The values of the tab's components, all of them untrusted."""
    given = dict(zip(_PLACE, values, strict=True))
    texts = {name: str(value or "")[:_LONGEST] for name, value in given.items() if name != "flagged"}
    return PairsPlace(**texts, flagged=bool(given["flagged"]))


def _read_choice(text: str) -> Any:
    """A value of the URL as the only entry, until the tab draws itself and knows the others."""
    if len(text) > _LONGEST:
        raise ValueError(text)
    return gr.update(choices=[(text, text)], value=text)


def _key(run: str | None, item: str) -> str:
    """Whose note the box holds: a copied run has pairs of the same ids."""
    return f"{run or ''}/{item}"


def _updates(now: PairsShown, run: str | None, before: tuple[tuple[str, ...], str, str]) -> list[Any]:
    """What changed of the tab. A note that somebody is writing stays as long as its pair is chosen."""
    texts = (now.head, now.list, now.drawer)
    key = _key(run, now.place.item)
    another = key != before[1]
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
        *only_changed(texts, before[0]),
        (texts, key, now.place.text),
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


_KEEP = """() => {
  const chosen = document.querySelector('#pairs-list .is-on');
  if (chosen) chosen.scrollIntoView({block: 'nearest'});
}"""
_TO_LIST = (
    "() => { const list = document.querySelector('#pairs-list'); if (list) list.scrollIntoView({block: 'nearest'}); }"
)
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
