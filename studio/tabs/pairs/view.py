"""What the Pairs tab shows of a run: plain values in, HTML out. No Gradio, no SQL."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.workspace.folders import Workspace
from studio.look import cards, words
from studio.look.cards import Action, Html
from studio.look.cards.tables import Column, row, table
from studio.look.keys import walked_sheet
from studio.page.place import link
from studio.queries.notes import Note, read_note
from studio.queries.pairs import Facets, PairPage, PairRow, facets
from studio.queries.shelf_tables import DROPPED, WAITING
from studio.tabs.filters import Choices, any_of, iterations
from studio.tabs.pairs.as_sql import as_sql
from studio.tabs.pairs.drawer import ImageUrl, card_of, drawer, fate_of
from studio.tabs.pairs.place import PairsPlace, PairsSight, beside

KINDS = {"": "All", "open": "Open", "closed": "Closed"}
_TABLE_CHARACTERS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsShown:
    """The tab."""

    place: PairsPlace
    head: str
    list: str
    drawer: str
    """ "" while no pair is chosen."""
    foot: str
    """Turns the page where the list ends, and leads to the same pairs in SQL."""
    note: Note | None
    """Of the chosen pair."""
    kinds: Choices
    strategies: Choices
    dimensions: Choices
    iterations: Choices
    fates: Choices


def show_pairs(workspace: Workspace, image_url: ImageUrl, sight: PairsSight, *, answered: int = 0) -> PairsShown:
    """One page of pairs, the filter bar's choices, and the chosen pair in full. `answered`: see `walked_sheet`."""
    offered, chosen = facets(sight.catalog, sight.wanted), sight.chosen
    listed = pair_list(sight, image_url, chosen, is_empty=not offered.iterations)
    return PairsShown(
        place=sight.place,
        head=cards.sheet(list_head(sight.page)),
        list=walked_sheet(listed, answered=answered),
        drawer=cards.sheet(drawer(sight, chosen, image_url)) if chosen else "",
        foot=cards.sheet(list_foot(sight)) if sight.page.rows else "",
        note=read_note(workspace, sight.run, chosen.pair_id) if chosen and workspace.notes.exists() else None,
        **_choices(offered, sight.place),
    )


# --- the list ----------------------------------------------------------------------------------------------------


def list_head(page: PairPage) -> Html:
    """How many match, which are shown, and the buttons to turn the page."""
    last = page.first + len(page.rows) - 1
    shown = f", showing {words.number(page.first)} to {words.number(last)}" if page.rows else ""
    count = cards.element(
        "p", cards.element("b", cards.esc(words.plural(page.total, "pair"))), cards.esc(shown), role="status"
    )
    return cards.element("div", count, _turns(page), class_="st-between")


def list_foot(sight: PairsSight) -> Html:
    """The way on where the list ends, and the same pairs as a question that can be changed."""
    question = as_sql(sight.wanted)
    told = "The same pairs in SQL, to sort or to download"
    asks = cards.link(told, link("sql", sight.run, {"sql.q": question})) if question else cards.EMPTY
    return cards.element("div", asks, _turns(sight.page), class_="st-between")


def _turns(page: PairPage) -> Html:
    buttons = [
        Action(label="Previous page", act="previous-page", small=True, disabled=not page.has_previous),
        Action(label="Next page", act="next-page", small=True, disabled=not page.has_next),
    ]
    return cards.element("div", *(cards.button(button) for button in buttons), class_="st-row is-tight")


def pair_list(sight: PairsSight, image_url: ImageUrl, chosen: PairRow | None, *, is_empty: bool) -> Html:
    """The page as cards or as a table, or the sentence that says why there is none.

    While a pair is chosen, the page that keys may reach next lies ready beside it, unseen.
    """
    if not sight.page.rows:
        return cards.empty_place("pairs-coming" if is_empty else "pairs-filtered")
    before, after = beside(sight)
    selected = chosen.pair_id if chosen else None
    if sight.place.view == "table":
        parts = [(before, -1), (sight.page.rows, 0), (after, 1)]
        return pair_table(parts, image_url, sight.flagged, selected)
    earlier, shown, later = (
        [card_of(pair, image_url, sight.flagged) for pair in rows] for rows in (before, sight.page.rows, after)
    )
    return cards.pair_grid(shown, selected=selected, full=chosen is None, before=earlier, after=later)


_COLUMNS = (
    Column(name="Pair"),
    Column(name="Preferred and degraded"),
    Column(name="Strategy", is_far=True),
    Column(name="Dimension", is_optional=True),
    Column(name="Fate"),
)


def pair_table(
    parts: Sequence[tuple[Sequence[PairRow], int]], image_url: ImageUrl, flagged: frozenset[str], selected: str | None
) -> Html:
    """The page as a dense table: picture, question, and the sentences in which the responses differ."""
    rows = [
        row(_COLUMNS, _cells(pair, image_url, pair.pair_id in flagged), selected=pair.pair_id == selected, part=part)
        for pairs, part in parts
        for pair in pairs
    ]
    return cards.panel(table(_COLUMNS, rows, caption="Pairs"))


def _cells(pair: PairRow, image_url: ImageUrl, is_flagged: bool) -> list[Html]:
    code, said = fate_of(pair)
    question = cards.press(cards.esc(pair.question, limit=160), act="open", key=pair.pair_id, class_="st-opener")
    name = cards.element("small", cards.esc(words.short_id(pair.pair_id)), class_="st-mono st-dim")
    about = cards.element(
        "span",
        cards.picture(image_url(pair.image), f"Image of pair {words.short_id(pair.pair_id)}", width=pair.width),
        cards.element("span", question, name, class_="st-two is-left", dir="auto"),
        class_="st-thumbrow",
    )
    fate = cards.fate(code, said) if code else cards.element("span", cards.esc("not ruled on yet"), class_="st-dim")
    return [
        about,
        cards.pair_text(pair.preferred, pair.degraded, collapse=True, limit=_TABLE_CHARACTERS),
        cards.element(
            "span", cards.esc(pair.strategy), cards.element("small", cards.esc(_how(pair), limit=60)), class_="st-two"
        ),
        cards.element("span", cards.esc(pair.dimension), class_="st-whole"),
        cards.element("span", fate, cards.chip("flagged", "flip") if is_flagged else cards.EMPTY, class_="st-row"),
    ]


def _how(pair: PairRow) -> str:
    """What decided a closed pair, or what was altered in an open one."""
    votes = cards.read_votes(pair.votes, pair.degraded)
    preferred = next((bar.count for bar in votes if bar.part == "p"), None)
    if preferred is None:
        return pair.altered or ""
    return f"{preferred} of {sum(bar.count for bar in votes)} votes"


# --- the filter bar ----------------------------------------------------------------------------------------------


def _choices(offered: Facets, place: PairsPlace) -> dict[str, Choices]:
    kinds = dict(offered.kinds)
    total = sum(kinds.values())
    return {
        "kinds": tuple(
            (f"{label} {words.number(kinds.get(kind, 0) if kind else total)}", kind) for kind, label in KINDS.items()
        ),
        "strategies": any_of(offered.strategies, place.strategy),
        "dimensions": any_of(offered.dimensions, place.dimension),
        "iterations": iterations(offered.iterations),
        "fates": _fates(dict(offered.fates), place.fate),
    }


def _fates(counts: dict[str, int], chosen: str) -> Choices:
    """Any, kept, rejected with its reasons, waiting, dropped with its reasons."""
    reasons = {code: n for code, n in counts.items() if code not in ("kept", WAITING) and not code.startswith(DROPPED)}
    dropped = {code: n for code, n in counts.items() if code.startswith(DROPPED)}
    entries: list[tuple[str, str]] = [("Any", "")]
    if "kept" in counts or reasons:
        entries += [(f"kept {words.number(counts.get('kept', 0))}", "kept")]
        entries += [(f"rejected {words.number(sum(reasons.values()))}", "rejected")]
        entries += [(f"  {code} {words.number(n)}", code) for code, n in sorted(reasons.items())]
    if counts.get(WAITING):
        entries += [(f"not selected yet {words.number(counts[WAITING])}", WAITING)]
    if dropped:
        entries += [(f"dropped {words.number(sum(dropped.values()))}", "dropped")]
        entries += [(f"  {code.removeprefix(DROPPED)} {words.number(n)}", code) for code, n in sorted(dropped.items())]
    if chosen not in {value for _, value in entries}:
        entries.append((f"{chosen} 0", chosen))
    return tuple(entries)


def show_no_run(place: PairsPlace) -> PairsShown:
    """The tab in a workspace without runs."""
    return PairsShown(
        place=place, head="", list=cards.sheet(cards.empty_place("pairs")), drawer="", foot="", note=None,
        kinds=tuple((label, kind) for kind, label in KINDS.items()),
        strategies=any_of((), place.strategy), dimensions=any_of((), place.dimension), iterations=(),
        fates=_fates({}, place.fate),
    )  # fmt: skip
