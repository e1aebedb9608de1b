"""What the Images tab shows: the chosen source with its pictures, or a run's with what was asked of one. No Gradio."""

from collections.abc import Mapping, Sequence

from studio.jobs import uploads
from studio.jobs.uploads import ImageSource
from studio.look import cards, words
from studio.look.cards import Action, GridImage, Html, SkippedFile, Stat
from studio.look.cards.tables import Column, row, table
from studio.page.page import Page
from studio.page.place import link
from studio.queries.images import PAGE_SIZE, ImageQuestion, RunImage, asked_about, image_counts, run_images

RUN = "run:"
"""Begins the key of a source that is a run's own pictures."""


def show_sources(page: Page, chosen: str, *, page_number: int = 0, item: str = "", run: str | None = None) -> str:
    """The chosen source with its grid, then the list of all. Where none is chosen: the newest that was added, else the
    pictures of `run`."""
    found = uploads.sources(page.workspace)
    runs = image_counts(page.catalog()) if page.workspace.runs() else {}
    if not found and not runs:
        return cards.sheet(
            cards.panel(
                cards.empty(
                    "No images yet. Upload some above, or run the demo, which draws its own.",
                    Action(label="Open Home", url=link("home")),
                )
            )
        )
    others = _list(found, runs, chosen) if len(found) + len(runs) > 1 else cards.EMPTY
    name = chosen.removeprefix(RUN) if chosen.startswith(RUN) else ""
    if name not in runs and not found:
        name = run if run in runs else next(iter(runs))
    if name in runs:
        return cards.sheet(run_panel(page, name, runs[name], page_number=page_number, item=item), others)
    source = next((one for one in found if one.key == chosen), None) or (found[0] if found else None)
    return cards.sheet(source_panel(page, source) if source else cards.EMPTY, others)


# --- a run's pictures --------------------------------------------------------------------------------------------


def run_panel(page: Page, run: str, total: int, *, page_number: int, item: str) -> Html:
    """One page of the pictures that a run asks about; the chosen one above them with its questions."""
    last = max(0, (total - 1) // PAGE_SIZE)
    number = min(page_number, last)
    images = run_images(page.catalog(), run, page=number)
    grid = [
        GridImage(
            src=page.image_url(image.path), name=image.name, width=image.width, height=image.height,
            mark=words.plural(image.questions, "question"), key=image.image_id,
        )
        for image in images
    ]  # fmt: skip
    turns = [
        Action(label="Previous page", act="previous-page", small=True, disabled=number == 0),
        Action(label="Next page", act="next-page", small=True, disabled=number == last),
    ]
    first = number * PAGE_SIZE
    count = f"{words.number(first + 1)} to {words.number(first + len(images))} of {words.plural(total, 'picture')}"
    buttons = cards.element("span", *(cards.button(turn) for turn in turns), class_="st-row is-tight")
    foot = cards.element("div", cards.element("span", cards.esc(count)), buttons, class_="st-between")
    chosen = _asked_panel(page, run, images, item)
    body = cards.element("div", chosen, cards.image_grid(grid), class_="st-stack")
    return cards.panel(cards.padded(body), title=f"Pictures of {run}", foot=foot)


_ASKED = (
    Column(name="Question"),
    Column(name="Kind", is_optional=True),
    Column(name="Dimension", is_optional=True),
    Column(name="Iteration", is_number=True),
    Column(name="Fate"),
)


def _asked_panel(page: Page, run: str, images: Sequence[RunImage], item: str) -> Html:
    asked = asked_about(page.catalog(), run, item) if item else []
    if not asked:
        return cards.EMPTY
    image = next((one for one in images if one.image_id == item), None)
    top = cards.picture(
        page.image_url(image.path) if image else None, image.name if image else "picture",
        width=image.width if image else None, zoom=True,
    )  # fmt: skip
    rows = [row(_ASKED, _asked_cells(run, one)) for one in asked]
    close = cards.button(Action(label="✕", act="close", small=True, said="Close"))
    head = cards.element("div", cards.element("h3", cards.esc("What was asked about it")), close, class_="st-between")
    body = cards.element("div", head, table(_ASKED, rows, caption="Questions"), class_="st-stack is-close")
    return cards.element("div", top, body, class_="st-itemtop")


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
    return [question, cards.esc(asked.kind), cards.esc(asked.dimension), cards.esc(iteration), fate]


# --- what was added ----------------------------------------------------------------------------------------------


def source_panel(page: Page, source: ImageSource) -> Html:
    """Counts, grid, and what was not taken with its reasons."""
    strip = cards.stat_strip(
        [
            Stat(label="Images", value=words.number(source.images), context="each picture once"),
            Stat(label="Duplicates", value=words.number(source.duplicates), context="entries with the same picture"),
            Stat(label="Skipped", value=words.number(source.skipped), context="see below" if source.skipped else ""),
        ],
        bare=True,
    )
    body = []
    if source.state == "running":
        of = f" of {words.number(source.total)}" if source.total is not None else ""
        body.append(cards.note(f"Taking in images: {words.number(source.entries)}{of} looked at."))
    elif source.error:
        body.append(cards.note(source.error, tone="error" if source.state == "failed" else "warn"))
    grid = [
        GridImage(
            src=page.image_url(str(image.get("path") or "")),
            name=str(image.get("name", "")),
            width=int(image.get("width", 0)),
            height=int(image.get("height", 0)),
        )
        for image in source.shown
    ]
    if grid:
        body.append(cards.image_grid(grid, total=source.images))
    skipped = [SkippedFile(name=str(one.get("name")), reason=str(one.get("reason"))) for one in source.refused]
    body.append(cards.skipped_files(skipped, total=source.skipped))
    stack = cards.element("div", *body, class_="st-stack")
    return cards.panel(strip, cards.padded(stack), title=source.label, aside=_buttons(source))


def _buttons(source: ImageSource) -> Html:
    if source.state == "running":
        return cards.button(Action(label="Stop", act="stop", key=source.key, kind="stop", small=True))
    remove = cards.button(Action(label="Remove", act="remove", key=source.key, small=True))
    if not source.is_usable:
        return remove
    use = Action(
        label="Use in a new run", url=link("launch", values={"launch.images": source.key}), kind="main", small=True
    )
    return cards.element("div", cards.button(use), remove, class_="st-row is-tight")


def _list(found: Sequence[ImageSource], runs: Mapping[str, int], chosen: str) -> Html:
    columns = (
        Column(name="Source"),
        Column(name="State"),
        Column(name="Images", is_number=True),
        Column(name="Skipped", is_number=True, is_optional=True),
        Column(name="Duplicates", is_number=True, is_optional=True),
    )
    rows = [
        row(
            columns,
            [
                cards.press(cards.esc(source.label, limit=80), act="open", key=source.key, class_="st-linkish"),
                cards.state_chip(source.state),
                cards.esc(words.number(source.images)),
                cards.esc(words.number(source.skipped)),
                cards.esc(words.number(source.duplicates)),
            ],
            selected=source.key == chosen,
        )
        for source in found
    ]
    for run, count in runs.items():
        name = cards.press(cards.esc(f"Pictures of {run}"), act="open", key=f"{RUN}{run}", class_="st-linkish")
        cells = [name, cards.chip("of a run"), cards.esc(words.number(count)), cards.esc("–"), cards.esc("–")]
        rows.append(row(columns, cells, selected=f"{RUN}{run}" == chosen))
    return cards.panel(table(columns, rows, caption="Sources of images"), title="Sources")
