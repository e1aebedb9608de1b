"""How much one iteration makes and asks, at most, by the settings alone: images, pairs, traces, replies."""

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

from engine.config import Settings
from engine.paths import expanded

_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"})
_MOST_COUNTED = 200_000
"""Files of a folder that are looked at; counting more would make a plan slow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Counts of one iteration, upper bounds; None where the source does not say."""

    images: int | None
    instructions: int | None
    """Of one iteration."""
    open: int | None
    closed: int | None
    held_out: int | None
    """Instructions on held-out images."""
    traces: int | None
    kept: int | None
    items: int
    synthesis_calls: int | None
    """Replies asked of the writer."""
    judge_calls: int | None
    """Every trace, and some pairs in both orders with another picture."""
    verdicts: int
    """Replies of one version: every item in both orders, and the controls that ask the model on some of them."""
    begun: int
    """Replies of judge-v0 that are begun for it, in the baseline alone."""


def sizes_of(settings: Settings) -> Sizes:
    """What the settings come to. Only a folder of pictures is looked at, to count them."""
    images = images_of(settings)
    held_out, instructions = _instructions(settings, images)
    opened = None if instructions is None else round(instructions * _open_share(settings))
    closed = None if instructions is None or opened is None else instructions - opened
    traces = None if instructions is None else instructions * 2 * settings.judge.traces_per_order
    items = settings.evaluate.items * len(settings.evaluate.benchmarks)
    return Sizes(
        images=images,
        instructions=instructions,
        open=opened,
        closed=closed,
        held_out=held_out,
        traces=traces,
        kept=_kept(settings, images, instructions, traces),
        items=items,
        synthesis_calls=None if opened is None or closed is None else synthesis_calls(settings, opened, closed),
        judge_calls=_judge_calls(settings, instructions, traces),
        verdicts=_verdicts(settings, items),
        begun=2 * _sampled(settings) if settings.evaluate.prompted else 0,
    )


def _instructions(settings: Settings, images: int | None) -> tuple[int | None, int | None]:
    """Those on held-out images, and those of one iteration."""
    source, wanted = settings.source, settings.synthesize.instructions
    if images is None:
        return None, wanted
    per_image = 1 if source.questions == "own" else source.questions_per_image
    held = round(images * source.held_out) * per_image
    everything = images * per_image - held
    return held, everything if wanted is None else min(everything or wanted, wanted)


def _kept(settings: Settings, images: int | None, instructions: int | None, traces: int | None) -> int | None:
    if instructions is None or traces is None:
        return None
    kept = min(traces, instructions * settings.select.max_per_pair)
    if settings.select.max_per_image is not None and images is not None:
        kept = min(kept, images * settings.select.max_per_image)
    return kept


def _open_share(settings: Settings) -> float:
    """Of the bank it is a setting; elsewhere all may be closed, which is the larger number of calls."""
    return settings.source.open_share if settings.source.questions == "bank" else 0.0


def synthesis_calls(settings: Settings, opened: int, closed: int) -> int:
    """Open: a response and each try of an alteration; closed: every sample."""
    return opened * (1 + settings.synthesize.alteration_tries) + closed * settings.synthesize.samples


def _judge_calls(settings: Settings, instructions: int | None, traces: int | None) -> int | None:
    if traces is None or instructions is None or not settings.evaluate.wrong_image:
        return traces
    return traces + 2 * min(instructions, settings.evaluate.control_items or instructions)


def _verdicts(settings: Settings, items: int) -> int:
    return 2 * (items + _sampled(settings) * (settings.evaluate.image_blind + settings.evaluate.wrong_image))


def _sampled(settings: Settings) -> int:
    """Items on which a control that asks the model is measured."""
    measured = settings.evaluate
    return min(measured.items, measured.control_items or measured.items) * len(measured.benchmarks)


def images_of(settings: Settings) -> int | None:
    """How many images the source holds at most; None where that is known only by reading it."""
    source = settings.source
    known: int | None = None
    if source.kind == "drawn":
        known = source.count
    elif source.kind == "folder" and source.path:
        known = _count_pictures(expanded(source.path))
    elif source.kind == "zip" and source.path:
        known = _count_in_zip(expanded(source.path))
    if source.limit is not None:
        return source.limit if known is None else min(known, source.limit)
    return known


def _count_in_zip(path: Path) -> int | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return None
    return sum(Path(name).suffix.lower() in _PICTURES and not name.startswith("__MACOSX") for name in names)


def _count_pictures(folder: Path) -> int | None:
    count = looked_at = 0
    try:
        for _, _, names in os.walk(folder):
            looked_at += len(names)
            count += sum(Path(name).suffix.lower() in _PICTURES for name in names)
            if looked_at > _MOST_COUNTED:
                return None
    except OSError:
        return None
    return count if folder.is_dir() else None
