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
from contextlib import nullcontext
from pathlib import Path

from engine.config import Settings
from engine.errors import JudgeStudioError, StopRequested
from engine.prompts import load_pack
from engine.records import ImageRow, Pair, Trace, seed_for
from engine.stages.train.child import ToldProgress, tell_error
from engine.stages.train.fit import fit
from engine.stages.train.rows import training_rows
from engine.stages.train.stage import train, unfinished_adapter
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
    settings: Settings = run_settings(run)
    folder = run.stage(iteration, "train")
    if folder.summary() is not None:
        return
    pack = load_pack(settings.prompt_pack)
    kept = [trace for trace in run.stage(iteration, "select").read("traces", Trace) if trace.kept]
    pairs = {pair.pair_id: pair for pair in run.stage(iteration, "synthesize").read("pairs", Pair)}
    images = {row.image_id: run.workspace.root / row.path for row in run.intake().read("images", ImageRow)}
    parent = adapter_to_start_from(run, settings.train.start, iteration)
    if first:
        train(
            folder=folder,
            traces=kept,
            pairs=pairs,
            images=images,
            settings=settings,
            pack=pack,
            parent_adapter=parent,
            iteration=iteration,
            progress=Progress(run, read_state(run)) if told is None else ToldProgress(run, told),
        )
        return
    ordered = sorted(kept, key=lambda trace: trace.trace_id)
    try:
        fit(
            folder=folder,
            work=folder.folder / "checkpoints",
            save_to=unfinished_adapter(folder),
            rows=training_rows(
                ordered,
                pairs=pairs,
                images=images,
                pack=pack,
                settings=settings.train,
                seed=seed_for(settings.loop.seed, "train", iteration),
            ),
            model=settings.model,
            train=settings.train,
            parent_adapter=parent,
            seed=seed_for(settings.loop.seed, "train", iteration),
            message="",
            progress=None,
            parts=Parts(folder, "steps", rows=1),
        )
    except StopRequested:
        return


if __name__ == "__main__":
    sys.exit(main())
