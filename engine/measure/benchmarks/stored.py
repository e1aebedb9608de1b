"""A benchmark's pictures taken in like a source's, before anything is asked: every judge sees them as a run would.

A picture that cannot be read is refused where the file is a person's own, and left out and told of where the
benchmark is a published one.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from engine.errors import SourceError
from engine.measure.benchmarks import is_file
from engine.measure.benchmarks.jsonl import line_of
from engine.measure.benchmarks.protocol import LeaveOut
from engine.paths import expanded
from engine.records import BenchmarkItem, ImageRow
from engine.sources.pictures.store import ImageStore, image_row
from engine.sources.pictures.upright import ImageRefused, Limits, read_limited

_MOST_NAMED = 3
"""Lines that one error names; it counts the others."""


def take_pictures_in(
    name: str, items: Sequence[BenchmarkItem], store: ImageStore, limits: Limits, *, leave_out: LeaveOut
) -> tuple[list[BenchmarkItem], list[ImageRow]]:
    """The items with pictures of the store, relative to its workspace, and the rows of these pictures.

    Raises `SourceError` if no picture can be read, or one of a person's own file cannot, naming its line.
    """
    rows: dict[str, ImageRow] = {}
    taken: list[BenchmarkItem] = []
    refused: list[tuple[BenchmarkItem, ImageRefused]] = []

    def stored(path: str) -> ImageRow:
        row = image_row(store.put(read_limited(Path(path), limits), limits), source=source, name=Path(path).name)
        return rows.setdefault(row.image_id, row)

    source = f"benchmark {name}"
    for item in items:
        try:
            taken.append(_with_stored(item, stored))
        except ImageRefused as refusal:
            refused.append((item, refusal))
    if refused and is_file(name):
        raise SourceError(_refusal(expanded(name), refused, store.workspace / "unpacked"))
    for item, reason in refused:
        leave_out(f"item {item.item_id}: {reason}")
    if not taken:
        raise SourceError(f"evaluate.benchmarks: not one image of '{name}' can be read. Check its files.")
    return taken, list(rows.values())


def _with_stored(item: BenchmarkItem, stored: Callable[[str], ImageRow]) -> BenchmarkItem:
    """The item with every picture stored; its first one stands for it where pictures are counted as clusters."""
    asked, more, preferred, degraded = (
        [stored(path) for path in paths]
        for paths in (filter(None, [item.image]), item.more_images, item.preferred_images, item.degraded_images)
    )
    return replace(
        item,
        image_id=[*asked, *preferred, *degraded][0].image_id,
        image=asked[0].path if asked else "",
        more_images=tuple(row.path for row in more),
        preferred_images=tuple(row.path for row in preferred),
        degraded_images=tuple(row.path for row in degraded),
    )


def _refusal(path: Path, refused: Sequence[tuple[BenchmarkItem, ImageRefused]], folder: Path) -> str:
    named = [
        f"{line_of(path, item, folder=folder)}: the image cannot be used: {refusal}"
        for item, refusal in refused[:_MOST_NAMED]
    ]
    more = len(refused) - len(named)
    return "; ".join(named) + (f"; and {more} more" if more else "") + ". Replace them, or remove the lines."
