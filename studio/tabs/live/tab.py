"""The Live judge tab: one comparison by up to four judge versions as it is reasoned. Files of many: `batches`."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from engine.assets import assets_folder
from engine.errors import JudgeStudioError
from engine.sources.pictures.store import store_image
from engine.workspace.folders import Workspace
from studio.jobs import runs as jobs
from studio.live import answers as live_view
from studio.live import history as judgements
from studio.live.answers import (
    LONGEST_TEXT,
    MOST_JUDGES,
    check_question,
    judge_choices,
    live_card,
    miniature_warning,
    unanswered,
    usual_judges,
)
from studio.live.client import busy_devices, live_judge
from studio.live.history import Judgement
from studio.live.picture import take_picture, uploaded_path
from studio.live.said import JudgeSaid
from studio.live.visit import LiveForm, Visit, judge_live
from studio.look import cards, words
from studio.look.cards.images import SMALL_SOURCE
from studio.look.sheet import card_html
from studio.page import pulse
from studio.page.page import Page, Tab
from studio.tabs.live import batches, own

_VISITORS = 64
"""Judgements under way at once; they wait for the one process without a thread each."""
_HISTORY = 8


@dataclass(slots=True)
class _Form:
    """The components of the form."""

    picture: Any
    stored: Any
    question: Any
    a: Any
    b: Any
    judges: Any
    busy: Any
    guess: Any
    """What the visitor thinks, before a verdict is shown."""
    swap: Any
    caution: Any
    """Why verdicts on this picture may mean nothing."""
    start: Any
    stop: Any
    examples: Any

    @property
    def inputs(self) -> list[Any]:
        return [self.stored, self.question, self.a, self.b, self.judges, self.busy]

    @property
    def fields(self) -> list[Any]:
        """What an example or a past judgement fills."""
        return [self.picture, self.stored, self.question, self.a, self.b]


def build(page: Page) -> None:
    """Lay out the Live judge tab and connect its events. Call it inside the app's gr.Tab."""
    with gr.Row(equal_height=False, elem_classes="st-gap"):
        with gr.Column(scale=0, min_width=420, elem_classes="st-live-form"):
            form = _build_form(page)
            own_place = gr.Column(elem_classes="st-pad")
        with gr.Column(scale=1, min_width=320):
            note = card_html(visible=False)
            message = card_html(visible=False)
            waiting = card_html(visible=False)
            results = card_html(_no_results())
            history = card_html()
            command = card_html()
    item = page.url.hidden("live.item")
    brought = gr.State("")
    _connect_judging(page, form, [message, waiting, results, history, command, item, brought])
    _connect_filling(page, form, [message, results, history, command, item, brought])
    _connect_redraw(page, form, note, message, results, history, item, brought)
    with own_place:
        own.build(page, form, results, item, brought, shown_picture)
    batches.build(page, form.judges)


def _build_form(page: Page) -> _Form:
    with gr.Column(elem_classes="st-panel st-live-in"):
        gr.HTML(cards.sheet(cards.panel_head("One comparison")), apply_default_css=False)
        with gr.Column(elem_classes="st-pad"):
            with gr.Row(equal_height=False):
                picture = gr.Image(
                    label="Image",
                    show_label=False,
                    sources=["upload", "clipboard"],
                    height=190,
                    min_width=150,
                    type="filepath",
                    image_mode=None,
                    buttons=[],
                    placeholder="Drop, choose or paste an image",
                    elem_id="live-image",
                )
                question = gr.Textbox(
                    label="Question",
                    lines=5,
                    max_lines=6,
                    max_length=LONGEST_TEXT,
                    min_width=150,
                    elem_id="live-question",
                )
            judges = gr.Dropdown(
                [],
                value=[],
                multiselect=True,
                max_choices=MOST_JUDGES,
                label="Judge versions, one to four",
                elem_id="live-judges",
            )
            a = gr.Textbox(label="Response A", lines=2, max_lines=8, max_length=LONGEST_TEXT, elem_id="live-a")
            b = gr.Textbox(label="Response B", lines=2, max_lines=8, max_length=LONGEST_TEXT, elem_id="live-b")
            busy = gr.Radio(
                [("Judge now, slower", "now"), ("Wait for it", "wait")],
                value="now",
                label="While a run uses the device",
                visible=False,
                elem_classes="st-seg",
            )
            swap = gr.Button("Swap A and B", size="sm", scale=0, min_width=120, elem_id="live-swap")
            guess = gr.Radio(
                [("A", "A"), ("B", "B"), ("Tie", "tie"), ("Just show me", "")], value="", label="Which do you think?",
                elem_classes="st-seg", elem_id="live-guess",
            )  # fmt: skip
            caution = card_html(visible=False, elem_id="live-caution")
            start = gr.Button("Judge in both orders", variant="primary", elem_classes="st-btn-main", elem_id="live-go")
            stop = gr.Button("Stop judging", visible=False, elem_id="live-stop")
            examples = card_html(cards.sheet(live_view.example_buttons()))
    page.url.bind("live.judges", judges, read=lambda text: _read_judges(page.workspace, text))
    return _Form(
        picture=picture, stored=gr.State(None), question=question, a=a, b=b, judges=judges, busy=busy, guess=guess,
        swap=swap, caution=caution, start=start, stop=stop, examples=examples,
    )  # fmt: skip


def _read_judges(workspace: Workspace, text: str) -> Any:
    known = [(choice.label, choice.name) for choice in judge_choices(workspace)]
    names = {name for _, name in known}
    chosen = [name for name in text.split(",") if name in names][:MOST_JUDGES]
    return gr.update(choices=known, value=chosen)


# --- judging -----------------------------------------------------------------------------------------------------


def _connect_judging(page: Page, form: _Form, shown: list[Any]) -> None:
    live = live_judge(page.workspace)
    visits: dict[str, Visit] = {}

    async def answer(request: gr.Request, guess: str, *values: Any) -> AsyncGenerator[list[Any], None]:
        asked = _asked(*values)
        beside = {"guess": guess or "", "warning": miniature_warning(page.workspace, asked.judges, asked.image)}
        command = show_command(page.workspace, asked)
        try:
            choices = check_question(
                page.workspace, asked.judges, asked.question, asked.a, asked.b, has_image=asked.image is not None
            )
        except JudgeStudioError as error:
            yield [_note(str(error), "error"), _hidden(), *[gr.skip()] * 2, command, *[gr.skip()] * 2, *_idle()]
            return
        visit = visits[str(request.session_hash)] = Visit()
        results = unanswered(choices)
        nothing = [gr.skip()] * 9
        yield [_hidden(), _hidden(), show_results(results, **beside), gr.skip(), command, *nothing[:2], *_at_work()]
        said = ""
        try:
            async with aclosing(judge_live(live, asked, results, visit)) as steps:
                async for step, told in steps:
                    results, waiting = step, gr.skip() if told == said else _note(told) if told else _hidden()
                    said = told  # Gradio rebuilds a component for every update, so what stays is skipped
                    yield [gr.skip(), waiting, show_results(results, **beside), *nothing[:6]]
        except JudgeStudioError as error:
            yield [_note(str(error), "error"), _hidden(), _no_results(), *nothing[:4], *_idle()]
            return
        if visit.has_left:
            return
        key = await asyncio.to_thread(_keep, page.workspace, asked, list(results.values()))
        past = await asyncio.to_thread(show_history, page.workspace)
        yield [gr.skip(), _hidden(), show_results(results, **beside), past, gr.skip(), key, key, *_idle()]

    def leave(request: gr.Request) -> None:
        visit = visits.pop(str(request.session_hash), None)
        if visit is not None:
            visit.leave()

    def stopped(request: gr.Request) -> list[Any]:
        leave(request)
        return [_note("Stopped. Nothing was kept of this judgement."), _hidden(), _no_results(), *_idle()]

    event = form.start.click(
        answer,
        [form.guess, *form.inputs],
        [*shown, form.start, form.stop],
        show_progress="hidden",
        concurrency_limit=_VISITORS,
    )
    form.stop.click(stopped, None, [*shown[:3], form.start, form.stop], cancels=[event], show_progress="hidden")
    root = gr.context.Context.root_block
    assert root is not None
    root.unload(leave)


def _keep(workspace: Workspace, asked: LiveForm, results: Sequence[JudgeSaid]) -> str:
    """Into the history, unless no judge got to the end. A history that cannot be written does not hide the answer."""
    if all(result.failed for result in results):
        return ""
    try:
        return judgements.keep(
            workspace,
            image=asked.image,
            question=asked.question,
            a=asked.a,
            b=asked.b,
            judges=asked.judges,
            said=results,
        )
    except JudgeStudioError:
        return ""


def _asked(
    image: str | None, question: str | None, a: str | None, b: str | None, judges: Sequence[str] | None,
    busy: str | None,
) -> LiveForm:  # fmt: skip
    return LiveForm(
        image=image, question=question or "", a=a or "", b=b or "", judges=tuple(judges or ()), wait=busy == "wait"
    )


def _note(text: str, tone: Any = "info") -> Any:
    return gr.update(value=cards.sheet(cards.note(text, tone=tone)), visible=True)


def _hidden() -> Any:
    return gr.update(visible=False)


def _idle() -> list[Any]:
    return [gr.update(visible=True), gr.update(visible=False)]


def _at_work() -> list[Any]:
    return [gr.update(visible=False), gr.update(visible=True)]


# --- filling the form --------------------------------------------------------------------------------------------


def _connect_filling(page: Page, form: _Form, shown: list[Any]) -> None:
    workspace = page.workspace

    def uploaded(payload: Any) -> list[Any]:
        if payload is None:
            return [gr.skip()] * 3
        try:
            stored = take_picture(workspace, uploaded_path(payload))
        except JudgeStudioError as error:
            return [_note(str(error), "error"), None, None]
        return [_hidden(), shown_picture(workspace, stored), stored]

    def example(event: gr.EventData) -> list[Any]:
        try:
            chosen = live_view.examples()[int(str(getattr(event, "id", "")))]
        except (ValueError, IndexError):
            return [gr.skip()] * 5
        source = assets_folder() / "examples" / chosen["image"]
        stored = store_image(workspace.root, source, source="example").path
        return [shown_picture(workspace, stored), stored, chosen["question"], chosen["a"], chosen["b"]]

    def past(event: gr.EventData) -> list[Any]:
        key = str(getattr(event, "id", ""))
        found = judgements.find(workspace, key) if str(getattr(event, "act", "")) == "history" else None
        if found is None:
            return [gr.skip()] * 9
        return [*fill(workspace, found), show_results_of(workspace, found), key, key]

    def retell(*values: Any) -> list[Any]:
        asked = _asked(*values)
        warning = miniature_warning(workspace, asked.judges, asked.image)
        return [show_command(workspace, asked), _note(warning, "error") if warning else _hidden()]

    message, results, history, command, item, brought = shown
    quiet: dict[str, Any] = {"show_progress": "hidden"}
    form.picture.upload(
        uploaded, form.picture, [message, form.picture, form.stored], preprocess=False, show_progress="minimal"
    )
    form.picture.clear(lambda: None, None, form.stored, **quiet)
    form.swap.click(None, [form.a, form.b], [form.a, form.b], js="(a, b) => [b, a]", **quiet)
    form.examples.click(example, None, form.fields, **quiet)
    history.click(past, None, [*form.fields, form.judges, results, item, brought], **quiet)
    gr.on(
        [form.question.blur, form.a.change, form.b.change, form.judges.change, form.stored.change],
        retell, form.inputs, [command, form.caution], trigger_mode="always_last", **quiet,
    )  # fmt: skip


def fill(workspace: Workspace, found: Judgement) -> list[Any]:
    """A past judgement into picture, its stored path, question, responses and judges."""
    known = [(choice.label, choice.name) for choice in judge_choices(workspace)]
    image = shown_picture(workspace, found.image)
    names = {name for _, name in known}
    judges = [name for name in found.judges if name in names]
    update = gr.update(choices=known, value=judges) if judges else gr.skip()
    return [image, found.image, found.question, found.a, found.b, update]


def shown_picture(workspace: Workspace, stored: str | None) -> Any:
    """The picture in its field, a small drawing with hard edges; an empty field if the file is gone."""
    path = workspace.root / stored if stored else None
    if path is None or not path.is_file():
        return gr.update(value=None)
    with Image.open(path) as picture:  # a file of our own store; opening reads its head only
        is_small = max(picture.size) < SMALL_SOURCE
    return gr.update(value=str(path), elem_classes=["is-small"] if is_small else [])


# --- what it shows -----------------------------------------------------------------------------------------------


def _connect_redraw(
    page: Page, form: _Form, note: Any, message: Any, results: Any, history: Any, item: Any, brought: Any
) -> None:
    shown = gr.State(((), "", ""))

    def redraw(run: str | None, key: str, seen: str, judges: Sequence[str], before: tuple[Any, str, str]) -> list[Any]:
        busy = busy_devices()
        known = tuple((choice.label, choice.name) for choice in judge_choices(page.workspace))
        texts = (known, cards.sheet(live_view.device_note(page.workspace, busy)), show_history(page.workspace))
        choices = _judges_update(known, run, judges, changed=known != before[0])
        told = [
            gr.skip() if texts[1] == before[1] else gr.update(value=texts[1], visible=bool(busy)),
            gr.skip() if texts[2] == before[2] else texts[2],
        ]
        found = judgements.find(page.workspace, key) if key and key != seen else None
        if found is None:
            filled = [*[gr.skip()] * 5, choices, gr.skip(), gr.skip()]
        else:
            back = fill(page.workspace, found)
            filled = [
                *back[:5],
                choices if back[5] == gr.skip() else back[5],
                show_results_of(page.workspace, found),
                key,
            ]
        return [told[0], gr.update(visible=bool(busy)), told[1], *filled, texts]

    page.redraw(
        "live",
        redraw,
        [page.run, item, brought, form.judges, shown],
        [note, form.busy, history, *form.fields, form.judges, results, brought, shown],
    )

    def act(event: gr.EventData) -> Any:
        if str(getattr(event, "act", "")) != "stop-run":
            return gr.skip()
        try:
            folder = page.workspace.existing_run(str(getattr(event, "id", "")))
            jobs.stop_run(folder)
        except JudgeStudioError as error:
            return _note(str(error), "error")
        return _note(f"{folder.name} stops after its batch. What it finished is kept; resume it on Home.")

    note.click(act, None, message, show_progress="hidden")


def _judges_update(known: Sequence[tuple[str, str]], run: str | None, judges: Sequence[str], *, changed: bool) -> Any:
    """New choices when a version came or went; a first choice where nothing sensible is chosen."""
    names = [name for _, name in known]
    kept = [name for name in judges or () if name in names]
    if kept and len(kept) == len(judges):
        return gr.update(choices=list(known)) if changed else gr.skip()
    return gr.update(choices=list(known), value=kept or usual_judges(names, run))


def _no_results() -> str:
    return cards.sheet(cards.panel(cards.empty_place("live")))


def show_results(results: Mapping[str, JudgeSaid], *, guess: str = "", warning: str = "") -> str:
    """What every judge says, and all together; `guess` and `warning` as in `cards.live_results`."""
    shown = [live_card(said) for said in results.values()]
    return cards.sheet(cards.live_results(shown, guess=guess, warning=warning))


def show_results_of(workspace: Workspace, found: Judgement) -> str:
    """A past judgement, with its age above."""
    when = cards.sub(f"Judged {words.ago(time.time() - found.time)}.", dim=True)
    warning = miniature_warning(workspace, found.judges, found.image)
    return cards.sheet(when, cards.live_results([live_card(said) for said in found.said], warning=warning))


def show_history(workspace: Workspace) -> str:
    """The newest judgements; they are shared by all visitors of this workspace."""
    try:
        rows = live_view.history_rows(judgements.recent(workspace, count=_HISTORY))
    except JudgeStudioError as error:
        return cards.sheet(cards.note(str(error), tone="error"))
    return cards.sheet(cards.panel(cards.history_list(rows), title="Recent judgements"))


def show_command(workspace: Workspace, asked: LiveForm) -> str:
    """The same for a terminal."""
    image = "scene.png"
    if asked.image:
        path = workspace.root / asked.image
        image = os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
    values = {"image": image, "question": asked.question, "a": asked.a, "b": asked.b}
    told = [word for name, value in values.items() for word in (f"--{name}", value)]
    told += [word for judge in asked.judges for word in ("--judge", judge)]
    return cards.sheet(cards.panel(cards.padded(cards.command(jobs.command_line("judge", told, workspace)))))


TAB = Tab(key="live", label="Live judge", build=build, watches=(pulse.clock, pulse.all_runs))
