"""An iteration's selection once more with other settings: what the training set would have been. Writes nothing."""

import time
from collections import Counter
from dataclasses import dataclass

from engine.config import SelectSettings
from engine.errors import UsageError
from engine.records import Pair, Trace
from engine.stages.select.rule import selection
from engine.workspace.catalog.database import Catalog
from engine.workspace.decisions import flagged_pairs
from engine.workspace.folders import Workspace
from engine.workspace.run_record import run_settings

MOST_TRACES = 200_000
"""More would take the page's process several seconds and hundreds of megabytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Stored and replayed selection of the same traces."""

    stored: dict[str, int] | None
    """Traces by reason code; None if select has not run."""
    replayed: dict[str, int]
    stored_kept: dict[str, int]
    """Kept traces by dimension."""
    replayed_kept: dict[str, int]
    stored_pairs: int
    replayed_pairs: int
    """Pairs with a kept trace."""
    gained: int
    lost: int
    """Traces kept by one selection and not by the other."""
    traces: int
    seconds: float


def stored_settings(workspace: Workspace, run: str) -> SelectSettings:
    """The settings that the run selects with."""
    return run_settings(workspace.existing_run(run)).select


def replay(catalog: Catalog, workspace: Workspace, run: str, iteration: int, settings: SelectSettings) -> Replay:
    """Select anew. Flags are those of this moment. Raises `UsageError` for more traces than a page should take."""
    started = time.monotonic()
    rows = _rows(catalog, run, iteration)
    traces, stored = [row[0] for row in rows], [row[1] for row in rows]
    seed = run_settings(workspace.existing_run(run)).loop.seed
    selected, _ = selection(_pairs(catalog, run, iteration), traces, settings, seed, flagged_pairs(workspace.run(run)))
    before = {trace.trace_id for trace, reason in zip(traces, stored, strict=True) if reason == "agrees"}
    after = {trace.trace_id for trace in selected if trace.kept}
    known = {trace.trace_id: trace for trace in traces}
    return Replay(
        stored=dict(Counter(reason for reason in stored if reason)) or None,
        replayed=dict(Counter(str(trace.reason) for trace in selected)),
        stored_kept=dict(Counter(known[key].dimension for key in before)),
        replayed_kept=dict(Counter(known[key].dimension for key in after)),
        stored_pairs=len({known[key].pair_id for key in before}),
        replayed_pairs=len({known[key].pair_id for key in after}),
        gained=len(after - before),
        lost=len(before - after),
        traces=len(traces),
        seconds=time.monotonic() - started,
    )


def _rows(catalog: Catalog, run: str, iteration: int) -> list[tuple[Trace, str | None]]:
    """Traces without their texts, each with its stored reason."""
    found = catalog.query(
        'SELECT trace_id, pair_id, image_id, dimension, judge, "order", sample, verdict, reason FROM traces '
        "WHERE run = ? AND iteration = ? LIMIT ?",
        [run, iteration, MOST_TRACES + 1],
    )
    if len(found) > MOST_TRACES:
        raise UsageError(
            f"replay: iteration {iteration} of {run} has more than {MOST_TRACES:,} traces. "
            "Run select with other settings in a new run instead."
        )
    return [
        (
            Trace(
                trace_id=trace_id, pair_id=pair_id, image_id=image_id, dimension=dimension, judge=judge, order=order,
                sample=sample, reasoning="", verdict=verdict, tokens=0, kept=None, reason=None,
            ),
            reason,
        )
        for trace_id, pair_id, image_id, dimension, judge, order, sample, verdict, reason in found
    ]  # fmt: skip


def _pairs(catalog: Catalog, run: str, iteration: int) -> list[Pair]:
    """Usable pairs without their texts."""
    found = catalog.query(
        "SELECT pair_id, instruction_id, image_id, kind, strategy, dimension, writer FROM pairs "
        "WHERE run = ? AND iteration = ? AND dropped IS NULL",
        [run, iteration],
    )
    return [
        Pair(
            pair_id=pair_id, instruction_id=instruction_id, image_id=image_id, question="", kind=kind,
            strategy=strategy, dimension=dimension, preferred="", degraded="", votes=None, altered=None,
            writer=writer, dropped=None,
        )
        for pair_id, instruction_id, image_id, kind, strategy, dimension, writer in found
    ]  # fmt: skip
