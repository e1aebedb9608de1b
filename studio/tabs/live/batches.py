"""The lower half of the Live judge tab: files of comparisons, judged by a process that outlives the page."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from engine.errors import JudgeStudioError, UsageError
from engine.judging.ruling import Outcome
from engine.measure.file_result import FileResult, JudgesAgree
from engine.workspace.folders import Workspace
from studio.jobs import batches
from studio.jobs.batches import JudgedFile
from studio.live.answers import judge_choices
from studio.look import cards, words
from studio.look.cards import Action, Column, Html
from studio.look.sheet import card_html
from studio.page.clicks import fetch_script
from studio.page.page import Page

_MOST_RESULTS = 5
"""Files whose result is shown: the newest."""
_BATCH_POLL = 2.0
"""Seconds between two looks while a file is being judged."""


def build(page: Page, judges: Any) -> None:
    """Lay out the panel below the live judge. `judges` is the control with the chosen versions."""
    workspace = page.workspace
    with gr.Column(elem_classes="st-panel"):
        gr.HTML(cards.sheet(cards.panel_head("Many comparisons")), apply_default_css=False)
        with gr.Column(elem_classes="st-pad"):
            gr.HTML(
                cards.sheet(
                    cards.sub(
                        "A .jsonl with image, question, a and b on each line, zipped with its images. It is judged by "
                        "the versions chosen above, in a process of its own that goes on when you leave."
                    )
                ),
                apply_default_css=False,
            )
            upload = gr.File(
                label="Zip, or .jsonl that names images of this workspace",
                file_types=[".jsonl", ".zip"],
                height=110,
                elem_id="batch-upload",
            )
            sample = gr.Button("Sample file, zip", size="sm", scale=0, min_width=160, elem_id="batch-sample")
        said = card_html(visible=False)
        listed = card_html()
        download = gr.File(label="Verdicts", visible=False, interactive=False, elem_id="batch-download")
    with page.shelf:
        fetched = gr.DownloadButton("Sample", elem_id="batch-sample-file", elem_classes="st-fetch")
    ticking = gr.Timer(_BATCH_POLL, active=False)
    outputs = [said, listed, ticking]

    def listing() -> list[Any]:
        found = batches.batches(workspace)
        return [
            show_batches(found, results_of(workspace, found)),
            gr.Timer(active=any(one.state == "running" for one in found)),
        ]

    def begin(path: str | None, chosen: Sequence[str] | None) -> list[Any]:
        if not path:
            return [gr.skip()] * 4
        try:
            names = {choice.name for choice in judge_choices(workspace)}
            if not chosen or not set(chosen) <= names:
                raise UsageError("batch: no judge version is chosen. Choose one to four above, then upload again.")
            batches.start_batch(workspace, Path(path), list(chosen))
        except JudgeStudioError as error:
            return [_fault(error), *listing(), None]
        return [gr.update(visible=False), *listing(), None]

    def act(event: gr.EventData) -> list[Any]:
        name, key = str(getattr(event, "act", "")), str(getattr(event, "id", ""))
        try:
            file = do_batch(workspace, name, key)
        except JudgeStudioError as error:
            return [_fault(error), *listing(), gr.skip()]
        return [gr.update(visible=False), *listing(), gr.update(value=str(file), visible=True) if file else gr.skip()]

    # The hidden download is pressed once its file is there, so that the visitor presses once.
    sample.click(lambda: gr.update(value=str(batches.sample_file(workspace))), None, fetched).then(
        None, None, None, js=fetch_script("batch-sample-file")
    )
    upload.upload(begin, [upload, judges], [*outputs, upload], show_progress="minimal")
    listed.click(act, None, [*outputs, download], show_progress="hidden")
    ticking.tick(listing, None, [listed, ticking], show_progress="hidden")
    page.redraw("live", listing, [], [listed, ticking])


def _fault(error: JudgeStudioError) -> Any:
    return gr.update(value=cards.sheet(cards.note(str(error), tone="error")), visible=True)


def do_batch(workspace: Workspace, act: str, key: str) -> Path | None:
    """Carry out a card's act; a file to hand out for "verdicts". `act` and `key` are untrusted."""
    if act == "cancel":
        batches.cancel(workspace, key)
    elif act == "resume":
        batches.resume(workspace, key)
    elif act == "remove":
        batches.remove(workspace, key)
    elif act == "verdicts":
        source = batches.verdicts_file(workspace, key)
        target = workspace.uploads / "incoming" / "verdicts" / f"verdicts-{key}.jsonl"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        return target
    return None


_BATCH_COLUMNS = (
    Column(name="File"),
    Column(name="State"),
    Column(name="Judges", is_optional=True),
    Column(name="Verdicts", is_number=True),
    Column(name="", is_number=True),
)


def results_of(workspace: Workspace, found: Sequence[JudgedFile]) -> dict[str, FileResult]:
    """The rulings of each file summed up, by its key; a file that cannot be read is left out."""
    results = {}
    for batch in found[:_MOST_RESULTS]:
        try:
            result = batches.result(workspace, batch.key)
        except JudgeStudioError:
            continue
        if result is not None:
            results[batch.key] = result
    return results


def show_batches(found: Sequence[JudgedFile], results: Mapping[str, FileResult]) -> str:
    """Every uploaded file with its progress and what can be done with it, and below it what the judges say of it all
    together; nothing while there is none."""
    if not found:
        return ""
    rows = [
        cards.row(
            _BATCH_COLUMNS,
            [
                cards.element("span", cards.esc(batch.name, limit=80), dir="auto", title=batch.name[:200]),
                _batch_state(batch),
                cards.esc(", ".join(batch.judges), limit=120),
                cards.esc(f"{words.number(batch.done)} of {words.number(batch.total)}"),
                _batch_buttons(batch),
            ],
        )
        for batch in found
    ]
    table = cards.table(_BATCH_COLUMNS, rows, caption="Files of comparisons")
    return cards.sheet(table, *(_result(batch, results[batch.key]) for batch in found if batch.key in results))


_RESULT_COLUMNS = (
    Column(name="Judge"),
    Column(name="A wins", is_number=True),
    Column(name="B wins", is_number=True),
    Column(name="Ties", is_number=True, is_optional=True),
    Column(name="Flips", is_number=True),
    Column(name="Invalid", is_number=True, is_optional=True),
)


def _result(batch: JudgedFile, result: FileResult) -> Html:
    """Wins and flips per judge, and agreement of every two."""
    rows = [
        cards.row(
            _RESULT_COLUMNS,
            [
                cards.esc(one.judge, limit=80),
                *(cards.esc(_share(one.outcomes[outcome], one.rulings)) for outcome in _OUTCOMES),
            ],
        )
        for one in result.judges
    ]
    told = [cards.says(_agreement(one)) for one in result.agreement]
    head = cards.panel_head(f"What they say of {batch.name[:80]}")
    caption = f"Rulings on {batch.name[:80]}"
    return cards.element("section", head, cards.table(_RESULT_COLUMNS, rows, caption=caption), *told)


_OUTCOMES: tuple[Outcome, ...] = ("A", "B", "tie", "order-flip", "invalid")


def _share(count: int, total: int) -> str:
    return f"{words.number(count)} ({words.percent(count / total)})" if total else "–"


def _agreement(one: JudgesAgree) -> str:
    names = f"{one.first[:80]} and {one.second[:80]}"
    if one.kappa is None:
        return f"{names} never both name an answer."
    share = words.percent(one.kappa.agreement)
    told = f"{names} name the same answer on {share} of the {words.number(one.kappa.labels)} on which both name one"
    if one.kappa.kappa is None:
        return f"{told}. κ is not known: both named the same answer everywhere."
    return f"{told}; κ {words.decimal(one.kappa.kappa)} ({words.interval(one.kappa.low, one.kappa.high)})."


def _batch_state(batch: JudgedFile) -> Html:
    chip = cards.state_chip(batch.state)
    if not batch.error:
        return chip
    return cards.element("span", chip, cards.element("small", cards.esc(batch.error, limit=300)), class_="st-stack")


def _batch_buttons(batch: JudgedFile) -> Html:
    acts: list[Action] = []
    if batch.done:
        acts.append(Action(label="Verdicts", act="verdicts", key=batch.key, small=True))
    if batch.state == "running":
        acts.append(Action(label="Cancel", act="cancel", key=batch.key, kind="stop", small=True))
    else:
        if batch.state != "done":
            acts.append(Action(label="Resume", act="resume", key=batch.key, small=True))
        acts.append(Action(label="Remove", act="remove", key=batch.key, small=True))
    return cards.element("span", *(cards.button(act) for act in acts), class_="st-row is-tight")
