"""Stage 3: which traces are trained on. The rule itself is pure and in `rule.py`; this file writes what it decides.

select/  identity.json  traces-00000.parquet …  fates-00000.parquet  done.json
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict

from engine.records import Pair, Trace
from engine.stages.bench import Bench
from engine.stages.select.rule import selection
from engine.stages.select.summary import summarize
from engine.workspace.conclusions import Selected
from engine.workspace.files import read_json
from engine.workspace.parts import Parts

TRACES_PER_PART = 20_000
"""Selection takes a second; parts only keep single files small."""


def select(bench: Bench, pairs: Sequence[Pair], traces: Sequence[Trace], *, flagged: Collection[str]) -> Selected:
    """Write the tables `traces` (complete rows) and `fates`; return what is also in done.json.

    The flags that count are those of the first start: a resumed selection does not mix two sets of flags.
    """
    folder, progress, settings = bench.folder("select"), bench.progress, bench.settings
    if (done := folder.conclusion(Selected)) is not None:
        return done
    before = read_json(folder.folder / "identity.json") or {}
    flags = before.get("flagged", sorted(flagged))
    bench.begin("select", inputs=[trace.trace_id for trace in traces], flagged=flags)
    there = {trace.trace_id for trace in folder.read("traces", Trace)}
    progress.begin("select", total=len(traces), unit="traces", message="Selecting traces to train on", done=len(there))
    selected, fates = selection(pairs, traces, settings.select, settings.loop.seed, flags)
    missing = [trace for trace in selected if trace.trace_id not in there]
    with Parts(folder, "traces", rows=TRACES_PER_PART) as parts:
        for start in range(0, len(missing), TRACES_PER_PART):
            some = missing[start : start + TRACES_PER_PART]
            parts.add(some)
            progress.advance(len(some))
    folder.write_once("fates", fates)
    concluded = summarize(pairs, selected, settings.select, settings.loop.seed)
    folder.finish(asdict(concluded))
    return concluded
