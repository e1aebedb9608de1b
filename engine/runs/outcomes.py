"""What the runs of an experiment measured: read back from their files, and summed up over seeds in one table.

A seed is not a result: what is claimed of an arm is its mean over seeds with a t interval between them.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

from engine.measure.controls import is_wrong_image, judge_behind
from engine.measure.scores import strict_scores
from engine.measure.seeds import OverSeeds, over_seeds
from engine.paths import with_absolute_paths
from engine.records import ScoreRow
from engine.runs.experiments import Experiment, Variant, variants
from engine.workspace.conclusions import Selected
from engine.workspace.folders import RunFolder, Workspace
from engine.workspace.run_record import run_settings
from engine.workspace.state import read_state


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScore:
    """What one run measured: strict protocol, first benchmark."""

    run: str
    variant: str
    seed: int
    n: int
    accuracies: tuple[float, ...]
    """judge-v0, judge-v1, … as far as it went."""
    open_gain: float | None
    closed_gain: float | None
    """Of the last version over judge-v0."""
    best_judge: str
    """The version that the statistics name."""
    wrong_image: float | None
    """The last version with another item's picture; None where it was not measured."""
    text_only: float | None
    kept: tuple[int, ...]
    """Traces trained on, by iteration."""
    seconds: float
    """Working time; stages that were taken over from another arm cost none."""

    @property
    def gain(self) -> float:
        """Of the last version: the best one is chosen on these very items."""
        return self.accuracies[-1] - self.accuracies[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One arm over its seeds."""

    variant: str
    seeds: tuple[int, ...]
    kept: float
    """Traces trained on per iteration, mean."""
    base: OverSeeds
    last: OverSeeds
    gain: OverSeeds
    against: OverSeeds | None
    """Last version's accuracy less that of the arm compared with, seed by seed; None for that arm itself."""
    open_gain: OverSeeds | None
    closed_gain: OverSeeds | None
    wrong_image: OverSeeds | None
    seconds: float
    """Mean working time."""


def measured(workspace: Workspace, experiment: Experiment, *, seeds: int) -> list[RunScore]:
    """What finished runs of an experiment measured, seed by seed: also seeds beyond `seeds`, as far as there are any.

    A run that was made with other settings, e.g. before the preset changed, is none of its runs.
    """
    there = re.compile(rf"{re.escape(experiment.name)}-.+-seed(\d+)")
    found = [int(match[1]) for run in workspace.runs() if (match := there.fullmatch(run.name))]
    scores = []
    for variant in variants(experiment, seeds=max([seeds - 1, *found]) + 1):
        run = workspace.run(variant.run_name)
        state = read_state(run)
        if state.state == "done" and run_settings(run) == with_absolute_paths(variant.settings):
            scores.append(outcome(run, variant, best=state.best, seconds=state.seconds))
    return scores


def outcome(run: RunFolder, variant: Variant, *, best: str | None, seconds: float) -> RunScore:
    """Read back what a finished run measured."""
    rows = strict_scores(run)
    benchmark = rows[0].benchmark
    at = {(row.judge, row.dimension): row for row in rows if row.benchmark == benchmark}
    overall = [row for (_, dimension), row in at.items() if dimension == "all"]
    versions = [row for row in overall if row.judge.startswith("judge-")]
    last = versions[-1].judge
    wrong = next((row for row in overall if is_wrong_image(row.judge) and judge_behind(row.judge) == last), None)
    text = at.get(("control:text-only", "all"))
    return RunScore(
        run=run.name,
        variant=variant.variant,
        seed=variant.seed,
        n=versions[0].n,
        accuracies=tuple(row.accuracy for row in versions),
        open_gain=_gain(at, last, "kind:open"),
        closed_gain=_gain(at, last, "kind:closed"),
        best_judge=best or "judge-v0",
        wrong_image=wrong.accuracy if wrong else None,
        text_only=text.accuracy if text else None,
        kept=tuple(_kept(run, number) for number in range(1, len(versions))),
        seconds=seconds,
    )


def _gain(at: dict[tuple[str, str], ScoreRow], judge: str, dimension: str) -> float | None:
    if (judge, dimension) not in at:
        return None
    return at[judge, dimension].accuracy - at["judge-v0", dimension].accuracy


def _kept(run: RunFolder, number: int) -> int:
    chosen = run.conclusion(number, Selected)
    return (chosen.kept if chosen else None) or 0


def arms(outcomes: Sequence[RunScore], against: str) -> list[Arm]:
    """One per variant that has an outcome, in their order."""
    reference = {one.seed: one.accuracies[-1] for one in outcomes if one.variant == against}
    found = []
    for variant in dict.fromkeys(one.variant for one in outcomes):
        mine = [one for one in outcomes if one.variant == variant]
        paired = [one.accuracies[-1] - reference[one.seed] for one in mine if one.seed in reference]
        found.append(
            Arm(
                variant=variant,
                seeds=tuple(one.seed for one in mine),
                kept=mean(mean(one.kept) if one.kept else 0.0 for one in mine),
                base=over_seeds([one.accuracies[0] for one in mine]),
                last=over_seeds([one.accuracies[-1] for one in mine]),
                gain=over_seeds([one.gain for one in mine]),
                against=over_seeds(paired) if paired and variant != against else None,
                open_gain=_known([one.open_gain for one in mine]),
                closed_gain=_known([one.closed_gain for one in mine]),
                wrong_image=_known([one.wrong_image for one in mine]),
                seconds=mean(one.seconds for one in mine),
            )
        )
    return found


def _known(values: Sequence[float | None]) -> OverSeeds | None:
    known = [value for value in values if value is not None]
    return over_seeds(known) if known else None


def table(experiment: Experiment, outcomes: Sequence[RunScore]) -> list[str]:
    """The arms as a Markdown table."""
    head = (
        "arm", "seeds", "traces", "judge-v0", "last", "gain", f"less {experiment.against}", "open", "closed",
        "wrong image", "time",
    )  # fmt: skip
    lines = [
        f"{experiment.asks} (mean over seeds, 95 % t interval between them; accuracies strict)",
        "",
        f"| {' | '.join(head)} |",
        "| --- " * len(head) + "|",
    ]
    for arm in arms(outcomes, experiment.against):
        cells = (
            arm.variant, len(arm.seeds), f"{arm.kept:.0f}", _number(arm.base), _number(arm.last),
            _number(arm.gain, sign="+"), _number(arm.against, sign="+"), _mean(arm.open_gain), _mean(arm.closed_gain),
            "–" if arm.wrong_image is None else f"{arm.wrong_image.mean:.3f}", f"{arm.seconds:.0f} s",
        )  # fmt: skip
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return lines


def record(
    experiment: Experiment, outcomes: Sequence[RunScore], failures: dict[str, str], *, missing: Sequence[str]
) -> dict[str, Any]:
    """Everything as plain values, for JSON: the arms, the single runs, and the runs that were asked for and are not
    there."""
    return {
        "experiment": experiment.name,
        "asks": experiment.asks,
        "against": experiment.against,
        "complete": not missing,
        "missing": list(missing),
        "arms": [asdict(arm) for arm in arms(outcomes, experiment.against)],
        "outcomes": [{**asdict(one), "gain": one.gain} for one in outcomes],
        "failures": failures,
    }


def _number(value: OverSeeds | None, sign: str = "") -> str:
    if value is None:
        return "–"
    if value.low is None or value.high is None:
        return f"{value.mean:{sign}.3f}"
    return f"{value.mean:{sign}.3f} ({value.low:{sign}.3f} to {value.high:{sign}.3f})"


def _mean(value: OverSeeds | None) -> str:
    return "–" if value is None else f"{value.mean:+.3f}"
