"""A handful of pairs made with given settings, before anybody pays for a whole run. Nothing of it is kept."""

import base64
import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from engine.config import Settings
from engine.errors import BackendError
from engine.prompts import load_pack
from engine.records import ImageRow, Instruction, Pair
from engine.runs.models import Opener, open_model
from engine.stages.bench import Bench
from engine.stages.intake import intake
from engine.stages.synthesize.stage import synthesize
from engine.workspace.folders import RunFolder, open_workspace
from engine.workspace.locks import device_holder
from engine.workspace.progress import Progress
from engine.workspace.state import RunState

_THUMBNAIL = 160
"""Pixels of the longer side of the picture that goes with a pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewPair(Pair):
    """A pair with its picture, because the workspace it was made in is gone by now."""

    image: str
    """data: URL of a small PNG."""
    width: int
    """Pixels of the picture itself."""


def preview_pairs(settings: Settings, *, count: int = 6, opener: Opener = open_model) -> list[PreviewPair]:
    """About `count` pairs, open and closed by turns, dropped ones among them.

    Raises like a run: `SourceError`, `SettingsError`, `ModelError`, `BackendError`.
    """
    _check_device(settings)
    with tempfile.TemporaryDirectory(prefix="judge-studio-preview-") as folder:
        run = open_workspace(Path(folder)).run("preview")
        run.folder.mkdir(parents=True)
        return _pairs(run, _few(settings, count), count, opener)


def _few(settings: Settings, count: int) -> Settings:
    """The same settings on `count` images, none held out."""
    source = settings.source.model_copy(update={"count": count, "limit": count, "held_out": 0.0})
    return settings.model_copy(update={"source": source})


def _pairs(run: RunFolder, settings: Settings, count: int, opener: Opener) -> list[PreviewPair]:
    root = run.workspace.root
    backend = opener(settings, root)
    bench = Bench(
        run=run,
        settings=settings,
        pack=load_pack(settings.prompt_pack),
        images={},
        models=lambda *_: backend,
        progress=Progress(run, RunState(run=run.name, state="running")),
        iteration=1,
    )
    try:
        intake(bench)
        rows = {row.image_id: row for row in run.intake().read("images", ImageRow)}
        bench = replace(bench, images={key: root / row.path for key, row in rows.items()})
        synthesize(bench, _by_turns(run.intake().read("instructions", Instruction), count))
    finally:
        backend.close()
    return [_with_picture(pair, rows[pair.image_id], root) for pair in bench.folder("synthesize").read("pairs", Pair)]


def _by_turns(instructions: Sequence[Instruction], count: int) -> list[Instruction]:
    """Open and closed alternately, as far as there are both."""
    kinds = [[one for one in instructions if one.kind == kind] for kind in ("open", "closed")]
    turns = [one for place in range(count) for kind in kinds for one in kind[place : place + 1]]
    return turns[:count]


def _with_picture(pair: Pair, row: ImageRow, root: Path) -> PreviewPair:
    values = {field.name: getattr(pair, field.name) for field in fields(Pair)}
    return PreviewPair(**values, image=_thumbnail(root / row.path), width=row.width)


def _thumbnail(path: Path) -> str:
    from PIL import Image

    with Image.open(path) as image:
        image.thumbnail((_THUMBNAIL, _THUMBNAIL))
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _check_device(settings: Settings) -> None:
    """A second model beside a run's would not fit a GPU; a processor's memory takes both."""
    holder = device_holder("cuda") if settings.model.backend != "openai" else None
    if holder is not None and settings.model.device != "cpu":
        raise BackendError(f"cuda is held by {holder}, so no second model is loaded. Stop it first, or wait.")
