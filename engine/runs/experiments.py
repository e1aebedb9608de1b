"""Named comparisons under assets/experiments: arms of one preset over several seeds, as ordinary resumable runs.

It knows no stage. What a run measured is read back from its files by `engine.runs.outcomes`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

from engine.assets import assets_folder
from engine.config import Settings, load_settings
from engine.errors import SettingsError, UsageError
from engine.records import content_id

_FIELDS = {"asks", "preset", "settings", "against", "variants"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What one file under assets/experiments says, with the settings of the command line."""

    name: str
    """The file's name; with other settings also a mark of them, so that their runs are others."""
    asks: str
    """The question it answers, one sentence."""
    preset: str
    settings: Mapping[str, Any]
    """What all arms have in common."""
    against: str
    """The arm that the others are compared with, seed by seed."""
    variants: Mapping[str, Mapping[str, Any]]
    """Arm → what it changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One arm of an experiment with one seed."""

    experiment: str
    variant: str
    seed: int
    settings: Settings

    @property
    def run_name(self) -> str:
        """The same words name the same run, so repeating an experiment continues it."""
        return f"{self.experiment}-{self.variant}-seed{self.seed}"


def experiments() -> list[str]:
    """Names under assets/experiments."""
    return sorted(path.stem for path in (assets_folder() / "experiments").glob("*.yaml"))


def load_experiment(name: str, overrides: Mapping[str, Any] | None = None) -> Experiment:
    """The experiment of that name. Raises `UsageError` for an unknown one, `SettingsError` for a faulty file."""
    if name not in experiments():
        raise UsageError(f"no experiment called '{name}'. Use one of {', '.join(experiments())}.")
    path = assets_folder() / "experiments" / f"{name}.yaml"
    plan = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(plan, dict) or not plan.get("variants") or not plan.get("preset") or set(plan) - _FIELDS:
        raise SettingsError(f"{path}: an experiment has {', '.join(sorted(_FIELDS))}. Correct the file.")
    against = plan.get("against", next(iter(plan["variants"])))
    if against not in plan["variants"]:
        raise SettingsError(f"{path}: against is '{against}', which is no variant. Correct the file.")
    mark = f"-{content_id(*sorted(overrides.items()))[:6]}" if overrides else ""
    return Experiment(
        name=name + mark,
        asks=str(plan.get("asks", "")),
        preset=plan["preset"],
        settings={**plan.get("settings", {}), **(overrides or {})},
        against=against,
        variants=plan["variants"],
    )


def only(experiment: Experiment, names: Sequence[str]) -> Experiment:
    """The same with these arms alone. Raises `UsageError` for one that there is not."""
    for name in names:
        if name not in experiment.variants:
            raise UsageError(
                f"--arms: {experiment.name} has no arm '{name}'. Use some of {', '.join(experiment.variants)}."
            )
    return replace(experiment, variants={name: experiment.variants[name] for name in names})


def variants(experiment: Experiment, *, seeds: int) -> list[Variant]:
    """All runs of an experiment, seed by seed. Raises `SettingsError` for settings that do not exist."""
    return [
        Variant(
            experiment=experiment.name,
            variant=variant,
            seed=seed,
            settings=load_settings(
                preset=experiment.preset, overrides={**experiment.settings, **changes, "loop.seed": seed}
            ),
        )
        for seed in range(seeds)
        for variant, changes in experiment.variants.items()
    ]
