"""How long the page's questions take on a big workspace, and the same questions through pandas, in one run.

    python tests/bench/make_big_workspace.py /tmp/big
    python tests/bench/bench_queries.py /tmp/big [--repeat 7] [--json] [--no-pandas]

Each engine answers in a process of its own, one after the other, so that each one's memory is its own. Times are
milliseconds by the clock; `cpu` is processor time, which other work on the machine does not lengthen much. A question
is asked with another value each time, so that no answer is simply remembered; `cold` is the first time.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

RUN = "big-01"
DIMENSIONS = ("attribute", "count", "position", "existence", "shape", "comparison", "text")
COMMON = ("dog", "glass", "three", "knife", "snow", "paper", "boat")
RARE = ("w437d7", "w93d65", "wb2eb7", "w28f0b", "w1d7f7", "wa0a08", "wc0e19")
ABSENT = ("zebra", "quark", "zzqq", "umlaut", "xylo", "voodoo", "jazz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One kind of question: a table, conditions that depend on the turn, and which page."""

    name: str
    table: str
    where: Callable[[int], dict[str, Any]]
    deep: bool = False
    """A page from the middle."""
    text: bool = False
    """Free text: allowed one second instead of 150 ms."""


def _dimension(turn: int) -> str:
    return DIMENSIONS[turn % len(DIMENSIONS)]


def _iteration(turn: int) -> int:
    return 1 + turn % 4


QUESTIONS = (
    Question(name="pairs of an iteration", table="pairs", where=lambda n: {"iteration": _iteration(n)}),
    Question(name="pairs, page in the middle", table="pairs", where=lambda n: {"iteration": _iteration(n)}, deep=True),
    Question(name="pairs by kind", table="pairs", where=lambda n: {"iteration": _iteration(n), "kind": "open"}),
    Question(name="pairs kept", table="pairs", where=lambda n: {"iteration": 1 + n % 3, "fate": "kept"}),
    Question(
        name="pairs by fate and dimension",
        table="pairs",
        where=lambda n: {"iteration": 1 + n % 3, "fate": "order-flip", "dimension": _dimension(n)},
    ),
    Question(name="pairs dropped", table="pairs", where=lambda n: {"iteration": _iteration(n), "fate": "dropped"}),
    Question(name="pairs of all iterations", table="pairs", where=lambda n: {"dimension": _dimension(n)}),
    Question(
        name="pairs of all, in the middle", table="pairs", where=lambda n: {"dimension": _dimension(n)}, deep=True
    ),
    Question(
        name="text, common, one iteration",
        table="pairs",
        where=lambda n: {"iteration": _iteration(n), "text": COMMON[n % 7]},
        text=True,
    ),
    Question(name="text, common, all", table="pairs", where=lambda n: {"text": COMMON[n % 7]}, text=True),
    Question(name="text, rare, all", table="pairs", where=lambda n: {"text": RARE[n % 7]}, text=True),
    Question(name="text, absent, all", table="pairs", where=lambda n: {"text": ABSENT[n % 7]}, text=True),
    Question(name="traces of an iteration", table="traces", where=lambda n: {"iteration": _iteration(n)}),
    Question(name="traces, in the middle", table="traces", where=lambda n: {"iteration": _iteration(n)}, deep=True),
    Question(name="traces by reason", table="traces", where=lambda n: {"iteration": 1 + n % 3, "reason": "order-flip"}),
    Question(
        name="traces by reason and dimension",
        table="traces",
        where=lambda n: {"iteration": 1 + n % 3, "reason": "capped", "dimension": _dimension(n)},
    ),
    Question(
        name="traces by order and verdict",
        table="traces",
        where=lambda n: {"iteration": _iteration(n), "order": "AB", "verdict": "B"},
    ),
    Question(name="traces that tie (rare)", table="traces", where=lambda n: {"iteration": 1 + n % 3, "verdict": "tie"}),
    Question(
        name="traces kept, all iterations",
        table="traces",
        where=lambda n: {"reason": "agrees", "dimension": _dimension(n)},
    ),
)


# --- our own ---------------------------------------------------------------------------------------------------


def ours(root: Path) -> Callable[[Question, int], int]:
    """Ask through studio.queries; returns matches, as a check that both engines answer the same."""
    from engine.workspace.catalog.database import open_catalog
    from engine.workspace.folders import open_workspace
    from studio.queries.pairs import PairFilter, facets, pairs_page
    from studio.queries.shelf_tables import ITERATION_BITS
    from studio.queries.traces import TraceFilter, rulings_page, trace_facets

    catalog = open_catalog(open_workspace(root, create=False))

    def ask(question: Question, turn: int) -> int:
        where = question.where(turn)
        if question.table == "pairs":
            middle = (where.get("iteration", 2) << ITERATION_BITS) + 4 * (60_000 + turn)
            wanted = PairFilter(run=RUN, **where)
            facets(catalog, wanted)
            return pairs_page(catalog, wanted, at=f"after:{middle:x}" if question.deep else "").total
        traces = TraceFilter(run=RUN, **where)
        at = f"after:{where.get('iteration', 2)}-8{turn:015x}-0" if question.deep else ""
        trace_facets(catalog, traces)
        return rulings_page(catalog, traces, at=at).total

    return ask


# --- pandas ------------------------------------------------------------------------------------------------------


def through_pandas(root: Path) -> Callable[[Question, int], int]:
    """The same with both tables as data frames in memory; Arrow strings, categories for short columns."""
    import pandas as pd
    import pyarrow.parquet as pq

    tables: dict[str, Any] = {}
    for table, stages in (("pairs", ("synthesize",)), ("traces", ("select", "judge"))):
        frames = []
        for iteration in sorted((root / "runs" / RUN).glob("iteration-*")):
            folder = next(iteration / stage for stage in stages if list((iteration / stage).glob("*.parquet")))
            arrow = pq.read_table(sorted(folder.glob(f"{table}-*.parquet")))
            frame = arrow.to_pandas(types_mapper=pd.ArrowDtype)
            frame.insert(0, "iteration", int(iteration.name[-2:]))
            frames.append(frame)
        tables[table] = pd.concat(frames, ignore_index=True)
    fates = [
        pd.read_parquet(path, dtype_backend="pyarrow").assign(iteration=int(path.parents[1].name[-2:]))
        for path in sorted((root / "runs" / RUN).glob("iteration-*/select/fates-*.parquet"))
    ]
    pairs = tables["pairs"].merge(pd.concat(fates), on=["iteration", "pair_id"], how="left")
    for frame, names in (
        (pairs, ("kind", "strategy", "dimension", "fate", "dropped")),
        (tables["traces"], ("judge", "order", "verdict", "reason", "dimension")),
    ):
        for name in names:
            frame[name] = frame[name].astype("category")
    tables["pairs"] = pairs

    def mask_of(frame: Any, where: dict[str, Any]) -> Any:
        mask = pd.Series(True, index=frame.index)
        for name, value in where.items():
            if name == "text":
                found = frame["question"].str.contains(value, case=False, regex=False)
                for column in ("preferred", "degraded"):
                    found |= frame[column].str.contains(value, case=False, regex=False)
                mask &= found
            elif name == "fate" and value == "dropped":
                mask &= frame["dropped"].notna()
            else:
                mask &= frame[name] == value
        if "kind" in frame.columns and where.get("fate") != "dropped":
            mask &= frame["dropped"].isna()
        return mask

    def ask(question: Question, turn: int) -> int:
        frame, where = tables[question.table], question.where(turn)
        mask = mask_of(frame, where)
        total = int(mask.sum())
        facet = ["kind", "dimension", "fate"] if question.table == "pairs" else ["order", "verdict", "reason"]
        of_iteration = frame[frame["iteration"] == where["iteration"]] if "iteration" in where else frame
        of_iteration.groupby(facet, observed=True).size()
        start = total // 2 if question.deep else 0
        page = frame[mask].iloc[start : start + 24]
        if question.table == "traces":
            few = page["pair_id"].drop_duplicates().head(12)
            mine = frame["iteration"].isin(page["iteration"].unique())
            frame[mine & frame["pair_id"].isin(few)].to_dict("records")
            tables["pairs"][tables["pairs"]["pair_id"].isin(few)].to_dict("records")
        else:
            page.to_dict("records")
        return total

    return ask


# --- measuring ---------------------------------------------------------------------------------------------------


def measure(engine: str, root: Path, repeat: int) -> dict[str, Any]:
    """Load, then ask every question `repeat` times."""
    started, cpu = time.perf_counter(), time.process_time()
    ask = {"studio": ours, "pandas": through_pandas}[engine](root)
    rows = []
    if engine == "studio":  # what the page does when it is first opened: every block is filled
        for table in ("pairs", "traces"):
            ask(Question(name="fill", table=table, where=lambda _: {}), 0)
        ask(Question(name="fill", table="pairs", where=lambda _: {"text": "fill"}), 0)
        time.sleep(3.0)  # the shelf compresses in the background
    loaded = (time.perf_counter() - started, time.process_time() - cpu)
    for question in QUESTIONS:
        took, spent, totals = [], [], []
        for turn in range(repeat):
            start, used = time.perf_counter(), time.process_time()
            totals.append(ask(question, turn))
            took.append(1000 * (time.perf_counter() - start))
            spent.append(1000 * (time.process_time() - used))
        last = min(repeat - 1, round(0.95 * repeat))
        rows.append(
            {
                "question": question.name,
                "text": question.text,
                "cold": took[0],
                "median": statistics.median(took),
                "p95": sorted(took)[last],
                "cpu": statistics.median(spent),
                "matches": totals,
            }
        )
    return {
        "engine": engine,
        "load_seconds": loaded[0],
        "load_cpu_seconds": loaded[1],
        "rss_mb": psutil.Process().memory_info().rss / 1e6,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
        "rows": rows,
    }


def child(engine: str, options: argparse.Namespace) -> dict[str, Any]:
    words = [sys.executable, __file__, str(options.folder), "--repeat", str(options.repeat), "--engine", engine]
    root = str(Path(__file__).parents[2])
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True, env={**os.environ, "PYTHONPATH": root})
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def table(results: list[dict[str, Any]]) -> str:
    """One line per question, both engines beside each other."""
    lines = [f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"]
    for result in results:
        lines.append(
            f"{result['engine']}: loaded in {result['load_seconds']:.1f} s ({result['load_cpu_seconds']:.1f} s cpu), "
            f"{result['rss_mb']:.0f} MB now, {result['peak_mb']:.0f} MB at most"
        )
    heads = "".join(f"{r['engine']:>10} median      p95      cpu" for r in results)
    lines.append(f"{'ms':<34}{heads}    same answer")
    for number, row in enumerate(results[0]["rows"]):
        cells = [result["rows"][number] for result in results]
        same = all(cell["matches"] == cells[0]["matches"] for cell in cells)
        shown = "".join(f"{cell['median']:>17.0f}{cell['p95']:>9.0f}{cell['cpu']:>9.0f}" for cell in cells)
        lines.append(f"{row['question']:<34}{shown}    {'yes' if same else 'NO'}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--no-pandas", action="store_true")
    parser.add_argument("--engine", choices=("studio", "pandas"), help="measure one engine in this process")
    options = parser.parse_args()
    if options.engine:
        print(json.dumps(measure(options.engine, options.folder, options.repeat)))
        return
    engines = ["studio"] if options.no_pandas else ["studio", "pandas"]
    results = []
    for engine in engines:  # each is shown as soon as it is known: pandas alone can take many minutes
        results.append(child(engine, options))
        if not options.json and len(engines) > 1:
            print(table(results[-1:]), flush=True)
    print(json.dumps(results, indent=1) if options.json else table(results))


if __name__ == "__main__":
    main()
