"""What the Live judge tab shows of a judged file, one comparison by one. Plain values in, HTML out. No Gradio."""

from collections.abc import Callable

from engine.judging.ruling import Outcome
from studio.look import cards, words
from studio.look.cards import Action, Html
from studio.queries.judged import JudgedComparison, JudgedPage

ImageUrl = Callable[[str], str | None]
"""Address of a picture as the file names it; None where it is none of this workspace."""

OUTCOME_WORDS: dict[Outcome, str] = {
    "A": "A wins", "B": "B wins", "tie": "Tie", "order-flip": "Order-flip", "invalid": "Invalid",
}  # fmt: skip
_LONGEST = 600
"""Characters of an answer that are shown."""


def show_judged(page: JudgedPage, image_url: ImageUrl) -> str:
    """A page of comparisons; a sentence with the way back where none matches. Acts "clear", "next", "previous"."""
    if not page.matching:
        return cards.sheet(
            cards.padded(cards.empty("No comparison matches.", Action(label="Clear filters", act="clear", small=True)))
        )
    listed = [_comparison(one, image_url) for one in page.shown]
    body = cards.element("div", *listed, class_="st-stack is-wide st-pad")
    return cards.sheet(body, cards.panel_foot(_foot(page)))


def _foot(page: JudgedPage) -> Html:
    last = page.start + len(page.shown)
    turns = [
        Action(label=label, act=act, small=True)
        for label, act, is_there in (
            ("Previous", "previous", page.start > 0),
            ("Next", "next", last < page.matching),
        )
        if is_there
    ]
    told = f"{words.number(page.start + 1)} to {words.number(last)} of {words.plural(page.matching, 'comparison')}"
    told += "" if page.matching == page.total else f", {words.number(page.total)} in all"
    return cards.element("div", cards.sub(told), *(cards.button(turn) for turn in turns), class_="st-row")


def _comparison(one: JudgedComparison, image_url: ImageUrl) -> Html:
    pictures = [cards.picture(image_url(image), "Image of the question") for image in one.images]
    rulings = [
        cards.element(
            "span", cards.element("small", cards.esc(judge, limit=80)), _ruling(ruling), class_="st-row is-tight"
        )
        for judge, ruling in one.rulings.items()
    ]
    return cards.element(
        "article",
        cards.element("div", *pictures),
        cards.element(
            "div",
            cards.element("p", cards.element("b", cards.esc(one.question, limit=_LONGEST)), dir="auto"),
            *(
                cards.element("p", cards.chip(letter), cards.esc(f" {text}", limit=_LONGEST), dir="auto")
                for letter, text in (("A", one.a), ("B", one.b))
            ),
            cards.element("div", *rulings, class_="st-row is-apart"),
            _replies(one),
            class_="st-stack",
        ),
        class_="st-arena-difference",
    )


def _ruling(ruling: Outcome) -> Html:
    return cards.fate("agree", OUTCOME_WORDS[ruling]) if ruling in ("A", "B") else cards.fate(ruling)


def _replies(one: JudgedComparison) -> Html:
    """What the judges said in each order, folded."""
    return cards.folded_replies("What they said" if len(one.said) > 1 else "What it said", [
        (f"{judge[:80]}, {letter} shown first", reply)
        for judge, replies in one.said.items()
        for letter, reply in zip("AB", replies, strict=True)
    ])  # fmt: skip
