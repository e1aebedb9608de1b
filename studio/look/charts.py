"""Plotly figures of the page: accuracy by version, accuracy by dimension, loss and token accuracy by step.

They know no page colours for text, grid and zero line: assets/style.css sets those, so that one figure serves light
and dark. Show them with `gr.Plot(show_label=False)` and put the sentence that says the numbers below.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from studio.look import lazy_plotly as go
from studio.look import words

NEW, MID, BASE, CONTROL = "#1f86a6", "#5b93a8", "#7c8885", "#8c8577"
"""Newest version, versions between, judge-v0, controls. Each holds 3:1 on the light and on the dark panel."""

BAND = "rgba(31,134,166,.18)"
CLEAR = "rgba(0,0,0,0)"

GROUND = "rgb(1,2,3)"
"""Background of a label that lies on other lines; the style sheet knows it and paints the panel's colour."""

HEIGHT = 320
"""Pixels."""

LABEL_GAP = 0.055
"""Accuracy between two labels at the right edge: 16 px on the usual axis, so that they never overlap."""

LABEL_LETTERS = 20
"""Of a label at the right edge, its number among them: what 122 px hold. The whole name is said on hover."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPoint:
    """Accuracy of one judge version, overall, on one benchmark under one protocol."""

    judge: str
    accuracy: float
    low: float | None
    high: float | None
    """95 % interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlLine:
    """A judge that should not work."""

    name: str
    """ "shorter wins"."""
    accuracy: float
    is_published: bool = False
    """A result of others under the same protocol, not a control of this run."""


COIN_STRICT = ControlLine(name="coin", accuracy=0.25)
"""A judge that answers at random, each order by itself, is right in both orders once in four."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DimensionDots:
    """Two versions on one dimension."""

    name: str
    n: int
    older: tuple[float, float | None, float | None] | None
    """Accuracy, low, high; None where it was not measured."""
    newer: tuple[float, float | None, float | None] | None
    gain: float | None
    gain_excludes_zero: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSeries:
    """One value per optimizer step of one iteration's training."""

    name: str
    """Judge version that came out of it."""
    steps: Sequence[int]
    values: Sequence[float | None]
    raw: Sequence[float | None] = ()
    """Every step's own value where `values` are smoothed; drawn faintly behind the newest line."""
    end: float | None = None
    """What stands at the end of the newest line; None = its last value."""


def accuracy_by_version(
    points: Sequence[VersionPoint], controls: Sequence[ControlLine] = (), *, best: str | None = None
) -> "go.Figure":
    """Accuracy line with its 95 % band; judge-v0 grey, the best version bigger and labelled, controls dashed.

    All points must come from one benchmark, protocol and harness: two are never drawn as one series.
    """
    xs = list(range(len(points)))
    figure = _figure(l=44, r=130)
    figure.add_traces(_band(points))
    span = [-0.25, max(len(points) - 1, 0) + 0.25]
    for control in controls:
        figure.add_trace(_dashed(control, span))
    figure.add_trace(_accuracy_line(points, best))
    for x, point in zip(xs, points, strict=True):
        figure.add_annotation(**_value_label(x, point, is_best=point.judge == best))
    for y, text in _edge_labels(points, controls, best):
        figure.add_annotation(x=1, xref="paper", y=y, text=text, showarrow=False, xanchor="left", xshift=8)
    top = max([0.75, *(p.high or p.accuracy for p in points), *(c.accuracy for c in controls)])
    figure.update_yaxes(
        range=[0, 1.0 if top > 0.9 else max(0.78, top + 0.08)], dtick=0.25, tickformat=".2f", showgrid=True
    )
    figure.update_xaxes(
        range=span,
        tickvals=xs,
        ticktext=[_bold(_short(p.judge), is_bold=p.judge == best) for p in points],
        tickangle=0,
    )
    return figure


def _band(points: Sequence[VersionPoint]) -> "list[go.Scatter]":
    """Two invisible lines, the area between them filled. Versions without an interval leave a gap of their own."""
    known = [(x, p) for x, p in enumerate(points) if p.low is not None and p.high is not None]
    if len(known) < 2:
        return []
    xs = [x for x, _ in known]
    line = {"width": 0, "color": CLEAR}
    common = {"x": xs, "mode": "lines", "line": line, "hoverinfo": "skip", "showlegend": False}
    return [
        go.Scatter(y=[p.low for _, p in known], **common),
        go.Scatter(y=[p.high for _, p in known], fill="tonexty", fillcolor=BAND, **common),
    ]


def _accuracy_line(points: Sequence[VersionPoint], best: str | None) -> "go.Scatter":
    colors = [BASE if place == 0 else NEW for place in range(len(points))]
    return go.Scatter(
        x=list(range(len(points))),
        y=[p.accuracy for p in points],
        mode="lines+markers",
        line={"width": 2.2, "color": NEW},
        marker={"color": colors, "opacity": 1, "size": [12 if p.judge == best else 8 for p in points]},
        customdata=[[escape(p.judge), words.interval(p.low, p.high)] for p in points],
        hovertemplate="%{customdata[0]}: %{y:.3f}<br>%{customdata[1]}<extra></extra>",
        showlegend=False,
    )


def _dashed(control: ControlLine, span: list[float]) -> "go.Scatter":
    kind = "published" if control.is_published else "control"
    return go.Scatter(
        x=span,
        y=[control.accuracy] * 2,
        mode="lines",
        line={"width": 1.4, "color": CONTROL, "dash": "5px,4px"},
        hovertemplate=f"{kind}: {escape(control.name)} %{{y:.3f}}<extra></extra>",
        showlegend=False,
    )


def _value_label(x: int, point: VersionPoint, *, is_best: bool) -> dict[str, object]:
    """The accuracy above the upper end of the interval, where the line does not cross it."""
    y = point.high if point.high is not None else point.accuracy
    text = _bold(words.decimal(point.accuracy), is_bold=is_best)
    return {"x": x, "y": y, "text": text, "showarrow": False, "yshift": 11}


def _edge_labels(
    points: Sequence[VersionPoint], controls: Sequence[ControlLine], best: str | None
) -> list[tuple[float, str]]:
    """Names at the right edge, moved apart where two lines lie close together."""
    labels = [(c.accuracy, escape(_edge_label(c))) for c in controls]
    if best is not None and points and any(p.judge == best for p in points):
        labels.append((points[-1].accuracy, _bold(f"best: {_short(best)}", is_bold=True)))
    labels.sort(key=lambda label: label[0])
    places = spread([y for y, _ in labels], LABEL_GAP)
    return [(place, text) for place, (_, text) in zip(places, labels, strict=True)]


def _edge_label(control: ControlLine) -> str:
    """Its name, cut where it would leave the chart, and its number."""
    number = words.decimal(control.accuracy)
    room = LABEL_LETTERS - len(number) - 1
    return f"{control.name if len(control.name) <= room else control.name[: room - 1] + '…'} {number}"


def spread(values: Sequence[float], gap: float) -> list[float]:
    """Sorted values moved as little as needed so that neighbours are at least `gap` apart, none below the first.

    Groups of crowded values are centred on their mean.
    """
    groups: list[list[float]] = []
    for value in values:
        groups.append([value])
        while len(groups) > 1 and _start(groups[-1], gap) < _end(groups[-2], gap) + gap:
            groups[-2:] = [groups[-2] + groups[-1]]
    return [_start(group, gap) + place * gap for group in groups for place in range(len(group))]


def _start(group: list[float], gap: float) -> float:
    """Where a centred group begins, never below zero: a label under the axis would lie on the tick labels."""
    return max(0.0, sum(group) / len(group) - (len(group) - 1) * gap / 2)


def _end(group: list[float], gap: float) -> float:
    return _start(group, gap) + (len(group) - 1) * gap


def accuracy_by_dimension(rows: Sequence[DimensionDots], *, older: str, newer: str) -> "go.Figure":
    """One line per dimension: ring = older version, dot = newer, intervals as bars, gain at the right edge."""
    height = max(200, 46 + 56 * len(rows))
    figure = _figure(l=92, r=56, height=height)
    ys = list(range(len(rows)))
    for shift, name, color, symbol, side in (
        (-0.1, older, BASE, "circle-open", [row.older for row in rows]),
        (0.1, newer, NEW, "circle", [row.newer for row in rows]),
    ):
        figure.add_trace(_dots(shift, name, color, symbol, side, rows))
    for y, row in zip(ys, rows, strict=True):
        text = _bold(words.signed(row.gain, missing="–"), is_bold=row.gain_excludes_zero)
        figure.add_annotation(x=1, xref="paper", y=y, text=text, showarrow=False, xanchor="right", xshift=52)
    top = max([0.75, *(side[2] or side[0] for row in rows for side in (row.older, row.newer) if side)])
    figure.update_xaxes(range=[0, min(1.02, max(0.8, top + 0.04))], dtick=0.25, tickformat=".2f", showgrid=True)
    figure.update_yaxes(
        zeroline=False,
        range=[len(rows) - 0.5, -0.5],
        tickvals=ys,
        ticktext=[_dimension(row, y == 0) for y, row in enumerate(rows)],
    )
    return figure


def _dots(
    shift: float,
    name: str,
    color: str,
    symbol: str,
    side: Sequence[tuple[float, float | None, float | None] | None],
    rows: Sequence[DimensionDots],
) -> "go.Scatter":
    """Dots of one version with their intervals, a little above or below the line of the dimension."""
    known = [(y, row.name, score) for y, (row, score) in enumerate(zip(rows, side, strict=True)) if score]
    return go.Scatter(
        x=[score[0] for _, _, score in known],
        y=[y + shift for y, _, _ in known],
        mode="markers",
        marker={"color": color, "size": 9, "symbol": symbol, "line": {"width": 2, "color": color}},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, (high if high is not None else x) - x) for _, _, (x, _, high) in known],
            "arrayminus": [max(0.0, x - (low if low is not None else x)) for _, _, (x, low, _) in known],
            "thickness": 2,
            "width": 0,
            "color": color,
        },
        customdata=[[escape(dimension), words.interval(low, high)] for _, dimension, (_, low, high) in known],
        hovertemplate=f"{escape(name)}, %{{customdata[0]}}: %{{x:.3f}}<br>%{{customdata[1]}}<extra></extra>",
        showlegend=False,
    )


def _dimension(row: DimensionDots, is_first: bool) -> str:
    name = _bold(row.name if len(row.name) <= 14 else row.name[:13] + "…", is_bold=is_first)
    return f"{name}<br><span style='font-size:11px'>{words.plural(row.n, 'item')}</span>"


def loss_by_step(series: Sequence[StepSeries], *, total_steps: int | None = None) -> "go.Figure":
    """Training loss, nats per completion token, one line per version, the newest in petrol and labelled."""
    figure = _by_step(series, total_steps, digits=3)
    figure.update_yaxes(range=_span(series), nticks=5, showgrid=True)
    return figure


def token_accuracy_by_step(series: Sequence[StepSeries], *, total_steps: int | None = None) -> "go.Figure":
    """Share of completion tokens predicted right, one line per version; the axis holds what there is."""
    figure = _by_step(series, total_steps, digits=2)
    low, high = _span(series)
    figure.update_yaxes(range=[max(0.0, low), min(1.002, high)], nticks=5, tickformat=".2f", showgrid=True)
    return figure


def _span(series: Sequence[StepSeries]) -> list[float]:
    """From the lowest to the highest value drawn, with a little room; single odd batches of `raw` do not widen it."""
    drawn = [value for one in series for value in one.values if value is not None]
    if not drawn:
        return [0.0, 1.0]
    low, high = min(drawn), max(drawn)
    room = max((high - low) * 0.15, high * 0.01, 1e-6)
    return [low - room, high + room]


def learning_rate_by_step(series: Sequence[StepSeries], *, total_steps: int | None = None) -> "go.Figure":
    """Learning rate of every step, one line per version."""
    figure = _by_step(series, total_steps, digits=6)
    figure.update_layout(margin={"l": 64, "r": 28})
    figure.layout.annotations = ()  # "0.00001" at the end of a line would be cut off; the sentence says it
    figure.update_yaxes(rangemode="tozero", nticks=4, showgrid=True, exponentformat="e")
    return figure


def _by_step(series: Sequence[StepSeries], total_steps: int | None, *, digits: int) -> "go.Figure":
    figure = _figure(l=44, r=90, height=220)
    figure.update_layout(dragmode="zoom")  # along the steps; a double-click shows all of them again
    figure.update_xaxes(fixedrange=False)
    ends: list[tuple[float, int, str]] = []
    for place, one in enumerate(series):
        is_last = place == len(series) - 1
        if is_last and one.raw:
            figure.add_trace(_raw_line(one))
        figure.add_trace(_step_line(one, NEW if is_last else BASE if place == 0 else MID, digits, is_last=is_last))
        known = [(step, value) for step, value in zip(one.steps, one.values, strict=True) if value is not None]
        if known and is_last:
            said = known[-1][1] if one.end is None else one.end
            ends.append((said, known[-1][0], _bold(words.decimal(said, digits), is_bold=True)))
    for value, step, text in ends:
        figure.add_annotation(x=step, y=value, text=text, showarrow=False, xanchor="left", xshift=8, bgcolor=GROUND)
    last = max([total_steps or 0, *(max(one.steps, default=0) for one in series), 1])
    figure.update_xaxes(range=[0, last], tickvals=_round_steps(last))
    return figure


def _round_steps(last: int) -> list[int]:
    """Ticks of the step axis: round numbers and the last step, none closer than half a tick to it."""
    size = next(size for power in range(10) for size in (10**power, 2 * 10**power, 5 * 10**power) if last / size <= 5)
    return [*(step for step in range(0, last, size) if last - step > size / 2), last]


def _step_line(one: StepSeries, color: str, digits: int, *, is_last: bool) -> "go.Scatter":
    values = [value for value in one.values if value is not None]
    return go.Scatter(
        x=list(one.steps),
        y=list(one.values),
        mode="lines+markers" if len(values) == 1 else "lines",
        line={"width": 1.8 if is_last else 1.2, "color": color},
        hovertemplate=f"{escape(one.name)}, step %{{x}}: %{{y:.{digits}f}}<extra></extra>",
        showlegend=False,
    )


def _raw_line(one: StepSeries) -> "go.Scatter":
    return go.Scatter(
        x=list(one.steps), y=list(one.raw), mode="lines", line={"width": 1, "color": NEW}, opacity=0.25,
        hoverinfo="skip", showlegend=False,
    )  # fmt: skip


def _figure(*, l: int, r: int, height: int = HEIGHT) -> "go.Figure":  # noqa: E741  plotly's own names of the margins
    """An empty figure: transparent, no title, no legend box, no zoom, fixed margins."""
    figure = go.Figure()
    figure.update_layout(
        template="none",
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        height=height,
        margin={"l": l, "r": r, "t": 12, "b": 34},
        font={"size": 12},
        showlegend=False,
        dragmode=False,
        hovermode="closest",
        autosize=True,
    )
    axis: dict[str, object] = {"showgrid": False, "zeroline": False, "showline": False, "fixedrange": True}
    axis |= {"ticks": "outside", "ticklen": 6, "tickcolor": CLEAR}  # room between tick labels and plot
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    figure.update_layout(yaxis={"zeroline": True, "zerolinewidth": 1})
    return figure


def _short(judge: str) -> str:
    """ "judge-v2" → "v2": five names fit side by side on a phone."""
    return judge.removeprefix("judge-")[:24]


def _bold(text: str, *, is_bold: bool) -> str:
    """Plotly reads a little HTML in its texts, so names are escaped before they meet it."""
    return f"<b>{escape(text)}</b>" if is_bold else escape(text)
