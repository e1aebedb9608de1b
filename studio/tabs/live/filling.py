"""What fills the form of the Live judge tab: an upload, an example, a past judgement, and A and B changing places."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from PIL import Image

from engine.assets import assets_folder
from engine.errors import JudgeStudioError
from engine.sources.pictures.store import store_image
from engine.workspace.folders import Workspace
from studio.live import history
from studio.live.answers import examples, judge_choices, miniature_warning
from studio.live.history import Judgement
from studio.live.own_examples import OwnExample
from studio.live.picture import take_picture, uploaded_path
from studio.live.said import Ruled
from studio.look.cards.images import SMALL_SOURCE
from studio.look.sheet import EACH_CLICK
from studio.page.page import Page
from studio.tabs.live.components import Aside, Form, hidden, told
from studio.tabs.live.judging import Update, asked_of
from studio.tabs.live.view import no_results, show_command, show_more_pictures, show_own, show_results_of, show_turned


def connect(page: Page, form: Form, beside: Aside) -> None:
    """Connect all that changes the form, but for the run's own examples, which `sight` knows."""
    filling = Filling(page=page, form=form, beside=beside)
    quiet: dict[str, Any] = {"show_progress": "hidden"}
    changed = [beside.message, *form.pictures]
    form.picture.upload(
        filling.uploaded, [form.picture, form.stored], changed, preprocess=False, show_progress="minimal"
    )
    form.add.upload(filling.added, [form.add, form.stored], changed, preprocess=False, show_progress="minimal")
    form.picture.clear(lambda stored: filling.pictures(stored[1:]), form.stored, form.pictures, **quiet)
    form.more.click(filling.removed, form.stored, form.pictures, **EACH_CLICK)
    form.swap.click(
        filling.swapped, [form.stored, form.question, form.a, form.b, form.guess, beside.ruled],
        [form.a, form.b, form.guess, beside.ruled, beside.results], **quiet,
    )  # fmt: skip
    turns = page.turns("live", "multiple")
    form.examples.click(filling.example, None, filling.outputs, **turns)
    beside.history.click(filling.past, None, [*filling.outputs, beside.item], **turns)
    gr.on(
        [form.question.blur, form.a.change, form.b.change, form.judges.change, form.stored.change],
        filling.retold, form.asked, [beside.command, form.caution], trigger_mode="always_last", **quiet,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """The listeners of one page."""

    page: Page
    form: Form
    beside: Aside

    @property
    def workspace(self) -> Workspace:
        return self.page.workspace

    @property
    def outputs(self) -> list[Any]:
        """What `with_past`, `with_own` and `with_shipped` change."""
        return [*self.form.filled, self.beside.results, self.beside.brought, self.beside.ruled]

    def uploaded(self, payload: Any, stored: Sequence[str]) -> Update:
        """A picture was dropped, chosen or pasted: it takes the first one's place."""
        message = self.beside.message
        if payload is None:
            return {message: gr.skip()}
        try:
            new = take_picture(self.workspace, uploaded_path(payload))
        except JudgeStudioError as error:
            return {message: told(str(error), "error"), **self.pictures(stored[1:])}
        return {message: hidden(), **self.pictures((new, *stored[1:]))}

    def added(self, payload: Any, stored: Sequence[str]) -> Update:
        """Further pictures were chosen; those before one that is none are taken."""
        message, images = self.beside.message, list(stored)
        try:
            for one in payload or ():
                images.append(take_picture(self.workspace, uploaded_path(one)))
        except JudgeStudioError as error:
            return {message: told(str(error), "error"), **self.pictures(images)}
        return {message: hidden(), **self.pictures(images)}

    def removed(self, stored: Sequence[str], event: gr.EventData) -> Update:
        """A further picture was pressed: it goes, and the next takes its name. A late press takes no other."""
        pressed = str(getattr(event, "id", ""))
        return self.pictures([image for number, image in enumerate(stored, 1) if pressed != f"{number} {image}"])

    def pictures(self, images: Sequence[str]) -> Update:
        """These pictures in the form."""
        form, more = self.form, show_more_pictures(images, self.page.image_url)
        return {
            form.picture: shown_picture(self.workspace, next(iter(images), None)),
            form.add: gr.update(value=None, visible=bool(images)),
            form.more: gr.update(value=more, visible=bool(more)),
            form.stored: tuple(images),
        }

    def swapped(self, images: Sequence[str], question: str, a: str, b: str, guess: str, ruled: Ruled | None) -> Update:
        """The answers, the guess and their rulings change places; nothing is asked again. Rulings on what the form held
        before are left as they are."""
        form, beside = self.form, self.beside
        guess = {"A": "B", "B": "A"}.get(guess, guess)
        update: Update = {form.a: b, form.b: a, form.guess: guess}
        if ruled is None or (ruled.images, ruled.question, ruled.a, ruled.b) != (tuple(images), question, a, b):
            return update
        turned = ruled.turned()
        return {**update, beside.ruled: turned, beside.results: show_turned(turned.said, guess)}

    def example(self, event: gr.EventData) -> Update:
        """A shipped example was pressed."""
        try:
            return self.with_shipped(int(str(getattr(event, "id", ""))))
        except (ValueError, IndexError):
            return {self.beside.brought: gr.skip()}

    def past(self, event: gr.EventData) -> Update:
        """A past judgement was pressed."""
        key = str(getattr(event, "id", ""))
        found = history.find(self.workspace, key) if str(getattr(event, "act", "")) == "history" else None
        return {self.beside.item: gr.skip()} if found is None else {**self.with_past(found), self.beside.item: key}

    def retold(self, *values: Any) -> list[Any]:
        """The command, and what to be told before the click."""
        asked = asked_of(*values)
        warning = miniature_warning(self.workspace, asked.judges, asked.images)
        return [show_command(self.workspace, asked), told(warning, "error") if warning else hidden()]

    def with_past(self, found: Judgement) -> Update:
        """A past judgement with what was said of it."""
        ruled = Ruled(images=found.images, question=found.question, a=found.a, b=found.b, said=found.said)
        return self._filled(ruled, found.judges, found.key, show_results_of(self.workspace, found))

    def with_own(self, example: OwnExample) -> Update:
        """An example of the run's own benchmark with the rulings it was measured by."""
        ruled = Ruled(images=example.images, question=example.question, a=example.a, b=example.b, said=example.said)
        return self._filled(ruled, example.judges, f"example {example.item_id}", show_own(example))

    def with_shipped(self, number: int) -> Update:
        """A shipped example, on which nobody has ruled here yet. Raises `IndexError`, `JudgeStudioError`."""
        chosen = examples()[number]
        source = assets_folder() / "examples" / chosen["image"]
        stored = store_image(self.workspace.root, source, source="example").path
        nothing = Ruled(images=(stored,), question=chosen["question"], a=chosen["a"], b=chosen["b"], said=())
        return {**self._filled(nothing, (), f"shipped {number}", no_results()), self.beside.ruled: None}

    def _filled(self, ruled: Ruled, judges: Sequence[str], brought: str, results: str) -> Update:
        """Every field and what is shown; the judges stay where none of `judges` is here (any more)."""
        form, beside = self.form, self.beside
        known = [(choice.label, choice.name) for choice in judge_choices(self.workspace)]
        chosen = [name for name in judges if name in {name for _, name in known}]
        return {
            **self.pictures(ruled.images), form.guess: "",
            form.question: ruled.question, form.a: ruled.a, form.b: ruled.b,
            **({form.judges: gr.update(choices=known, value=chosen)} if chosen else {}),
            beside.results: results, beside.brought: brought, beside.ruled: ruled,
        }  # fmt: skip


def shown_picture(workspace: Workspace, stored: str | None) -> Any:
    """The picture in its field, a small drawing with hard edges; an empty field if the file is gone."""
    path = workspace.root / stored if stored else None
    if path is None or not path.is_file():
        return gr.update(value=None)
    with Image.open(path) as picture:  # a file of our own store; opening reads its head only
        is_small = max(picture.size) < SMALL_SOURCE
    return gr.update(value=str(path), elem_classes=["is-small"] if is_small else [])
