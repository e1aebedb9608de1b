"""The Training tab: how each judge version was trained, live while one is, and which version came from which."""

from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from engine.errors import JudgeStudioError
from engine.measure.benchmarks.held_out import number_on
from engine.measure.metrics import ALL, STRICT
from engine.records import BASE_JUDGE, ScoreRow, Step, VersionRow, version_name, version_number
from engine.workspace.conclusions import Selected
from engine.workspace.decisions import best_judge, promoted_version
from engine.workspace.state import RunState, read_state
from studio.look import cards, charts, words
from studio.look import lazy_plotly as go
from studio.look.cards import Action, Column, Html, LineageRow, Score, Stat
from studio.look.charts import StepSeries
from studio.look.sheet import card_html
from studio.look.zoom import ZOOM_SCRIPT
from studio.page import pulse
from studio.page.page import Page, Tab
from studio.page.place import link
from studio.page.pulse import only_changed
from studio.queries.scores import run_scores
from studio.queries.training import ends, run_steps, run_versions, smoothed
from studio.tabs.filters import Choices, read_choice

SMOOTHINGS: Choices = (("one step", "none"), ("a thirtieth", "little"), ("a tenth", ""))
_SHARES = {"none": 0.0, "little": 1 / 30}
_NEWEST: Choices = (("Newest", ""),)
_POINTS = 400
"""Most points of one curve: a plot is about 500 pixels wide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """The tab as HTML and figures."""

    cards: tuple[str, ...]
    """empty, strip, loss head, loss foot, accuracy head, accuracy foot, rate head, rate foot, iterations, lineage."""
    figures: "tuple[go.Figure, go.Figure, go.Figure] | None"
    """Loss, token accuracy, learning rate; None before the first step."""
    versions: Choices = _NEWEST
    """Those that can stand in front. Never none: a menu whose value is not among its choices is refused."""


def build(page: Page) -> None:
    """Lay out the Training tab and connect its events. Call it inside the app's gr.Tab."""
    shown = gr.State(())
    empty = card_html()
    with gr.Row(visible=False, elem_classes="st-panel st-pad st-filters") as row:
        controls = _lay_out_controls()
    page.url.bind("training.version", controls[0], read=read_choice)
    page.url.bind("training.smoothing", controls[1])
    strip = card_html()
    heads, feet, plots = [], [], []
    with gr.Column(visible=False) as curves, gr.Row(equal_height=True, elem_classes="st-gap"):
        for _ in range(3):
            with gr.Column(min_width=300, elem_classes="st-panel st-plotbox st-zoom"):
                heads.append(card_html())
                plots.append(gr.Plot(show_label=False, container=False))
                feet.append(card_html())
    iterations = card_html()
    lineage = card_html()
    html = [empty, strip, *(card for pair in zip(heads, feet, strict=True) for card in pair), iterations, lineage]

    def redraw(run: str | None, version: str | None, smoothing: str, before: tuple[str, ...]) -> list[Any]:
        now = show_training(page, run, version=version or "", smoothing=smoothing)
        drawn = tuple(figure.to_json() for figure in now.figures) if now.figures else ("", "", "")
        texts = (*now.cards, *drawn, *(value for choice in now.versions for value in choice))
        known = before or ("",) * len(texts)
        figures = [
            now.figures[number] if now.figures and drawn[number] != known[len(now.cards) + number] else gr.skip()
            for number in range(3)
        ]
        seen = gr.update(visible=now.figures is not None)
        chosen = version if version in {value for _, value in now.versions} else ""
        menu = gr.update(choices=list(now.versions), value=chosen) if texts != before else gr.skip()
        return [seen, menu, seen, *figures, *only_changed(now.cards, known), texts]

    inputs, outputs = [page.run, *controls, shown], [row, controls[0], curves, *plots, *html, shown]
    page.redraw("training", redraw, inputs, outputs)
    for control in controls:
        control.input(redraw, inputs, outputs, **page.turns("training", "always_last"))


def _lay_out_controls() -> tuple[Any, Any]:
    hint = cards.esc("Drag along a curve to look closer; double-click for all of it.")
    chosen = gr.Dropdown(list(_NEWEST), value="", label="Version in front", min_width=160, scale=0, interactive=True)
    smoothing = gr.Radio(
        list(SMOOTHINGS), value="", label="Each point is the mean of", elem_classes="st-seg", min_width=280, scale=0
    )
    gr.HTML(
        cards.sheet(cards.element("p", hint, class_="st-sub st-dim only-pointer")), apply_default_css=False,
        js_on_load=ZOOM_SCRIPT,
    )  # fmt: skip
    return chosen, smoothing


def show_training(page: Page, run: str | None, *, version: str = "", smoothing: str = "") -> Training:
    """The tab for a run; an empty state that says what to do where there is nothing yet. `version` stands in front and
    is what the numbers are about: the newest where it was not trained here."""
    steps = run_steps(page.catalog(), run) if run else {}
    versions = run_versions(page.catalog(), run) if run else []
    if run is None or not (steps or versions):
        return Training(cards=(cards.sheet(cards.panel(_empty(run))), *[""] * 9), figures=None)
    scores = run_scores(page.catalog(), run)
    state = _state(page, run)
    lineage = cards.sheet(_lineage(page, run, versions, steps, scores))
    if not steps:
        return Training(cards=("", *[""] * 8, lineage), figures=None)
    asked = version_number(version)
    front = asked if asked in steps else max(steps)
    is_live = state is not None and state.state == "running" and state.stage == "train" and state.iteration == front
    total = state.total if state is not None and is_live and state.unit == "steps" else None
    done = steps[front]
    trained_on = _trained_on(page, run, front, versions)
    aside = cards.heartbeat(f"{version_name(front)} is training", pulse="live") if is_live else _names(steps, front)
    return Training(
        cards=(
            "",
            cards.sheet(
                cards.panel(cards.stat_strip(_stats(front, done, total, trained_on, is_live=is_live), bare=True))
            ),
            cards.sheet(cards.panel_head("Loss", aside)),
            _foot(loss_sentence(front, done)),
            cards.sheet(cards.panel_head("Token accuracy")),
            _foot(accuracy_sentence(front, done)),
            cards.sheet(cards.panel_head("Learning rate")),
            _foot(f"Peak {_rate(max(step.learning_rate for step in done))}, now {_rate(done[-1].learning_rate)}."),
            cards.sheet(_iterations(steps, versions)),
            lineage,
        ),
        figures=_figures(steps, front, smoothing, total),
        versions=(*_NEWEST, *((version_name(number), version_name(number)) for number in sorted(steps))),
    )


def _figures(
    steps: dict[int, list[Step]], front: int, smoothing: str, total: int | None
) -> "tuple[go.Figure, go.Figure, go.Figure]":
    loss, accuracy, rate = (
        _series(steps, name, front, smoothing) for name in ("loss", "token_accuracy", "learning_rate")
    )
    return (
        charts.loss_by_step(loss, total_steps=total),
        charts.token_accuracy_by_step(accuracy, total_steps=total),
        charts.learning_rate_by_step(rate, total_steps=total),
    )


def _empty(run: str | None) -> Html:
    if run is None:
        go_launch = Action(label="Open Launch", url=link("launch"), kind="main")
        return cards.empty("No run yet. Training begins after select, in the first iteration of a run.", go_launch)
    go_home = Action(label="Open Home", url=link("home", run), kind="main")
    return cards.empty("Nothing trained yet. Training begins after select. Home shows how far the run is.", go_home)


def _state(page: Page, run: str) -> RunState | None:
    try:
        return read_state(page.workspace.run(run))
    except (JudgeStudioError, TypeError):
        return None  # a damaged state.json; Home says so


def _trained_on(page: Page, run: str, iteration: int, versions: list[VersionRow]) -> int | None:
    """Kept traces: of the finished version, before that what select kept for it."""
    known = {version.judge: version.trained_on for version in versions}
    if version_name(iteration) in known:
        return known[version_name(iteration)]
    try:
        selected = page.workspace.run(run).conclusion(iteration, Selected)
    except JudgeStudioError:
        return None
    return selected.kept if selected else None


def _names(steps: dict[int, list[Step]], front: int) -> Html:
    """Legend: the version in front, the oldest of the others, and the rest of them."""
    oldest, *rest = [version_name(number) for number in sorted(steps) if number != front] or [""]
    kinds: list[tuple[str, Any]] = [(version_name(front), "new")]
    if rest:
        kinds.append((rest[0] if len(rest) == 1 else "others", "mid"))
    if oldest:
        kinds.append((oldest, "base"))
    return cards.legend(*kinds)


def _series(steps: dict[int, list[Step]], name: str, front: int, smoothing: str) -> list[StepSeries]:
    """One curve per version, oldest first and the one in front last, thinned to what a plot can show; the last step
    always stays."""
    found = []
    for iteration, rows in sorted(steps.items(), key=lambda entry: (entry[0] == front, entry[0])):
        every = max(1, -(-len(rows) // _POINTS))
        kept = [place for place in range(len(rows)) if place % every == 0 or place == len(rows) - 1]
        own = [getattr(row, name) for row in rows]
        line = own if name == "learning_rate" else smoothed(own, share=_SHARES.get(smoothing, 0.1))
        found.append(
            StepSeries(
                name=version_name(iteration),
                steps=[rows[place].step for place in kept],
                values=[line[place] for place in kept],
                raw=[own[place] for place in kept] if line != own else (),
                end=None if name == "learning_rate" else ends(own)[1],  # the number that the tile and the foot say
            )
        )
    return found


def _stats(newest: int, done: list[Step], total: int | None, trained_on: int | None, *, is_live: bool) -> list[Stat]:
    last = done[-1]
    began, loss = ends([step.loss for step in done])
    token_began, token = ends([step.token_accuracy for step in done])
    of = f"of {words.number(total)}" if total else f"{words.decimal(last.epoch, 1)} passes over the traces"
    return [
        Stat(
            label=f"Trained on, {version_name(newest)}",
            value=words.number(trained_on, missing="–"),
            unit="traces" if trained_on is not None else "",
            context="known when it ends" if trained_on is None and is_live else "kept by select",
        ),
        Stat(label="Steps", value=words.number(last.step), context=of),
        Stat(label="Loss", value=words.decimal(loss, 3), context=f"began at {words.decimal(began, 3)}"),
        Stat(
            label="Token accuracy",
            value=words.percent(token, missing="–"),
            context=f"began at {words.percent(token_began)}" if token is not None else "not recorded",
        ),
        Stat(label="Learning rate", value=_rate(last.learning_rate), context="of the last step"),
        Stat(label="Tokens", value=words.number(last.tokens), context="of traces seen"),
    ]


def _rate(value: float) -> str:
    """1e-05 → "0.00001": a person compares it with the setting."""
    return f"{value:.2e}" if 0 < value < 1e-6 else f"{value:.7f}".rstrip("0").rstrip(".") or "0"


def loss_sentence(iteration: int, steps: list[Step]) -> str:
    """How the loss moved, in words that hold whichever way it did."""
    first, last = ends([step.loss for step in steps])
    if first is None or last is None:
        return "The loss was not recorded."
    told = f"{words.decimal(first, 3)} to {words.decimal(last, 3)}"
    way = "fell" if last < first else "rose" if last > first else "stayed the same"
    return (
        f"{version_name(iteration)}: the loss {way}, {told} nats per token over "
        f"{words.plural(steps[-1].step, 'step')}; {_TENTHS}."
    )


_TENTHS = "means of the first and the last tenth"


def accuracy_sentence(iteration: int, steps: list[Step]) -> str:
    """How token accuracy moved, in words."""
    first, last = ends([step.token_accuracy for step in steps])
    if first is None:
        return "Token accuracy was not recorded."
    told = f"{words.percent(first)} to {words.percent(last)}"
    return (
        f"{version_name(iteration)}: {told} of the traces' tokens predicted right, {_TENTHS}. "
        "It says nothing about the verdicts."
    )


def _foot(text: str) -> str:
    return cards.sheet(cards.panel_foot(cards.says(text)))


_ITERATIONS = (
    Column(name="Version"),
    Column(name="Steps", is_number=True),
    Column(name="Passes", is_number=True, is_optional=True),
    Column(name="First loss", is_number=True, is_optional=True),
    Column(name="Last loss", is_number=True),
    Column(name="Token accuracy", is_number=True),
    Column(name="Peak rate", is_number=True, is_optional=True),
    Column(name="Tokens", is_number=True),
)


def _iterations(steps: dict[int, list[Step]], versions: list[VersionRow]) -> Html:
    finished = {version.judge for version in versions}
    rows = []
    for iteration, done in sorted(steps.items(), reverse=True):
        judge, last = version_name(iteration), done[-1]
        name = cards.element(
            "span", cards.esc(judge), cards.EMPTY if judge in finished else cards.chip("not finished"),
            class_="st-row is-tight",
        )  # fmt: skip
        cells = [
            name,
            cards.esc(words.number(last.step)),
            cards.esc(words.decimal(last.epoch, 1)),
            *(cards.esc(words.decimal(loss, 3)) for loss in ends([step.loss for step in done])),
            cards.esc(words.percent(ends([step.token_accuracy for step in done])[1], missing="–")),
            cards.esc(_rate(max(step.learning_rate for step in done))),
            cards.esc(words.number(last.tokens)),
        ]
        rows.append(cards.row(_ITERATIONS, cells))
    return cards.panel(cards.table(_ITERATIONS, rows, caption="Training by version"), title="By version")


def _lineage(
    page: Page, run: str, versions: list[VersionRow], steps: dict[int, list[Step]], scores: list[ScoreRow]
) -> Html:
    """Parent → judge, with what it was trained on and what it scores."""
    folder = page.workspace.run(run)
    best, promoted = best_judge(folder), promoted_version(folder)
    decides = scores[0].benchmark if scores else None
    overall = {
        row.judge: row for row in scores if (row.benchmark, row.protocol, row.dimension) == (decides, STRICT, ALL)
    }
    rows = [_lineage_row(VersionRow(judge=BASE_JUDGE, parent=None, adapter=None, trained_on=0), None, overall, run)]
    for version in versions:
        if version.judge != BASE_JUDGE:
            iteration = version_number(version.judge) or 0
            rows.append(_lineage_row(version, steps.get(iteration), overall, run))
    marked = [replace(row, is_best=row.judge == best, is_promoted=row.judge == promoted) for row in rows]
    name = number_on(decides).capitalize() if decides else ""
    note = f"{name} on {decides}, strict: right in both orders." if decides else "Not measured yet."
    return cards.panel(cards.lineage_table(marked), title="Lineage", foot=cards.sub(note, dim=True))


def _lineage_row(version: VersionRow, steps: list[Step] | None, overall: dict[str, ScoreRow], run: str) -> LineageRow:
    score = overall.get(version.judge)
    values = {"versions.older": version.parent, "versions.newer": version.judge if version.parent else None}
    return LineageRow(
        judge=version.judge,
        parent=version.parent,
        trained_on=version.trained_on if version.parent is not None else None,
        steps=steps[-1].step if steps else None,
        accuracy=Score(accuracy=score.accuracy, low=score.low, high=score.high) if score else None,
        url=link("versions", run, values),
        note=f"loss {words.decimal(ends([step.loss for step in steps])[1], 3)}" if steps else "",
    )


TAB = Tab(key="training", label="Training", build=build, watches=(pulse.promotion, pulse.at_work))
