"""The train stage of one iteration over several devices or machines, of a run that is stopped.

    judge-studio stop RUN
    accelerate launch --num_processes 8 -m engine.stages.train RUN ITERATION [--workspace DIR]
    judge-studio resume RUN

The first process does what the loop would do, with all its files; the others only share the work. With `--told` it is
a child of the run itself (`child.py`), which holds the run's lock.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

from engine.backends.base import Backend
from engine.errors import JudgeStudioError, StopRequested
from engine.prompts import load_pack
from engine.records import ImageRow
from engine.stages.bench import Bench
from engine.stages.train.child import ToldProgress, tell_error
from engine.stages.train.fit import fit
from engine.stages.train.job import learned_from, training_job
from engine.stages.train.stage import train
from engine.stages.train.start import adapter_to_start_from
from engine.workspace.folders import RunFolder, open_workspace, workspace_path
from engine.workspace.locks import run_lock
from engine.workspace.parts import Parts
from engine.workspace.progress import Progress
from engine.workspace.run_record import run_settings
from engine.workspace.state import clear_stop, read_state


def main(arguments: Sequence[str] | None = None) -> int:
    """Train; the exit code, as the command line gives it."""
    parser = argparse.ArgumentParser(prog="accelerate launch -m engine.stages.train", description=__doc__)
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("iteration", type=int, metavar="ITERATION")
    parser.add_argument("--workspace", type=Path, metavar="DIR")
    parser.add_argument("--told", type=Path, metavar="FILE", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    first = os.environ.get("RANK", "0") == "0"
    told: Path | None = options.told
    try:
        run = open_workspace(workspace_path(options.workspace), create=False).existing_run(options.run)
        with run_lock(run) if first and told is None else nullcontext():
            if first and told is None:
                clear_stop(run)  # the stop that made room for this; a new one is meant for this training
            share(run, options.iteration, first=first, told=told)
    except JudgeStudioError as error:
        if first and told is not None:
            tell_error(told, error)
        elif first:
            print(f"engine.stages.train: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def share(run: RunFolder, iteration: int, *, first: bool, told: Path | None = None) -> None:
    """One process's part of training judge-v{iteration}. Raises what `stages.train.train` raises."""
    if run.stage(iteration, "train").summary() is not None:
        return
    bench = _bench(run, iteration, told)
    kept, pairs = learned_from(bench)
    parent = adapter_to_start_from(run, bench.settings.train.start, iteration)
    if first:
        train(bench, kept, pairs, parent_adapter=parent)
        return
    job = training_job(bench, kept, pairs, parent_adapter=parent)
    with suppress(StopRequested):  # the first process tells of it
        fit(job, message="", progress=None, parts=Parts(job.folder, "steps", rows=1))


def _bench(run: RunFolder, iteration: int, told: Path | None) -> Bench:
    settings = run_settings(run)
    return Bench(
        run=run,
        settings=settings,
        pack=load_pack(settings.prompt_pack),
        images={row.image_id: run.workspace.root / row.path for row in run.intake().read("images", ImageRow)},
        models=_no_model,
        progress=Progress(run, read_state(run)) if told is None else ToldProgress(run, told),
        iteration=iteration,
    )


def _no_model(*judges: str) -> Backend:
    raise AssertionError(f"a training asks no judge, so not {judges}")


if __name__ == "__main__":
    sys.exit(main())
