"""The run's own examples on the Live judge tab: the first one fills the form on first sight, with its real rulings."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from engine.errors import JudgeStudioError
from engine.workspace.decisions import best_judge
from studio.live.answers import judge_choices, live_card
from studio.live.own_examples import OwnExample, own_examples
from studio.look import cards
from studio.look.sheet import card_html
from studio.page.page import Page


def build(page: Page, form: Any, results: Any, item: Any, brought: Any, shown_picture: Any) -> None:
    """Lay out the buttons below the form. `form` has the fields; `brought` is what filled it last."""
    buttons = card_html(elem_id="live-own")
    known = gr.State(("", ()))

    def found(run: str | None) -> tuple[str, list[OwnExample]]:
        if run is None:
            return "", []
        try:
            best = best_judge(page.workspace.run(run))
            return f"{run}/{best}", own_examples(page.catalog(), run, best)
        except (JudgeStudioError, TypeError):  # a damaged run; Home says so
            return "", []

    def put(example: OwnExample) -> list[Any]:
        choices = [(choice.label, choice.name) for choice in judge_choices(page.workspace)]
        names = {name for _, name in choices}
        judges = gr.update(choices=choices, value=[name for name in example.judges if name in names])
        filled = [shown_picture(page.workspace, example.image), example.image, example.question, example.a, example.b]
        return [*filled, judges, show_own(example), f"example {example.item_id}"]

    def redraw(run: str | None, key: str, seen: str, question: str, before: Any) -> list[Any]:
        name, examples = found(run)
        now = (name, tuple(one.item_id for one in examples))
        html = gr.skip() if now == before else show_buttons(examples, page.image_url)
        is_first_sight = bool(examples) and not (key or seen or question)
        return [html, now, *(put(examples[0]) if is_first_sight else [gr.skip()] * 8)]

    def act(event: gr.EventData, run: str | None) -> list[Any]:
        asked = str(getattr(event, "id", ""))
        example = next((one for one in found(run)[1] if one.item_id == asked), None)
        return put(example) if example is not None else [gr.skip()] * 8

    outputs = [*form.fields, form.judges, results, brought]
    page.redraw("live", redraw, [page.run, item, brought, form.question, known], [buttons, known, *outputs])
    buttons.click(act, [page.run], outputs, show_progress="hidden")


def show_own(example: OwnExample) -> str:
    """The rulings that were given when the run was measured, said to be that."""
    about = (
        f"From this run's own benchmark: {example.label}. These are the rulings it was measured by; judge to see more."
    )
    return cards.sheet(cards.note(about), cards.live_results([live_card(one) for one in example.said]))


def show_buttons(examples: Sequence[OwnExample], image_url: Any) -> str:
    """One small picture per example, with what it is an example of. Act "own", `id` the item."""
    if not examples:
        return ""
    buttons = [
        cards.press(
            cards.picture(image_url(one.image), "", width=one.width),
            cards.element("small", cards.esc(one.label)),
            act="own",
            key=one.item_id,
            class_="st-plain",
            aria_label=f"Example: {one.label}",
        )
        for one in examples
    ]
    own = cards.element("div", *buttons, class_="st-examples is-told")
    return cards.sheet(cards.element("div", cards.sub("From this run's own benchmark"), own))
