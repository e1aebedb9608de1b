"""From a source to the run's images and instructions: the stage before the first. It decides no question itself."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from engine.backends.base import Sampling
from engine.config import Settings
from engine.prompts import PromptPack
from engine.records import ImageLook, ImageRow, Instruction, Skipped, content_id
from engine.sources.pictures.alike import groups_of, look_of
from engine.sources.questions.instructions import (
    bank_instructions,
    check_question_settings,
    held_out_images,
    own_instructions,
)
from engine.sources.questions.key import with_key
from engine.sources.questions.written import write_questions
from engine.sources.take_in import Count, Intake, take_in
from engine.stages.bench import Bench
from engine.stages.identity import setting_fields
from engine.workspace.folders import StageFolder

_CHUNK = 64
"""Images per call of a model that writes questions, so that a stop loses little."""


def intake(bench: Bench) -> dict[str, Any]:
    """Write `images`, `skipped` and `instructions`; the summary counts them.

    The model is opened only if it writes the questions. Raises like `take_in`.
    """
    folder, source = bench.run.intake(), bench.settings.source
    if (summary := folder.summary()) is not None:
        return summary
    check_question_settings(source)
    folder.begin(_identity(bench.settings, bench.pack))
    folder.sweep()
    # The images part is written last: finding it means that the others are there.
    taken = None if folder.parts("images") else _take_in(bench, folder)
    images = folder.read("images", ImageRow)
    twins = _twins(bench, folder, images)
    held_out = held_out_images((image.image_id for image in images), source.held_out, twins)
    if source.questions == "model":
        _write_questions(bench, folder, images, held_out)
    elif not folder.parts("instructions"):
        asked = _retake(bench) if taken is None and source.questions == "own" else taken
        folder.write("instructions", list(_unmodelled(images, asked, held_out, bench.settings, bench.pack)))
    instructions = folder.read("instructions", Instruction)
    summary = {
        "images": len(images),
        "held_out_images": len(held_out),
        "near_duplicates": sum(count - 1 for count in Counter(twins.values()).values()),
        "instructions": len(instructions),
        "open": sum(one.kind == "open" for one in instructions),
        **_counts(folder, taken),
    }
    folder.finish(summary)
    return summary


def _twins(bench: Bench, folder: StageFolder, images: Sequence[ImageRow]) -> dict[str, str]:
    """Image → its group of pictures that look the same; looked at once and kept as the table `looks`."""
    root, progress = bench.run.workspace.root, bench.progress
    if not folder.parts("looks"):
        progress.begin("intake", total=len(images), unit="images", message="Looking for pictures that are there twice")
        looks: dict[str, str] = {}
        for image in images:
            if (look := look_of(root / image.path)) is not None:
                looks[image.image_id] = look
            progress.advance()
        groups = groups_of(looks)
        rows = [ImageLook(image_id=name, look=look, twins=groups[name]) for name, look in looks.items()]
        folder.write("looks", rows)
    return {row.image_id: row.twins for row in folder.read("looks", ImageLook)}


def _identity(settings: Settings, pack: PromptPack) -> dict[str, Any]:
    """Questions of the source depend on no prompts; all others do."""
    source = setting_fields(settings, "source")
    prompts = {} if settings.source.questions == "own" else {"prompts": content_id(pack.questions.model_dump_json())}
    return {**source, "loop.seed": settings.loop.seed, **prompts}


def _take_in(bench: Bench, folder: StageFolder) -> Intake:
    progress, settings = bench.progress, bench.settings
    progress.begin("intake", total=None, unit="images", message="Taking in images")

    def count(counted: Count) -> None:
        if counted.total is not None and progress.state.total != counted.total:
            progress.update(total=counted.total)
        progress.advance(counted.entries - progress.state.done)

    taken = take_in(settings.source, bench.run.workspace.root, seed=settings.loop.seed, on_progress=count)
    assert taken is not None, "nothing was asked to stop it but `count`, which raises"
    for part in folder.parts("skipped"):  # of an earlier try that was killed before its images part
        part.unlink()
    folder.write("skipped", list(taken.skipped))
    folder.write("images", list(taken.images))
    progress.event("intake", images=len(taken.images), skipped=len(taken.skipped), duplicates=taken.duplicates)
    return taken


def _retake(bench: Bench) -> Intake:
    """The source's own questions, once more: a kill fell between images and instructions. Stored images cost a hash."""
    bench.progress.update(message="Reading the source's questions again")
    taken = take_in(bench.settings.source, bench.run.workspace.root, seed=bench.settings.loop.seed)
    assert taken is not None, "nothing asks it to stop"
    return taken


def _unmodelled(
    images: Sequence[ImageRow],
    taken: Intake | None,
    held_out: frozenset[str],
    settings: Settings,
    pack: PromptPack,
) -> Iterable[Instruction]:
    if settings.source.questions == "own":
        return own_instructions(taken.asked if taken else (), held_out=held_out)
    asked = bank_instructions(images, pack.questions, settings.source, held_out=held_out, seed=settings.loop.seed)
    if settings.source.answers == "key":
        return with_key(asked, images, seed=settings.loop.seed)
    return asked


def _write_questions(bench: Bench, folder: StageFolder, images: Sequence[ImageRow], held_out: frozenset[str]) -> None:
    """Let the model write questions for the images that have none yet."""
    backend = bench.models()
    there = {one.image_id for one in folder.read("instructions", Instruction)}
    missing = [image for image in images if image.image_id not in there]
    bench.progress.begin(
        "intake", total=len(images), done=len(images) - len(missing), unit="images", message="Writing questions"
    )
    for start in range(0, len(missing), _CHUNK):
        written = list(
            write_questions(
                missing[start : start + _CHUNK],
                backend,
                bench.pack,
                workspace=bench.run.workspace.root,
                count=bench.settings.source.questions_per_image,
                held_out=held_out,
                sampling=_sampling(bench.settings),
                seed=bench.settings.loop.seed,
            )
        )
        folder.write("instructions", [one for image in written for one in image.instructions])
        bench.progress.advance(len(written))


def _sampling(settings: Settings) -> Sampling:
    """Questions are drawn like responses."""
    drawn = settings.synthesize
    return Sampling(temperature=drawn.temperature, top_p=drawn.top_p, top_k=drawn.top_k, max_tokens=drawn.max_tokens)


def _counts(folder: StageFolder, taken: Intake | None) -> dict[str, int]:
    counts = {"skipped": len(folder.read("skipped", Skipped))}
    return counts if taken is None else {**counts, "duplicates": taken.duplicates}
