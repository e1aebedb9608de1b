"""Which judge is meant by a name: RUN/judge-v2, RUN (its best), an adapter folder, or a base model."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.assets import EMBEDDED, SHIPPED
from engine.backends.adapter_folder import base_of
from engine.backends.base import Backend
from engine.backends.model_files import is_path
from engine.config import ModelSettings, Settings, parse_settings
from engine.errors import ModelError, UsageError, WorkspaceError
from engine.paths import expanded
from engine.records import BASE_JUDGE, version_name, version_number
from engine.workspace.decisions import best_judge
from engine.workspace.files import read_json
from engine.workspace.folders import RunFolder, Workspace
from engine.workspace.provenance import model_folder
from engine.workspace.run_record import run_record, run_settings


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


def judges_together(names: Sequence[str] | None, workspace: Workspace) -> list[JudgeRef]:
    """The judges that are meant: those named, else the best of the newest run, else the embedded base model.

    Raises `UsageError` if they do not share one base model: a process holds one.
    """
    if not names:
        runs = workspace.runs()
        names = [f"{runs[0].name}/best" if runs else EMBEDDED]
    found = [resolve_judge(name, workspace) for name in names]
    first = found[0].settings.model
    for ref in found[1:]:
        if ref.settings.model.model_copy(update={"prompts": first.prompts}) != first:  # each is asked with its own
            raise UsageError(
                f"--judge: {found[0].label} stands on {first.base}, {ref.label} on {ref.settings.model.base}. "
                "Ask judges of different base models in separate calls."
            )
    return told_apart(found)


JUDGE_DATA, JUDGE_PROMPTS = "judge.json", "prompts.yaml"
"""In an exported judge's folder: how it is asked and read, and its prompt pack."""


@contextmanager
def opened(judges: Sequence[JudgeRef], workspace: Workspace) -> Iterator[Backend]:
    """The backend of the judges' base model, closed at the end."""
    from engine.backends import open_backend  # torch takes seconds

    backend = open_backend(
        judges[0].settings.model,
        workspace=workspace.root,
        rank=max(judge.settings.train.rank for judge in judges),
    )
    try:
        yield backend
    finally:
        backend.close()


def told_apart(judges: Sequence[JudgeRef]) -> list[JudgeRef]:
    """The judges without repeats, adapter folders of one name (two called checkpoint-100) labelled with their parents'.

    Labels of runs are unique by themselves.
    """
    known = list({(judge.label, judge.adapter): judge for judge in judges}.values())
    while twice := {label for label, count in Counter(judge.label for judge in known).items() if count > 1}:
        known = [
            replace(judge, label=_longer(judge.label, judge.adapter))
            if judge.label in twice and judge.adapter is not None and judge.run is None
            else judge
            for judge in known
        ]
    return known


def _longer(label: str, adapter: Path) -> str:
    """The last folders of the adapter's path, one more than the label has."""
    return "/".join(adapter.parts[-(label.count("/") + 2) :]).lstrip("/")


def _of_run(run: RunFolder, version: str) -> JudgeRef:
    settings = run_settings(run)
    if run_record(run).get("model_fingerprint") is not None and model_folder(settings.model.base) is None:
        raise ModelError(
            f"run '{run.name}': its base model {settings.model.base} was a folder when the run was made, and is not "
            "there now. Put it back, or start from the folder the run was started in."
        )
    if version == "best":
        version = best_judge(run)
    number = version_number(version)
    if number is None:
        raise UsageError(f"judge '{run.name}/{version}': a version is called judge-v0, judge-v1, … or best.")
    adapter = run.adapter(number) if number else None
    if adapter is not None and not (adapter / "adapter_config.json").is_file():
        there = ", ".join(versions_of(run))
        raise WorkspaceError(f"run '{run.name}': there is no {version}. Versions here: {there}.")
    return JudgeRef(label=f"{run.name}/{version}", settings=settings, version=version, adapter=adapter, run=run)


def versions_of(run: RunFolder) -> list[str]:
    """Every version of the run that can be loaded, judge-v0 first."""
    made = [int(path.parents[2].name.removeprefix("iteration-")) for path in
            run.folder.glob("iteration-*/train/adapter/adapter_config.json")]  # fmt: skip
    return [BASE_JUDGE, *(version_name(number) for number in sorted(made))]


def _of_adapter(folder: Path) -> JudgeRef:
    base = base_of(folder.name, folder)
    if Path(base).name in SHIPPED:
        base = Path(base).name
    elif is_path(base) and not expanded(base).is_dir():
        raise ModelError(
            f"adapter {folder}: its base model lay at {base}, where nothing is now. Write where it lies into "
            "base_model_name_or_path of its adapter_config.json."
        )
    folder = folder.resolve()
    # A folder called judge-v0 would be taken for the base model itself.
    label = f"{folder.parent.name}/{folder.name}" if folder.name.startswith("judge-v") else folder.name
    return JudgeRef(label=label, settings=_settings_beside(folder, base), version=folder.name, adapter=folder, run=None)


def _of_base(name: str) -> JudgeRef:
    settings = _settings_beside(expanded(name), name)
    return JudgeRef(label=name, settings=settings, version=BASE_JUDGE, adapter=None, run=None)


def _settings_beside(folder: Path, base: str) -> Settings:
    """How to ask a model or adapter in `folder`: as `judge-studio export` wrote beside it, else as usual.

    Raises `SettingsError` or `WorkspaceError` for what is written there and cannot be.
    """
    asked = read_json(folder / JUDGE_DATA) if (folder / JUDGE_PROMPTS).is_file() else None
    if asked is None:
        return Settings(model=ModelSettings(base=base))
    values: dict[str, Any] = {
        "model": {"base": base, "prompts": str(folder / JUDGE_PROMPTS)},
        "source": {"max_side": asked.get("max_side")},
        "judge": {"max_tokens": asked.get("max_tokens")},
    }
    return parse_settings(values, where=str(folder / JUDGE_DATA))
