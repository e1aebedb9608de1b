"""What the Images tab shows: the chosen source with its pictures, or a run's, and the list of all. No Gradio."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from studio.jobs import uploads
from studio.jobs.uploads import ImageSource
from studio.look import cards, words
from studio.look.cards import Action, GridImage, Html, SkippedFile, Stat
from studio.look.cards.tables import Column, row, table
from studio.page.page import Page
from studio.page.place import link
from studio.queries.images import ImageFilter, image_choices, image_counts
from studio.tabs.filters import Choices
from studio.tabs.images.pictures import choices_of, run_panel

RUN = "run:"
"""Begins the key of a source that is a run's own pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSources:
    """What the tab shows."""

    html: str
    choices: tuple[Choices, Choices, Choices] | None = None
    """Of the filter over a run's pictures; None where no run's are shown."""


def show_sources(
    page: Page, chosen: str, *, page_number: int = 0, item: str = "", run: str | None = None,
    wanted: ImageFilter | None = None,
) -> ShownSources:  # fmt: skip
    """The chosen source with its grid, then the list of all. Where none is chosen: the newest that was added, else the
    pictures of `run`."""
    found = uploads.sources(page.workspace)
    runs = image_counts(page.catalog()) if page.workspace.runs() else {}
    if not found and not runs:
        return ShownSources(html=cards.sheet(cards.panel(_nothing())))
    others = _list(found, runs, chosen) if len(found) + len(runs) > 1 else cards.EMPTY
    name = chosen.removeprefix(RUN) if chosen.startswith(RUN) else ""
    if name not in runs and not found:
        name = run if run in runs else next(iter(runs))
    if name in runs:
        asked = wanted or ImageFilter()
        choices = image_choices(page.catalog(), name, asked)
        shown = run_panel(page, name, asked, choices, page_number=page_number, item=item)
        return ShownSources(html=cards.sheet(shown, others), choices=choices_of(choices, asked))
    source = next((one for one in found if one.key == chosen), None) or (found[0] if found else None)
    return ShownSources(html=cards.sheet(source_panel(page, source) if source else cards.EMPTY, others))


def _nothing() -> Html:
    return cards.empty(
        "No images yet. Upload some above, or run the demo, which draws its own.",
        Action(label="Open Home", url=link("home")),
    )


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
