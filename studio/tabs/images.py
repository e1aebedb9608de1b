"""The Images tab: add pictures by folder, upload, dataset or drawing, and see at once what was taken and what not."""

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
from pydantic import ValidationError

from engine.config import SourceSettings
from engine.errors import JudgeStudioError
from engine.workspace.folders import Workspace
from studio.jobs import uploads
from studio.jobs.uploads import ImageSource
from studio.look import cards, words
from studio.look.cards import Action, GridImage, Html, SkippedFile, Stat
from studio.look.cards.tables import row
from studio.look.sheet import card_html
from studio.page.page import Page, Tab
from studio.page.place import link
from studio.page.pulse import Moment, only_changed, stamp

WAYS = {
    "upload": "Upload",
    "folder": "Folder or zip",
    "dataset": "Hugging Face",
    "drawn": "Drawn",
}
_DATASET_LIMIT = 1_000
"""Pictures of a dataset that are taken unless somebody asks for more: enough to look at, quick to fetch."""


def build(page: Page) -> None:
    """Lay out the Images tab and connect its events. Call it inside the app's gr.Tab."""
    shown = gr.State(())
    usual = SourceSettings()
    with gr.Column(elem_classes="st-panel st-form"):
        gr.HTML(cards.sheet(cards.Html("<header><h2>Add images</h2></header>")), apply_default_css=False)
        with gr.Column(elem_classes="st-pad"):
            way = gr.Radio(
                [(label, key) for key, label in WAYS.items()],
                value="upload",
                show_label=False,
                container=False,
                elem_classes="st-seg",
            )
            with gr.Column() as upload:
                files = gr.File(
                    file_count="multiple",
                    label="Pictures, or one zip of pictures",
                    height=140,
                    elem_id="upload-files",
                )
            with gr.Row(visible=False) as folder:
                path = gr.Textbox(
                    label="Folder, zip, parquet or jsonl file on this machine",
                    placeholder="/home/me/photos",
                    max_length=2000,
                    scale=3,
                )
                limit = gr.Textbox(label="Take at most", placeholder="all", max_length=12)
                add_folder = gr.Button("Take in", variant="primary")
            with gr.Row(visible=False) as dataset:
                name = gr.Textbox(label="Dataset", placeholder="owner/name", max_length=300, scale=2)
                split = gr.Textbox(label="Split", value=usual.split, max_length=100)
                column = gr.Textbox(label="Image column", value=usual.image_column, max_length=100)
                most = gr.Textbox(label="Take at most", value=str(_DATASET_LIMIT), placeholder="all", max_length=12)
                add_dataset = gr.Button("Take in", variant="primary")
            with gr.Row(visible=False) as drawn:
                count = gr.Number(label="Scenes", value=60, minimum=1, maximum=100_000, precision=0)
                difficulty = gr.Textbox(label="Difficulty", value=usual.difficulty, max_length=60)
                add_drawn = gr.Button("Draw them", variant="primary")
    message = card_html(visible=False)
    chosen = page.url.hidden("images.source")
    found = card_html()
    page.url.bind("images.way", way)

    places = [upload, folder, dataset, drawn]
    way.change(lambda value: [gr.update(visible=value == key) for key in WAYS], way, places, show_progress="hidden")

    def redraw(chosen: str, before: tuple[str, ...]) -> list[Any]:
        now = (show_sources(page, chosen),)
        return [*only_changed(now, before), now]

    def add(settings: Mapping[str, Any]) -> list[Any]:
        try:
            return _added(page, take_in(page.workspace, settings))
        except JudgeStudioError as error:
            return _refused(error)

    def add_files(files: Sequence[str] | None) -> list[Any]:
        if not files:
            return [gr.skip()] * 5
        try:
            return [*_added(page, uploads.take_in_files(page.workspace, list(files))), None]
        except JudgeStudioError as error:
            return [*_refused(error), None]

    def act(event: gr.EventData, chosen: str) -> list[Any]:
        name, key = str(getattr(event, "act", "")), str(getattr(event, "id", ""))
        try:
            chosen, said = do(page.workspace, name, key, chosen)
        except JudgeStudioError as error:
            return [gr.update(value=_sheet_note(str(error), "error"), visible=True), chosen, gr.skip(), ()]
        note = gr.update(value=_sheet_note(said, "info"), visible=True) if said else gr.skip()
        return [note, chosen, show_sources(page, chosen), ()]

    outputs = [message, chosen, found, shown]
    quiet: dict[str, Any] = {"show_progress": "hidden"}
    add_folder.click(
        lambda path, limit: add({**_kind_of(str(path or "")), "limit": limit}), [path, limit], outputs, **quiet
    )
    add_dataset.click(
        lambda name, split, column, most: add(
            {
                "kind": "dataset",
                "path": str(name or "").strip(),
                "split": str(split or usual.split),
                "image_column": str(column or usual.image_column),
                "limit": most,
            }
        ),
        [name, split, column, most],
        outputs,
        **quiet,
    )
    add_drawn.click(
        lambda count, difficulty: add({"kind": "drawn", "count": count, "difficulty": str(difficulty or "mixed")}),
        [count, difficulty],
        outputs,
        **quiet,
    )
    files.upload(add_files, files, [*outputs, files], show_progress="minimal")
    found.click(act, chosen, outputs, **quiet)
    page.redraw("images", redraw, [chosen, shown], [found, shown])


def _added(page: Page, key: str) -> list[Any]:
    return [gr.update(visible=False), key, show_sources(page, key), ()]


def _refused(error: JudgeStudioError) -> list[Any]:
    return [gr.update(value=_sheet_note(str(error), "error"), visible=True), gr.skip(), gr.skip(), ()]


def _sheet_note(text: str, tone: Any) -> str:
    return cards.sheet(cards.note(text, tone=tone))


def _kind_of(path: str) -> dict[str, Any]:
    """A path's kind by its ending: nobody should have to say that a zip is one."""
    ending = path.strip().lower().rpartition(".")[2]
    kind = {"zip": "zip", "parquet": "table", "jsonl": "table"}.get(ending, "folder")
    return {"kind": kind, "path": path.strip()}


def take_in(workspace: Workspace, settings: Mapping[str, Any]) -> str:
    """Start taking in a source; its key. Raises `JudgeStudioError` with a sentence for whatever does not fit."""
    limit = str(settings.get("limit") or "").strip().replace(",", "")
    try:
        return uploads.take_in_settings(workspace, {**settings, "limit": limit or None})
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(str(part) for part in fault["loc"])
        raise JudgeStudioError(f"{field} cannot be {fault['input']!r}: {fault['msg']}. Change the value.") from None


def do(workspace: Workspace, act: str, key: str, chosen: str) -> tuple[str, str]:
    """Carry out a card's act: the source to show now, and what to say. `act` and `key` are untrusted."""
    if act == "open":
        return key, ""
    if act == "stop":
        uploads.stop(workspace, key)
        return key, "Stopping after the picture that is being read."
    if act == "remove":
        uploads.remove(workspace, key)
        return ("" if chosen == key else chosen), "Removed. The stored pictures stay, other sources may hold them too."
    return chosen, ""


# --- what it shows -----------------------------------------------------------------------------------------------


def show_sources(page: Page, chosen: str) -> str:
    """The chosen source (the newest if none is) with its grid, then the list of all."""
    found = uploads.sources(page.workspace)
    if not found:
        return cards.sheet(
            cards.panel(
                cards.empty(
                    "No images yet. Upload some above, or run the demo, which draws its own.",
                    Action(label="Open Home", url=link("home")),
                )
            )
        )
    source = next((one for one in found if one.key == chosen), found[0])
    others = _list(found, source.key) if len(found) > 1 else cards.EMPTY
    return cards.sheet(source_panel(page, source), others)


def source_panel(page: Page, source: ImageSource) -> Html:
    """Counts, grid, and what was not taken with its reasons."""
    strip = cards.stat_strip(
        [
            Stat(label="Images", value=words.number(source.images), context="each picture once"),
            Stat(label="Duplicates", value=words.number(source.duplicates), context="entries with the same picture"),
            Stat(label="Skipped", value=words.number(source.skipped), context="see below" if source.skipped else ""),
        ],
        bare=True,
    )
    body = []
    if source.state == "running":
        of = f" of {words.number(source.total)}" if source.total is not None else ""
        body.append(cards.note(f"Taking in images: {words.number(source.entries)}{of} looked at."))
    elif source.error:
        body.append(cards.note(source.error, tone="error" if source.state == "failed" else "warn"))
    grid = [
        GridImage(
            src=page.image_url(str(image.get("path") or "")),
            name=str(image.get("name", "")),
            width=int(image.get("width", 0)),
            height=int(image.get("height", 0)),
        )
        for image in source.shown
    ]
    if grid:
        body.append(cards.image_grid(grid, total=source.images))
    skipped = [SkippedFile(name=str(one.get("name")), reason=str(one.get("reason"))) for one in source.refused]
    body.append(cards.skipped_files(skipped, total=source.skipped))
    stack = cards.element("div", *body, class_="st-stack")
    return cards.panel(strip, cards.padded(stack), title=source.label, aside=_buttons(source))


def _buttons(source: ImageSource) -> Html:
    if source.state == "running":
        return cards.button(Action(label="Stop", act="stop", key=source.key, kind="stop", small=True))
    remove = cards.button(Action(label="Remove", act="remove", key=source.key, small=True))
    if not source.is_usable:
        return remove
    use = Action(
        label="Use in a new run", url=link("launch", values={"launch.images": source.key}), kind="main", small=True
    )
    return cards.element("div", cards.button(use), remove, class_="st-row is-tight")


def _list(found: Sequence[ImageSource], chosen: str) -> Html:
    columns = (
        cards.Column(name="Source"),
        cards.Column(name="State"),
        cards.Column(name="Images", is_number=True),
        cards.Column(name="Skipped", is_number=True, is_optional=True),
        cards.Column(name="Duplicates", is_number=True, is_optional=True),
    )
    rows = [
        row(
            columns,
            [
                cards.press(cards.esc(source.label, limit=80), act="open", key=source.key, class_="st-linkish"),
                cards.state_chip(source.state),
                cards.esc(words.number(source.images)),
                cards.esc(words.number(source.skipped)),
                cards.esc(words.number(source.duplicates)),
            ],
            selected=source.key == chosen,
        )
        for source in found
    ]
    return cards.panel(cards.table(columns, rows, caption="Sources of images"), title="Sources")


def taken_in(now: Moment) -> list[str]:
    """Every source and how it ended, or that its process is gone without a word."""
    files = sorted(now.workspace.uploads.glob("*/source.json"))
    return [*map(stamp, files), *(f"{source.key} {source.state}" for source in uploads.sources(now.workspace))]


TAB = Tab(key="images", label="Images", build=build, watches=(taken_in,))
