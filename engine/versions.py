"""Which judge is meant by a name: RUN/judge-v2, RUN (its best), an adapter folder, or a base model."""

import json
from dataclasses import dataclass
from pathlib import Path

from engine.backends.base import BASE_JUDGE, Backend
from engine.config import ModelSettings, Settings
from engine.errors import ModelError, UsageError, WorkspaceError
from engine.paths import expanded
from engine.promotion import best_judge
from engine.run_record import run_settings
from engine.workspace import RunFolder, Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeRef:
    """A judge that can be loaded."""

    label: str
    """How it is shown and recorded, e.g. "shapes-01/judge-v2"; unique per adapter."""
    settings: Settings
    """Those of its run, or defaults with its base model: they name the model, the backend and the prompt pack."""
    version: str
    """"judge-v2" within its run; "judge-v0" for a base model."""
    adapter: Path | None
    """PEFT folder; None for the base model itself."""
    run: RunFolder | None
    """None for what no run of the workspace made."""

    @property
    def loaded_name(self) -> str:
        """The name it answers to in a backend that also serves versions of other runs."""
        return BASE_JUDGE if self.adapter is None else self.label

    def load_into(self, backend: Backend) -> str:
        """Register it with a backend of its base model; the name to ask it by."""
        if self.adapter is not None:
            backend.load_judge(self.loaded_name, self.adapter)
        return self.loaded_name


def resolve_judge(name: str, workspace: Workspace) -> JudgeRef:
    """The judge called `name`. Raises `UsageError`, `WorkspaceError` or `ModelError` in a sentence."""
    run_name, _, version = name.partition("/")
    known = {run.name: run for run in workspace.runs()}
    if run_name in known and "/" not in version:
        return _of_run(known[run_name], version or "best")
    folder = expanded(name)
    if (folder / "adapter_config.json").is_file():
        return _of_adapter(folder)
    if version.startswith("judge-v"):
        workspace.existing_run(run_name)  # raises, naming the runs there are
    return _of_base(name)


def _of_run(run: RunFolder, version: str) -> JudgeRef:
    settings = run_settings(run)
    if version == "best":
        version = best_judge(run)
    number = version.removeprefix("judge-v")
    if not number.isdigit() or version != f"judge-v{int(number)}":
        raise UsageError(f"judge '{run.name}/{version}': a version is called judge-v0, judge-v1, … or best.")
    adapter = run.adapter(int(number)) if int(number) else None
    if adapter is not None and not (adapter / "adapter_config.json").is_file():
        there = ", ".join(versions_of(run))
        raise WorkspaceError(f"run '{run.name}': there is no {version}. Versions here: {there}.")
    return JudgeRef(label=f"{run.name}/{version}", settings=settings, version=version, adapter=adapter, run=run)


def versions_of(run: RunFolder) -> list[str]:
    """Every version of the run that can be loaded, judge-v0 first."""
    made = [int(path.parents[2].name.removeprefix("iteration-")) for path in
            run.folder.glob("iteration-*/train/adapter/adapter_config.json")]  # fmt: skip
    return [BASE_JUDGE, *(f"judge-v{number}" for number in sorted(made))]


def _of_adapter(folder: Path) -> JudgeRef:
    try:
        base = str(json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"adapter {folder}: adapter_config.json names no base model. Use a complete PEFT folder."
        ) from error
    base = "shapes-vlm" if Path(base).name == "shapes-vlm" else base
    return JudgeRef(
        label=folder.name, settings=Settings(model=ModelSettings(base=base)), version=folder.name,
        adapter=folder.resolve(), run=None,
    )  # fmt: skip


def _of_base(name: str) -> JudgeRef:
    return JudgeRef(
        label=name, settings=Settings(model=ModelSettings(base=name)), version=BASE_JUDGE, adapter=None, run=None
    )
