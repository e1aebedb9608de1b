"""The command that runs a named comparison over several seeds."""

from argparse import Namespace
from dataclasses import asdict

from engine.commands.terminal import print_json, watcher
from engine.runs.experiments import RunScore, experiments, outcome, outcome_lines, variants
from engine.workspace.files import write_json
from engine.workspace.folders import open_workspace
from engine.workspace.state import read_state


def experiment(options: Namespace) -> int:
    """Run every variant and seed that is not done yet, then print the table. May be stopped and repeated."""
    if options.name is None:
        print("\n".join(experiments()))
        return 0
    from engine.runs.loop import run_loop
    from engine.workspace.run_record import create_run

    workspace = open_workspace(options.workspace)
    outcomes: list[RunScore] = []
    for variant in variants(options.name, seeds=options.seeds):
        run = workspace.run(variant.run_name)
        create_run(run, variant.settings)
        state = read_state(run)
        if state.state != "done":
            with watcher(run, quiet=options.json) as watch:
                state = run_loop(run, watch=watch)
        if state.state != "done":
            print(f"Stopped at {run.name}. Repeat the command to continue.")
            return 0
        outcomes.append(outcome(workspace, variant, best=state.best, seconds=state.seconds))
    record = {"experiment": options.name, "outcomes": [asdict(one) for one in outcomes]}
    (workspace.root / "experiments").mkdir(exist_ok=True)
    write_json(workspace.root / "experiments" / f"{options.name}.json", record)
    if options.json:
        print_json(record)
    else:
        print("\n".join(outcome_lines(outcomes)))
    return 0
