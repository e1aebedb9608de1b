"""The Versions tab: which judge version is best, by how much, at what price, and on which items two versions differ."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from engine.errors import JudgeStudioError
from engine.measure.metrics import STRICT
from engine.workspace.decisions import best_judge, demote, promote, promoted_version
from engine.workspace.folders import Workspace
from studio.jobs import runs as jobs
from studio.look import cards, charts
from studio.look import lazy_plotly as go
from studio.look.sheet import card_html
from studio.page import pulse
from studio.page.clicks import Clicks
from studio.page.page import Page, Tab
from studio.page.pulse import only_changed
from studio.queries.scores import run_scores
from studio.queries.verdicts import items as item_rows
from studio.tabs.versions import use, view
from studio.tabs.versions.comparison import CHANGES, Choices, Chosen, Compared, choose, compared
from studio.tabs.versions.measured import measured_panel
from studio.tabs.versions.view import PAGE_SIZE, Table

_JUDGE = re.compile(r"judge-v\d{1,4}")
_UNPROMOTE = "Unpromote"
_HIGHEST = 480
"""Pixels of a line of accuracy: what is higher looks steeper than it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionsPlace:
    """What the visitor looks at, as it stands in the URL."""

    older: str | None = None
    newer: str | None = None
    benchmark: str | None = None
    protocol: str = STRICT
    change: str = "worse"
    page: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionsShown:
    """The tab as HTML and figures."""

    choices: Choices
    chosen: Chosen
    change: str
    """Which changed items are listed."""
    counts: Mapping[str, int]
    """Changed items by kind."""
    is_empty: bool
    buttons: tuple[str, str]
    """Words on the promote and export buttons."""
    cards: tuple[str, ...]
    """empty, strip, accuracy head, accuracy foot, dimension head, dimension foot, changes, pager, leans, numbers,
    command."""
    figures: "tuple[go.Figure, go.Figure] | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """The components of the tab."""

    chosen: Sequence[Any]
    """Older, newer, benchmark, protocol."""
    change: Any
    page: Any
    """Hidden text: number of the page of changed items."""
    promote: Any
    export: Any
    message: Any
    body: Any
    """All but the empty state."""
    plots: Sequence[Any]
    html: Sequence[Any]
    """As in `VersionsShown.cards`."""

    @property
    def place(self) -> list[Any]:
        return [*self.chosen, self.change, self.page]

    @property
    def outputs(self) -> list[Any]:
        return [self.page, *self.chosen, self.change, self.promote, self.export, self.body, *self.plots, *self.html]


def build(page: Page) -> None:
    """Lay out the Versions tab and connect its events. Call it inside the app's gr.Tab."""
    chosen, promote_button, export_button = _lay_out_choice()
    message = card_html(visible=False)
    empty = card_html()
    with gr.Column(visible=False, elem_classes="st-stack-wide") as body:
        strip = card_html()
        plots, boxes = _lay_out_plots()
        change, changes = _lay_out_changes()
        numbers = card_html()
        use.build(page, chosen[1], message, export_button)
        command = card_html()
    parts = _Parts(
        chosen=chosen, change=change, page=page.url.hidden("versions.page"), promote=promote_button,
        export=export_button, message=message, body=body, plots=plots,
        html=(empty, strip, *boxes, *changes, numbers, command),
    )  # fmt: skip
    _bind(page, parts)
    _connect(page, parts)


def _lay_out_choice() -> tuple[list[Any], Any, Any]:
    common: dict[str, Any] = {"min_width": 130, "interactive": True, "filterable": False}
    with gr.Row(elem_classes="st-panel st-pad st-versions"):
        chosen = [gr.Dropdown([], value=None, label=label, **common) for label in ("Compare", "with", "Benchmark")]
        chosen.append(gr.Dropdown([STRICT], value=STRICT, label="Protocol", **common))
        promote_button = gr.Button("Promote", scale=0, min_width=190)
        export_button = gr.Button("Export", scale=0, min_width=150)
    return chosen, promote_button, export_button


def _lay_out_plots() -> tuple[list[Any], list[Any]]:
    """Accuracy by version and by dimension; below, head and foot of each."""
    plots, boxes = [], []
    with gr.Row(equal_height=True, elem_classes="st-gap"):
        for scale in (29, 20):
            with gr.Column(scale=scale, min_width=320, elem_classes="st-panel st-plotbox"):
                head = card_html()
                plots.append(gr.Plot(show_label=False, container=False))
                boxes += [head, card_html()]
    return plots, boxes


def _lay_out_changes() -> tuple[Any, list[Any]]:
    """The switch; the list, its pager and the leans."""
    with gr.Row(equal_height=True, elem_classes="st-gap"):
        with gr.Column(scale=29, min_width=320, elem_classes="st-panel st-changes"):
            with gr.Row(elem_classes="st-paneltop"):
                gr.HTML(cards.sheet(cards.Html("<h2>Changed rulings</h2>")), apply_default_css=False)
                change = gr.Radio(
                    [(label, key) for key, label in CHANGES.items()], value="worse", show_label=False, label="Changes",
                    container=False, elem_classes="st-seg", scale=0, min_width=390,
                )  # fmt: skip
            changes = card_html(walks=True, elem_id="versions-changes")
            pager = card_html()
        with gr.Column(scale=20, min_width=320):
            leans = card_html(elem_classes="st-fill")
    return change, [changes, pager, leans]


def _bind(page: Page, parts: _Parts) -> None:
    older, newer, benchmark, protocol = parts.chosen
    page.url.bind("versions.older", older, read=_read_judge)
    page.url.bind("versions.newer", newer, read=_read_judge)
    page.url.bind("versions.benchmark", benchmark, read=_read_name)
    page.url.bind("versions.protocol", protocol, read=_read_name)
    page.url.bind("versions.change", parts.change)


def _connect(page: Page, parts: _Parts) -> None:
    shown, before = gr.State(()), gr.State((None, None, None))
    clicks = Clicks([*parts.outputs, shown, before])
    inputs = [page.run, *parts.place, shown, before, *clicks.counts]
    outputs = [*parts.outputs, shown, before, *clicks.counts]
    tab = _Answers(page)
    latest = page.turns("versions", "always_last")
    redraw = clicks.redrawn(tab.redraw)
    page.redraw("versions", redraw, inputs, outputs)
    gr.on([box.input for box in (*parts.chosen, parts.change)], clicks.counted(tab.anew), inputs, outputs, **latest)
    pager = parts.html[7]
    pager.click(clicks.counted(tab.turn), inputs, outputs, **page.turns("versions", "multiple"))
    newer = parts.chosen[1]
    parts.promote.click(tab.choose_best, [page.run, newer, parts.promote], parts.message, show_progress="hidden").then(
        redraw, inputs, outputs, **latest
    )


class _Answers:
    """What the tab does with a visitor's values, all of them untrusted."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def redraw(self, run: str | None, *values: Any) -> list[Any]:
        *asked, texts, memory = values
        wanted, number = _place(*asked), gr.skip()
        if memory[0] not in (None, run) and (wanted.older, wanted.newer) == tuple(memory[1:]):
            wanted, number = VersionsPlace(change=wanted.change), ""  # of another run: its usual comparison
        return [number, *_updates(show_versions(self._page, run, wanted), run, texts)]

    def anew(self, run: str | None, *values: Any) -> list[Any]:
        """Another comparison begins on its first page."""
        *asked, texts, memory = values
        return ["", *self.redraw(run, *asked[:5], "", texts, memory)[1:]]

    def turn(self, event: gr.EventData, run: str | None, *values: Any) -> list[Any]:
        *asked, texts, _ = values
        step = {"previous-page": -1, "next-page": 1}.get(str(getattr(event, "act", "")), 0)
        wanted = _place(*asked)
        wanted = replace(wanted, page=max(0, wanted.page + step))
        now = show_versions(self._page, run, wanted)
        return [str(wanted.page) if wanted.page else "", *_updates(now, run, texts)]

    def choose_best(self, run: str | None, judge: str | None, label: str) -> Any:
        """What the button says is done, whatever another visitor has done since it was drawn."""
        wanted = not label.startswith(_UNPROMOTE)
        return _said(promote_or_demote(self._page.workspace, run, judge, wanted=wanted))


def _place(
    older: str | None, newer: str | None, benchmark: str | None, protocol: str | None, change: str | None, number: str
) -> VersionsPlace:
    """The URL's values, all of them untrusted."""
    return VersionsPlace(
        older=older,
        newer=newer,
        benchmark=benchmark,
        protocol=protocol or STRICT,
        change=change if change in CHANGES else "worse",
        page=int(number) if number and number.isdecimal() and len(number) < 6 else 0,
    )


def _read_judge(text: str) -> Any:
    if not _JUDGE.fullmatch(text):
        raise ValueError(text)
    return gr.update(choices=[text], value=text)


def _read_name(text: str) -> Any:
    if len(text) > 200:
        raise ValueError(text)
    return gr.update(choices=[text], value=text)


def _updates(now: VersionsShown, run: str | None, before: tuple[str, ...]) -> list[Any]:
    chosen, choices = now.chosen, now.choices
    drawn = tuple(figure.to_json() for figure in now.figures) if now.figures else ("", "")
    texts = (*now.cards, *drawn)
    known = before or ("",) * len(texts)
    plots = [
        now.figures[number] if now.figures and drawn[number] != known[len(now.cards) + number] else gr.skip()
        for number in (0, 1)
    ]
    kinds = [(f"{label} {now.counts.get(key, 0):,}", key) for key, label in CHANGES.items()]
    return [
        gr.update(choices=list(choices.judges), value=chosen.older if choices.judges else None),
        gr.update(choices=list(choices.judges), value=chosen.newer if choices.judges else None),
        gr.update(choices=list(choices.benchmarks), value=chosen.benchmark or None),
        gr.update(choices=list(choices.protocols) or [STRICT], value=chosen.protocol),
        gr.update(choices=kinds, value=now.change),
        gr.update(value=now.buttons[0], interactive=not now.is_empty),
        gr.update(value=now.buttons[1], interactive=not now.is_empty),
        gr.update(visible=not now.is_empty),
        *plots,
        *only_changed(now.cards, known),
        texts,
        (run, chosen.older, chosen.newer),
    ]


def _said(text: str) -> Any:
    return gr.update(value=cards.sheet(cards.note(text)), visible=True)


# --- what it does ------------------------------------------------------------------------------------------------


def promote_or_demote(workspace: Workspace, run: str | None, judge: str | None, *, wanted: bool) -> str:
    """Make RUN/best mean this version, or no longer; what to say. `judge` is untrusted."""
    try:
        folder = workspace.existing_run(run or "")
        if not wanted:
            if promoted_version(folder) == judge:
                demote(folder)
            if (other := promoted_version(folder)) is not None:
                return f"{folder.name}/best is {other}, which somebody chose meanwhile. It stays so."
            return f"{folder.name}/best is again the version that the statistics name, {best_judge(folder)}."
        promote(folder, judge or "")
    except JudgeStudioError as error:
        return str(error)
    return (
        f"{folder.name}/best now means {judge}, here and on the command line. The run itself goes on from its last "
        "version as before."
    )


# --- what it shows -----------------------------------------------------------------------------------------------


def show_versions(page: Page, run: str | None, place: VersionsPlace) -> VersionsShown:
    """The tab for a run and a place in it."""
    scores = run_scores(page.catalog(), run) if run else []
    folder = page.workspace.run(run) if run else None
    best = best_judge(folder) if folder else "judge-v0"
    choices, chosen = choose(scores, best, place.older, place.newer, place.benchmark, place.protocol)
    if run is None or not choices.judges:
        return _nothing(choices, chosen, run)
    result = compared(page.catalog(), run, chosen)
    if place.change == "worse" and not result.of("worse") and result.of("better"):
        place = replace(place, change="better")  # an empty list would say less
    table, promoted = Table(scores, chosen), promoted_version(folder) if folder else None
    lonely = cards.empty_place("versions") if len(choices.judges) < 2 else cards.EMPTY
    return VersionsShown(
        choices=choices,
        chosen=chosen,
        change=place.change,
        counts={kind: len(result.of(kind)) for kind in CHANGES},
        is_empty=False,
        buttons=(_promote_words(chosen.newer, promoted), f"Export {chosen.newer}"),
        cards=(
            cards.sheet(cards.panel(lonely)) if lonely else "",
            cards.sheet(cards.join((view.strip(table, chosen, result), view.leak_notes(scores, chosen)))),
            *_plot_texts(table, chosen, result, best, is_promoted=promoted is not None),
            *_changed(page, run, chosen, result, place),
            cards.sheet(view.leans_panel(table, chosen)),
            cards.sheet(
                measured_panel(scores, chosen, page.workspace.run(run), deciding=choices.benchmarks[0]),
                view.numbers_table(table, chosen, result),
            ),
            cards.sheet(cards.panel(cards.padded(cards.command(_command(page.workspace, run, chosen))))),
        ),
        figures=_beside(
            view.accuracy_figure(table, chosen, best),
            charts.accuracy_by_dimension(
                view.dimension_rows(table, chosen, result), older=chosen.older, newer=chosen.newer
            ),
        ),
    )


def _beside(left: "go.Figure", right: "go.Figure") -> "tuple[go.Figure, go.Figure]":
    """The left one as high as the right one, so that no void is left; a benchmark may have many dimensions."""
    left.update_layout(height=max(left.layout.height, min(right.layout.height, _HIGHEST)))
    return left, right


def _plot_texts(table: Table, chosen: Chosen, result: Compared, best: str, *, is_promoted: bool) -> tuple[str, ...]:
    """Head and foot of both figures."""
    dashed = "controls, or published by others" if view.published_beside(chosen) else "controls"
    by_version = cards.legend(("judge, 95 % band", "new"), (dashed, "control"))
    by_dimension = cards.legend((chosen.older, "base"), (chosen.newer, "new"))
    return (
        cards.sheet(cards.panel_head(f"{view.called(chosen)} by version", by_version)),
        _foot(view.accuracy_sentence(table, chosen, result, best, is_promoted=is_promoted)),
        cards.sheet(cards.panel_head("By dimension", by_dimension)),
        _foot(view.dimension_sentence(result)),
    )


def _changed(page: Page, run: str, chosen: Chosen, result: Compared, place: VersionsPlace) -> tuple[str, str]:
    """One page of changed items, and its pager."""
    changes = result.of(place.change)
    first = min(place.page, max(0, (len(changes) - 1) // PAGE_SIZE)) * PAGE_SIZE
    part = changes[first : first + PAGE_SIZE]
    known = item_rows(page.catalog(), run, chosen.benchmark, [change.item_id for change in part])
    listed = view.changes_list(part, known, chosen, page.image_url, run=run, change=place.change)
    pager = cards.panel_foot(view.pager(first, len(part), changes, place.change))
    return cards.sheet(listed) if part else "", cards.sheet(pager)


def _nothing(choices: Choices, chosen: Chosen, run: str | None) -> VersionsShown:
    empty = cards.sheet(cards.panel(cards.empty_place("versions") if run else view.no_run()))
    return VersionsShown(
        choices=choices, chosen=chosen, change="worse", counts={}, is_empty=True, buttons=("Promote", "Export"),
        cards=(empty, *[""] * 10), figures=None,
    )  # fmt: skip


def _promote_words(judge: str, promoted: str | None) -> str:
    return f"{_UNPROMOTE} {judge}" if promoted == judge else f"Promote {judge}"


def _foot(text: str) -> str:
    return cards.sheet(cards.panel_foot(cards.says(text)))


def _command(workspace: Workspace, run: str, chosen: Chosen) -> str:
    compare = [f"{run}/{chosen.older}", f"{run}/{chosen.newer}"]
    export = [f"{run}/{chosen.newer}", f"{run}-{chosen.newer}"]
    return "\n".join([jobs.command_line("compare", compare, workspace), jobs.command_line("export", export, workspace)])


TAB = Tab(key="versions", label="Versions", build=build, watches=(pulse.promotion,))
