"""Kill a run with SIGKILL at random moments, resume it each time, and check that nothing is lost or doubled.

    python tests/bench/kill_run.py --kills 20 --seed 0 --workspace /tmp/kill -- --preset shapes [key=value …]

While the run is being killed, another thread keeps asking the DuckDB views. Exit code 1 if anything is wrong.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.records import Instruction, Pair, PairFate, Step, Trace, VerdictRow
from engine.workspace.catalog.database import open_catalog
from engine.workspace.folders import RunFolder, Workspace, open_workspace
from engine.workspace.state import read_state
from engine.workspace.tables import read_parts

KEYS = {
    "intake/instructions": (Instruction, lambda row: row.instruction_id),
    "synthesize/pairs": (Pair, lambda row: row.pair_id),
    "drafted/pairs": (Pair, lambda row: row.pair_id),
    "judge/traces": (Trace, lambda row: row.trace_id),
    "select/traces": (Trace, lambda row: row.trace_id),
    "select/fates": (PairFate, lambda row: row.pair_id),
    "train/steps": (Step, lambda row: row.step),
    "evaluate/verdicts": (VerdictRow, lambda row: (row.judge, row.benchmark, row.item_id, row.order)),
}
"""Table in its stage → its record and what names a row within one stage folder."""


@dataclass
class Readers:
    """A thread that reads the views as a page would, and counts what went wrong."""

    workspace: Workspace
    asked: int = 0
    faults: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def work(self) -> None:
        catalog = open_catalog(self.workspace)
        while not self.over.wait(0.2):
            for view in (
                "runs",
                "images",
                "instructions",
                "pairs",
                "traces",
                "steps",
                "versions",
                "verdicts",
                "scores",
            ):
                try:
                    catalog.sql(f"select count(*) from {view}")
                    self.asked += 1
                except Exception as error:  # the point is to see every kind
                    self.faults.append(f"{view}: {type(error).__name__}: {error}")


def finished_rows(run: RunFolder) -> dict[str, Counter[object]]:
    """Every row on disk: "iteration-01/judge/traces" → how often each row's name occurs."""
    found: dict[str, Counter[object]] = {}
    for path in sorted(run.folder.rglob("*-[0-9]*.parquet")):
        table = path.stem.rsplit("-", 1)[0]
        kind = KEYS.get(f"{path.parent.name}/{table}")
        if kind is None:
            continue
        place = str(path.parent.relative_to(run.folder) / table)
        found.setdefault(place, Counter()).update(kind[1](row) for row in read_parts([path], kind[0]))
    return found


def lost_rows(before: dict[str, Counter[object]], after: dict[str, Counter[object]]) -> list[str]:
    """Rows that were finished before and are gone. Steps of a training that had no checkpoint yet are made again."""
    return [
        f"{place}: {len(gone)} rows lost"
        for place, rows in before.items()
        if "train/steps" not in place and (gone := rows.keys() - after.get(place, Counter()).keys())
    ]


def incomplete(run: RunFolder) -> list[str]:
    """What the finished run lacks or holds twice."""
    wrong = [
        f"{place}: {name} is there {count} times"
        for place, rows in finished_rows(run).items()
        for name, count in rows.items()
        if count > 1
    ]
    number = 1
    while (run.stage(number, "synthesize")).folder.exists():
        wrong += _incomplete_iteration(run, number)
        number += 1
    return wrong


def _incomplete_iteration(run: RunFolder, number: int) -> list[str]:
    wrong = []
    pairs = run.stage(number, "synthesize").read("pairs", Pair)
    per_instruction = Counter(pair.instruction_id for pair in pairs)
    summary = run.stage(number, "synthesize").summary()
    if summary is None or any(count != 1 for count in per_instruction.values()):
        wrong.append(f"iteration {number}: an instruction has not exactly one pair or drop reason")
    usable = {pair.pair_id for pair in pairs if pair.dropped is None}
    for stage in ("judge", "select"):
        traces = Counter((trace.pair_id, trace.order) for trace in run.stage(number, stage).read("traces", Trace))
        counts = set(traces.values())
        if {pair_id for pair_id, _ in traces} != usable or len(traces) != 2 * len(usable) or len(counts) != 1:
            wrong.append(f"iteration {number} {stage}: a pair lacks traces ({len(traces)} of {2 * len(usable)} orders)")
    if any(trace.reason is None for trace in run.stage(number, "select").read("traces", Trace)):
        wrong.append(f"iteration {number}: a selected trace has no reason")
    return wrong


Moment = Callable[[RunFolder, "subprocess.Popen[bytes]"], None]
"""Returns when it is time to kill."""


def random_moments(count: int, *, seed: int, longest: float) -> list[Moment]:
    """Kills at any time up to `longest` seconds after a start."""
    rng = random.Random(seed)
    delays = [rng.uniform(0.0, longest) for _ in range(count)]
    return [lambda _run, _process, delay=delay: time.sleep(delay) for delay in delays]  # type: ignore[misc]


def stage_moments(stages: Sequence[str]) -> list[Moment]:
    """Kills as soon as the run is seen working in each of the stages."""

    def wait(run: RunFolder, process: "subprocess.Popen[bytes]", stage: str) -> None:
        while process.poll() is None and not (run.folder.exists() and read_state(run).stage == stage):
            time.sleep(0.02)

    return [lambda run, process, stage=stage: wait(run, process, stage) for stage in stages]  # type: ignore[misc]


def kill_and_resume(
    workspace: Path, moments: Sequence[Moment], *, settings: Sequence[str], name: str = "killed"
) -> tuple[list[str], dict[str, int], int]:
    """Run, kill, resume, …, finish. Faults found, at which stages it was killed, and how often the views were read."""
    run = open_workspace(workspace).run(name)
    readers = Readers(run.workspace)
    thread = threading.Thread(target=readers.work, daemon=True)
    thread.start()
    faults: list[str] = []
    stages: Counter[str] = Counter()
    before: dict[str, Counter[object]] = {}
    words = ["run", "--run", name, *settings]
    for moment in moments:
        process = _start(workspace, words)
        moment(run, process)
        stages[_kill(process, run)] += 1
        after = finished_rows(run)
        faults += lost_rows(before, after)
        before = after
    final = _start(workspace, words)
    if final.wait() != 0:
        faults.append(f"the last resume ended with {final.returncode}: {read_state(run).error}")
    after = finished_rows(run)
    faults += lost_rows(before, after) + incomplete(run)
    readers.over.set()
    thread.join()
    return faults + readers.faults, dict(stages), readers.asked


def _start(workspace: Path, words: Sequence[str]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "engine.cli", words[0], "--workspace", str(workspace), *words[1:]]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)


def _kill(process: "subprocess.Popen[bytes]", run: RunFolder) -> str:
    """SIGKILL the whole group; the stage it was in, "done" if it was over already."""
    state = read_state(run) if run.folder.exists() else None
    if process.poll() is not None:
        return "done" if process.returncode == 0 else f"ended with {process.returncode}"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return "start" if state is None or state.stage is None else f"{state.iteration} {state.stage}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=float, default=40.0, help="seconds a process lives at most before its kill")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument(
        "settings", nargs="*", help="words for `judge-studio run`, after --, e.g. -- --preset shapes key=value"
    )
    options = parser.parse_args()
    moments = random_moments(options.kills, seed=options.seed, longest=options.longest)
    faults, stages, asked = kill_and_resume(options.workspace, moments, settings=options.settings)
    print(f"killed at: {stages}\nviews read {asked} times meanwhile\nfaults: {faults or 'none'}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
