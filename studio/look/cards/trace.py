"""One ruled pair with both orders beside each other: verdicts, full reasoning, tokens, fate and why."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from studio.look import words
from studio.look.cards.diff import pair_text
from studio.look.cards.images import picture
from studio.look.cards.marks import chip, chips, fate, order_mark, outcome_of, tone_of, verdict_chip
from studio.look.cards.markup import EMPTY, Html, element, esc, press
from studio.look.cards.notes import link

FOLD_LINES = 8
"""Reasoning longer than this many lines is folded, with "Show all"."""

LINE_CHARACTERS = 68
"""Characters of one line of reasoning (the column is 68 characters wide)."""

_TOKEN = re.compile(r"\[\[(?:A|B|C|tie)\]\]", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceHalf:
    """One sampled trace in one order."""

    order: str
    verdict: str
    reasoning: str
    tokens: int | None
    sample: int
    """0-based, as in the table."""
    samples: int | None = None
    """How many there are per order."""
    reason: str | None = None
    """Its own fate, shown when the two orders ended differently (per-order rule)."""
    mark: str | None = None
    """What a click on "Mark: right for the wrong reason" sends; None where it cannot be marked: it is not right."""
    is_marked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceCard:
    """One pair and the two traces of one sample."""

    pair_id: str
    src: str | None
    width: int | None = None
    question: str
    strategy: str
    dimension: str
    preferred: str
    degraded: str
    fate: str | None
    """"kept", a reason code, or None before select."""
    why: str | None = None
    """One sentence; None takes the usual one for this fate."""
    ab: TraceHalf | None
    ba: TraceHalf | None
    """None while that order has not been written."""
    url: str | None = None
    """Link to the pair."""


def why(reason: str | None, ab: TraceHalf | None, ba: TraceHalf | None) -> str:
    """The usual sentence for a fate, from the verdicts themselves. Unknown codes get a plain one."""
    halves = [half for half in (ab, ba) if half is not None]
    if reason is None:
        return "Select has not run yet."
    if reason == "kept":
        return "Both orders name the preferred response." if len(halves) == 2 else "It names the preferred response."
    if reason == "order-flip":
        said = {half.verdict for half in halves}
        first = {"A": "first", "B": "second"}.get(said.pop()) if len(said) == 1 else None
        return f"The {first} response won in both orders." if first else "The two orders contradict each other."
    if reason == "invalid":
        return _why_invalid(halves)
    usual = {
        "wrong": "Both orders agree on the degraded response."
        if len(halves) == 2
        else "It names the degraded response.",
        "unbalanced": "Right, but left out so that verdicts A and B stay balanced.",
        "capped": "Right, but its image or dimension already had enough.",
        "tie": "A tie decides nothing.",
    }
    return usual.get(reason, "")


def _why_invalid(halves: Sequence[TraceHalf]) -> str:
    bad = [half for half in halves if half.verdict not in ("A", "B", "tie")]
    if len(bad) == 2:
        return "Neither order states exactly one verdict."
    if not bad:
        return "One order states no single verdict."
    several = len({token.casefold() for token in _TOKEN.findall(bad[0].reasoning)}) > 1
    said = "states both verdicts, so none is read." if several else "states no verdict."
    return f"Order {bad[0].order} {said}"


def agreement(ab: TraceHalf | None, ba: TraceHalf | None) -> tuple[str, str]:
    """What these two verdicts say together, in code and words: the lens shows nothing else, whatever select did."""
    said = {outcome_of(half.verdict, half.order) for half in (ab, ba) if half is not None}
    if ab is None or ba is None:
        return "waiting", "One order so far"
    if "invalid" in said:
        return "invalid", "An order without a verdict"
    if len(said) > 1:
        return "order-flip", "The orders disagree"
    (both,) = said
    return both, "Both orders say tie" if both == "tie" else f"Both orders {both}"


def _ended(reason: str | None) -> Html:
    """What select did with a trace, as a word of its own."""
    if reason is None:
        return chip("not selected yet")
    return chip("kept", "kept") if reason == "kept" else chip(f"rejected: {reason}", tone_of(reason))


def trace_card(card: TraceCard) -> Html:
    """The trace as a panel: what both orders say, what select did and why; below, the pair and both orders."""
    code, agreed = agreement(card.ab, card.ba)
    sentence = card.why if card.why is not None else why(card.fate, card.ab, card.ba)
    pair_id = words.short_id(card.pair_id)
    is_split = any(half is not None and half.reason for half in (card.ab, card.ba))
    ended = EMPTY if is_split else _ended(card.fate)
    head = element(
        "header",
        element("span", fate(code, agreed), ended, element("span", esc(sentence), class_="st-sub"), class_="st-row"),
        element(
            "span",
            chips(card.strategy, card.dimension),
            link(pair_id, card.url, mono=True) if card.url else element("span", esc(pair_id), class_="st-mono"),
            class_="st-row",
        ),
    )
    body = element("div", _pair(card), _half("AB", card.ab), _half("BA", card.ba), class_="st-trace")
    return element(
        "article", head, body, class_="st-panel", aria_label=f"Trace of pair {pair_id}: {agreed}", data_id=_key(card)
    )


def _key(card: TraceCard) -> str:
    """By which the page knows the trace again when the list is drawn anew."""
    half = card.ab or card.ba
    return f"{card.pair_id}-{half.sample if half else 0}"


def trace_list(cards: Sequence[TraceCard]) -> Html:
    """The traces of one page."""
    return element("div", *(trace_card(card) for card in cards), class_="st-stack is-wide")


def _pair(card: TraceCard) -> Html:
    top = element(
        "div",
        picture(card.src, f"Image of pair {words.short_id(card.pair_id)}", width=card.width),
        element("p", esc(card.question, limit=300), class_="st-card-q", dir="auto"),
        class_="st-card-top is-narrow",
    )
    return element("div", top, pair_text(card.preferred, card.degraded, collapse=True, limit=900))


def _half(order: str, half: TraceHalf | None) -> Html:
    where = "preferred first" if order == "AB" else "preferred second"
    name = element(
        "span",
        order_mark(order),
        element("b", esc(f"Order {order}")),
        element("span", esc(where), class_="st-dim"),
    )
    if half is None:
        head = element("div", name, class_="st-order")
        return element("div", head, element("p", Html("Not written yet."), class_="st-sub st-dim"))
    outcome = outcome_of(half.verdict, order)
    ended = _ended(half.reason) if half.reason else EMPTY
    signs = element("span", ended, verdict_chip(half.verdict, outcome), class_="st-row is-tight")
    head = element("div", name, signs, class_="st-order")
    return element("div", head, reasoning(half.reasoning), _meta(half))


def _meta(half: TraceHalf) -> Html:
    of = f" of {half.samples}" if half.samples else ""
    parts = [
        words.plural(half.tokens, "token") if half.tokens is not None else "",
        f"sample {half.sample + 1}{of}",
    ]
    return element("div", *(element("span", esc(part)) for part in parts if part), _mark(half), class_="st-meta")


def _mark(half: TraceHalf) -> Html:
    """Acts: "mark". The key `f` presses the first one of the trace that keys have walked to."""
    if half.mark is None:
        return EMPTY
    said = chip("right for the wrong reason", "flip") if half.is_marked else EMPTY
    label = "Remove mark" if half.is_marked else "Mark: right for the wrong reason"
    return Html(said + press(esc(label), act="mark", key=half.mark, class_="st-linkish", data_key="f"))


def reasoning(text: str, *, caret: bool = False, aside: str = "", fold: bool = True) -> Html:
    """A reply as paragraphs, verdict tokens in mono, folded after eight lines.

    `caret` for text that is still being written; `aside` is our own word behind it ("the second shown, your A").
    """
    lines = [line for line in text.splitlines() if line.strip()] or [""]
    shown = [_verdict_tokens(line) for line in lines]
    if caret:
        shown[-1] = Html(shown[-1] + ' <span class="caret"></span>')
    if aside:
        shown[-1] = Html(f'{shown[-1]} <span class="st-dim">{esc(aside)}</span>')
    body = element("div", *(element("p", line, dir="auto") for line in shown), class_="st-reason")
    length = sum(1 + len(line) // LINE_CHARACTERS for line in lines)
    if not fold or caret or length <= FOLD_LINES:
        return body
    more = element("details", element("summary", Html("Show all")), class_="st-showall")
    return element("div", body, more, class_="st-fold")


def folded_replies(summary: str, replies: Sequence[tuple[str, str]]) -> Html:
    """Replies, each under a line that says whose it is; "" ones are left out. Nothing without any."""
    said = [
        element("div", element("p", esc(whose), class_="st-sub"), reasoning(reply), class_="st-stack is-close")
        for whose, reply in replies
        if reply
    ]
    if not said:
        return EMPTY
    return element(
        "details", element("summary", esc(summary)), element("div", *said, class_="st-stack"), class_="st-more"
    )


def _verdict_tokens(line: str) -> Html:
    """The line escaped, with every verdict token in a `<mark>`. Brackets and letters survive escaping."""
    return Html(_TOKEN.sub(lambda found: f"<mark>{found.group()}</mark>", esc(line))) if line else EMPTY
