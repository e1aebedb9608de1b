"""The pair card, the grid of cards, the vote histogram and the drawer of one pair."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from studio.look import words
from studio.look.cards.diff import pair_text
from studio.look.cards.images import picture
from studio.look.cards.marks import chip, chips, fate, order_mark, outcome_of, verdict_chip
from studio.look.cards.markup import EMPTY, Html, clip, element, esc, press, ready
from studio.look.cards.notes import Action, button, key_values, link

VOTE_ROWS = 4
"""Answers with a row of their own in the histogram; the rest share the row "other"."""

VOTE_CELLS = 16
"""Cells a row may hold, one per sampled answer (N = 16); a larger sample is scaled down and says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairCard:
    """What a card shows of one pair."""

    pair_id: str
    src: str | None
    """URL of the image on this server."""
    width: int | None = None
    """Pixels of the source image."""
    question: str
    strategy: str
    dimension: str
    preferred: str
    degraded: str
    votes: str | None = None
    """Closed pairs: the table's JSON object answer → count."""
    fate: str | None = None
    """"kept" or a reason code; the reason of `dropped` for a pair synthesize refused; None before judge."""
    fate_words: str | None = None
    """Replaces the code, e.g. "kept 2 of 2"."""
    flagged: bool = False
    url: str | None = None
    """Link that chooses this pair; None = a click arrives as act "open"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteBar:
    """One row of a histogram."""

    answer: str
    count: int
    part: str
    """"p" the preferred answer, "d" the answer used as degraded, "" any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RulingRow:
    """One verdict on the pair, for the drawer."""

    order: str
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairDetail:
    """What the drawer shows beside the card's own content."""

    card: PairCard
    fault: str
    """The designed fault in one sentence."""
    judge: str | None = None
    """Judge version whose rulings follow."""
    rulings: Sequence[RulingRow] = ()
    provenance: Sequence[tuple[str, str]] = ()
    """Run, strategy, writer, image, seed: names and values."""
    traces_url: str | None = None
    has_previous: bool = True
    has_next: bool = True


def read_votes(votes: str | None, degraded: str, *, preferred: str | None = None) -> list[VoteBar]:
    """Rows of the histogram from the table's JSON, most frequent first, rare answers summed up as "other".

    Unreadable JSON gives no rows. The preferred row is the first, or with `preferred` (where the votes did not
    decide) the most frequent answer that it states and `degraded` does not. The degraded row is the most frequent
    other answer that `degraded` states.
    """
    try:
        counts = json.loads(votes or "{}")
    except ValueError:
        return []
    if not isinstance(counts, dict):
        return []
    pairs = [(str(answer), count) for answer, count in counts.items() if isinstance(count, int) and count > 0]
    pairs.sort(key=lambda row: -row[1])
    answers = [answer for answer, _ in pairs]
    if preferred is None:
        right = next(iter(answers), None)
    else:
        right = next((one for one in answers if _states(preferred, one) and not _states(degraded, one)), None)
    wrong = next((one for one in answers if one != right and _states(degraded, one)), None)
    parts = {wrong: "d", right: "p"}
    return _with_other([VoteBar(answer=answer, count=count, part=parts.get(answer, "")) for answer, count in pairs])


def _votes(card: PairCard) -> list[VoteBar]:
    """Of an oracle pair the source's answer is preferred, however few samples gave it."""
    return read_votes(card.votes, card.degraded, preferred=card.preferred if card.strategy == "oracle" else None)


_NUMBER_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
_SMALL = frozenset(str(number) for number in range(len(_NUMBER_WORDS)))
"""Votes are counted in figures, whatever the samples wrote."""


def _states(text: str, answer: str) -> bool:
    """Whether the text holds the answer as whole words, whatever its case; a small number also as its word."""
    forms = (answer.casefold(), _NUMBER_WORDS[int(answer)]) if answer in _SMALL else (answer.casefold(),)
    return any(re.search(rf"(?<!\w){re.escape(form)}(?!\w)", text.casefold()) for form in forms)


def _with_other(rows: list[VoteBar]) -> list[VoteBar]:
    if len(rows) <= VOTE_ROWS:
        return rows
    shown = [row for place, row in enumerate(rows) if place < VOTE_ROWS - 1 or row.part]
    rest = sum(row.count for row in rows) - sum(row.count for row in shown)
    return [*shown, VoteBar(answer="other", count=rest, part="")] if rest else shown


def vote_histogram(rows: Sequence[VoteBar]) -> Html:
    """One cell per sampled answer: preferred green, degraded red, the rest grey, counts at the right."""
    if not rows:
        return EMPTY
    total = sum(row.count for row in rows)
    scale = min(1.0, VOTE_CELLS / max(row.count for row in rows))
    said = ", ".join(f"{clip(row.answer, 80)} {row.count}" for row in rows)
    lines = [
        element(
            "div",
            element("span", esc(row.answer, limit=80), class_="st-answer", title=row.answer[:200], dir="auto"),
            element("span", Html("<i></i>" * max(1, round(row.count * scale))), class_="u"),
            element("span", esc(words.number(row.count)), class_="st-num"),
            class_=f"is-{row.part}" if row.part else None,
        )
        for row in rows
    ]
    label = f"Votes of {words.plural(total, 'sample')}: {said}"
    return element("div", *lines, class_="st-votes", role="img", aria_label=label)


def pair_card(card: PairCard, *, selected: bool = False, part: int = 0) -> Html:
    """One pair as a card that opens the drawer: `act` "open", `id` the pair's id. `part`: see `ready`."""
    head = element(
        "div",
        picture(card.src, f"Image of pair {words.short_id(card.pair_id)}", width=card.width, at_once=part != 0),
        element(
            "div",
            element("p", _opener(card, selected=selected), class_="st-card-q", dir="auto"),
            chips(card.strategy, card.dimension),
        ),
        class_="st-card-top",
    )
    foot = element(
        "div",
        element("span", esc(words.short_id(card.pair_id)), class_="st-mono"),
        element("span", _flag(card), _fate(card), class_="st-row is-tight"),
        class_="st-card-foot",
    )
    return element(
        "article",
        head,
        _responses(card, fold=True),
        vote_histogram(_votes(card)),
        foot,
        **ready("st-card is-on" if selected else "st-card", part),
    )


def _opener(card: PairCard, *, selected: bool) -> Html:
    """The question as a button whose target is the whole card, so that its texts stay readable to all."""
    return press(
        esc(card.question, limit=300),
        act="open",
        key=card.pair_id,
        url=card.url,
        class_="st-opener",
        aria_current="true" if selected else None,
    )


def _responses(card: PairCard, *, fold: bool) -> Html:
    if not card.preferred and not card.degraded:
        return element("p", Html("Dropped before both responses existed."), class_="st-sub st-dim")
    return pair_text(card.preferred, card.degraded, collapse=fold, limit=4000)


def _flag(card: PairCard) -> Html:
    return chip("flagged", "flip") if card.flagged else EMPTY


def _fate(card: PairCard) -> Html:
    if card.fate is None:
        return element("span", Html("not ruled on yet"))
    return fate(card.fate, clip(card.fate_words, 60) if card.fate_words else None)


def pair_grid(
    cards: Sequence[PairCard],
    *,
    selected: str | None = None,
    full: bool = False,
    before: Sequence[PairCard] = (),
    after: Sequence[PairCard] = (),
) -> Html:
    """The cards of one page; `full` when the drawer is closed and there is room for a fourth column. Those of the pages
    `before` and `after` lie ready, see `ready`."""
    parts = ((before, -1), (cards, 0), (after, 1))
    items = [pair_card(card, selected=card.pair_id == selected, part=part) for some, part in parts for card in some]
    return element("div", *items, class_="st-cards is-full" if full else "st-cards", data_keys="jk")


def pair_drawer(detail: PairDetail) -> Html:
    """Large image, full texts, designed fault, rulings per order, provenance.

    Acts: "previous", "next", "close", "flag", "link"; the note is a Gradio text box below it.
    """
    card = detail.card
    sections = [
        element(
            "section",
            element("div", picture(card.src, "Image of the pair", width=card.width, zoom=True), class_="st-large"),
            element("p", esc(card.question), class_="st-card-q", dir="auto"),
            _responses(card, fold=False),
            vote_histogram(_votes(card)),
        ),
        element("section", element("h3", Html("Designed fault")), element("p", esc(detail.fault), class_="st-sub")),
        _rulings(detail),
        element("section", element("h3", Html("Where it came from")), key_values(detail.provenance)),
    ]
    return element(
        "div",
        _drawer_head(detail),
        *sections,
        class_="st-drawer-in",
        aria_label=f"Pair {card.pair_id}",
        role="region",
    )


def _drawer_head(detail: PairDetail) -> Html:
    actions = [
        Action(label="Previous", act="previous", hint="k", small=True, disabled=not detail.has_previous),
        Action(label="Next", act="next", hint="j", small=True, disabled=not detail.has_next),
        Action(label="✕", act="close", small=True, said="Close"),
    ]
    name = element("span", esc(words.short_id(detail.card.pair_id)), class_="st-mono", title=detail.card.pair_id)
    return element(
        "div",
        element("h2", Html("Pair "), name),
        element("div", *(button(action) for action in actions), class_="st-row is-tight"),
        class_="st-pad st-between",
    )


def _rulings(detail: PairDetail) -> Html:
    if not detail.rulings:
        text = element("p", Html("No rulings yet. Judge starts after synthesize."), class_="st-sub st-dim")
        return element("section", element("h3", Html("Rulings")), text)
    lines = [
        element(
            "div",
            order_mark(order),
            element("span", esc(f"Order {order}: "), class_="st-sr"),
            *(verdict_chip(ruling.verdict, outcome_of(ruling.verdict, order)) for ruling in shown),
            class_="st-row",
        )
        for order in ("AB", "BA")
        if (shown := [ruling for ruling in detail.rulings if ruling.order == order])
    ]
    more = link("Open traces", detail.traces_url) if detail.traces_url else EMPTY
    title = f"Rulings of {detail.judge}" if detail.judge else "Rulings"
    return element(
        "section",
        element("div", element("h3", esc(title)), more, class_="st-between"),
        element("div", *lines, class_="st-stack is-close"),
    )
