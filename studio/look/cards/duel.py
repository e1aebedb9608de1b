"""A duel: one picture, two answers, and what a judge said of them before and after its training, in both orders."""

from collections.abc import Sequence
from dataclasses import dataclass

from studio.look.cards.diff import pair_text
from studio.look.cards.images import ShownPicture, pictures
from studio.look.cards.marks import fate, outcome_of, verdict_chip
from studio.look.cards.markup import EMPTY, Html, element, esc
from studio.look.cards.trace import reasoning


@dataclass(frozen=True, slots=True, kw_only=True)
class DuelHalf:
    """One order of one judge's ruling."""

    order: str
    """ "AB" = the better answer was shown as A."""
    verdict: str
    """As it said it."""
    reasoning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DuelSide:
    """One judge version in both orders."""

    title: str
    """ "Before training"."""
    judge: str
    halves: Sequence[DuelHalf]


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """One item of a benchmark and both judges' replies."""

    better: bool
    """Training mended it; False = it got worse."""
    about: str
    """How many items turned the same way."""
    pictures: Sequence[ShownPicture]
    """Of the question."""
    question: str
    preferred: str
    degraded: str
    sides: Sequence[DuelSide]


def duel(shown: Duel) -> Html:
    """The picture with its two answers at the left, the judges beside each other."""
    sign = fate("right", "Mended") if shown.better else fate("wrong", "Got worse")
    head = element("div", sign, element("span", esc(shown.about), class_="st-sub"), class_="st-row")
    item = element(
        "div",
        pictures(shown.pictures, f"The picture the question is about: {shown.question}"[:300]),
        element("p", esc(shown.question, limit=400), class_="st-card-q", dir="auto"),
        pair_text(shown.preferred, shown.degraded, collapse=True, limit=600),
        class_="st-duel-item",
    )
    sides = element("div", *(_side(side, shown) for side in shown.sides), class_="st-duel-sides")
    return element("article", head, element("div", item, sides, class_="st-duel"), class_="st-pad")


def ruling(halves: Sequence[DuelHalf]) -> tuple[str, str]:
    """What both orders come to, as code and words."""
    ended = {outcome_of(half.verdict, half.order) for half in halves}
    said = {half.verdict for half in halves}
    if "invalid" in ended:
        return "invalid", "An order without a verdict"
    if ended == {"right"}:
        return "right", "Right in both orders"
    if ended == {"wrong"}:
        return "wrong", "Wrong in both orders"
    place = {"A": "first", "B": "second"}.get(said.pop()) if len(said) == 1 else None
    return "order-flip", f"Picks whatever comes {place}" if place else "The orders disagree"


def _side(side: DuelSide, shown: Duel) -> Html:
    code, told = ruling(side.halves)
    name = element("span", element("b", esc(side.title)), element("span", esc(side.judge), class_="st-dim"),
                   class_="st-row")  # fmt: skip
    head = element("div", name, fate(code, told), class_="st-between")
    return element("section", head, *(_half(half, shown) for half in side.halves), aria_label=f"{side.title}: {told}")


def _half(half: DuelHalf, shown: Duel) -> Html:
    """The letters in a reply are those of the order it saw, so each order says which answer was which."""
    first, second = (shown.preferred, shown.degraded) if half.order == "AB" else (shown.degraded, shown.preferred)
    read = element(
        "span",
        *(
            element("span", element("b", Html(letter)), esc(f" {answer}", limit=90))
            for letter, answer in (("A", first), ("B", second))
        ),
        class_="st-duel-read", dir="auto",
    )  # fmt: skip
    sign = verdict_chip(half.verdict, outcome_of(half.verdict, half.order)) if half.verdict else EMPTY
    return element(
        "div", element("div", read, sign, class_="st-order"), reasoning(half.reasoning), class_="st-duel-half"
    )
