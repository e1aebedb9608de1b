"""The lower half of the Live judge tab: files of comparisons, judged by a process that outlives the page."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from engine.errors import JudgeStudioError, UsageError
from engine.measure.file_result import FileResult
from engine.workspace.folders import Workspace
from studio.jobs import batches
from studio.jobs.batches import JudgedFile
from studio.live.answers import judge_choices
from studio.look import cards
from studio.look.sheet import card_html
from studio.page.clicks import fetch_script
from studio.page.page import Page
from studio.tabs.live.batches_view import show_batches
from studio.tabs.live.components import hidden, told
from studio.tabs.live.judging import Update

_MOST_RESULTS = 5
"""Files whose result is shown: the newest."""
_BATCH_POLL = 2.0
"""Seconds between two looks while a file is being judged."""
_ABOUT = (
    "A .jsonl with image, question, a and b on each line, zipped with its images. It is judged by the versions chosen "
    "above, in a process of its own that goes on when you leave."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    """The components."""

    upload: Any
    sample: Any
    message: Any
    listed: Any
    ticking: Any
    fetched: Any
    """Hidden: pressed by the page once its file is there, so that the visitor presses once."""


def build(page: Page, judges: Any) -> Any:
    """Lay out the panel below the live judge. `judges` is the control with the chosen versions. Returns the timer that
    ticks while a file is being judged."""
    panel = _lay_out(page)
    files = _Files(workspace=page.workspace, panel=panel)
    shown = [panel.message, panel.listed, panel.ticking]
    fetch = fetch_script("live-file")
    panel.upload.upload(files.begin, [panel.upload, judges], [*shown, panel.upload], show_progress="minimal")
    for pressed in (
        panel.sample.click(files.sample, None, panel.fetched),
        panel.listed.click(files.act, None, [*shown, panel.fetched], **page.turns("live", "multiple")),
    ):
        pressed.then(None, panel.fetched, None, js=fetch)
    panel.ticking.tick(files.listing, None, [panel.listed, panel.ticking], **page.turns("live"))
    page.redraw("live", files.listing, [], [panel.listed, panel.ticking])
    return panel.ticking


def _lay_out(page: Page) -> _Panel:
    with gr.Column(elem_classes="st-panel", elem_id="live-files"):
        gr.HTML(cards.sheet(cards.panel_head("Many comparisons")), apply_default_css=False)
        with gr.Row(elem_classes="st-pad"):
            upload = gr.File(
                label="Zip, or .jsonl that names images of this workspace", file_types=[".jsonl", ".zip"], height=110,
                min_width=300, elem_id="batch-upload",
            )  # fmt: skip
            with gr.Column(min_width=300):
                gr.HTML(cards.sheet(cards.sub(_ABOUT)), apply_default_css=False)
                sample = gr.Button("Sample file, zip", size="sm", scale=0, min_width=160, elem_id="batch-sample")
        message = card_html(visible=False)
        listed = card_html(elem_id="batch-list")
    with page.shelf:
        fetched = gr.DownloadButton("File", elem_id="live-file", elem_classes="st-fetch")
    return _Panel(
        upload=upload, sample=sample, message=message, listed=listed, fetched=fetched,
        ticking=gr.Timer(_BATCH_POLL, active=False),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """The listeners."""

    workspace: Workspace
    panel: _Panel

    def listing(self) -> Update:
        """Every file as it stands; looked at again while one is being judged."""
        found = batches.batches(self.workspace)
        return {
            self.panel.listed: show_batches(found, results_of(self.workspace, found)),
            self.panel.ticking: gr.Timer(active=any(one.state == "running" for one in found)),
        }

    def begin(self, path: str | None, chosen: Sequence[str] | None) -> Update:
        """A file was uploaded."""
        if not path:
            return {self.panel.message: gr.skip()}
        try:
            names = {choice.name for choice in judge_choices(self.workspace)}
            if not chosen or not set(chosen) <= names:
                raise UsageError("batch: no judge version is chosen. Choose one to four above, then upload again.")
            batches.start_batch(self.workspace, Path(path), list(chosen))
        except JudgeStudioError as error:
            return {self.panel.message: told(str(error), "error"), **self.listing(), self.panel.upload: None}
        return {self.panel.message: hidden(), **self.listing(), self.panel.upload: None}

    def sample(self) -> Any:
        """A file as one is uploaded, to take away."""
        return gr.update(value=str(batches.sample_file(self.workspace)))

    def act(self, event: gr.EventData) -> Update:
        """A button of a file was pressed."""
        name, key = str(getattr(event, "act", "")), str(getattr(event, "id", ""))
        try:
            file = do_batch(self.workspace, name, key)
        except JudgeStudioError as error:
            return {self.panel.message: told(str(error), "error"), **self.listing(), self.panel.fetched: None}
        return {self.panel.message: hidden(), **self.listing(), self.panel.fetched: str(file) if file else None}


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
