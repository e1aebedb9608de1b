"""A run's own pictures on the Images tab: a page of them, what was asked of one, and what looks like it. No Gradio."""

from studio.look import cards, words
from studio.look.cards import Action, GridImage, Html, SkippedFile
from studio.look.cards.tables import Column, row, table
from studio.page.page import Page
from studio.page.place import link
from studio.queries.alike import most_alike
from studio.queries.images import (
    ALIKE,
    PAGE_SIZE,
    ImageChoices,
    ImageFilter,
    ImageQuestion,
    RunImage,
    asked_about,
    images_by_id,
    left_out,
    run_images,
)
from studio.tabs.filters import Choices, any_of

BECAME = {
    "kept": "Trained on",
    "rejected": "No pair kept",
    "dropped": "No usable pair",
    "waiting": "No pair yet",
    "held-out": "Held out",
    ALIKE: "Taken for another one",
}
SORTS: Choices = (
    ("By name", ""),
    ("Most pairs first", "pairs"),
    ("Most kept first", "most-kept"),
    ("Least kept first", "least-kept"),
)


def choices_of(found: ImageChoices, wanted: ImageFilter) -> tuple[Choices, Choices, Choices]:
    """Entries of the three drop-downs: what became of it, dimension, strategy."""
    return (
        any_of(found.became, wanted.became, BECAME),
        any_of(found.dimensions, wanted.dimension),
        any_of(found.strategies, wanted.strategy),
    )


def matching(found: ImageChoices, wanted: ImageFilter) -> int:
    """How many pictures the filter leaves."""
    counts = dict(found.became)
    if wanted.became:
        return counts.get(wanted.became, 0)
    return sum(count for value, count in found.became if value != ALIKE)


def run_panel(page: Page, run: str, wanted: ImageFilter, found: ImageChoices, *, page_number: int, item: str) -> Html:
    """One page of the pictures that a run asks about; the chosen one above them with its questions."""
    total = matching(found, wanted)
    last = max(0, (total - 1) // PAGE_SIZE)
    number = min(page_number, last)
    images = run_images(page.catalog(), run, wanted, page=number)
    grid = cards.image_grid([_tile(page, image) for image in images])
    if not images:
        grid = cards.empty("No picture of the run matches.", Action(label="Clear filters", act="clear", kind="main"))
    body = cards.element("div", _chosen(page, run, item), grid, _left_out(page, run), class_="st-stack is-wide")
    foot = _turns(number, last, len(images), total)
    return cards.panel(cards.padded(body), title=f"Pictures of {run}", foot=foot)


def _turns(number: int, last: int, shown: int, total: int) -> Html:
    turns = [
        Action(label="Previous page", act="previous-page", small=True, disabled=number == 0),
        Action(label="Next page", act="next-page", small=True, disabled=number == last),
    ]
    first = number * PAGE_SIZE + 1
    span = f"{words.number(first)} to {words.number(first + shown - 1)} of " if shown else ""
    buttons = cards.element("span", *(cards.button(turn) for turn in turns), class_="st-row is-tight")
    return cards.element(
        "div", cards.element("span", cards.esc(f"{span}{words.plural(total, 'picture')}")), buttons, class_="st-between"
    )


def _tile(page: Page, image: RunImage, *, mark: str = "") -> GridImage:
    return GridImage(
        src=page.image_url(image.path), name=image.name, width=image.width, height=image.height,
        mark=mark or _fate_of(image), key=image.image_id,
    )  # fmt: skip


def _fate_of(image: RunImage) -> str:
    """What became of a picture, in a few words."""
    if image.became in ("kept", "rejected"):
        kept = "kept" if image.pairs == 1 and image.kept else f"{image.kept or 'none'} kept"
        return f"{words.plural(image.pairs, 'pair')}, {kept}"
    return BECAME[image.became].lower()


def _left_out(page: Page, run: str) -> Html:
    files, total = left_out(page.catalog(), run)
    return cards.skipped_files([SkippedFile(name=name, reason=reason) for name, reason in files], total=total)


# --- one picture -------------------------------------------------------------------------------------------------

_ASKED = (
    Column(name="Question"),
    Column(name="Kind", is_optional=True),
    Column(name="Dimension", is_optional=True),
    Column(name="Iteration", is_number=True),
    Column(name="Fate"),
)


def _chosen(page: Page, run: str, item: str) -> Html:
    """The picture at large, what was asked about it, and the run's pictures that look most like it."""
    image = images_by_id(page.catalog(), run, [item]).get(item) if item else None
    if image is None:
        return cards.EMPTY
    top = cards.picture(page.image_url(image.path), image.name, width=image.width, zoom=True)
    rows = [row(_ASKED, _asked_cells(run, one)) for one in asked_about(page.catalog(), run, item)]
    close = cards.button(Action(label="✕", act="close", small=True, said="Close"))
    head = cards.element("div", cards.element("h3", cards.esc("What was asked about it")), close, class_="st-between")
    about = cards.sub(f"{image.name[:200]}, {image.width} × {image.height}, {_fate_of(image)}", dim=True)
    asked = table(_ASKED, rows, caption="Questions")
    body = cards.element("div", head, about, asked, class_="st-stack is-close")
    return cards.element(
        "div",
        cards.element("div", top, body, class_="st-itemtop"),
        _alike(page, run, image),
        class_="st-stack st-chosen",
    )


def _alike(page: Page, run: str, image: RunImage) -> Html:
    near = most_alike(page.catalog(), run, image.image_id)
    if not near:
        return cards.EMPTY
    known = images_by_id(page.catalog(), run, [one.image_id for one in near])
    tiles = [
        _tile(
            page,
            known[one.image_id],
            mark=f"taken for the same, {_fate_of(known[one.image_id])}" if one.is_twin else "",
        )
        for one in near
        if one.image_id in known
    ]
    told = "By colours and where they are, told from a tiny version of each picture; no model is asked."
    if image.alike:
        told = (
            f"{words.plural(image.alike, 'other')} of the run so near that intake takes it for the same and keeps both "
            f"on one side of the split. {told}"
        )
    head = cards.element("h3", cards.esc("Looks most like it"))
    return cards.element("div", head, cards.sub(told, dim=True), cards.image_grid(tiles), class_="st-stack is-close")


def _asked_cells(run: str, asked: ImageQuestion) -> list[Html]:
    question = cards.element("span", cards.esc(asked.question, limit=300), dir="auto")
    fate = cards.element("span", cards.esc("held out, for measuring"), class_="st-dim")
    if asked.split == "train":
        fate = cards.element("span", cards.esc("no pair yet"), class_="st-dim")
    if asked.pair_id is not None:
        values = {"pairs.iteration": asked.iteration, "pairs.item": f"{asked.iteration}-{asked.pair_id}"}
        question = cards.press(question, act="", url=link("pairs", run, values), class_="st-linkish")
        fate = cards.fate(asked.fate) if asked.fate else cards.element("span", cards.esc("not ruled on yet"))
    iteration = "–" if asked.iteration is None else str(asked.iteration)
    return [question, cards.esc(asked.kind), cards.esc(asked.dimension or "–"), cards.esc(iteration), fate]
