"""The funnel from synthesized to trained traces. Each step is a button that sets the reason filter."""

from collections.abc import Sequence
from dataclasses import dataclass

from studio.look import words
from studio.look.cards.marks import tone_of
from studio.look.cards.markup import EMPTY, Html, element, esc, press

_TONES = {
    "kept": "kept",
    "rejected": "rejected",
    "flip": "flip",
    "invalid": "invalid",
    "accent": "accent",
    "quiet": "ink3",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FunnelStep:
    """What is left after one step, and what it took away."""

    label: str
    """ "Both orders agree"."""
    left: int
    lost: int = 0
    reason: str | None = None
    """Reason code of what it removed, e.g. "order-flip"; gives the hatch its colour."""
    context: str | None = None
    """Small words behind the count; None = the share of the step before."""
    earlier: str | None = None
    """The same step in another iteration, e.g. "iteration 1: 65 %"."""
    key: str
    """data-id of the click: the filter it sets."""
    url: str | None = None
    """Link that sets the filter, instead of a click."""


def funnel(steps: Sequence[FunnelStep], *, selected: str | None = None) -> Html:
    """Solid = what is left, hatch = what this step removed in the colour of its reason; the last is green.

    A click arrives as `act` "funnel", `id` the step's key; `selected` is the key whose filter is on.
    """
    whole = max((step.left + step.lost for step in steps), default=0) or 1
    buttons = [
        _step(
            step,
            steps[place - 1] if place else None,
            whole,
            last=place == len(steps) - 1,
            on=step.key == selected,
        )
        for place, step in enumerate(steps)
    ]
    return element("div", *buttons, class_="st-funnel", role="group", aria_label="From pairs to training data")


def _step(step: FunnelStep, before: FunnelStep | None, whole: int, *, last: bool, on: bool) -> Html:
    share = words.percent(step.left / before.left) if before and before.left else ""
    context = step.context if step.context is not None else share
    lost = f"{words.MINUS}{words.number(step.lost)} {step.reason or ''}".rstrip() if step.lost else ""
    inside, outside = 100 * step.left / whole, 100 * step.lost / whole
    bar = Html(
        f'<span class="st-fbar" style="--in:{inside:.2f};--out:{outside:.2f}">'
        '<span class="out"></span><span class="in"></span></span>'
    )
    said = ", ".join(part for part in (f"{step.label}: {words.number(step.left)} left", context, lost) if part)
    return press(
        element("span", esc(step.label), class_="st-flabel"),
        element("span", esc(f"{words.number(step.left)} "), element("small", esc(context)), class_="st-fcount"),
        bar,
        element("span", esc(lost), class_="lost"),
        element("span", esc(step.earlier), class_="st-earlier") if step.earlier else EMPTY,
        act="funnel",
        key=step.key,
        url=step.url,
        class_="st-fstep" + (" is-end" if last else "") + (" is-on" if on else ""),
        style=f"--tone:var(--st-{_TONES[tone_of(step.reason or '')]})",
        aria_current="true" if on else None,
        aria_label=said,
    )
