"""Lean scales (ruler with ticks, ring for the older version, dot for the newer) and the accuracy sparkline."""

from collections.abc import Sequence
from dataclasses import dataclass

from studio.look import words
from studio.look.cards.markup import EMPTY, Html, element, esc


@dataclass(frozen=True, slots=True, kw_only=True)
class LeanScale:
    """One lean or rate of two versions."""

    title: str
    what: str
    """One sentence: what the number is and what its sign means."""
    older: float | None
    newer: float | None
    low: float = -0.5
    high: float = 0.5
    """Ends of the ruler; a value beyond is drawn at the end and still written in full."""
    is_share: bool = False
    """Written as a percentage, without sign."""


def position_lean(older: float | None, newer: float | None) -> LeanScale:
    """The position lean as the scores table defines it: share of decided replies that say A, minus one half."""
    what = "Share of rulings for the first response, minus one half. Above 0 it picks the first."
    return LeanScale(title="Position lean", what=what, older=older, newer=newer)


def length_lean(older: float | None, newer: float | None) -> LeanScale:
    """The length lean: how much more often it picks the longer response than is right."""
    what = "Below 0 it picks the shorter response more often than is right."
    return LeanScale(title="Length lean", what=what, older=older, newer=newer)


def invalid_rate(older: float | None, newer: float | None) -> LeanScale:
    """Share of replies without exactly one verdict, on a ruler from 0 to a round end."""
    top = max(older or 0.0, newer or 0.0)
    high = next((end for end in (0.1, 0.25, 0.5) if top <= end), 1.0)
    return LeanScale(
        title="Invalid rate",
        what="Invalid counts as wrong.",
        older=older,
        newer=newer,
        low=0.0,
        high=high,
        is_share=True,
    )


def lean_card(scales: Sequence[LeanScale], *, older_name: str, newer_name: str) -> Html:
    """The scales one under the other, numbers in words above each ruler."""
    return element("div", *(lean_scale(scale, older_name, newer_name) for scale in scales), class_="st-bias")


def lean_scale(scale: LeanScale, older_name: str, newer_name: str) -> Html:
    """One ruler with a zero line; both numbers in words, and as the label of the drawing."""
    older, newer = _said(scale, scale.older), _said(scale, scale.newer)
    numbers = element("span", esc(f"{older} → "), element("b", esc(newer)), class_="st-sub")
    label = f"{scale.title}: {older_name} {older}, {newer_name} {newer}"
    return element(
        "div",
        element("div", element("h3", esc(scale.title)), numbers, class_="st-between"),
        element("p", esc(scale.what), class_="st-sub st-dim"),
        element("div", *_ruler(scale), class_="st-ruler", role="img", aria_label=label),
    )


def _said(scale: LeanScale, value: float | None) -> str:
    return words.percent(value, 1) if scale.is_share else words.signed(value)


def _place(scale: LeanScale, value: float) -> float:
    """Per cent of the ruler's width, 0 to 100."""
    return 100 * min(1.0, max(0.0, (value - scale.low) / (scale.high - scale.low)))


def _ruler(scale: LeanScale) -> list[Html]:
    ticks = [
        Html(f'<i class="t{" is-long" if step % 5 == 0 else ""}" style="left:{step * 5}%"></i>') for step in range(21)
    ]
    parts = [*ticks]
    if scale.low < 0 < scale.high:
        parts.append(Html(f'<i class="zero" style="left:{_place(scale, 0):.2f}%"></i>'))
    if scale.older is not None and scale.newer is not None:
        ends = sorted((_place(scale, scale.older), _place(scale, scale.newer)))
        parts.append(Html(f'<i class="way" style="left:{ends[0]:.2f}%;width:{ends[1] - ends[0]:.2f}%"></i>'))
    for value, name in ((scale.older, "ring"), (scale.newer, "dot")):
        if value is not None:
            parts.append(Html(f'<i class="{name}" style="left:{_place(scale, value):.2f}%"></i>'))
    return [*parts, *_ends(scale)]


def _ends(scale: LeanScale) -> list[Html]:
    show = (lambda value: words.percent(value)) if scale.is_share else words.signed
    ends = [
        element("span", esc(show(scale.low)), class_="low"),
        element("span", esc(show(scale.high)), class_="high"),
    ]
    return [ends[0], element("span", Html("0"), class_="mid"), ends[1]] if scale.low < 0 < scale.high else ends


def sparkline(
    accuracies: Sequence[float | None],
    *,
    places: int | None = None,
    width: int = 96,
    height: int = 30,
    scale: tuple[float, float] = (0.2, 0.7),
) -> Html:
    """Accuracy by version as a line with points and judge-v0's level behind it; the last point is bigger.

    `places` is how many versions the run will have, so that an unfinished line stops short.
    Values lie in [0, 1]; unknown ones are skipped. `scale` widens to what is shown.
    """
    known = [(place, value) for place, value in enumerate(accuracies) if value is not None]
    if not known:
        return element("span", Html("–"), class_="st-dim", aria_label="no accuracy yet")
    low, high = min(scale[0], *(v for _, v in known)), max(scale[1], *(v for _, v in known))
    steps = max(len(accuracies), places or 0, 2) - 1
    points = [
        (4 + (width - 10) * place / steps, height - 4 - (height - 8) * (value - low) / (high - low))
        for place, value in known
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{2.6 if index == len(points) - 1 else 1.6}"/>'
        for index, (x, y) in enumerate(points)
    )
    said = "Accuracy " + ", ".join(words.decimal(value) for _, value in known)
    base = f'<path d="M2 {points[0][1]:.1f}H{width - 2}" class="base"/>'
    drawing = Html(f'{base}<polyline points="{line}"/>{dots}' if len(points) > 1 else f"{base}{dots}")
    return element(
        "svg",
        drawing,
        class_="st-spark",
        width=width,
        height=height,
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=said,
    )


def best_word(is_best: bool) -> Html:
    """The word beside the best version in a list; nothing for the others."""
    return element("span", Html("best"), class_="st-chip is-run") if is_best else EMPTY
