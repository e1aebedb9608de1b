"""Facts about this machine and this installation: versions, device, memory, disk, and what is missing for what.

Versions come from the packages' metadata, so nothing heavy is imported; the device is asked in a child process.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import psutil

from engine import __version__
from engine.backends.served.preflight import preflight
from engine.config import ModelSettings
from engine.errors import JudgeStudioError
from engine.paths import expanded
from engine.workspace.files import bytes_under, free_bytes
from engine.workspace.folders import Workspace
from engine.workspace.locks import device_holder
from engine.workspace.provenance import LIBRARIES, model_folder
from engine.workspace.run_record import run_settings

State = Literal["ok", "note", "bad"]
_PROBE_SECONDS = 60.0
"""Importing torch takes 3 to 4 s on two cores; much longer than that is a broken driver."""
_LOW_DISK = 2_000_000_000
_LOW_MEMORY = 1_500_000_000
"""Bytes. The demo's process takes about 1 GB."""

_PROBE = """
import json, torch
facts = {"cuda": torch.cuda.is_available(), "threads": torch.get_num_threads(), "devices": []}
if facts["cuda"]:
    for number in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(number)
        name = torch.cuda.get_device_name(number)
        facts["devices"].append({"name": name, "free": free, "total": total,
                                 "bfloat16": torch.cuda.is_bf16_supported()})
print(json.dumps(facts))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One line: what was asked, what was found, and what to do about it."""

    topic: str
    """installation, device, memory, disk, extras, servers"""
    name: str
    found: str
    state: State
    """ok, note = fine without it, bad = something will fail."""
    advice: str = ""


_EXTRAS: tuple[tuple[str, str, str], ...] = (
    ("torchvision", "processors of Qwen-VL and SmolVLM", "pip install 'judge-studio[gpu]'"),
    ("vllm", "serving a judge on a GPU with model.backend=vllm", "pip install 'judge-studio[vllm]', or name another "
     "environment with model.vllm_python"),
)  # fmt: skip
_NEEDED = frozenset(LIBRARIES) - {"vllm", "judge-studio"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorReport:
    """All facts, in reading order."""

    facts: tuple[Fact, ...]


def doctor_report(folder: Path) -> DoctorReport:
    """Everything about this machine and the workspace in `folder`, which need not exist."""
    workspace = Workspace(expanded(folder).resolve())
    exists = workspace.root.is_dir()
    facts = [*installation(), *device(), *memory(), *(disk(workspace) if exists else []), *extras()]
    facts += servers(workspace) if exists else []
    return DoctorReport(facts=tuple(facts))


def report_text(report: DoctorReport) -> str:
    """The facts as lines for a terminal."""
    signs = {"ok": "✓", "note": "○", "bad": "✕"}
    lines: list[str] = []
    topic = ""
    for fact in report.facts:
        if fact.topic != topic:
            topic = fact.topic
            lines += ["", topic.capitalize()]
        advice = f"  {fact.advice}" if fact.advice else ""
        lines.append(f"  {signs[fact.state]} {fact.name:<20} {fact.found}{advice}")
    return "\n".join(lines).lstrip("\n")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def installation() -> list[Fact]:
    """Versions, and whether the embedded model is there."""
    facts = [
        Fact(topic="installation", name="judge-studio", found=__version__, state="ok"),
        Fact(topic="installation", name="python", found=f"{platform.python_version()}, {sys.executable}", state="ok"),
        Fact(topic="installation", name="system", found=f"{platform.system()} {platform.machine()}", state="ok"),
    ]
    for library in LIBRARIES:
        if library not in _NEEDED:
            continue
        found = _version(library)
        facts.append(
            Fact(
                topic="installation",
                name=library,
                found=found or "missing",
                state="ok" if found else "bad",
                advice="" if found else "pip install judge-studio",
            )
        )
    return [*facts, _embedded_model()]


def _embedded_model() -> Fact:
    folder = model_folder("shapes-vlm")
    weights = list(folder.glob("*.safetensors")) if folder else []
    if not weights:
        return Fact(
            topic="installation",
            name="shapes-vlm",
            found="no weights",
            state="bad",
            advice="The demo needs the embedded model; reinstall judge-studio.",
        )
    size = sum(path.stat().st_size for path in weights)
    return Fact(topic="installation", name="shapes-vlm", found=f"{size / 1e6:.1f} MB of weights", state="ok")


def device() -> list[Fact]:
    """Asked in a child: the web page must not import torch, and a broken driver must not take it down."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE], capture_output=True, text=True, timeout=_PROBE_SECONDS, check=True
        )
        facts = json.loads(done.stdout.strip().splitlines()[-1])
    except subprocess.TimeoutExpired:
        found = f"torch gave no answer in {_PROBE_SECONDS:.0f} s"
        return [Fact(topic="device", name="torch", found=found, state="bad", advice="Check the driver.")]
    except (subprocess.CalledProcessError, ValueError, IndexError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        return [
            Fact(
                topic="device",
                name="torch",
                found=(said[-1] if said else "it cannot be imported")[:300],
                state="bad",
                advice="Reinstall torch.",
            )
        ]
    cpu = f"{psutil.cpu_count(logical=False) or os.cpu_count()} cores, {facts['threads']} for torch"
    found_devices = [Fact(topic="device", name="cpu", found=cpu, state="ok", advice=_held("cpu"))]
    for number, gpu in enumerate(facts["devices"]):
        found = f"{gpu['name']}, {gpu['free'] / 1e9:.1f} of {gpu['total'] / 1e9:.1f} GB free"
        found_devices.append(Fact(topic="device", name=f"cuda:{number}", found=found, state="ok", advice=_held("cuda")))
    if not facts["devices"]:
        advice = "The embedded model runs on the processor; larger ones want a GPU or a server (model.backend=openai)."
        found_devices.append(Fact(topic="device", name="cuda", found="none", state="note", advice=advice))
    return found_devices


def _held(device: str) -> str:
    holder = device_holder(device)
    return f"Held by {holder}." if holder else ""


def memory() -> list[Fact]:
    """Memory that a run could take."""
    known = psutil.virtual_memory()
    is_low = known.available < _LOW_MEMORY
    return [
        Fact(
            topic="memory",
            name="memory",
            found=f"{known.available / 1e9:.1f} of {known.total / 1e9:.1f} GB free",
            state="bad" if is_low else "ok",
            advice="Less than a run of the demo takes; close something." if is_low else "",
        )
    ]


def disk(workspace: Workspace) -> list[Fact]:
    """Room left, and what takes it."""
    free = free_bytes(workspace.root)
    facts = [
        Fact(
            topic="disk",
            name="free",
            found=f"{free / 1e9:.1f} GB on the disk of {workspace.root}",
            state="bad" if free < _LOW_DISK else "ok",
            advice="Free some space before a run." if free < _LOW_DISK else "",
        ),
        Fact(topic="disk", name="images", found=_size(workspace.images), state="ok"),
    ]
    if workspace.uploads.is_dir():
        facts.append(Fact(topic="disk", name="uploads", found=_size(workspace.uploads), state="ok"))
    for run in workspace.runs():
        facts.append(Fact(topic="disk", name=f"run {run.name}", found=_size(run.folder), state="ok"))
    temporary = Path(tempfile.gettempdir())
    if shutil.disk_usage(temporary).free < 200_000_000:
        facts.append(
            Fact(topic="disk", name="temporary", found=f"{temporary} is nearly full", state="bad", advice="Free it.")
        )
    return facts


def _size(folder: Path) -> str:
    try:
        size = bytes_under(folder)
    except OSError:  # files come and go while a run works
        return "not known"
    return f"{size / 1e6:,.1f} MB"


def servers(workspace: Workspace) -> list[Fact]:
    """Whether the vLLMs that the workspace's runs would start could start, each asked once."""
    wanted: dict[tuple[str, str], ModelSettings] = {}
    for run in workspace.runs():
        try:
            model = run_settings(run).model
        except JudgeStudioError:
            continue
        if model.backend == "vllm" and model.url is None:
            wanted[model.vllm_python or sys.executable, model.base] = model
    return [_server(python, base, model) for (python, base), model in wanted.items()]


def _server(python: str, base: str, model: ModelSettings) -> Fact:
    try:
        known = preflight(model, str(model_folder(base) or base))
    except JudgeStudioError as error:
        return Fact(topic="servers", name=base, found=python, state="bad", advice=str(error))
    found = f"vLLM {known.version} of {python}" if known.version else python
    faults = " ".join(known.faults)
    state: State = "bad" if faults else "note" if known.notes else "ok"
    return Fact(topic="servers", name=base, found=found, state=state, advice=faults or " ".join(known.notes))


def extras() -> list[Fact]:
    """What is not needed, and what it would enable."""
    facts = []
    for package, enables, install in _EXTRAS:
        found = _version(package)
        advice = "" if found else f"Would enable {enables}. {install}".strip()
        facts.append(
            Fact(
                topic="extras",
                name=package,
                found=found or "not installed",
                state="ok" if found else "note",
                advice=advice,
            )
        )
    return facts
