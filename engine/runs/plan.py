"""What a run would do, before it does it: stages, model calls, and upper bounds of time, memory and disk.

Times come from what an earlier run on this machine took per unit; where there is none they are None, not guessed.
Beside them stands what the run would take on rented cards, at assumed rates (`costs.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from engine.assets import SHIPPED
from engine.config import Settings
from engine.errors import JudgeStudioError
from engine.machine import this_machine
from engine.runs.costs import (
    SMALL,
    Offer,
    billions,
    card_here,
    offer_line,
    offers,
    peak_here,
    refusal,
    rulings,
    synthesis,
    training,
)
from engine.runs.pace import rates_at, timed_pace
from engine.runs.sizes import Sizes, sizes_of, synthesis_calls
from engine.workspace.files import bytes_under, free_bytes
from engine.workspace.folders import STAGES, RunFolder, Workspace
from engine.workspace.provenance import model_folder
from engine.workspace.run_record import run_settings
from engine.workspace.timing import StageTime, about, stage_times

_LIBRARIES_BYTES = 1_300_000_000
"""Resident size of a process that has torch, transformers, peft and trl loaded and trains a tiny model: 0.9 GB was
measured on a small training set (Linux, CPU), the rest is for larger batches."""
_TRAINING_COPIES = 3
"""Weights, and room for activations, as multiples of the weights: LoRA keeps no optimizer state of them."""
_LOW_RATE = 5e-5
"""Learning rate of an adapter from which on "LoRA Without Regret" (in TRL's documentation) finds it too low."""
_BYTES_PER_TOKEN = 5
"""Of text; Parquet's compression makes it less, so this is an upper bound."""


TIMED = "replies timed on this machine"
"""What times are estimated from before a run of this model has finished a stage here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStage:
    """One stage of the plan."""

    stage: str
    what: str
    """What will happen, with its numbers."""
    calls: int | None
    """Replies asked of the model, at most; None where the source does not say how many images it holds."""
    units: int | None
    """What earlier runs are compared by: instructions, traces, steps, verdicts."""
    seconds: float | None
    """Upper bound from an earlier run; None = not known yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """The whole run."""

    iterations: int
    baseline: tuple[PlanStage, ...]
    """Before the first iteration."""
    stages: tuple[PlanStage, ...]
    """Each iteration."""
    calls: int | None
    """Replies of the whole run, at most."""
    seconds: float | None
    memory_bytes: int | None
    """None for a model whose files are not on this machine, or that a server holds."""
    disk_bytes: int | None
    free_bytes: int
    estimated_from: str | None
    """The earlier run that the times were taken from."""
    notes: tuple[str, ...]
    offers: tuple[Offer, ...]
    """On each card of the table; () for the embedded model, and where the source or the model's size is not known."""
    refusal: str | None
    """Why it does not fit on this machine's card, and the nearest plan that does; None if it fits or there is none."""

    @property
    def iteration_seconds(self) -> float | None:
        """Of one iteration, at most; None where a stage's pace is not known."""
        return _total([], [stage.seconds for stage in self.stages], 1)


def run_plan(settings: Settings, workspace: Workspace, *, seconds_per_ruling: float | None = None) -> RunPlan:
    """The plan of a run with these settings in this workspace. Nothing is started, downloaded or written.

    `seconds_per_ruling`: as it is seen just now; without it what was timed here before counts.
    """
    sizes = sizes_of(settings)
    before = _earlier_run(settings, workspace)
    pace = seconds_per_ruling or timed_pace(settings, workspace)
    timed = rates_at(settings, pace) if pace else {}
    seen = _seconds_per_unit(stage_times(before).values()) if before else {}
    basis = before.name if before and seen else TIMED if timed else None
    rates = {**timed, **seen}
    baseline = tuple(_timed(stage, rates) for stage in _baseline(settings, sizes))
    stages = tuple(_timed(stage, rates) for stage in _stages(settings, sizes))
    count = settings.loop.iterations
    is_small = (billions(settings.model.base) or 1.0) < SMALL
    card = None if is_small or settings.model.backend == "openai" else card_here(this_machine())
    return RunPlan(
        iterations=count,
        baseline=baseline,
        stages=stages,
        calls=_total([stage.calls for stage in baseline], [stage.calls for stage in stages], count),
        seconds=_total([stage.seconds for stage in baseline], [stage.seconds for stage in stages], count),
        memory_bytes=_memory(settings),
        disk_bytes=_disk(settings, sizes, before),
        free_bytes=free_bytes(_existing(workspace.root)),
        estimated_from=basis,
        notes=tuple(_notes(settings, sizes)),
        offers=() if is_small else _offers(settings, sizes),
        refusal=None if is_small or card is None else refusal(settings, card),
    )


def plan_text(plan: RunPlan) -> str:
    """The plan as lines for a terminal."""
    lines = [f"{plan.iterations} iterations at most; the run stops earlier when it no longer pays."]
    for title, stages in (("Before the first iteration", plan.baseline), ("Each iteration", plan.stages)):
        lines += ["", title]
        lines += [f"  {one.stage:<11} {one.what:<64} {about(one.seconds)}" for one in stages]
    calls = f"{plan.calls:,}" if plan.calls is not None else "not known before the source is read"
    lines += ["", f"Model replies, at most: {calls}", f"Time, at most: {about(plan.seconds)}"]
    if plan.estimated_from:
        source = plan.estimated_from if plan.estimated_from == TIMED else f"run {plan.estimated_from}"
        lines.append(f"  estimated from {source}, by units of work")
    memory = f"{plan.memory_bytes / 1e9:.1f} GB" if plan.memory_bytes is not None else "not known"
    disk = f"{plan.disk_bytes / 1e6:,.0f} MB" if plan.disk_bytes is not None else "not known"
    lines += [f"Memory, at most: {memory}", f"Disk, at most: {disk} ({plan.free_bytes / 1e9:,.1f} GB are free)"]
    if plan.offers:
        lines += ["", "The whole run on other machines, at assumed rates (engine/runs/costs.py):"]
        lines += [offer_line(offer) for offer in plan.offers]
    return "\n".join([*lines, *plan.notes, *([plan.refusal] if plan.refusal else [])])


# --- the stages --------------------------------------------------------------------------------------------------


def _baseline(settings: Settings, sizes: Sizes) -> list[PlanStage]:
    stages = []
    if "held-out" in settings.evaluate.benchmarks:
        calls = None if sizes.held_out is None else synthesis_calls(settings, 0, sizes.held_out)
        what = f"pairs from {_up_to(settings, sizes)}{_count(sizes.held_out, 'held-out instruction')}"
        stages.append(_stage("synthesize", what, calls, sizes.held_out))
    begun = ", also with its replies begun for it," if sizes.begun else ""
    what = f"judge-v0{begun} and the controls on {_count(sizes.items, 'item')}, both orders"
    stages.append(_evaluation(settings, what, sizes.verdicts + sizes.begun))
    return stages


def _stages(settings: Settings, sizes: Sizes) -> list[PlanStage]:
    train = settings.train
    steps = None if sizes.kept is None else ceil(ceil(sizes.kept / train.batch_size) * train.epochs)
    if train.max_steps is not None:
        steps = train.max_steps if steps is None else min(steps, train.max_steps)
    source = f" on {_up_to(settings, sizes)}{_count(sizes.images, 'image')}" if sizes.images is not None else ""
    samples = f"both orders, {_count(settings.judge.traces_per_order, 'sample')}"
    start = {"previous": "the previous version", "best": "the best version so far"}.get(train.start, "the base model")
    step_words = f"at most {_count(steps, 'step')}" if steps is not None else "steps not known yet,"
    return [
        _stage(
            "synthesize",
            f"at most {_count(sizes.instructions, 'pair')}{source}",
            sizes.synthesis_calls,
            sizes.instructions,
        ),
        _stage("judge", f"at most {_count(sizes.traces, 'trace')}: {samples}", sizes.judge_calls, sizes.traces),
        _stage("select", f"{settings.select.rule} rule, at most {_count(sizes.kept, 'trace')} kept", 0, sizes.traces),
        _stage("train", f"{step_words} from {start}", 0, steps),
        _evaluation(settings, f"the new version on {_count(sizes.items, 'item')}, both orders", sizes.verdicts),
    ]


def _evaluation(settings: Settings, what: str, verdicts: int) -> PlanStage:
    measured = settings.evaluate
    named = [name for name, on in (("no", measured.image_blind), ("another", measured.wrong_image)) if on]
    controls = f", also with {' and with '.join(named)} image" if named else ""
    return _stage("evaluate", what + controls, verdicts, verdicts)


def _stage(stage: str, what: str, calls: int | None, units: int | None) -> PlanStage:
    return PlanStage(stage=stage, what=what, calls=calls, units=units, seconds=None)


def _up_to(settings: Settings, sizes: Sizes) -> str:
    """Files are counted by their names, and some may be damaged."""
    return "up to " if sizes.images is not None and settings.source.kind in ("folder", "zip") else ""


def _count(count: int | None, noun: str) -> str:
    if count is None:
        return f"as many {noun}s as the source gives"
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


# --- how long ----------------------------------------------------------------------------------------------------


def _earlier_run(settings: Settings, workspace: Workspace) -> RunFolder | None:
    """Of the runs of the same model on the same backend and device, the one that finished most kinds of stage; the
    newest of several."""
    best, most = None, 0
    for run in workspace.runs():
        try:
            other = run_settings(run).model
        except JudgeStudioError:
            continue
        mine = settings.model
        is_alike = (other.base, other.backend, other.device) == (mine.base, mine.backend, mine.device)
        finished = {time.stage for time in stage_times(run).values() if time.finished} if is_alike else set()
        if len(finished) > most:
            best, most = run, len(finished)
    return best


def _seconds_per_unit(times: Iterable[StageTime]) -> dict[str, float]:
    """The slowest pace each stage was seen at, so that the sum is an upper bound."""
    rates: dict[str, float] = {}
    for time in times:
        if time.finished and time.total and time.stage in STAGES:
            rates[time.stage] = max(rates.get(time.stage, 0.0), time.seconds / time.total)
    return rates


def _timed(stage: PlanStage, rates: Mapping[str, float]) -> PlanStage:
    rate = rates.get(stage.stage)
    if rate is None or stage.units is None:
        return stage
    return PlanStage(
        stage=stage.stage, what=stage.what, calls=stage.calls, units=stage.units, seconds=rate * stage.units
    )


def _offers(settings: Settings, sizes: Sizes) -> tuple[Offer, ...]:
    """The baseline once and every iteration, priced."""
    if sizes.open is None or sizes.closed is None or sizes.traces is None or sizes.kept is None:
        return ()
    measured = rulings(settings, prompts=sizes.verdicts, samples=1, max_tokens=settings.evaluate.max_tokens)
    iteration = (
        synthesis(settings, opened=sizes.open, closed=sizes.closed)
        + rulings(
            settings,
            prompts=sizes.traces // settings.judge.traces_per_order,
            samples=settings.judge.traces_per_order,
            max_tokens=settings.judge.max_tokens,
        )
        + training(settings, kept=sizes.kept)
        + measured
    )
    baseline = synthesis(settings, opened=0, closed=sizes.held_out or 0) + measured
    count = settings.loop.iterations
    return offers(settings, baseline + iteration.times(count), this_machine(), iterations=count)


def _total(once: Sequence[float | int | None], each: Sequence[float | int | None], count: int) -> int | None:
    if any(value is None for value in (*once, *each)):
        return None
    return ceil(sum(value or 0 for value in once) + count * sum(value or 0 for value in each))


# --- how large ---------------------------------------------------------------------------------------------------


def _memory(settings: Settings) -> int | None:
    """Of a large model on the GPU; of a small one, of the whole process."""
    if settings.model.backend != "transformers":
        return None
    folder = model_folder(settings.model.base)
    weights = sum(path.stat().st_size for path in folder.glob("*.safetensors")) if folder else 0
    size = billions(settings.model.base)
    if weights and size is not None and size >= SMALL:
        return round(peak_here(settings, size, card_here(this_machine())) * 1e9)
    return _LIBRARIES_BYTES + _TRAINING_COPIES * weights if weights else None


def _disk(settings: Settings, sizes: Sizes, before: RunFolder | None) -> int | None:
    """From the text that can be written at most, or from the earlier run's size per iteration where that is less."""
    if sizes.instructions is None or sizes.traces is None:
        return None
    measured = sizes.verdicts * settings.evaluate.max_tokens
    tokens = (
        sizes.instructions * 2 * settings.synthesize.max_tokens
        + 2 * sizes.traces * settings.judge.max_tokens  # judge writes them, select writes them again with their fate
        + measured
    )
    return (settings.loop.iterations * tokens + measured) * _BYTES_PER_TOKEN + (
        bytes_under(before.folder / "iteration-01" / "train") * settings.loop.iterations if before else 0
    )


def _existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _notes(settings: Settings, sizes: Sizes) -> Iterable[str]:
    if sizes.images is None:
        yield "How many images the source holds is known once it is read, so the counts of this plan are open."
    if settings.model.backend == "transformers" and model_folder(settings.model.base) is None:
        yield f"{settings.model.base} comes from the Hugging Face hub, or from its cache on this machine."
    is_full = settings.train.method == "full"
    if is_full and settings.train.learning_rate >= _LOW_RATE and settings.model.base not in SHIPPED:
        yield (
            f"train.learning_rate is {settings.train.learning_rate:g}: whole layers want about a tenth of an adapter's "
            "rate. Use 1e-5; from 5e-5 on they forget."
        )
    if not is_full and settings.train.learning_rate < _LOW_RATE and settings.model.base not in SHIPPED:
        yield (
            f"train.learning_rate is {settings.train.learning_rate:g}: an adapter wants about ten times the rate of "
            "full fine-tuning. Use 1e-4; below 5e-5 it hardly learns."
        )
    yield from _deciding_notes(settings)
    yield from _server_notes(settings)
    if sizes.images == 0:
        yield "The folder holds no pictures with a usual file name."


def _deciding_notes(settings: Settings) -> Iterable[str]:
    """Said before a run begins where labels that it did not make decide which version is best."""
    from engine.measure.benchmarks import benchmark_name
    from engine.measure.benchmarks.held_out import deciding_note

    if settings.evaluate.benchmarks and (note := deciding_note(benchmark_name(settings.evaluate.benchmarks[0]))):
        yield note


def _server_notes(settings: Settings) -> Iterable[str]:
    """What would keep a vLLM from starting, or take long."""
    model = settings.model
    if model.backend != "vllm" or model.url is not None:
        return
    from engine.backends.served.preflight import preflight

    known = preflight(model, str(model_folder(model.base) or model.base))
    yield from known.faults
    yield from known.notes
