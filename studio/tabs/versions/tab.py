"""The Versions tab: which judge version is best, by how much, at what price, and on which items two versions differ."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
import plotly.graph_objects as go

from engine.errors import JudgeStudioError
from engine.measure.metrics import STRICT
from engine.workspace.decisions import best_judge, demote, promote, promoted_version
from engine.workspace.folders import Workspace
from studio.jobs import runs as jobs
from studio.look import cards, charts
from studio.look.keys import ANSWERED, Walk, read_walk, walked_sheet
from studio.look.sheet import card_html
from studio.page import pulse
from studio.page.clicks import Clicks
from studio.page.page import Page, Tab
from studio.page.pulse import only_changed
from studio.queries.scores import run_scores
from studio.queries.verdicts import items as item_rows
from studio.queries.verdicts import verdicts
from studio.tabs.versions import use, view
from studio.tabs.versions.comparison import CHANGES, Choices, Chosen, choose, compared
from studio.tabs.versions.view import PAGE_SIZE, Table

_JUDGE = re.compile(r"judge-v\d{1,4}")
_UNPROMOTE = "Unpromote"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionsPlace:
    """What the visitor looks at, as it stands in the URL."""

    older: str | None = None
    newer: str | None = None
    benchmark: str | None = None
    protocol: str = STRICT
    change: str = "worse"
    page: int = 0
    item: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionsShown:
    """The tab as HTML and figures."""

    choices: Choices
    chosen: Chosen
    counts: Mapping[str, int]
    """Changed items by kind."""
    is_empty: bool
    buttons: tuple[str, str]
    """Words on the promote and export buttons."""
    cards: tuple[str, ...]
    """empty, strip, accuracy head, accuracy foot, dimension head, dimension foot, changes, pager, leans, item,
    numbers, command."""
    figures: tuple[go.Figure, go.Figure] | None


def build(page: Page) -> None:
    """Lay out the Versions tab and connect its events. Call it inside the app's gr.Tab."""
    shown = gr.State(())
    before = gr.State((None, None, None, 0))
    with gr.Row(elem_classes="st-panel st-pad st-versions"):
        common: dict[str, Any] = {"min_width": 130, "interactive": True}
        older = gr.Dropdown([], value=None, label="Compare", **common)
        newer = gr.Dropdown([], value=None, label="with", **common)
        benchmark = gr.Dropdown([], value=None, label="Benchmark", **common)
        protocol = gr.Dropdown([STRICT], value=STRICT, label="Protocol", **common)
        promote_button = gr.Button("Promote", scale=0, min_width=150)
        export_button = gr.Button("Export", scale=0, min_width=150)
    message = card_html(visible=False)
    empty = card_html()
    with gr.Column(visible=False, elem_classes="st-stack-wide") as body:
        strip = card_html()
        with gr.Row(equal_height=True, elem_classes="st-gap"):
            with gr.Column(scale=29, min_width=320, elem_classes="st-panel st-plotbox"):
                accuracy_head = card_html()
                accuracy = gr.Plot(show_label=False, container=False)
                accuracy_foot = card_html()
            with gr.Column(scale=20, min_width=320, elem_classes="st-panel st-plotbox"):
                dimension_head = card_html()
                dimension = gr.Plot(show_label=False, container=False)
                dimension_foot = card_html()
        with gr.Row(equal_height=True, elem_classes="st-gap"):
            with gr.Column(scale=29, min_width=320, elem_classes="st-panel st-changes"):
                with gr.Row(elem_classes="st-paneltop"):
                    gr.HTML(cards.sheet(cards.Html("<h2>Changed rulings</h2>")), apply_default_css=False)
                    change = gr.Radio(
                        [(label, key) for key, label in CHANGES.items()],
                        value="worse",
                        show_label=False,
                        container=False,
                        elem_classes="st-seg",
                        scale=0,
                        min_width=390,
                    )
                changes = card_html(walks=True, elem_id="versions-changes")
                pager = card_html()
            with gr.Column(scale=20, min_width=320):
                leans = card_html(elem_classes="st-fill")
        item_card = card_html(closes=True, elem_id="versions-item")
        numbers = card_html()
        use.build(page, newer, message, export_button)
        command = card_html()
    number = page.url.hidden("versions.page")
    item = page.url.hidden("versions.item")
    page.url.bind("versions.older", older, read=_read_judge)
    page.url.bind("versions.newer", newer, read=_read_judge)
    page.url.bind("versions.benchmark", benchmark, read=_read_name)
    page.url.bind("versions.protocol", protocol, read=_read_name)
    page.url.bind("versions.change", change)

    place = [older, newer, benchmark, protocol, change, number, item]
    html = [
        empty, strip, accuracy_head, accuracy_foot, dimension_head, dimension_foot, changes, pager, leans, item_card,
        numbers, command,
    ]  # fmt: skip
    outputs = [
        number, item, *place[:5], promote_button, export_button, body, accuracy, dimension, *html, shown, before,
    ]  # fmt: skip

    def redraw(run: str | None, *values: Any) -> list[Any]:
        *asked, texts, memory = values
        wanted, kept = _place(*asked), [gr.skip(), gr.skip()]
        if memory[0] not in (None, run) and (wanted.older, wanted.newer) == tuple(memory[1:3]):
            wanted, kept = VersionsPlace(change=wanted.change), ["", ""]  # of another run: its usual comparison
        now = show_versions(page, run, wanted, answered=memory[3])
        return [*kept, *_updates(now, run, wanted, texts, memory[3])]

    def turn(event: gr.EventData, run: str | None, *values: Any) -> list[Any]:
        *asked, texts, memory = values
        wanted, act = _place(*asked), str(getattr(event, "act", ""))
        step = {"previous-page": -1, "next-page": 1}.get(act, 0)
        number, chosen, answered = max(0, wanted.page + step), wanted.item, memory[3]
        if act == "item":
            chosen = str(getattr(event, "id", ""))[:200]
        elif act == "move":
            walk = read_walk(str(getattr(event, "id", "")))
            (number, chosen), answered = walked(page, run, wanted, walk), walk.number
        elif act == "close":
            chosen = ""
        wanted = VersionsPlace(
            older=wanted.older, newer=wanted.newer, benchmark=wanted.benchmark, protocol=wanted.protocol,
            change=wanted.change, page=number, item=chosen,
        )  # fmt: skip
        now = show_versions(page, run, wanted, answered=answered)
        return [str(number) if number else "", chosen, *_updates(now, run, wanted, texts, answered)]

    def anew(run: str | None, *values: Any) -> list[Any]:
        """Another comparison begins on its first page."""
        return ["", "", *redraw(run, *values[:5], "", "", *values[7:])[2:]]

    clicks = Clicks(outputs)
    inputs, outputs = [page.run, *place, shown, before, *clicks.counts], [*outputs, *clicks.counts]
    # One at a time, in the order asked: what an earlier question shows never comes after a later one's answer.
    turns: dict[str, Any] = {
        "show_progress": "hidden",
        "concurrency_limit": 1,
        "concurrency_id": f"versions {id(page)}",
    }
    quiet: dict[str, Any] = {**turns, "trigger_mode": "always_last"}
    page.redraw("versions", clicks.redrawn(redraw), inputs, outputs, **quiet)
    gr.on(
        [box.input for box in (older, newer, benchmark, protocol, change)],
        clicks.counted(anew), inputs, outputs, **quiet,
    )  # fmt: skip
    turned = gr.on(
        [changes.click, pager.click, item_card.click],
        clicks.counted(turn), inputs, outputs, trigger_mode="multiple", **turns,
    )  # fmt: skip
    turned.then(None, item, None, js=_SHOW_ITEM)

    def choose_best(run: str | None, judge: str | None, label: str) -> Any:
        """What the button says is done, whatever another visitor has done since it was drawn."""
        wanted = not label.startswith(_UNPROMOTE)
        return _said(promote_or_demote(page.workspace, run, judge, wanted=wanted))

    promote_button.click(choose_best, [page.run, newer, promote_button], message, show_progress="hidden").then(
        clicks.redrawn(redraw), inputs, outputs, **quiet
    )


_SHOW_ITEM = f"""(item) => {{
  {ANSWERED}
  if (!item) return;
  const card = document.querySelector('#versions-item');
  const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
  if (card) card.scrollIntoView({{block: 'nearest', behavior: calm ? 'auto' : 'smooth'}});
}}"""


def _place(
    older: str | None, newer: str | None, benchmark: str | None, protocol: str | None, change: str | None,
    number: str, item: str,
) -> VersionsPlace:  # fmt: skip
    """The URL's values, all of them untrusted."""
    return VersionsPlace(
        older=older,
        newer=newer,
        benchmark=benchmark,
        protocol=protocol or STRICT,
        change=change if change in CHANGES else "worse",
        page=int(number) if number and number.isdecimal() and len(number) < 6 else 0,
        item=item or "",
    )


def _read_judge(text: str) -> Any:
    if not _JUDGE.fullmatch(text):
        raise ValueError(text)
    return gr.update(choices=[text], value=text)


def _read_name(text: str) -> Any:
    if len(text) > 200:
        raise ValueError(text)
    return gr.update(choices=[text], value=text)


def _updates(
    now: VersionsShown, run: str | None, wanted: VersionsPlace, before: tuple[str, ...], answered: int
) -> list[Any]:
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
        gr.update(choices=kinds, value=wanted.change),
        gr.update(value=now.buttons[0], interactive=not now.is_empty),
        gr.update(value=now.buttons[1], interactive=not now.is_empty),
        gr.update(visible=not now.is_empty),
        *plots,
        *only_changed(now.cards, known),
        texts,
        (run, chosen.older, chosen.newer, answered),
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


def walked(page: Page, run: str | None, place: VersionsPlace, where: Walk) -> tuple[int, str]:
    """Page and item that keys walked to."""
    if run is None:
        return place.page, place.item
    best = best_judge(page.workspace.run(run))
    scores = run_scores(page.catalog(), run)
    choices, chosen = choose(scores, best, place.older, place.newer, place.benchmark, place.protocol)
    ids = (
        [change.item_id for change in compared(page.catalog(), run, chosen).of(place.change)] if choices.judges else []
    )
    if where.id not in ids:
        return place.page, place.item
    at = max(0, min(len(ids) - 1, ids.index(where.id) + where.beyond))
    return at // PAGE_SIZE, ids[at]


def show_versions(page: Page, run: str | None, place: VersionsPlace, *, answered: int = 0) -> VersionsShown:
    """The tab for a run and a place in it. `answered`: see `walked_sheet`."""
    scores = run_scores(page.catalog(), run) if run else []
    folder = page.workspace.run(run) if run else None
    best = best_judge(folder) if folder else "judge-v0"
    promoted = promoted_version(folder) if folder else None
    choices, chosen = choose(scores, best, place.older, place.newer, place.benchmark, place.protocol)
    if run is None or not choices.judges:
        return _nothing(choices, chosen)
    catalog = page.catalog()
    result = compared(catalog, run, chosen)
    table = Table(scores, chosen)
    rows = view.dimension_rows(table, chosen, result)
    changes = result.of(place.change)
    first = min(place.page, max(0, (len(changes) - 1) // PAGE_SIZE)) * PAGE_SIZE
    part = changes[first : first + PAGE_SIZE]
    known = item_rows(catalog, run, chosen.benchmark, [change.item_id for change in part])
    lonely = cards.empty_place("versions") if len(choices.judges) < 2 else cards.EMPTY
    return VersionsShown(
        choices=choices,
        chosen=chosen,
        counts={kind: len(result.of(kind)) for kind in CHANGES},
        is_empty=False,
        buttons=(_promote_words(chosen.newer, promoted), f"Export {chosen.newer}"),
        cards=(
            cards.sheet(cards.panel(lonely)) if lonely else "",
            cards.sheet(cards.join((view.strip(table, chosen, result), view.leak_notes(scores, chosen)))),
            cards.sheet(
                cards.panel_head(
                    "Accuracy by version", cards.legend(("judge, 95 % band", "new"), ("controls", "control"))
                )
            ),
            _foot(view.accuracy_sentence(table, chosen, result, best, is_promoted=promoted is not None)),
            cards.sheet(cards.panel_head("By dimension", cards.legend((chosen.older, "base"), (chosen.newer, "new")))),
            _foot(view.dimension_sentence(result)),
            walked_sheet(view.changes_list(part, known, chosen, page.image_url, selected=place.item), answered=answered)
            if part
            else "",
            cards.sheet(cards.panel_foot(view.pager(first, len(part), changes, place.change))),
            cards.sheet(view.leans_panel(table, chosen)),
            _item(page, run, chosen, place.item),
            cards.sheet(view.numbers_table(table, chosen, result)),
            cards.sheet(cards.panel(cards.padded(cards.command(_command(page.workspace, run, chosen))))),
        ),
        figures=(
            view.accuracy_figure(table, chosen, best),
            charts.accuracy_by_dimension(rows, older=chosen.older, newer=chosen.newer),
        ),
    )


def _nothing(choices: Choices, chosen: Chosen) -> VersionsShown:
    empty = cards.sheet(cards.panel(cards.empty_place("versions")))
    return VersionsShown(
        choices=choices, chosen=chosen, counts={}, is_empty=True, buttons=("Promote", "Export"),
        cards=(empty, *[""] * 11), figures=None,
    )  # fmt: skip


def _promote_words(judge: str, promoted: str | None) -> str:
    return f"{_UNPROMOTE} {judge}" if promoted == judge else f"Promote {judge}"


def _foot(text: str) -> str:
    return cards.sheet(cards.panel_foot(cards.says(text)))


def _command(workspace: Workspace, run: str, chosen: Chosen) -> str:
    compare = [f"{run}/{chosen.older}", f"{run}/{chosen.newer}"]
    export = [f"{run}/{chosen.newer}", f"{run}-{chosen.newer}"]
    return "\n".join([jobs.command_line("compare", compare, workspace), jobs.command_line("export", export, workspace)])


def _item(page: Page, run: str, chosen: Chosen, item_id: str) -> str:
    """The chosen item with both versions' traces; nothing if none is chosen or it is not known."""
    known = item_rows(page.catalog(), run, chosen.benchmark, [item_id]) if item_id else {}
    if item_id not in known:
        return ""
    item, picture = known[item_id]
    said = {
        judge: verdicts(page.catalog(), run, judge, chosen.benchmark, items=[item_id])
        for judge in dict.fromkeys((chosen.older, chosen.newer))
    }
    return cards.sheet(view.item_panel(item, page.image_url(picture.path), picture.width, said))


TAB = Tab(key="versions", label="Versions", build=build, watches=(pulse.promotion,))
