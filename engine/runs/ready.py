"""Whether this machine can do what the settings ask, before anything is started: model, memory, device, extras, disk.

Known without loading anything; `timed_reply` loads the model and times replies, for the promise of a time.
"""

import importlib.util
import json
import shutil
import tempfile
import time
from functools import cache
from pathlib import Path

import psutil

from engine.assets import SHIPPED
from engine.backends.base import Backend, Sampling
from engine.config import Settings
from engine.errors import JudgeStudioError
from engine.machine import this_machine
from engine.records import BASE_JUDGE, ORDERS
from engine.runs.costs import SMALL, Card, billions, card_here, refusal
from engine.runs.doctor import Fact, State
from engine.runs.models import Opener, open_model
from engine.runs.plan import RunPlan, run_plan
from engine.workspace.folders import Workspace
from engine.workspace.provenance import model_folder

_ITEMS = 16
"""Comparisons that are asked for the timing, each in both orders: one batch of the embedded model."""
_TOPIC = "for this run"


def ready_facts(settings: Settings, workspace: Workspace) -> tuple[Fact, ...]:
    """What speaks for and against a run with these settings, in the order a person would mend it."""
    plan = run_plan(settings, workspace)
    found = [_model(settings), _pictures(settings), _device(settings), _memory(settings, plan), *_extras(settings)]
    return (*found, _disk(plan))


def will_fail(facts: tuple[Fact, ...]) -> str | None:
    """The first thing that will fail, as a sentence; None if nothing is known to."""
    bad = next((fact for fact in facts if fact.state == "bad"), None)
    return f"{bad.name}: {bad.found}. {bad.advice}".strip() if bad else None


def is_blind_to_photos(settings: Settings) -> bool:
    """Whether the embedded model, which has only ever seen drawn scenes, would be shown something else."""
    return settings.model.base in SHIPPED and settings.source.kind != "drawn"


@cache
def _card() -> Card | None:
    """Asking the driver takes a tenth of a second, and the page asks often; a card does not change."""
    return card_here(this_machine())


def _fact(name: str, found: str, state: State = "ok", advice: str = "") -> Fact:
    return Fact(topic=_TOPIC, name=name, found=found, state=state, advice=advice)


def _model(settings: Settings) -> Fact:
    base = settings.model.base
    if settings.model.backend == "openai":
        return _fact("Model", f"{base}, held by the server {settings.model.url or 'that is not named yet'}", "note")
    folder = model_folder(base)
    if folder is not None:
        missing = _missing_files(folder)
        if missing:
            return _fact("Model", f"{base} lacks {missing}", "bad", "Download it again, or name another.")
        shipped = ", which ships with the project" if base in SHIPPED else ""
        return _fact("Model", f"{base} is here and complete{shipped}")
    cached = _cached(base)
    if cached is None:
        return _fact(
            "Model", f"{base} is not on this machine", "note", "It is downloaded from the hub when the run begins."
        )
    missing = _missing_files(cached)
    if missing:
        return _fact("Model", f"{base} was downloaded without {missing}", "note", "The rest is fetched at the start.")
    return _fact("Model", f"{base} is here and complete")


def _cached(base: str) -> Path | None:
    """The hub's copy of a model on this machine, None if there is none."""
    from huggingface_hub import try_to_load_from_cache  # it takes a quarter of a second to import

    try:
        found = try_to_load_from_cache(base, "config.json")
    except ValueError:  # no id of the hub
        return None
    return Path(found).parent if isinstance(found, str) else None


def _missing_files(folder: Path) -> str | None:
    """The first file that a model's folder needs and lacks."""
    if not (folder / "config.json").is_file():
        return "config.json"
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        shards = set(json.loads(index.read_text(encoding="utf-8")).get("weight_map", {}).values())
        return next((name for name in sorted(shards) if not (folder / name).is_file()), None)
    return None if any(folder.glob("*.safetensors")) else "weights (*.safetensors)"


def _pictures(settings: Settings) -> Fact:
    if is_blind_to_photos(settings):
        return _fact(
            "Pictures",
            f"{settings.model.base} knows drawn shapes only; whatever it says of other pictures means nothing",
            "bad",
            "Name a model that can see photos, e.g. HuggingFaceTB/SmolVLM2-2.2B-Instruct.",
        )
    if settings.source.kind != "drawn" and not settings.source.path:
        return _fact(
            "Pictures", "no folder, file or dataset is named", "bad", "Choose your images, or name their place."
        )
    return _fact(
        "Pictures", "drawn scenes" if settings.source.kind == "drawn" else f"{settings.source.kind} of your own"
    )


def _device(settings: Settings) -> Fact:
    if settings.model.backend == "openai":
        return _fact("Device", "the server's; training needs one here all the same", "note")
    card = _card()
    size = billions(settings.model.base)
    if card is not None and settings.model.device != "cpu":
        return _fact("Device", f"{card.name}, {card.memory:.0f} GB")
    if settings.model.device.startswith("cuda") or settings.model.backend == "vllm":
        return _fact(
            "Device", "no GPU is found here", "bad", "Use a machine with one, or the device cpu for a small model."
        )
    if size is not None and size >= SMALL:
        return _fact(
            "Device", "the processor: no GPU is found here", "bad",
            f"A model of {size:g} billion weights would take days. Use a machine with a GPU, or a server.",
        )  # fmt: skip
    return _fact("Device", f"the processor, {psutil.cpu_count(logical=False) or 1} cores")


def _memory(settings: Settings, plan: RunPlan) -> Fact:
    card = _card()
    reason = refusal(settings, card) if card is not None and settings.model.backend != "openai" else None
    if reason:
        return _fact("Memory", reason, "bad", "")
    if plan.memory_bytes is None:
        return _fact("Memory", "not known before the model is here", "note")
    free = psutil.virtual_memory().available
    needed = f"{plan.memory_bytes / 1e9:.1f} GB at most"
    if card is None and plan.memory_bytes > free:
        return _fact(
            "Memory", f"{needed}, {free / 1e9:.1f} GB are free", "bad", "Close something, or take a smaller model."
        )
    return _fact("Memory", f"{needed}, it fits")


def _extras(settings: Settings) -> list[Fact]:
    """What the chosen backend and model need beside the usual libraries."""
    found: list[Fact] = []
    if settings.model.backend == "vllm":
        python = settings.model.vllm_python
        is_there = shutil.which(python) is not None if python else importlib.util.find_spec("vllm") is not None
        advice = (
            "" if is_there else "pip install 'judge-studio[vllm]', or name the Python of an environment that has it."
        )
        found.append(_fact("vLLM", python or ("installed" if is_there else "not installed"),
                           "ok" if is_there else "bad", advice))  # fmt: skip
    if settings.model.backend == "transformers" and settings.model.base not in SHIPPED:
        is_there = importlib.util.find_spec("torchvision") is not None
        advice = "" if is_there else "pip install 'judge-studio[gpu]'; most models' picture processors need it."
        found.append(
            _fact("torchvision", "installed" if is_there else "not installed", "ok" if is_there else "bad", advice)
        )
    return found


def _disk(plan: RunPlan) -> Fact:
    if plan.disk_bytes is None:
        return _fact("Disk", f"{plan.free_bytes / 1e9:.1f} GB are free", "ok")
    needed = f"{plan.disk_bytes / 1e6:,.0f} MB at most, {plan.free_bytes / 1e9:.1f} GB are free"
    is_short = plan.disk_bytes > plan.free_bytes
    return _fact("Disk", needed, "bad" if is_short else "ok", "Free some space." if is_short else "")


# --- one reply, timed --------------------------------------------------------------------------------------------


def timed_reply(settings: Settings, *, opener: Opener = open_model) -> tuple[Fact, float | None]:
    """Load the model and time its rulings on drawn scenes; seconds per ruling, None where it cannot be loaded."""
    with tempfile.TemporaryDirectory(prefix="judge-studio-ready-") as folder:
        began = time.monotonic()
        try:
            backend = opener(settings, Path(folder))
        except JudgeStudioError as error:
            return _fact("One reply", str(error), "bad"), None
        loaded = time.monotonic() - began
        try:
            seconds = _seconds_per_ruling(backend, settings, Path(folder))
        except JudgeStudioError as error:
            return _fact("One reply", str(error), "bad"), None
        finally:
            backend.close()
    told = f"{seconds:.3g} s each, {_ITEMS * 2} together; the model was loaded in {loaded:.0f} s"
    return _fact("One reply", told), seconds


def _seconds_per_ruling(backend: Backend, settings: Settings, folder: Path) -> float:
    """The second of two rounds counts: the first one warms caches and compiles kernels."""
    from engine.judging.asking import ruling_request
    from engine.prompts import load_pack
    from engine.shapes.benchmark import items

    pack = load_pack(settings.prompt_pack)
    asked = items(count=_ITEMS, folder=folder / "pictures")
    sampling = Sampling(max_tokens=settings.evaluate.max_tokens)
    took = 0.0
    for attempt in range(2):
        requests = [
            ruling_request(pack, item.comparison(Path(item.image)), order, key=f"{attempt}/{item.item_id}/{order}",
                           judge=BASE_JUDGE, sampling=sampling)
            for item in asked for order in ORDERS
        ]  # fmt: skip
        began = time.monotonic()
        for _ in backend.generate(requests):
            pass
        took = time.monotonic() - began
    return took / (_ITEMS * len(ORDERS))
