"""What the Compare tab shows: settings that differ, numbers by dimension, the grid of items, one item in full.

Plain values in, HTML out. No Gradio, no SQL.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from engine.measure.intervals import Gain
from engine.measure.metrics import ALL
from engine.measure.side_by_side import ItemRow, Side, sentence
from engine.measure.sides import MOST_SIDES
from engine.records import BASE_JUDGE, ORDERS, BenchmarkItem, ScoreRow, VerdictRow
from engine.workspace.catalog.database import Catalog
from engine.workspace.decisions import best_judge
from studio.look import cards, words
from studio.look.cards import Action, BesideItem, BesideRow, Html, PairedGain, Score
from studio.look.cards.tables import Column, row, table
from studio.look.keys import Walk, walked_sheet
from studio.page.place import link
from studio.queries.sides import ComparedSides, compared, measured_sides
from studio.queries.verdicts import ItemImage, question_pictures

ImageUrl = Callable[[str | None], str | None]
Choices = tuple[tuple[str, str], ...]

PAGE_SIZE = 14
CHANGES = {"worse": "Got worse", "better": "Got better", "other": "Other change", "same": "The same", "all": "All"}
VIEWS = {"numbers": "Numbers", "items": "Items"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparePlace:
    """What the URL says of the tab. All of it is a visitor's text."""

    sides: tuple[str, ...] = ()
    """ "RUN/judge-vN" or "RUN/control:…", the first is what the others are held against; () = the usual two."""
    benchmark: str = ""
    view: str = "numbers"
    change: str = "worse"
    page: int = 0
    item: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareShown:
    """The tab."""

    place: ComparePlace
    """With what "" and () stand for."""
    sides: Choices
    benchmarks: Choices
    changes: Choices
    is_compared: bool
    head: str
    numbers: str = ""
    list: str = ""
    pager: str = ""
    detail: str = ""
    """ "" while no item is chosen."""


def show_compare(
    catalog: Catalog, image_url: ImageUrl, run: str | None, place: ComparePlace, *, answered: int = 0
) -> CompareShown:
    """The sides that are named, or judge-v0 and the best version of the run. `answered`: see `walked_sheet`."""
    known = measured_sides(catalog)
    place = settle(catalog, known, run, place)
    offered = tuple((name, name) for name in known)
    if len(place.sides) < 2 or not place.benchmark:
        head = cards.sheet(cards.panel(_nothing_to_compare(place, known)))
        return CompareShown(
            place=place, sides=offered, benchmarks=(), changes=_changes(None), is_compared=False, head=head
        )
    found = compared(catalog, place.sides, place.benchmark)
    rows = rows_of(found, place.change)
    first = min(place.page, max(0, (len(rows) - 1) // PAGE_SIZE)) * PAGE_SIZE
    names = short_names(place.sides)
    listed = _grid(found, rows[first : first + PAGE_SIZE], names, image_url, selected=place.item)
    return CompareShown(
        place=place,
        sides=offered,
        benchmarks=tuple((name, name) for name in shared_benchmarks(known, place.sides)),
        changes=_changes(found),
        is_compared=True,
        head=cards.sheet(cards.panel(cards.padded(*_sentences(found, place.benchmark)))),
        numbers=cards.sheet(_settings(found), _numbers(found, names)),
        list=walked_sheet(listed, answered=answered),
        pager=cards.sheet(cards.panel_foot(_pager(first, min(PAGE_SIZE, len(rows) - first), len(rows), place.change))),
        detail=_detail(found, rows, place.item, names, image_url),
    )


# --- choosing ----------------------------------------------------------------------------------------------------


def settle(catalog: Catalog, known: Mapping[str, Sequence[str]], run: str | None, place: ComparePlace) -> ComparePlace:
    """The place with sides that were measured and a benchmark that they share ("" if there is none)."""
    sides = tuple(dict.fromkeys(name for name in place.sides if name in known))[:MOST_SIDES]
    if not place.sides and run is not None:
        usual = (f"{run}/{BASE_JUDGE}", f"{run}/{best_judge(catalog.workspace.run(run))}")
        own = [name for name in known if name.startswith(f"{run}/judge-")]
        sides = tuple(name for name in dict.fromkeys(usual) if name in known)
        sides = sides if len(sides) > 1 else tuple(dict.fromkeys([*own[:1], *own[-1:]]))
    shared = shared_benchmarks(known, sides)
    benchmark = place.benchmark if place.benchmark in shared else next(iter(shared), "")
    return replace(
        place,
        sides=sides,
        benchmark=benchmark,
        view=place.view if place.view in VIEWS else "numbers",
        change=place.change if place.change in CHANGES else "worse",
    )


def shared_benchmarks(known: Mapping[str, Sequence[str]], sides: Sequence[str]) -> list[str]:
    """What all sides were measured on, in the first one's order."""
    return [name for name in known[sides[0]] if all(name in known[side] for side in sides)] if sides else []


def short_names(names: Sequence[str]) -> list[str]:
    """The names without what they have in common: the run, and the word "control"."""
    runs = {name.partition("/")[0] for name in names}
    shown = [name.partition("/")[2] if len(runs) == 1 else name for name in names]
    return [name.replace("control:", "") for name in shown]


def rows_of(found: ComparedSides, change: str) -> Sequence[ItemRow]:
    """Items of one kind of change, in the order in which they are walked through."""
    return found.result.rows if change == "all" else found.result.of(change)


def walked(catalog: Catalog, run: str | None, place: ComparePlace, walk: Walk) -> ComparePlace:
    """The place that keys walked to, on the page that shows it; unchanged where there is no such item."""
    place = settle(catalog, measured_sides(catalog), run, place)
    if len(place.sides) < 2 or not place.benchmark:
        return place
    ids = [one.item_id for one in rows_of(compared(catalog, place.sides, place.benchmark), place.change)]
    if walk.id not in ids:
        return place
    at = max(0, min(len(ids) - 1, ids.index(walk.id) + walk.beyond))
    return replace(place, item=ids[at], page=at // PAGE_SIZE)


def _changes(found: ComparedSides | None) -> Choices:
    counts = {kind: len(rows_of(found, kind)) for kind in CHANGES} if found else {}
    return tuple((f"{label} {words.number(counts.get(kind, 0))}", kind) for kind, label in CHANGES.items())


# --- what is said ------------------------------------------------------------------------------------------------


def _nothing_to_compare(place: ComparePlace, known: Mapping[str, Sequence[str]]) -> Html:
    if not known:
        go = Action(label="Open Home", url=link("home"), kind="main")
        return cards.empty("Nothing was measured yet. A run measures judge-v0 first; then it can be compared.", go)
    if len(place.sides) < 2:
        return cards.empty("Choose two judges above, of one run or of several. Controls can be chosen too.")
    said = "; ".join(f"{name}: {', '.join(known[name])}" for name in place.sides)
    return cards.empty(f"They were not measured on the same benchmark ({said}). Choose others.")


def _sentences(found: ComparedSides, benchmark: str) -> list[Html]:
    said = [sentence(found.result, number) for number in range(1, len(found.sides))]
    return [*(cards.says(one) for one in said), cards.sub(f"On {benchmark}, strict: right in both orders.", dim=True)]


def _settings(found: ComparedSides) -> Html:
    """What the runs were made with, before any number."""
    if len(found.runs) == 1:
        return cards.EMPTY
    columns = (Column(name="Setting"), *(Column(name=run) for run in found.runs))
    if not found.settings:
        return cards.panel(cards.padded(cards.sub("The runs have the same settings.")), title="Settings that differ")
    rows = [
        row(columns, [cards.esc(name), *(cards.esc(_plain(value), limit=200) for value in values)])
        for name, values in found.settings.items()
    ]
    return cards.panel(table(columns, rows, caption="Settings that differ"), title="Settings that differ")


def _plain(value: object) -> str:
    return "–" if value is None else ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _numbers(found: ComparedSides, names: Sequence[str]) -> Html:
    result = found.result
    rows = []
    for dimension in result.dimensions():
        scores = [one.get(dimension) for one in result.scores]
        rows.append(
            BesideRow(
                name="overall" if dimension == ALL else dimension.removeprefix("kind:"),
                n=max(score.n for score in scores if score is not None),
                scores=[_score(score) for score in scores],
                gains=[_gain(against.gains.get(dimension)) for against in result.against],
            )
        )
    note = "Intervals are 95 %, clustered by image. Gain: shared items only, sign-flip test over images."
    return cards.panel(cards.beside_numbers(rows, names), title="By dimension", foot=cards.sub(note, dim=True))


def _score(score: ScoreRow | None) -> Score | None:
    return Score(accuracy=score.accuracy, low=score.low, high=score.high) if score else None


def _gain(gain: Gain | None) -> PairedGain | None:
    return PairedGain(gain=gain.gain, low=gain.low, high=gain.high, p=gain.p) if gain else None


# --- items -------------------------------------------------------------------------------------------------------


def _grid(
    found: ComparedSides, rows: Sequence[ItemRow], names: Sequence[str], image_url: ImageUrl, *, selected: str
) -> Html:
    if not rows:
        return cards.padded(cards.sub("No item of this kind. Choose another above."))
    shown = []
    for one in rows:
        item = _item(found, one.item_id)
        src, width = _picture(found, item, image_url)
        shown.append(
            BesideItem(
                item_id=one.item_id, src=src, width=width, question=item.question, dimension=one.dimension,
                ended=one.ended,
            )
        )  # fmt: skip
    return cards.beside_grid(shown, names, selected=selected)


def _item(found: ComparedSides, item_id: str) -> BenchmarkItem:
    return next(side.items[item_id] for side in found.sides if item_id in side.items)


def _picture(found: ComparedSides, item: BenchmarkItem, image_url: ImageUrl) -> tuple[str | None, int | None]:
    image = found.pictures.get(item.image_id)
    return image_url(image.path if image else None), image.width if image else None


def _pager(first: int, shown: int, total: int, change: str) -> Html:
    if not total:
        return cards.sub(f"{CHANGES[change]}: none.")
    text = f"{words.number(first + 1)} to {words.number(first + shown)} of {words.number(total)}"
    back = Action(label="Previous page", act="previous-page", small=True, disabled=first == 0)
    forth = Action(label="Next page", act="next-page", small=True, disabled=first + shown >= total)
    buttons = cards.element("span", cards.button(back), cards.button(forth), class_="st-row is-tight")
    return cards.element("div", cards.element("span", cards.esc(text)), buttons, class_="st-between")


def _detail(
    found: ComparedSides, rows: Sequence[ItemRow], item_id: str, names: Sequence[str], image_url: ImageUrl
) -> str:
    """One item: what was asked, and what each later side said beside the first one, in both orders."""
    if not any(item_id in side.items for side in found.sides):
        return ""
    item = _item(found, item_id)
    row = found.pictures.get(item.image_id)
    first = ItemImage(path=row.path if row else None, width=row.width if row else None)
    shown = [cards.ShownPicture(src=image_url(one.path), width=one.width) for one in question_pictures(item, first)]
    said = [_said(side, item_id) for side in found.sides]
    top = cards.element(
        "div",
        cards.element("div", cards.pictures(shown, "Image of the item")),
        cards.element(
            "div",
            cards.element("p", cards.element("b", cards.esc(item.question, limit=2000)), dir="auto"),
            cards.chips(item.dimension, item.kind),
            cards.pair_text(item.preferred, item.degraded),
            class_="st-stack is-close",
        ),
        class_="st-itemtop",
    )
    parts = [_beside(names, number, order, said) for number in range(1, len(found.sides)) for order in ORDERS]
    ids = [one.item_id for one in rows]
    return cards.sheet(
        cards.element(
            "div", _detail_head(item_id, ids), cards.padded(top), *parts, class_="st-item", role="region",
            aria_label="Item",
        )
    )  # fmt: skip


def _detail_head(item_id: str, ids: Sequence[str]) -> Html:
    at = ids.index(item_id) if item_id in ids else None
    where = f"{words.number(at + 1)} of {words.number(len(ids))}" if at is not None else "Item"
    actions = [
        Action(label="Previous", act="previous", hint="k", small=True, disabled=at is None or at == 0),
        Action(label="Next", act="next", hint="j", small=True, disabled=at is None or at == len(ids) - 1),
        Action(label="✕", act="close", small=True, said="Close"),
    ]
    buttons = cards.element("div", *(cards.button(action) for action in actions), class_="st-row is-tight")
    return cards.element("div", cards.element("h2", cards.esc(where)), buttons, class_="st-drawer-acts st-between")


def _said(side: Side, item_id: str) -> dict[str, VerdictRow]:
    return {row.order: row for row in side.verdicts if row.item_id == item_id}


def _beside(names: Sequence[str], number: int, order: str, said: Sequence[Mapping[str, VerdictRow]]) -> Html:
    """One order: the first side on the left, a later one on the right."""
    pair = (said[0].get(order), said[number].get(order))
    heads = [
        cards.element(
            "div",
            cards.element("span", cards.order_mark(order), cards.element("b", cards.esc(name))),
            cards.verdict_chip(one.verdict, cards.outcome_of(one.verdict, order))
            if one
            else cards.sub("Not asked.", dim=True),
            class_="st-order",
        )
        for name, one in zip((names[0], names[number]), pair, strict=True)
    ]
    left, right = (one.reasoning if one else "" for one in pair)
    silent = cards.EMPTY if left or right else cards.sub("No reasoning: a rule without a model.", dim=True)
    return cards.element(
        "section",
        cards.element("div", *heads, class_="st-aligned is-head"),
        cards.line_by_line(left, right),
        silent,
        class_="st-pad",
    )
