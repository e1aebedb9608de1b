"""Live judge: the result card of one judge version, streaming or finished, and the list of recent judgements."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from studio.look import words
from studio.look.cards.marks import chip, fate, letter_mark, verdict_chip
from studio.look.cards.markup import EMPTY, Html, element, esc, press
from studio.look.cards.notes import note
from studio.look.cards.trace import reasoning


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveHalf:
    """One order of one live judgement."""

    first: Literal["A", "B"]
    """Which of the visitor's responses was shown first."""
    state: Literal["next", "writing", "done"]
    text: str = ""
    """The reasoning so far."""
    verdict: str | None = None
    """Of the visitor's responses, whichever was shown first: "A", "B", "tie", "invalid"; None until done."""
    tokens: int | None = None
    seconds: float | None = None
    first_seconds: float | None = None
    """Until its first word."""
    confidence: float | None = None
    """Probability of the verdict it gave, from the verdict token; None where the backend does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveResult:
    """One judge version's answer in both orders."""

    judge: str
    about: str
    """Run and role, e.g. "shapes-01, best version"."""
    a_first: LiveHalf
    b_first: LiveHalf
    failed: str | None = None
    """The sentence of an error; the halves are then shown as far as they got."""


def ruling_of(result: LiveResult) -> tuple[str, str, str]:
    """(fate code, words at the top, sentence at the foot) of a result."""
    said = [half.verdict for half in (result.a_first, result.b_first)]
    if result.failed:
        return "waiting", "No ruling", "It stopped before both orders were read."
    if said[0] is None or said[1] is None:
        waiting = "AB" if said[0] is None else "BA"
        return "waiting", f"Waiting for order {waiting}", "Reasoning appears as it is written."
    if "invalid" in said:
        return "invalid", "Invalid: no ruling", "An order without exactly one verdict is not read."
    if said[0] == said[1]:
        if said[0] == "tie":
            return "tie", "Both orders say tie", "The ruling does not depend on the order shown."
        return "agree", f"Both orders prefer {said[0]}", "The ruling does not depend on the order shown."
    if "tie" in said:
        return "order-flip", "Order-flip: no ruling", "One order says tie, the other does not."
    place = "first" if said[0] == "A" else "second"
    sentence = f"It picked whichever response came {place}. Under the strict protocol this counts as wrong."
    return "order-flip", "Order-flip: no ruling", sentence


def live_result(result: LiveResult) -> Html:
    """The card of one version: both orders beside each other, a caret in the one being written."""
    code, title, sentence = ruling_of(result)
    name = element(
        "span",
        element("h2", esc(result.judge)),
        element("span", esc(result.about), class_="st-sub"),
        class_="st-row",
    )
    failed = element("div", note(result.failed, tone="error"), class_="st-pad") if result.failed else EMPTY
    return element(
        "section",
        element("header", name, fate(code, title)),
        failed,
        element(
            "div", *(_half(one, sure=code == "agree") for one in (result.a_first, result.b_first)), class_="st-result"
        ),
        element("footer", esc(sentence)),
        class_="st-panel",
        aria_label=f"{result.judge}: {title}",
        aria_busy="true" if code == "waiting" and not result.failed else None,
    )


def live_results(results: Sequence[LiveResult], *, guess: str = "", warning: str = "") -> Html:
    """One card per version, and what they say together. Not a live region: streamed text would be read out word by
    word. `guess`: what the visitor thought before ("A", "B", "tie"); `warning`: why none of it may be believed.
    """
    told = together(results, guess)
    return element(
        "div",
        note(warning, tone="error") if warning else EMPTY,
        element("p", esc(told), class_="st-says") if told else EMPTY,
        *(live_result(result) for result in results),
        class_="st-stack is-wide",
    )


def together(results: Sequence[LiveResult], guess: str = "") -> str:
    """What finished judges say together: "3 of 4 prefer A, one flips. You said A."; "" while one still writes."""
    said = [_word(result) for result in results]
    if not said or "" in said:
        return ""
    counts = Counter(said)
    first, *others = (_told(word, count, len(said), leads=not place) for place, (word, count) in enumerate(
        sorted(counts.items(), key=lambda one: (_TOGETHER.index(one[0]) // 2, -one[1], one[0]))
    ))  # fmt: skip
    mine = {"A": " You said A.", "B": " You said B.", "tie": " You said tie."}.get(guess, "")
    return ", ".join([first, *others]) + "." + mine if len(said) > 1 or mine else ""


_TOGETHER = ("A", "B", "tie", "order-flip", "invalid", "failed")
_VERBS = {
    "A": ("prefers A", "prefer A"), "B": ("prefers B", "prefer B"), "tie": ("says tie", "say tie"),
    "order-flip": ("flips", "flip"), "invalid": ("gives no verdict", "give no verdict"),
    "failed": ("stopped", "stopped"),
}  # fmt: skip
_NUMBERS = ("no judge", "one", "two", "three", "four")


def _told(word: str, count: int, total: int, *, leads: bool) -> str:
    verb = _VERBS[word][count != 1]
    if leads:
        return f"The judge {verb}" if total == 1 else f"{count} of {total} {verb}"
    return f"{_NUMBERS[count]} {verb}"


def _word(result: LiveResult) -> str:
    code, _, _ = ruling_of(result)
    if result.failed:
        return "failed"
    return {"waiting": "", "agree": str(result.a_first.verdict)}.get(code, code)


def _half(half: LiveHalf, *, sure: bool) -> Html:
    name = element("span", letter_mark(half.first), element("b", esc(f"{half.first} shown first")))
    head = element("div", name, _sign(half), class_="st-order")
    if half.state == "next":
        body = element("p", Html("Starts when the other order has finished."), class_="st-sub st-dim")
    else:
        body = reasoning(half.text, caret=half.state == "writing", aside=_aside(half))
    return element("div", head, body, _meta(half, sure=sure))


def _sign(half: LiveHalf) -> Html:
    if half.state != "done":
        return chip("writing", "accent") if half.state == "writing" else chip("next")
    response = half.verdict or "invalid"
    return verdict_chip(response, "preferred" if response in ("A", "B") else response)


def _aside(half: LiveHalf) -> str:
    """For B shown first, whose letters are the other way round: which response the verdict means."""
    if half.first == "A" or half.verdict not in ("A", "B"):
        return ""
    place = "first" if half.verdict == half.first else "second"
    return f"the {place} shown, your {half.verdict}"


def _meta(half: LiveHalf, *, sure: bool) -> Html:
    """`sure`: both orders agree. A flip says how sure of a place a judge was, which is no confidence in a response."""
    confidence = f"confidence {words.percent(half.confidence)}" if sure and half.confidence is not None else ""
    size = words.plural(half.tokens, "token") if half.tokens is not None else ""
    time = words.duration(half.seconds) if half.seconds is not None else ""
    first = f"first word after {words.duration(half.first_seconds)}" if half.first_seconds is not None else ""
    parts = [", ".join(part for part in (size, time) if part), first, confidence]
    return element("div", *(element("span", esc(part)) for part in parts if part), class_="st-meta")


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One past live judgement."""

    key: str
    question: str
    rulings: Sequence[tuple[str, str]]
    """Judge version and its ruling: "A", "B", "tie", "order-flip" or "invalid"."""
    when: str
    url: str | None = None


def history_list(rows: Sequence[HistoryRow]) -> Html:
    """Recent judgements, newest first as given. Act "history", `id` the row's key."""
    if not rows:
        return element("p", Html("Nothing judged yet."), class_="st-sub st-dim st-pad")
    return element("ul", *(_history(row) for row in rows), class_="st-history")


def _history(row: HistoryRow) -> Html:
    opener = press(esc(row.question, limit=200), act="history", key=row.key, url=row.url, class_="st-opener")
    rulings = [
        element("span", element("small", esc(judge, limit=60)), _ruling(said), class_="st-row is-tight")
        for judge, said in row.rulings
    ]
    return element(
        "li",
        element("p", opener, dir="auto"),
        element("div", *rulings, class_="st-row"),
        element("small", esc(row.when), class_="st-num"),
    )


def _ruling(said: str) -> Html:
    return fate("agree", said) if said in ("A", "B") else fate(said)
