"""The Traces tab: the funnel of selection, rulings with both orders beside each other, and the replay of select."""

from dataclasses import fields, replace
from typing import Any

import gradio as gr

from engine.config import SelectSettings, parse_settings
from engine.errors import JudgeStudioError
from studio.look import cards
from studio.look.sheet import card_html
from studio.page import pulse
from studio.page.clicks import Clicks
from studio.page.page import Page, Tab
from studio.page.pulse import only_changed
from studio.page.settings_form import FormField, form_fields
from studio.tabs.traces.replay import replay, stored_settings
from studio.tabs.traces.view import FATES, TracesPlace, TracesShown, replay_card, settle, show_traces, turn

_LONGEST = 200
"""Characters of one filter value; longer ones come from nobody's page."""
_PLACE = tuple(field.name for field in fields(TracesPlace))


def build(page: Page) -> None:
    """Lay out the Traces tab and connect its events. Call it inside the app's gr.Tab."""
    shown = gr.State(())
    funnel = card_html(elem_id="traces-funnel")
    with gr.Row(elem_classes="st-panel st-pad st-filters"):
        common: dict[str, Any] = {"min_width": 110, "interactive": True}
        fate = gr.Radio(
            [(label, value) for value, label in FATES.items()], value="", label="Fate", elem_classes="st-seg",
            min_width=300,
        )  # fmt: skip
        reason, order, verdict, judge, dimension = (
            gr.Dropdown([("Any", "")], value="", label=label, **common)
            for label in ("Reason", "Order", "Verdict", "Judge", "Dimension")
        )
        iteration = gr.Dropdown([], value=None, label="Iteration", **common)
        compare = gr.Dropdown([("–", "")], value="", label="Compare with", **common)
    _build_replay(page, iteration)
    head = card_html(elem_id="traces-head")
    listed = card_html(walks=True, elem_id="traces-list")
    foot = card_html()
    at = page.url.hidden("traces.at")
    pair = page.url.hidden("traces.pair")
    page.url.bind("traces.fate", fate)
    boxes = {
        "reason": reason, "order": order, "verdict": verdict, "judge": judge, "dimension": dimension,
        "iteration": iteration, "compare": compare,
    }  # fmt: skip
    for key, box in boxes.items():
        page.url.bind(f"traces.{key}", box, read=_read_choice)
    everything: dict[str, Any] = {**boxes, "fate": fate, "pair": pair, "at": at}
    place = [everything[name] for name in _PLACE]
    outputs = [*place, funnel, head, listed, foot, shown]
    clicks = Clicks(outputs)
    inputs, outputs = [page.run, *place, shown, *clicks.counts], [*outputs, *clicks.counts]

    def show(run: str | None, wanted: TracesPlace, before: tuple[str, ...]) -> list[Any]:
        return _updates(show_traces(page.catalog(), page.workspace, page.image_url, run, wanted), before)

    def redraw(run: str | None, *values: Any) -> list[Any]:
        return show(run, _place(*values[:-1]), values[-1])

    def anew(run: str | None, *values: Any) -> list[Any]:
        """Another filter begins on its first page."""
        return show(run, replace(_place(*values[:-1]), at=""), values[-1])

    def act(event: gr.EventData, run: str | None, *values: Any) -> list[Any]:
        wanted, name = _place(*values[:-1]), str(getattr(event, "act", ""))
        if run is not None and name in ("next-page", "previous-page"):
            wanted = turn(page.catalog(), run, wanted, forward=name == "next-page")
        elif name == "funnel":
            wanted = _of_step(wanted, str(getattr(event, "id", "")))
        elif name == "all-pairs":
            wanted = replace(wanted, pair="", at="")
        elif name == "clear":
            wanted = TracesPlace(iteration=wanted.iteration, compare=wanted.compare)
        return show(run, wanted, values[-1])

    quiet: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "always_last"}
    page.redraw("traces", clicks.redrawn(redraw), inputs, outputs)
    gr.on([box.input for box in (fate, *boxes.values())], clicks.counted(anew), inputs, outputs, **quiet)
    gr.on([funnel.click, head.click, listed.click], clicks.counted(act), inputs, outputs, show_progress="hidden")
    foot.click(clicks.counted(act), inputs, outputs, show_progress="hidden").then(None, None, None, js=_TO_LIST)


def _of_step(place: TracesPlace, key: str) -> TracesPlace:
    """The filter that a step of the funnel stands for; pressed again it is lifted."""
    if key == "kept":
        return replace(place, fate="" if place.fate == "kept" else "kept", reason="", at="")
    reason = "" if key == place.reason else key[:_LONGEST]
    return replace(place, fate="", reason=reason, at="")


def _place(*values: Any) -> TracesPlace:
    """The values of the tab's components, all of them untrusted."""
    texts = [str(value or "")[:_LONGEST] for value in values]
    return TracesPlace(**dict(zip(_PLACE, texts, strict=True)))


def _read_choice(text: str) -> Any:
    """A value of the URL as the only entry, until the tab draws itself and knows the others."""
    if len(text) > _LONGEST:
        raise ValueError(text)
    return gr.update(choices=[(text, text)], value=text)


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
        "pair": place.pair,
        "at": place.at,
    }
    texts = (now.funnel, now.head, now.list, now.foot)
    return [*(boxes[name] for name in _PLACE), *only_changed(texts, before), texts]


def _offered(value: str, choices: tuple[tuple[str, str], ...]) -> str:
    return value if value in {key for _, key in choices} else ""


_TO_LIST = "() => { const head = document.querySelector('#traces-head'); if (head) head.scrollIntoView(); }"


# --- replay ------------------------------------------------------------------------------------------------------


_REPLAYED = ("rule", "max_per_pair", "max_per_image", "max_per_dimension", "balance", "exclude_flagged")
"""Settings of select that the replay offers."""


def _replayed_fields() -> dict[str, FormField]:
    fields = {field.key: field for field in form_fields()}
    return {name: fields[f"select.{name}"] for name in _REPLAYED}


def _replay_control(field: FormField, value: Any) -> Any:
    common: dict[str, Any] = {"value": value, "label": field.label, "info": field.help}
    if field.control == "choice":
        return gr.Radio(list(field.choices), **common)
    if field.control == "switch":
        return gr.Checkbox(**common)
    return gr.Number(precision=0, **common)


def _build_replay(page: Page, iteration: Any) -> None:
    """Other settings of select, and at once what the training set would have been."""
    usual = SelectSettings()
    with (
        gr.Column(elem_classes="st-panel"),
        gr.Accordion("Replay the selection with other settings", open=False, elem_id="traces-replay") as panel,
    ):
        with gr.Row():
            boxes = [_replay_control(field, getattr(usual, name)) for name, field in _replayed_fields().items()]
        result = card_html(elem_id="traces-replayed")

    def again(run: str | None, number: str | None, *values: Any) -> str:
        return show_replay(page, run, number, values)

    def own(run: str | None) -> tuple[Any, ...]:
        """The settings the run selects with."""
        try:
            known = stored_settings(page.workspace, run) if run else usual
        except JudgeStudioError:
            known = usual
        return tuple(getattr(known, name) for name in _REPLAYED)

    def begin(run: str | None, number: str | None) -> list[Any]:
        """The run's own settings, and their result."""
        values = own(run)
        return [*values, show_replay(page, run, number, values)]

    quiet: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "always_last"}
    elsewhere = cards.sheet(cards.sub("Another selection is chosen above. Change a setting to replay it."))
    page.run.change(lambda run: [*own(run), elsewhere], page.run, [*boxes, result], **quiet)
    iteration.change(lambda: elsewhere, None, result, **quiet)

    panel.expand(begin, [page.run, iteration], [*boxes, result], show_progress="minimal")
    gr.on(
        [box.input for box in boxes], again, [page.run, iteration, *boxes], result, show_progress="minimal",
        trigger_mode="always_last",
    )  # fmt: skip


def show_replay(page: Page, run: str | None, iteration: str | None, values: tuple[Any, ...]) -> str:
    """Stored against replayed selection as HTML, or the sentence that says why not."""
    try:
        if run is None:
            return cards.sheet(cards.empty_place("traces"))
        place = settle(page.catalog(), run, TracesPlace(iteration=str(iteration or "")))
        if not place.iteration.isdecimal():
            return cards.sheet(cards.note("Choose one iteration to replay its selection."))
        kept = stored_settings(page.workspace, run).model_dump()
        settings = parse_settings(
            {"select": {**kept, **dict(zip(_REPLAYED, values, strict=True))}}, where="replay"
        ).select
        outcome = replay(page.catalog(), page.workspace, run, int(place.iteration), settings)
        return cards.sheet(replay_card(outcome, settings, run=run, iteration=int(place.iteration)))
    except JudgeStudioError as error:
        return cards.sheet(cards.note(str(error), tone="error"))


TAB = Tab(key="traces", label="Traces", build=build, watches=(pulse.notes,))
