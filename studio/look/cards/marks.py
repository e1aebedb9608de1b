"""The small signs: agreement lens, fate, chips, verdict chip, order mark, brand, heartbeat, legend.

Colour is never alone: every sign carries a word, a glyph or a shape of its own.
"""

from typing import Literal

from engine.records import Outcome, Verdict, outcome
from studio.look.cards.glossary import asks
from studio.look.cards.markup import EMPTY, Html, element, esc
from studio.look.cards.theme_switch import theme_switch

Tone = Literal["kept", "rejected", "flip", "invalid", "accent", "quiet"]
"""kept = right, rejected = wrong or failed, flip = order-flip or warning, invalid, accent, quiet = no meaning."""

Lens = Literal["agree", "apart", "partial"]
"""agree = both orders say the same, apart = order-flip, partial = one order has no verdict (yet)."""

_CIRCLES: dict[str, str] = {
    "agree": '<circle cx="8.5" cy="7" r="6"/><circle cx="15.5" cy="7" r="6"/>'
    '<path class="in" d="M12 2.1A6 6 0 0 1 12 11.9A6 6 0 0 1 12 2.1Z"/>',
    "apart": '<circle cx="6.3" cy="7" r="5.4"/><circle cx="17.7" cy="7" r="5.4"/>',
    "partial": '<circle cx="8.5" cy="7" r="6"/><circle cx="15.5" cy="7" r="6" stroke-dasharray="2.2 2"/>',
}

_FATES: dict[str, tuple[Lens, Tone]] = {
    "kept": ("agree", "kept"),
    "right": ("agree", "kept"),
    "agree": ("agree", "accent"),
    "wrong": ("agree", "rejected"),
    "order-flip": ("apart", "flip"),
    "invalid": ("partial", "invalid"),
    "tie": ("agree", "quiet"),
    "waiting": ("partial", "quiet"),
}

_STATES: dict[str, tuple[str, str, Tone]] = {
    "running": ("●", "Running", "accent"),
    "stopping": ("●", "Stopping", "accent"),
    "stopped": ("■", "Stopped", "quiet"),
    "done": ("✓", "Done", "quiet"),
    "failed": ("✕", "Failed", "rejected"),
    "queued": ("○", "Queued", "quiet"),
}

_OUTCOMES: dict[str, Tone] = {
    "right": "kept",
    "wrong": "rejected",
    "tie": "quiet",
    "invalid": "invalid",
    "preferred": "accent",
}


def tone_of(reason: str) -> Tone:
    """The meaning colour of a reason code: kept, wrong, order-flip, invalid; anything else is quiet."""
    return _FATES.get(reason, ("agree", "quiet"))[1]


def lens(shape: Lens) -> Html:
    """The agreement mark alone, 24 × 14 px, in the current colour. Hidden from readers: a word goes with it."""
    return Html(f'<svg class="st-lens" viewBox="0 0 24 14" aria-hidden="true">{_CIRCLES[shape]}</svg>')


def fate(reason: str, words: str | None = None) -> Html:
    """Lens and word of how something ended. `reason` is "kept" or a reason code; `words` replaces the code.

    "right", "agree" (nobody knows which is right), "tie" and "waiting" are accepted too; an unknown code is
    shown as it is, without a colour of its own.
    """
    shape, tone = _FATES.get(reason, ("agree", "quiet"))
    return element(
        "span", lens(shape), esc(words or reason), class_=f"st-fate is-c-{tone}", **asks(words or reason, focus=False)
    )


def chip(text: str, tone: Tone | None = None) -> Html:
    """An outlined chip says what a thing is; a tinted one (with `tone`) how it ended."""
    suffix = {None: "", "accent": " is-run", "quiet": ""}.get(tone, f" is-{tone}")
    return element("span", esc(text, limit=60), class_=f"st-chip{suffix}", **asks(text, focus=False))


def state_chip(state: str) -> Html:
    """A run's state with its glyph. Only running and failed are tinted; an unknown state is shown as it is."""
    glyph, word, tone = _STATES.get(state, ("○", state, "quiet"))
    return chip(f"{glyph} {word}", tone)


def chips(*texts: str) -> Html:
    """Outlined chips in a row; empty texts are left out."""
    return element("span", *(chip(text) for text in texts if text), class_="st-row is-tight")


def verdict_chip(letter: str, outcome: str) -> Html:
    """The letter as said on a solid square, then what it means.

    `letter` is "A" or "B"; a tie shows "=", none shows "–". `outcome` is right, wrong, tie, invalid or
    preferred (Live judge: the letter is then the visitor's own response).
    """
    said = letter if letter in ("A", "B") else {"tie": "="}.get(outcome, "–")
    tone = _OUTCOMES.get(outcome, "quiet")
    return element(
        "span",
        element("b", element("span", esc(said))),
        element("em", esc(outcome)),
        class_=f"st-verdict is-c-{tone}",
    )


def outcome_of(verdict: str, order: str) -> Outcome:
    """What a verdict means for the preferred response; what no judge says is invalid."""
    said: Verdict = "A" if verdict == "A" else "B" if verdict == "B" else "tie" if verdict == "tie" else "invalid"
    return outcome(said, "AB" if order == "AB" else "BA")


def order_mark(order: str) -> Html:
    """`+ −` for AB (preferred first), `− +` for BA."""
    plus, minus = '<i class="p">+</i>', '<i class="d">−</i>'
    pair = plus + minus if order == "AB" else minus + plus
    return Html(f'<span class="st-seq" aria-hidden="true">{pair}</span>')


def letter_mark(first: str) -> Html:
    """`A B` or `B A`: which of the visitor's responses was shown first in Live judge."""
    pair = ("A", "B") if first == "A" else ("B", "A")
    cells = "".join(f'<i class="n">{letter}</i>' for letter in pair)
    return Html(f'<span class="st-seq" aria-hidden="true">{cells}</span>')


_LOGO = (
    '<svg width="30" height="18" viewBox="0 0 30 18" fill="none" stroke="currentColor" stroke-width="1.8" '
    'aria-hidden="true"><circle cx="10.5" cy="9" r="7.6"/><circle cx="19.5" cy="9" r="7.6"/>'
    '<path d="M15 2.9A7.6 7.6 0 0 1 15 15.1A7.6 7.6 0 0 1 15 2.9Z" fill="var(--st-accent)" stroke="none"/></svg>'
)


def brand(workspace: str) -> Html:
    """Logo, name, the workspace's path, and the switch between light and dark, for the left end of the header."""
    name = element("span", Html(_LOGO), Html("Judge Studio"), class_="st-brand")
    place = element("span", esc(workspace, limit=80), class_="st-ws")
    return element("div", name, place, theme_switch(), class_="st st-brandline")


def heartbeat(text: str, *, pulse: Literal["live", "late", "idle"]) -> Html:
    """Dot and words: live = petrol and beating, late = hollow (older than 15 s), idle = grey."""
    kind = {"live": " is-live", "late": " is-late", "idle": " is-idle"}[pulse]
    dot = Html('<i aria-hidden="true"></i>')
    return element("span", dot, element("span", esc(text)), class_=f"st-beat{kind}", title=text)


def legend(*entries: tuple[str, Literal["new", "mid", "base", "control"]], extra: Html = EMPTY) -> Html:
    """A row of line samples with names, for a chart's panel header. Controls are dashed."""
    items = [
        element("span", Html(f'<i class="is-{kind}" aria-hidden="true"></i>'), esc(name), **asks(name))
        for name, kind in entries
    ]
    return element("div", *items, extra, class_="st-legend")
