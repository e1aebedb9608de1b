"""The panel "Use this judge" of the Versions tab: texts to copy, and files to take away with one click."""

from typing import Any

import gradio as gr

from engine.errors import JudgeStudioError
from engine.serve.snippets import snippets
from engine.workspace.folders import Workspace
from studio.jobs.handouts import HandOut, data_zip, judge_zip, report_file, settings_file
from studio.look import cards, words
from studio.look.sheet import card_html
from studio.page.clicks import fetch_script
from studio.page.page import Page

_FILES: tuple[tuple[str, HandOut], ...] = (
    ("Judge, zip", judge_zip),
    ("Kept data, zip", data_zip),
    ("Report, HTML", report_file),
    ("Settings, YAML", settings_file),
)
_FIRST = "Command line"


def build(page: Page, newer: Any, message: Any, export: Any) -> None:
    """Lay out the panel. `newer` is the control with the chosen version; `export` is a button elsewhere that gives the
    version away too, and `message` says how that went."""
    with gr.Column(elem_classes="st-panel"):
        with gr.Row(elem_classes="st-paneltop"):
            gr.HTML(cards.sheet(cards.Html("<h2>Use this judge</h2>")), apply_default_css=False)
            way = gr.Radio(
                [one.title for one in snippets("", page.workspace.root)], value=_FIRST, show_label=False,
                container=False, elem_classes="st-seg", scale=0, min_width=390, elem_id="versions-way",
            )  # fmt: skip
        text = card_html(elem_id="versions-snippet")
        with gr.Column(elem_classes="st-pad"):
            with gr.Row():
                buttons = [gr.Button(label, size="sm", min_width=130, scale=0) for label, _ in _FILES]
            said = card_html(visible=False)
    with page.shelf:
        fetched = gr.DownloadButton("File", elem_id="versions-file", elem_classes="st-fetch")

    def tell(run: str | None, judge: str | None, chosen: str) -> str:
        return show_snippet(page.workspace, run, judge, chosen)

    quiet: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "always_last"}
    gr.on([way.input, newer.change, page.run.change], tell, [page.run, newer, way], text, **quiet)
    page.redraw("versions", tell, [page.run, newer, way], [text])
    own = [(button, make, said) for button, (_, make) in zip(buttons, _FILES, strict=True)]
    for button, make, told in [(export, judge_zip, message), *own]:
        button.click(_maker(page.workspace, make), [page.run, newer], [told, fetched]).success(
            None, None, None, js=fetch_script("versions-file")
        )


def show_snippet(workspace: Workspace, run: str | None, judge: str | None, way: str) -> str:
    """One way to use the chosen version, with Copy; nothing while none is chosen."""
    if not run or not judge:
        return ""
    found = next((one for one in snippets(f"{run}/{judge}", workspace.root) if one.title == way), None)
    if found is None:
        return ""
    return cards.sheet(cards.padded(cards.command(found.code, title=found.about)))


def _maker(workspace: Workspace, make: HandOut) -> Any:
    def made(run: str | None, judge: str | None) -> list[Any]:
        try:
            path = make(workspace, run, judge)
        except JudgeStudioError as error:
            fault = gr.update(value=cards.sheet(cards.note(str(error), tone="error")), visible=True)
            return [fault, gr.skip()]
        said = f"{path.name} is ready: {words.size(path.stat().st_size)}."
        return [gr.update(value=cards.sheet(cards.note(said)), visible=True), gr.update(value=str(path))]

    return made
