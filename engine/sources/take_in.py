"""The one door to images: settings → entries, and entries → the workspace. It writes no tables; the caller does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.config import SourceSettings
from engine.errors import SettingsError, SourceError
from engine.paths import expanded
from engine.records import ImageRow, Skipped
from engine.sources.columns import columns_of
from engine.sources.entry import Entry, Source
from engine.sources.pictures.store import ImageStore, image_row
from engine.sources.pictures.upright import ImageRefused, limits_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a source's own columns say about an image it holds."""

    image_id: str
    question: str
    choices: tuple[str, ...]
    answer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How far an intake is."""

    entries: int
    """Entries looked at: those taken, merged and skipped."""
    total: int | None
    """Entries there are, None where the source does not say."""
    images: int
    duplicates: int
    skipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """All that came out of a source."""

    label: str
    images: tuple[ImageRow, ...]
    """Each picture once, in the order of the source."""
    asked: tuple[Asked, ...]
    """The source's own questions, one for each row that has one; several may share an image."""
    skipped: tuple[Skipped, ...]
    duplicates: int
    """Entries whose picture was there already in this source."""


def open_source(settings: SourceSettings, *, seed: int = 0) -> Source:
    """Open a source; `seed` is that of the drawn scenes.

    Raises `SourceError` if it is missing or unreadable as a whole, `SettingsError` if the settings do not fit.
    """
    limits = limits_of(settings)
    if settings.kind == "drawn":
        from engine.shapes.looks import Look
        from engine.sources.drawn import open_drawn

        look = Look(name=settings.look, low=settings.look_from, high=settings.look_to)
        return open_drawn(settings.count, settings.difficulty, seed, look)
    if not settings.path:
        raise SettingsError(f"source.path: is empty, but source.kind is {settings.kind}. Name where the images are.")
    if settings.kind == "dataset":
        from engine.sources.dataset import open_dataset

        return open_dataset(settings, limits)
    path = expanded(settings.path)
    if settings.kind == "folder":
        from engine.sources.folder import open_folder

        return open_folder(path, limits)
    if settings.kind == "zip":
        from engine.sources.zip_file import open_zip

        return open_zip(path, limits)
    from engine.sources.table import open_table

    return open_table(path, columns_of(settings), limits)


def check_source(settings: SourceSettings) -> None:
    """Raise at once what `open_source` would say of a path that is missing; no hub is asked and no file read."""
    if settings.kind in ("folder", "zip", "table") and not (settings.path and expanded(settings.path).exists()):
        open_source(settings)


def entries(settings: SourceSettings, *, seed: int = 0) -> Iterator[Entry | Skipped]:
    """Every entry of a source, or why it is none; nothing is decoded yet. Raises like `open_source`."""
    return open_source(settings, seed=seed).entries


def take_in(
    settings: SourceSettings,
    workspace: Path,
    *,
    seed: int = 0,
    on_progress: Callable[[Count], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Intake | None:
    """Store a source's images in the workspace, each once. None if `should_stop` said so; what was stored by then
    is recognised the next time and costs a hash.

    `on_progress` is called after every entry; what it raises passes through. Raises `SourceError` if nothing
    usable is there, and like `open_source`; `WorkspaceError` if the disk refuses.
    """
    source = open_source(settings, seed=seed)
    taken = _Taken(settings, source)
    with ImageStore(workspace) as store:
        for entry in source.entries:
            if should_stop is not None and should_stop():
                return None
            taken.add(entry, store)
            if on_progress is not None:
                on_progress(taken.count)
            if settings.limit is not None and len(taken.images) >= settings.limit:
                break
    if not taken.images:
        raise SourceError(_nothing_usable(source.label, settings, taken.skipped))
    return Intake(
        label=source.label,
        images=tuple(taken.images.values()),
        asked=tuple(taken.asked),
        skipped=tuple(taken.skipped),
        duplicates=taken.duplicates,
    )


class _Taken:
    """What an intake has gathered so far."""

    def __init__(self, settings: SourceSettings, source: Source) -> None:
        self._limits = limits_of(settings)
        self._source = source
        self.images: dict[str, ImageRow] = {}
        self.asked: list[Asked] = []
        self.skipped: list[Skipped] = []
        self.duplicates = 0

    @property
    def count(self) -> Count:
        images, skipped = len(self.images), len(self.skipped)
        return Count(
            entries=images + self.duplicates + skipped,
            total=self._source.total,
            images=images,
            duplicates=self.duplicates,
            skipped=skipped,
        )

    def add(self, entry: Entry | Skipped, store: ImageStore) -> None:
        """Store the entry's image, or note why not."""
        if isinstance(entry, Skipped):
            self.skipped.append(entry)
            return
        try:
            stored = store.put(entry.data, self._limits)
        except ImageRefused as refusal:
            self.skipped.append(Skipped(name=entry.name, reason=str(refusal)))
            return
        if stored.image_id in self.images:
            self.duplicates += 1
        else:
            row = image_row(stored, source=self._source.label, name=entry.name)
            self.images[stored.image_id] = row
        if entry.question is not None:
            asked = Asked(
                image_id=stored.image_id,
                question=entry.question,
                choices=entry.choices,
                answer=entry.answer,
            )
            self.asked.append(asked)


def _nothing_usable(label: str, settings: SourceSettings, skipped: list[Skipped]) -> str:
    where = f"source.path: {settings.path}" if settings.path else label
    if not skipped:
        return f"{where}: holds no files or rows at all. Name a source that holds images."
    first = skipped[0]
    entries = f"{len(skipped)} entries" if len(skipped) > 1 else "one entry"
    return (
        f"{where}: not one usable image; {entries} skipped, the first '{first.name}' because {first.reason}. "
        "Correct the source, or name another."
    )
