"""The Images tab: add pictures by folder, upload, dataset or drawing, and look at them and at those of runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from pydantic import ValidationError

from engine.config import SourceSettings
from engine.errors import JudgeStudioError
from engine.workspace.folders import Workspace
from studio.jobs import uploads
from studio.look import cards
from studio.look.sheet import card_html
from studio.page.page import Page, Tab
from studio.page.pulse import Moment, all_runs, stamp
from studio.queries.images import ImageFilter
from studio.tabs.filters import place_of, read_choice
from studio.tabs.images.pictures import SORTS
from studio.tabs.images.view import RUN, ShownSources, show_sources

WAYS = {
    "upload": "Upload",
    "folder": "Folder or zip",
    "dataset": "Hugging Face",
    "drawn": "Drawn",
}
_DATASET_LIMIT = 1_000
"""Pictures of a dataset that are taken unless somebody asks for more: enough to look at, quick to fetch."""
_TO_CHOSEN = (
    "() => { setTimeout(() => { const top = document.querySelector('#images-found .st-itemtop'); "
    "if (top) top.scrollIntoView({block: 'nearest'}); }, 60); }"
)
"""A picture that was pressed far below opens above the grid."""
_LONGEST = 300
"""Characters of what a click names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """One way to add pictures: its box, the fields that it reads, and the button that begins."""

    box: Any
    fields: Sequence[Any]
    add: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """The components of the tab."""

    way: Any
    files: Any
    ways: Mapping[str, _Way]
    """All but "upload", which begins by itself."""
    upload: Any
    message: Any
    place: Sequence[Any]
    """Hidden texts: the chosen source, number of its page, the chosen picture."""
    filters: Mapping[str, Any]
    """By field of `ImageFilter`, in its order."""
    row: Any
    """Holds the filters; seen with a run's pictures only."""
    found: Any
    shown: Any

    @property
    def drawn(self) -> list[Any]:
        return [self.row, *self.filters.values(), self.found]

    @property
    def outputs(self) -> list[Any]:
        return [self.message, *self.place, *self.drawn, self.shown]


def build(page: Page) -> None:
    """Lay out the Images tab and connect its events. Call it inside the app's gr.Tab."""
    shown = gr.State(None)
    with gr.Column(elem_classes="st-panel st-form"):
        gr.HTML(cards.sheet(cards.Html("<header><h2>Add images</h2></header>")), apply_default_css=False)
        with gr.Column(elem_classes="st-pad"):
            way = gr.Radio(
                [(label, key) for key, label in WAYS.items()], value="upload", label="Way", show_label=False,
                container=False, elem_classes="st-seg",
            )  # fmt: skip
            with gr.Column() as upload:
                files = gr.File(
                    file_count="multiple", label="Pictures, or one zip of pictures", height=140, elem_id="upload-files"
                )
            ways = {"folder": _lay_out_folder(), "dataset": _lay_out_dataset(), "drawn": _lay_out_drawn()}
    message = card_html(visible=False)
    row, filters = _lay_out_filters()
    parts = _Parts(
        way=way, files=files, ways=ways, upload=upload, message=message, row=row, filters=filters,
        place=[page.url.hidden(f"images.{name}") for name in ("source", "page", "item")],
        found=card_html(closes=True, elem_id="images-found"), shown=shown,
    )  # fmt: skip
    page.url.bind("images.way", way)
    for name, control in filters.items():
        page.url.bind(f"images.{name}", control, read=None if name == "sort" else read_choice)
    _connect(page, parts)


def _lay_out_filters() -> tuple[Any, dict[str, Any]]:
    common: dict[str, Any] = {"value": "", "min_width": 150, "interactive": True}
    with gr.Row(visible=False, elem_classes="st-panel st-pad st-filters") as row:
        return row, {
            "became": gr.Dropdown([("Any", "")], label="What became of it", **common),
            "dimension": gr.Dropdown([("Any", "")], label="Dimension", **common),
            "strategy": gr.Dropdown([("Any", "")], label="Strategy", **common),
            "sort": gr.Dropdown(list(SORTS), label="Order", **common),
        }


def _lay_out_folder() -> _Way:
    with gr.Row(visible=False) as box:
        path = gr.Textbox(
            label="Folder, zip, parquet or jsonl file on this machine", placeholder="/home/me/photos",
            max_length=2000, scale=3,
        )  # fmt: skip
        limit = gr.Textbox(label="Take at most", placeholder="all", max_length=12)
        add = gr.Button("Take in", variant="primary")
    return _Way(box=box, fields=[path, limit], add=add)


def _lay_out_dataset() -> _Way:
    usual = SourceSettings()
    with gr.Row(visible=False) as box:
        name = gr.Textbox(label="Dataset", placeholder="owner/name", max_length=300, scale=2)
        split = gr.Textbox(label="Split", value=usual.split, max_length=100)
        column = gr.Textbox(label="Image column", value=usual.image_column, max_length=100)
        most = gr.Textbox(label="Take at most", value=str(_DATASET_LIMIT), placeholder="all", max_length=12)
        add = gr.Button("Take in", variant="primary")
    return _Way(box=box, fields=[name, split, column, most], add=add)


def _lay_out_drawn() -> _Way:
    with gr.Row(visible=False) as box:
        count = gr.Number(label="Scenes", value=60, minimum=1, maximum=100_000, precision=0)
        difficulty = gr.Textbox(label="Difficulty", value=SourceSettings().difficulty, max_length=60)
        add = gr.Button("Draw them", variant="primary")
    return _Way(box=box, fields=[count, difficulty], add=add)


def settings_from(way: str, *values: Any) -> dict[str, Any]:
    """What a way's fields ask for, as `take_in` reads it."""
    usual = SourceSettings()
    if way == "folder":
        path, limit = values
        return {**_kind_of(str(path or "")), "limit": limit}
    if way == "dataset":
        name, split, column, most = values
        return {
            "kind": "dataset",
            "path": str(name or "").strip(),
            "split": str(split or usual.split),
            "image_column": str(column or usual.image_column),
            "limit": most,
        }
    count, difficulty = values
    return {"kind": "drawn", "count": count, "difficulty": str(difficulty or "mixed")}


def _connect(page: Page, parts: _Parts) -> None:
    tab = _Answers(page)
    quiet: dict[str, Any] = {"show_progress": "hidden"}
    boxes = [parts.upload, *(way.box for way in parts.ways.values())]
    parts.way.change(lambda value: [gr.update(visible=value == key) for key in WAYS], parts.way, boxes, **quiet)
    for key, way in parts.ways.items():
        way.add.click(tab.adder(key), list(way.fields), parts.outputs, **quiet)
    parts.files.upload(tab.add_files, parts.files, [*parts.outputs, parts.files], show_progress="minimal")
    controls = list(parts.filters.values())
    clicked = [page.run, *parts.place, *controls]
    parts.found.click(tab.act, clicked, parts.outputs, **page.turns("images", "multiple")).then(
        None, None, None, js=_TO_CHOSEN
    )
    for control in controls:
        control.input(tab.filtered, clicked, parts.outputs, **page.turns("images", "always_last"))
    page.redraw("images", tab.redraw, [*clicked, parts.shown], [*parts.drawn, parts.shown])


class _Answers:
    """What the tab does with a visitor's values, all of them untrusted."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def redraw(self, run: str | None, chosen: str, number: str, item: str, *rest: Any) -> list[Any]:
        *values, before = rest
        wanted = place_of(ImageFilter, values)
        now = self._sight(chosen, page_number=_number(number), item=item, run=run, wanted=wanted)
        return [*([gr.skip()] * 6 if now == before else _drawn(now, wanted)), now]

    def filtered(self, run: str | None, chosen: str, _number: str, item: str, *values: Any) -> list[Any]:
        """Another filter or order: its first page; the picture that was chosen stays."""
        wanted = place_of(ImageFilter, values)
        now = self._sight(chosen, item=item, run=run, wanted=wanted)
        return [gr.skip(), chosen, "", item, *_drawn(now, wanted), now]

    def _sight(self, chosen: str, **place: Any) -> ShownSources:
        return show_sources(self._page, chosen, **place)

    def adder(self, way: str) -> Any:
        def add(*values: Any) -> list[Any]:
            try:
                return self._added(take_in(self._page.workspace, settings_from(way, *values)))
            except JudgeStudioError as error:
                return _refused(error)

        return add

    def add_files(self, files: Sequence[str] | None) -> list[Any]:
        if not files:
            return [gr.skip()] * 12
        try:
            return [*self._added(uploads.take_in_files(self._page.workspace, list(files))), None]
        except JudgeStudioError as error:
            return [*_refused(error), None]

    def act(self, event: gr.EventData, run: str | None, chosen: str, number: str, item: str, *values: Any) -> list[Any]:
        name, key = str(getattr(event, "act", "")), str(getattr(event, "id", ""))[:_LONGEST]
        at, said, wanted = _number(number), "", place_of(ImageFilter, values)
        if name in ("next-page", "previous-page"):
            at, item = max(0, at + (1 if name == "next-page" else -1)), ""
        elif name in ("image", "close"):
            item = key if name == "image" else ""
        else:
            try:
                chosen, said = do(self._page.workspace, name, key, chosen)
            except JudgeStudioError as error:
                return _refused(error)
            at, item, wanted = 0, "", ImageFilter()
        note = gr.update(value=_sheet_note(said, "info"), visible=True) if said else gr.skip()
        now = self._sight(chosen, page_number=at, item=item, run=run, wanted=wanted)
        return [note, chosen, str(at) if at else "", item, *_drawn(now, wanted), now]

    def _added(self, key: str) -> list[Any]:
        now = self._sight(key)
        return [gr.update(visible=False), key, "", "", *_drawn(now, ImageFilter()), now]


def _drawn(sight: ShownSources, wanted: ImageFilter) -> list[Any]:
    """What the filters and the pictures show now."""
    values = (wanted.became, wanted.dimension, wanted.strategy)
    menus = [
        gr.update(choices=list(choices), value=value)
        for choices, value in zip(sight.choices or (), values, strict=bool(sight.choices))
    ] or [gr.skip()] * len(values)
    return [gr.update(visible=sight.choices is not None), *menus, wanted.sort, sight.html]


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 7 else 0


def _refused(error: JudgeStudioError) -> list[Any]:
    return [gr.update(value=_sheet_note(str(error), "error"), visible=True), *[gr.skip()] * 9, None]


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
    if act == "open" or key.startswith(RUN):
        return key, ""
    if act == "stop":
        uploads.stop(workspace, key)
        return key, "Stopping after the picture that is being read."
    if act == "remove":
        uploads.remove(workspace, key)
        return ("" if chosen == key else chosen), "Removed. The stored pictures stay, other sources may hold them too."
    return chosen, ""


def taken_in(now: Moment) -> list[str]:
    """Every source and how it ended, or that its process is gone without a word."""
    files = sorted(now.workspace.uploads.glob("*/source.json"))
    return [*map(stamp, files), *(f"{source.key} {source.state}" for source in uploads.sources(now.workspace))]


TAB = Tab(key="images", label="Images", build=build, watches=(taken_in, all_runs))
