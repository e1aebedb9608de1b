"""The command that runs a named comparison over several seeds: resumable, with progress and one table."""

import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from engine.commands.runs import overrides_from
from engine.commands.terminal import print_json, say, watcher
from engine.errors import JudgeStudioError, LockedError, StopRequested
from engine.runs.experiments import Experiment, Variant, experiments, load_experiment, only, variants
from engine.runs.outcomes import RunScore, measured, record, table
from engine.workspace.files import write_json
from engine.workspace.folders import Workspace, open_workspace
from engine.workspace.state import RunState, read_state
from engine.workspace.timing import duration


def experiment(options: Namespace) -> int:
    """Run every variant and seed that is not done yet, then print the table. May be stopped and repeated.

    The table holds all that was ever measured of the experiment, also arms and seeds that this call leaves out. An
    arm that fails, e.g. because its rule keeps nothing, is named below it and tried again next time.
    """
    if options.name is None:
        print("\n".join(f"{name:<12} {load_experiment(name).asks}" for name in experiments()))
        return 0
    workspace = open_workspace(options.workspace)
    whole = load_experiment(options.name, overrides_from(options.settings))
    chosen = only(whole, options.arms.split(",")) if options.arms else whole
    planned = variants(chosen, seeds=options.seeds)
    siblings = variants(whole, seeds=options.seeds)
    failures: dict[str, str] = {}
    spent: list[float] = []
    for number, variant in enumerate(planned):
        _announce(whole, variant, number, planned, spent, quiet=options.json)
        started = time.monotonic()
        try:
            state = _finish(workspace, variant, siblings, quiet=options.json)
        except (StopRequested, LockedError):
            raise
        except JudgeStudioError as error:
            failures[variant.run_name] = str(error)
            continue
        if state.state != "done":
            print(f"Stopped at {variant.run_name}. Repeat the command to continue.", file=sys.stderr)
            return 0
        if (seconds := time.monotonic() - started) > 1:  # a run that was done before says nothing of the time left
            spent.append(seconds)
        _store(workspace, whole, failures, planned)
    outcomes, stored = _store(workspace, whole, failures, planned)
    if options.json:
        print_json(stored)
    else:
        print("\n".join([*table(whole, outcomes), *(f"{run} failed: {why}" for run, why in failures.items())]))
    return 1 if failures else 0


def _finish(workspace: Workspace, variant: Variant, siblings: Sequence[Variant], *, quiet: bool) -> RunState:
    """Work on one run until it is done or stopped; what another arm of its seed has finished is taken over."""
    from engine.runs.loop import run_loop
    from engine.runs.shared_stages import take_over
    from engine.workspace.run_record import create_run

    run = workspace.run(variant.run_name)
    create_run(run, variant.settings)
    state = read_state(run)
    if state.state == "done":
        return state
    take_over(run, [workspace.run(other.run_name) for other in siblings if other.seed == variant.seed])
    with watcher(run, quiet=quiet) as watch:
        return run_loop(run, watch=watch)


def _announce(
    chosen: Experiment,
    variant: Variant,
    number: int,
    planned: Sequence[Variant],
    spent: Sequence[float],
    *,
    quiet: bool,
) -> None:
    if quiet:
        return
    left = duration(sum(spent) / len(spent) * (len(planned) - number)) if spent else "not known yet"
    where = f"run {number + 1} of {len(planned)}, {variant.variant} with seed {variant.seed}"
    say(f"{chosen.name}: {where}; time left {left}")


def _store(
    workspace: Workspace, whole: Experiment, failures: dict[str, str], planned: Sequence[Variant]
) -> tuple[list[RunScore], dict[str, Any]]:
    """The table so far, written to the workspace: a stop loses no finished run's line, a repetition none at all."""
    outcomes = measured(workspace, whole, seeds=1 + max(variant.seed for variant in planned))
    there = {one.run for one in outcomes}
    missing = [variant.run_name for variant in planned if variant.run_name not in there]
    stored = record(whole, outcomes, failures, missing=missing)
    folder = workspace.root / "experiments"
    folder.mkdir(exist_ok=True)
    write_json(folder / f"{whole.name}.json", stored)
    return outcomes, stored
