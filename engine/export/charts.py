"""The report's charts as inline SVG: numbers in, markup out. Colours are CSS classes of the report's sheet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

_WIDTH, _HEIGHT = 720, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 170, 12, 30
"""Margins in pixels; the right one holds labels."""
_LABEL_GAP = 14.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One measured value with its interval."""

    label: str
    value: float
    low: float
    high: float
    best: bool = False


def accuracy_chart(points: Sequence[Point], controls: Mapping[str, float], *, title: str) -> str:
    """Accuracy by version with 95 % intervals; controls as dashed lines, labelled at the right. Values in [0, 1]."""
    top = min(1.0, max([0.5, *(point.high for point in points), *controls.values()]) + 0.05)
    x_of = _Scale(-0.4, len(points) - 0.6 if len(points) > 1 else 0.4, _LEFT, _WIDTH - _RIGHT)
    y_of = _Scale(0.0, top, _HEIGHT - _BOTTOM, _TOP)
    parts = [_gridlines([tick / 10 for tick in range(0, int(top * 10) + 1, 2)], y_of, "{:.1f}")]
    for (name, value), place in zip(controls.items(), _spread([y_of(v) for v in controls.values()]), strict=True):
        parts.append(
            f'<line class="control" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y_of(value):.1f}" y2="{y_of(value):.1f}"/>'
            f'<text class="side" x="{_WIDTH - _RIGHT + 8}" y="{place + 4:.1f}">{escape(name)} {value:.2f}</text>'
        )
    line = " ".join(f"{x_of(number):.1f},{y_of(point.value):.1f}" for number, point in enumerate(points))
    parts.append(f'<polyline class="line" points="{line}"/>')
    for number, point in enumerate(points):
        x, y = x_of(number), y_of(point.value)
        parts.append(
            f"<g><title>{escape(point.label)}: {point.value:.3f} ({point.low:.3f} to {point.high:.3f})</title>"
            f'<line class="bar" x1="{x:.1f}" x2="{x:.1f}" y1="{y_of(point.low):.1f}" y2="{y_of(point.high):.1f}"/>'
            f'<circle class="{"dot best" if point.best else "dot"}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
            f'<text class="value" x="{x + 9:.1f}" y="{y - 7:.1f}">{point.value:.2f}</text>'
            f'<text class="tick" x="{x:.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(point.label)}</text></g>'
        )
    return _svg(parts, title)


def loss_chart(curves: Mapping[str, Sequence[tuple[int, float]]], *, title: str) -> str:
    """Loss by optimizer step, one curve per version: (step, loss) in order."""
    steps = max(step for curve in curves.values() for step, _ in curve)
    top = max(loss for curve in curves.values() for _, loss in curve) * 1.05 or 1.0
    x_of = _Scale(0, steps, _LEFT, _WIDTH - _RIGHT)
    y_of = _Scale(0.0, top, _HEIGHT - _BOTTOM, _TOP)
    parts = [_gridlines([top * part / 4 for part in range(5)], y_of, "{:.2f}")]
    ends = _spread([y_of(curve[-1][1]) for curve in curves.values()])
    for number, ((name, curve), place) in enumerate(zip(curves.items(), ends, strict=True)):
        line = " ".join(f"{x_of(step):.1f},{y_of(loss):.1f}" for step, loss in thinned(curve))
        parts.append(
            f'<polyline class="line c{number % 4}" points="{line}"><title>{escape(name)}</title></polyline>'
            f'<text class="side" x="{_WIDTH - _RIGHT + 8}" y="{place + 4:.1f}">{escape(name)} {curve[-1][1]:.2f}</text>'
        )
    parts.append(f'<text class="tick" x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 8}" text-anchor="end">step {steps}</text>')
    return _svg(parts, title)


def thinned(curve: Sequence[tuple[int, float]], most: int = 400) -> list[tuple[int, float]]:
    """At most `most` points: means of neighbours, the last step kept as it is."""
    if len(curve) <= most:
        return list(curve)
    size = -(-len(curve) // (most - 1))
    groups = [curve[start : start + size] for start in range(0, len(curve), size)]
    means = [(group[-1][0], sum(loss for _, loss in group) / len(group)) for group in groups]
    return [*means[:-1], curve[-1]]


class _Scale:
    """A linear map of [start, end] to pixels."""

    def __init__(self, start: float, end: float, first: float, last: float) -> None:
        self._start, self._first = start, first
        self._slope = (last - first) / ((end - start) or 1.0)

    def __call__(self, value: float) -> float:
        return self._first + (value - self._start) * self._slope


def _spread(places: Sequence[float]) -> list[float]:
    """Label positions at least one line apart, each as near its own place as that allows."""
    order = sorted(range(len(places)), key=places.__getitem__)
    result = list(places)
    for before, after in pairwise(order):
        result[after] = max(result[after], result[before] + _LABEL_GAP)
    return result


def _gridlines(values: Sequence[float], y_of: _Scale, form: str) -> str:
    return "".join(
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y_of(value):.1f}" y2="{y_of(value):.1f}"/>'
        f'<text class="tick" x="{_LEFT - 6}" y="{y_of(value) + 4:.1f}" text-anchor="end">{form.format(value)}</text>'
        for value in values
    )


def _svg(parts: Sequence[str], title: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title, quote=True)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )
