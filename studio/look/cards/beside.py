"""Judges beside each other: the grid of items and lenses, the numbers by dimension, and two reasonings line by line."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.export.word_diff import aligned
from studio.look import words
from studio.look.cards.diff import marked
from studio.look.cards.images import picture
from studio.look.cards.marks import chip, fate
from studio.look.cards.markup import EMPTY, Html, element, esc, press
from studio.look.cards.tables import Column, Score, gain_cell, row, score_cell, table

_LONGEST_REASONING = 8_000
"""Characters that are set against each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BesideItem:
    """One row of the grid."""

    item_id: str
    src: str | None
    width: int | None
    question: str
    dimension: str
    ended: Sequence[str | None]
    """Per side: right, wrong, order-flip, tie, invalid; None where it was not asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedGain:
    """A later side against the first one on one slice."""

    gain: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BesideRow:
    """One slice, all sides."""

    name: str
    n: int
    """Items; of the side that has most."""
    scores: Sequence[Score | None]
    gains: Sequence[PairedGain | None]
    """Per side but the first; None where no item is shared."""


def beside_grid(items: Sequence[BesideItem], names: Sequence[str], *, selected: str = "") -> Html:
    """Items down, sides across. Act "item" on the question, `id` the item's id."""
    columns = (
        Column(name="Item"),
        Column(name="Dimension", is_far=True),
        *(Column(name=name) for name in names),
    )
    rows = [row(columns, _item_cells(item), selected=item.item_id == selected) for item in items]
    return table(columns, rows, caption="Items by judge")


def _item_cells(item: BesideItem) -> list[Html]:
    opener = press(esc(item.question, limit=160), act="item", key=item.item_id, class_="st-opener")
    about = element(
        "span",
        picture(item.src, "Image of the item", width=item.width),
        element("span", opener, dir="auto"),
        class_="st-thumbrow",
    )
    ended = [fate(one) if one else element("span", esc("not asked"), class_="st-dim") for one in item.ended]
    return [about, chip(item.dimension), *ended]


def beside_numbers(rows: Sequence[BesideRow], names: Sequence[str]) -> Html:
    """Per slice: every side's accuracy with interval, and each later side's paired gain over the first."""
    columns = (
        Column(name="Dimension"),
        Column(name="Items", is_number=True, is_optional=True),
        *(Column(name=name, is_number=True) for name in names),
        *(Column(name=f"{name}, gain", is_number=True) for name in names[1:]),
    )
    body = [
        row(
            columns,
            [
                element("b", esc(line.name)) if place == 0 else esc(line.name, limit=60),
                esc(words.number(line.n)),
                *(score_cell(score) for score in line.scores),
                *(
                    gain_cell(gain.gain, gain.low, gain.high, gain.p) if gain else gain_cell(None, None, None, None)
                    for gain in line.gains
                ),
            ],
        )
        for place, line in enumerate(rows)
    ]
    return table(columns, body, caption="Accuracy by dimension")


def line_by_line(one: str, other: str) -> Html:
    """Two reasonings, shared sentences on one line, the words that differ marked in both."""
    cells: list[Html] = []
    for left, right in aligned(one[:_LONGEST_REASONING], other[:_LONGEST_REASONING]):
        cells += [element("p", marked(left, "del"), dir="auto"), element("p", marked(right, "ins"), dir="auto")]
    return element("div", *cells, class_="st-aligned") if cells else EMPTY
