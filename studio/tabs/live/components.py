"""The components of the Live judge tab and where they stand: the form, and what is beside it. They do nothing yet."""

from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr

from engine.workspace.folders import Workspace
from studio.live.answers import LONGEST_TEXT, MOST_JUDGES, example_buttons, judge_choices
from studio.look import cards
from studio.look.sheet import card_html
from studio.page.page import Page
from studio.tabs.live.view import no_results


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a visitor fills in and presses."""

    picture: Any
    """The first one, in full."""
    add: Any
    """Brings further pictures."""
    more: Any
    """Those after the first."""
    stored: Any
    """Where all pictures lie, in order, relative to the workspace."""
    question: Any
    a: Any
    b: Any
    judges: Any
    busy: Any
    """What to do while a run uses the device."""
    swap: Any
    guess: Any
    """What the visitor thinks, before a verdict is shown."""
    caution: Any
    """Why verdicts on this picture may mean nothing."""
    start: Any
    stop: Any
    examples: Any
    """The shipped ones."""
    own: Any
    """Those of the chosen run's own benchmark."""

    @property
    def asked(self) -> list[Any]:
        """What a judgement is asked from."""
        return [self.stored, self.question, self.a, self.b, self.judges, self.busy]

    @property
    def filled(self) -> list[Any]:
        """What an example or a past judgement fills."""
        return [*self.pictures, self.question, self.a, self.b, self.judges, self.guess]

    @property
    def pictures(self) -> list[Any]:
        """What another set of pictures changes."""
        return [self.picture, self.add, self.more, self.stored]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """What stands beside the form, and what is remembered of it."""

    device: Any
    """Which run uses the device."""
    message: Any
    waiting: Any
    results: Any
    history: Any
    command: Any
    item: Any
    """Key of the past judgement in the URL."""
    brought: Any
    """What filled the form last: a key, or words for an example; "" while nothing has."""
    ruled: Any
    """The comparison whose rulings are shown, with them (`Ruled`); None while none are."""


def lay_out_form(page: Page) -> Form:
    """The left side."""
    with gr.Column(elem_classes="st-panel st-live-in"):
        gr.HTML(cards.sheet(cards.panel_head("One comparison")), apply_default_css=False)
        with gr.Column(elem_classes="st-pad"):
            with gr.Row(equal_height=False):
                picture = gr.Image(
                    label="Image", show_label=False, sources=["upload", "clipboard"], height=190, min_width=150,
                    type="filepath", image_mode=None, buttons=[], placeholder="Drop, choose or paste an image",
                    elem_id="live-image",
                )  # fmt: skip
                question = _text("Question", "live-question", lines=5, max_lines=6, min_width=150)
            more = card_html(visible=False, elem_id="live-more")
            add = gr.UploadButton(
                "Add another picture", file_count="multiple", file_types=["image"], size="sm", scale=0, min_width=160,
                visible=False, elem_id="live-add",
            )  # fmt: skip
            judges = gr.Dropdown(
                [], value=[], multiselect=True, max_choices=MOST_JUDGES, label="Judge versions, one to four",
                elem_id="live-judges",
            )  # fmt: skip
            a, b = (_text(f"Response {one}", f"live-{one.lower()}", lines=2, max_lines=8) for one in "AB")
            swap = gr.Button("Swap A and B", size="sm", scale=0, min_width=120, elem_id="live-swap")
            busy = _choice("While a run uses the device", [("Judge now, slower", "now"), ("Wait for it", "wait")])
            guess = _choice(
                "Which do you think?", [("Just show me", ""), ("A", "A"), ("B", "B"), ("Tie", "tie")], shown=True
            )
            caution = card_html(visible=False, elem_id="live-caution")
            start = gr.Button("Judge in both orders", variant="primary", elem_classes="st-btn-main", elem_id="live-go")
            stop = gr.Button("Stop judging", visible=False, elem_id="live-stop")
            own = card_html(elem_id="live-own")
            examples = card_html(cards.sheet(example_buttons()), elem_id="live-examples")
    page.url.bind("live.judges", judges, read=lambda text: _read_judges(page.workspace, text))
    return Form(
        picture=picture, add=add, more=more, stored=gr.State(()), question=question, a=a, b=b, judges=judges, busy=busy,
        swap=swap, guess=guess, caution=caution, start=start, stop=stop, examples=examples, own=own,
    )  # fmt: skip


def lay_out_beside(page: Page) -> Aside:
    """The right side."""
    return Aside(
        device=card_html(visible=False),
        message=card_html(visible=False),
        waiting=card_html(visible=False),
        results=card_html(no_results(), elem_id="live-results"),
        history=card_html(elem_id="live-history"),
        command=card_html(),
        item=page.url.hidden("live.item"),
        brought=gr.State(""),
        ruled=gr.State(None),
    )


def _text(label: str, name: str, **size: int) -> Any:
    return gr.Textbox(label=label, max_length=LONGEST_TEXT, elem_id=name, **size)


def _choice(label: str, choices: list[tuple[str, str]], *, shown: bool = False) -> Any:
    """A switch whose first choice is the usual one."""
    return gr.Radio(
        choices, value=choices[0][1], label=label, visible=shown, elem_classes="st-seg",
        elem_id="live-guess" if shown else None,
    )  # fmt: skip


def _read_judges(workspace: Workspace, text: str) -> Any:
    known = [(choice.label, choice.name) for choice in judge_choices(workspace)]
    names = {name for _, name in known}
    chosen = [name for name in text.split(",") if name in names][:MOST_JUDGES]
    return gr.update(choices=known, value=chosen)


# --- updates that several listeners give ---------------------------------------------------------------------------


def told(text: str, tone: Literal["info", "error"] = "info") -> Any:
    """A sentence in a place that is hidden while it has none."""
    return gr.update(value=cards.sheet(cards.note(text, tone=tone)), visible=True)


def hidden() -> Any:
    """Such a place without a sentence."""
    return gr.update(visible=False)
