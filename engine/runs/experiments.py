"""Named comparisons: the same preset with other settings, over several seeds, as ordinary resumable runs.

It knows no stage. What a run measured is read back from its files.
"""

from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import yaml

from engine.assets import assets_folder
from engine.config import Settings, load_settings
from engine.errors import SettingsError, UsageError
from engine.measure.scores import kept_share, strict_scores
from engine.records import ScoreRow
from engine.workspace.folders import RunFolder, Workspace


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScore:
    """What one run measured, strict protocol, first benchmark."""

    run: str
    variant: str
    seed: int
    n: int
    base: float
    best_judge: str
    best: float
    """Accuracy of the best version; that of judge-v0 where no version was better."""
    low: float
    high: float
    open_gain: float | None
    closed_gain: float | None
    accuracies: tuple[float, ...]
    """judge-v0, judge-v1, …"""
    kept: tuple[float | None, ...]
    """Kept share of each iteration."""
    controls: dict[str, float]
    seconds: float

    @property
    def gain(self) -> float:
        return self.best - self.base


def experiments() -> list[str]:
    """Names under assets/experiments."""
    return sorted(path.stem for path in (assets_folder() / "experiments").glob("*.yaml"))


def variants(name: str, *, seeds: int, overrides: dict[str, Any] | None = None) -> list[Variant]:
    """All runs of an experiment, seed by seed. Raises `UsageError` for an unknown name."""
    path: Path = assets_folder() / "experiments" / f"{name}.yaml"
    if name not in experiments():
        raise UsageError(f"no experiment called '{name}'. Use one of {', '.join(experiments())}.")
    plan = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(plan, dict) or not plan.get("variants"):
        raise SettingsError(f"{path}: an experiment has a preset and variants. Correct the file.")
    return [
        Variant(
            experiment=name,
            variant=variant,
            seed=seed,
            settings=load_settings(
                preset=plan["preset"], overrides={**changes, **(overrides or {}), "loop.seed": seed}
            ),
        )
        for seed in range(seeds)
        for variant, changes in plan["variants"].items()
    ]


def outcome(workspace: Workspace, variant: Variant, *, best: str | None, seconds: float) -> RunScore:
    """Read back what a finished run measured."""
    rows = strict_scores(workspace.run(variant.run_name))
    benchmark = rows[0].benchmark
    at = {(row.judge, row.dimension): row for row in rows if row.benchmark == benchmark}
    judges = [row.judge for row in rows if row.benchmark == benchmark and row.dimension == "all"]
    versions = [judge for judge in judges if judge.startswith("judge-")]
    chosen = at[best or "judge-v0", "all"]
    return RunScore(
        run=variant.run_name,
        variant=variant.variant,
        seed=variant.seed,
        n=chosen.n,
        base=at["judge-v0", "all"].accuracy,
        best_judge=chosen.judge,
        best=chosen.accuracy,
        low=chosen.low,
        high=chosen.high,
        open_gain=_gain(at, chosen.judge, "kind:open"),
        closed_gain=_gain(at, chosen.judge, "kind:closed"),
        accuracies=tuple(at[judge, "all"].accuracy for judge in versions),
        kept=_kept(workspace.run(variant.run_name), versions[1:]),
        controls={judge: at[judge, "all"].accuracy for judge in judges if judge.startswith("control:")},
        seconds=seconds,
    )


def _gain(at: dict[tuple[str, str], ScoreRow], judge: str, dimension: str) -> float | None:
    if (judge, dimension) not in at:
        return None
    return at[judge, dimension].accuracy - at["judge-v0", dimension].accuracy


def _kept(run: RunFolder, judges: list[str]) -> tuple[float | None, ...]:
    return tuple(kept_share(run, judge) for judge in judges)


def outcome_lines(outcomes: list[RunScore]) -> list[str]:
    """The outcomes as a Markdown table, one line per run and one mean per variant."""
    lines = [
        "| variant | seed | n | judge-v0 | best (95 % interval) | gain | open | closed | kept per iteration | time |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in outcomes:
        kept = " ".join("–" if share is None else f"{share:.2f}" for share in one.kept)
        lines.append(
            f"| {one.variant} | {one.seed} | {one.n} | {one.base:.3f} | {one.best_judge} {one.best:.3f} "
            f"({one.low:.3f} to {one.high:.3f}) | {one.gain:+.3f} | {_signed(one.open_gain)} | "
            f"{_signed(one.closed_gain)} | {kept} | {one.seconds:.0f} s |"
        )
    for variant in dict.fromkeys(one.variant for one in outcomes):
        gains = [one.gain for one in outcomes if one.variant == variant]
        lines.append(f"| {variant} | mean of {len(gains)} | | | | {mean(gains):+.3f} | | | | |")
    if outcomes:
        controls = ", ".join(f"{name} {value:.3f}" for name, value in outcomes[0].controls.items())
        lines.append(f"\nControls ({outcomes[0].run}): {controls}")
    return lines


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}"
