"""The command that runs a named comparison over several seeds: resumable, with progress and one table."""

import sys
import time
from argparse import Namespace
from collections.abc import Sequence

from engine.commands.runs import overrides_from
from engine.commands.terminal import print_json, say, watcher
from engine.errors import JudgeStudioError, LockedError, StopRequested
from engine.runs.experiments import Experiment, Variant, experiments, load_experiment, only, variants
from engine.runs.outcomes import RunScore, outcome, record, table
from engine.workspace.files import write_json
from engine.workspace.folders import Workspace, open_workspace
from engine.workspace.state import RunState, read_state
from engine.workspace.timing import duration


def experiment(options: Namespace) -> int:
    """Run every variant and seed that is not done yet, then print the table. May be stopped and repeated.

    An arm that fails, e.g. because its rule keeps nothing, is named in the table's place and tried again next time.
    """
    if options.name is None:
        print("\n".join(f"{name:<12} {load_experiment(name).asks}" for name in experiments()))
        return 0
    workspace = open_workspace(options.workspace)
    chosen = load_experiment(options.name, overrides_from(options.settings))
    if options.arms:
        chosen = only(chosen, options.arms.split(","))
    planned = variants(chosen, seeds=options.seeds)
    outcomes: list[RunScore] = []
    failures: dict[str, str] = {}
    spent: list[float] = []
    for number, variant in enumerate(planned):
        _announce(chosen, variant, number, planned, spent, quiet=options.json)
        started = time.monotonic()
        try:
            state = _finish(workspace, variant, planned, quiet=options.json)
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
        run = workspace.run(variant.run_name)
        outcomes.append(outcome(run, variant, best=state.best, seconds=state.seconds))
        _store(workspace, chosen, outcomes, failures, planned)
    _store(workspace, chosen, outcomes, failures, planned)
    _print(chosen, outcomes, failures, planned, as_json=options.json)
    return 1 if failures else 0


def _finish(workspace: Workspace, variant: Variant, planned: Sequence[Variant], *, quiet: bool) -> RunState:
    """Work on one run until it is done or stopped; what another arm of its seed has finished is taken over."""
    from engine.runs.loop import run_loop
    from engine.runs.shared_stages import take_over
    from engine.workspace.run_record import create_run

    run = workspace.run(variant.run_name)
    create_run(run, variant.settings)
    state = read_state(run)
    if state.state == "done":
        return state
    take_over(run, [workspace.run(other.run_name) for other in planned if other.seed == variant.seed])
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
    workspace: Workspace,
    chosen: Experiment,
    outcomes: Sequence[RunScore],
    failures: dict[str, str],
    planned: Sequence[Variant],
) -> None:
    """The table so far, in the workspace: a stop loses no finished run's line."""
    folder = workspace.root / "experiments"
    folder.mkdir(exist_ok=True)
    write_json(folder / f"{chosen.name}.json", record(chosen, outcomes, failures, runs=len(planned)))


def _print(
    chosen: Experiment,
    outcomes: Sequence[RunScore],
    failures: dict[str, str],
    planned: Sequence[Variant],
    *,
    as_json: bool,
) -> None:
    if as_json:
        print_json(record(chosen, outcomes, failures, runs=len(planned)))
        return
    print("\n".join(table(chosen, outcomes)))
    for run, why in failures.items():
        print(f"{run} failed: {why}")
