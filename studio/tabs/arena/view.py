"""What the Arena tab shows: the next item, blind; κ of every version and control with this person; where they differ.

Plain values in, HTML out. No Gradio. The order of the items and the statistics are `engine.measure.hand_labels`.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.errors import JudgeStudioError, UsageError
from engine.measure.agreement import Estimate, Kappa
from engine.measure.controls import MODEL_FREE, is_control
from engine.measure.hand_labels import HandEstimate, ToLabel, judged_by_hand, kappa_by_hand, next_to_label
from engine.records import BenchmarkItem, HandLabel, VerdictRow
from engine.workspace.catalog.database import Catalog
from engine.workspace.folders import RunFolder
from engine.workspace.hand_labels import read_labels
from studio.look import cards, words
from studio.look.cards import Action, Column, Html
from studio.queries.verdicts import (
    ItemImage,
    items,
    judges_measured,
    pictures_at,
    question_pictures,
    verdicts,
)

ENOUGH = 20
"""Answers from which agreement is shown: fewer say little, and seeing it sooner could sway the next answer."""
MOST_DIFFERENCES = 12
"""Items on which a judge and the person differ that are shown at once, newest answer first."""
RATER = "me"
ANSWERS = (
    ("A", "A is better", "a"),
    ("B", "B is better", "b"),
    ("tie", "A tie", "t"),
    ("cannot tell", "Cannot tell", "c"),
)
"""Answer, label of its button, key."""
UNDO = "undo"

ImageUrl = Callable[[str | None], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArenaShown:
    """The tab, ready to show."""

    item: str
    """The next item and the buttons."""
    agreement: str
    differences: str


def show_arena(catalog: Catalog, run: RunFolder | None, image_url: ImageUrl) -> ArenaShown:
    """The next item for this person, and what their answers say so far."""
    if run is None:
        return _nothing("No runs yet.", Action(label="Open Home", url="?tab=home", kind="main"))
    try:
        shown = next_to_label(run, rater=RATER)
    except JudgeStudioError:
        return _nothing("Nothing to answer yet. The items are there once the untrained judge is measured.", None)
    labels = [one for one in read_labels(run) if one.rater == RATER]
    return ArenaShown(
        item=cards.sheet(_item_panel(catalog, run, shown, len(labels), image_url)),
        agreement=cards.sheet(_agreement_panel(catalog, run, labels)),
        differences=cards.sheet(_differences_panel(catalog, run, labels, image_url)),
    )


def _nothing(sentence: str, action: Action | None) -> ArenaShown:
    return ArenaShown(item=cards.sheet(cards.panel(cards.empty(sentence, action))), agreement="", differences="")


# --- the next item -------------------------------------------------------------------------------------------------


def _item_panel(catalog: Catalog, run: RunFolder, shown: ToLabel | None, done: int, image_url: ImageUrl) -> Html:
    if shown is None:
        every = "Every item is answered. What the answers say is below."
        return cards.panel(cards.empty(every, Action(label="Take the last answer back", act=UNDO)), title=_TITLE)
    image = _image_of(catalog, run, shown.item)
    count = f"{words.number(done)} answered, {words.number(shown.total)} in all"
    texts, inside = (shown.first, shown.second), shown.pictures
    answers = [
        _response(letter, text, _pictures(pictures_at(found), f"Answer {letter}", image_url))
        for letter, text, found in zip("AB", texts, inside, strict=True)
    ]
    responses = cards.element("div", *answers, class_="st-result", aria_label="Two answers")
    picture = _pictures(question_pictures(shown.item, image), _OF_QUESTION, image_url)
    return cards.panel(
        cards.element(
            "div",
            cards.element("div", picture, class_="st-arena-picture") if picture else cards.EMPTY,
            cards.element(
                "div",
                cards.element("p", cards.esc(shown.item.question), class_="st-arena-question", dir="auto"),
                responses,
                _buttons(shown.item.item_id, done),
                class_="st-arena-side",
            ),
            class_="st-arena" if picture else "st-arena is-bare",
        ),
        title=_TITLE,
        aside=cards.element("span", cards.esc(count), class_="st-sub st-num"),
        foot=cards.element("span", cards.esc(_promise(done))),
    )


_TITLE = "You against the judge"
_OF_QUESTION = "The picture of the question"


def _pictures(found: Sequence[ItemImage], alt: str, image_url: ImageUrl) -> Html:
    return cards.pictures([cards.ShownPicture(src=image_url(one.path), width=one.width) for one in found], alt)


def _promise(done: int) -> str:
    if done < ENOUGH:
        left = words.plural(ENOUGH - done, "more answer")
        return f"Which answer is better? {left} until agreement is shown. Answers never enter training."
    return "Which answer is better? Every answer makes the intervals below narrower. Answers never enter training."


def _response(letter: str, text: str, inside: Html) -> Html:
    """`inside`: the pictures that the answer itself has."""
    return cards.element(
        "div",
        cards.element("div", cards.element("b", cards.esc(f"Answer {letter}")), class_="st-order"),
        cards.element("p", cards.esc(text), dir="auto"),
        cards.element("div", inside, class_="st-arena-inside") if inside else cards.EMPTY,
    )


def _buttons(item_id: str, done: int) -> Html:
    answers = [
        cards.press(
            cards.esc(label),
            cards.element("span", cards.esc(key), class_="st-key", aria_hidden="true"),
            act=answer,
            key=item_id,
            class_="st-btn",
            data_key=key,
        )
        for answer, label, key in ANSWERS
    ]
    undo = cards.press(
        cards.esc("Take back"),
        cards.element("span", cards.esc("u"), class_="st-key", aria_hidden="true"),
        act=UNDO,
        key=item_id,
        class_="st-btn is-bare",
        data_key="u",
        disabled=done == 0,
    )
    return cards.element("div", *answers, undo, class_="st-arena-answers")


# --- agreement -----------------------------------------------------------------------------------------------------

_COLUMNS = (
    Column(name="Judge"),
    Column(name="κ with you", is_number=True),
    Column(name="95 % interval", is_number=True),
    Column(name="Same answer", is_number=True, is_optional=True),
    Column(name="By chance", is_number=True, is_optional=True),
    Column(name="Right by you", is_number=True),
    Column(name="95 % interval", is_number=True, is_optional=True),
)


def _agreement_panel(catalog: Catalog, run: RunFolder, labels: Sequence[HandLabel]) -> Html:
    if len(labels) < ENOUGH:
        return cards.EMPTY
    benchmark = labels[-1].benchmark
    rows, key = [], None
    for judge in _judges(catalog, run, benchmark):
        try:
            found = judged_by_hand(run, judge, rater=RATER)
        except UsageError:  # a control that was asked about a part of the items only
            part = kappa_by_hand(run, judge, rater=RATER)
            if part is not None and part.kappa is not None:
                rows.append(cards.row(_COLUMNS, _cells(judge, part, None)))
            continue
        if found is not None:
            key = key or found
            rows.append(cards.row(_COLUMNS, _cells(judge, found.kappa, found.right)))
    about = cards.EMPTY if key is None else cards.padded(cards.sub(_about(key)))
    return cards.panel(
        cards.table(_COLUMNS, rows, caption="Agreement of every version and control with you"), about,
        title="Agreement with you",
    )  # fmt: skip


def _cells(judge: str, kappa: Kappa | None, right: Estimate | None) -> list[Html]:
    """`right` is None for a control that was asked about a part of the items."""
    known = kappa is not None and kappa.kappa is not None
    return [
        cards.esc(judge),
        cards.esc(words.decimal(kappa.kappa, missing="–") if kappa is not None else "–"),
        cards.esc(words.interval(kappa.low, kappa.high) if kappa is not None and known else "–"),
        cards.esc(f"{words.percent(kappa.agreement)} of {kappa.labels}" if kappa is not None else "–"),
        cards.esc(words.percent(None if kappa is None else kappa.chance, missing="–")),
        cards.esc("–" if right is None else words.decimal(right.share)),
        cards.esc("–" if right is None else words.interval(right.low, right.high)),
    ]


def _about(found: HandEstimate) -> str:
    share = words.percent(found.key.share)
    return (
        f"{words.plural(found.labels, 'answer')}, {words.plural(found.ties, 'tie')}, {found.cannot_tell} cannot tell. "
        f"You side with the key on {share} of the items "
        f"({words.percent(found.key.low)} to {words.percent(found.key.high)}). κ counts items on which both name an "
        "answer, an order-flip names none; it is 0 for a judge that agrees no more than chance. “Right by you” is the "
        "share of all items on which you would call the judge right, told from your answers and all its verdicts"
        f"{_gain_of_verdicts(found)}; a control that saw a part of the items has none, and stands here once enough of "
        "your answers are among them."
    )


def _gain_of_verdicts(found: HandEstimate) -> str:
    """What the verdicts on items without an answer are worth: the more often a person sides with the key, the more."""
    told, alone = (one.high - one.low for one in (found.right, found.labels_alone))
    narrower = round(100 * (1 - told / alone)) if alone > 0 else 0
    return f", whose interval they make {narrower} % narrower than your answers alone" if narrower >= 1 else ""


def _judges(catalog: Catalog, run: RunFolder, benchmark: str) -> list[str]:
    """Versions, newest first, then controls."""
    names = {*judges_measured(catalog, run.name, benchmark), *MODEL_FREE}
    versions = sorted((name for name in names if not is_control(name)), key=_number, reverse=True)
    return [*versions, *sorted(name for name in names if is_control(name))]


def _number(judge: str) -> int:
    digits = judge.removeprefix("judge-v")
    return int(digits) if digits.isdigit() else -1


# --- where they differ ---------------------------------------------------------------------------------------------


def _differences_panel(catalog: Catalog, run: RunFolder, labels: Sequence[HandLabel], image_url: ImageUrl) -> Html:
    if len(labels) < ENOUGH:
        return cards.EMPTY
    benchmark = labels[-1].benchmark
    best = next((name for name in _judges(catalog, run, benchmark) if not is_control(name)), None)
    if best is None:
        return cards.EMPTY
    ids = [one.item_id for one in labels]
    said: dict[str, list[VerdictRow]] = defaultdict(list)
    for row in verdicts(catalog, run.name, best, benchmark, items=ids):
        said[row.item_id].append(row)
    differing = [one for one in reversed(labels) if said[one.item_id] and _differs(one, said[one.item_id])]
    title = f"Where you and {best} differ"
    if not differing:
        return cards.panel(cards.padded(cards.sub("Nowhere, on the items you have answered.")), title=title)
    found = items(catalog, run.name, benchmark, [one.item_id for one in differing[:MOST_DIFFERENCES]])
    shown = [
        _difference(best, one, said[one.item_id], found[one.item_id], image_url)
        for one in differing[:MOST_DIFFERENCES]
        if one.item_id in found
    ]
    count = f"{len(differing)} of {words.plural(len(labels), 'answer')}"
    return cards.panel(
        cards.element("div", *shown, class_="st-stack is-wide st-pad"),
        title=title,
        aside=cards.element("span", cards.esc(count), class_="st-sub st-num"),
    )


def _differs(label: HandLabel, rows: Sequence[VerdictRow]) -> bool:
    return label.said in ("preferred", "degraded") and _side(rows) != label.said


def _side(rows: Sequence[VerdictRow]) -> str:
    """What a judge says of an item over its orders."""
    if any(row.verdict == "invalid" for row in rows):
        return "invalid"
    sides = {"preferred" if row.correct else "tie" if row.verdict == "tie" else "degraded" for row in rows}
    return sides.pop() if len(sides) == 1 else "order-flip"


def _difference(
    judge: str,
    label: HandLabel,
    rows: Sequence[VerdictRow],
    found: tuple[BenchmarkItem, ItemImage],
    image_url: ImageUrl,
) -> Html:
    item, image = found
    yours, other = ("preferred", "degraded") if label.said == "preferred" else ("degraded", "preferred")
    text = {"preferred": item.preferred, "degraded": item.degraded}
    inside = {"preferred": item.preferred_images, "degraded": item.degraded_images}
    side = _side(rows)
    its = {yours: "yours", other: "the other one"}.get(side, side)
    return cards.element(
        "article",
        cards.element("div", _pictures(question_pictures(item, image), _OF_QUESTION, image_url)),
        cards.element(
            "div",
            cards.element("p", cards.element("b", cards.esc(item.question)), dir="auto"),
            cards.element("p", cards.chip("You"), cards.esc(f" {text[yours]}"), dir="auto"),
            _pictures(pictures_at(inside[yours]), "Your answer", image_url),
            cards.element("p", cards.chip("Not"), cards.esc(f" {text[other]}"), dir="auto"),
            _pictures(pictures_at(inside[other]), "The other answer", image_url),
            cards.element("p", cards.esc(f"{judge}: {its}"), class_="st-sub"),
            _reasons(rows, yours),
            class_="st-stack",
        ),
        class_="st-arena-difference",
    )


def _reasons(rows: Sequence[VerdictRow], yours: str) -> Html:
    """What the judge said in each order, folded."""
    first = {"preferred": "AB", "degraded": "BA"}[yours]
    return cards.folded_replies("What it said", [
        (f"{'Yours' if row.order == first else 'The other'} first", row.reasoning) for row in rows
    ])  # fmt: skip


def _image_of(catalog: Catalog, run: RunFolder, item: BenchmarkItem) -> ItemImage:
    """The first picture of an item's question."""
    found = items(catalog, run.name, item.benchmark, [item.item_id]).get(item.item_id)
    return ItemImage(path=None, width=None) if found is None else found[1]
