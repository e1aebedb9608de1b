"""The command `compare`: judges and controls of any runs, on the items they share."""

from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from engine.commands.results import print_table
from engine.commands.terminal import print_json
from engine.errors import UsageError
from engine.workspace.folders import RunFolder, open_workspace

if TYPE_CHECKING:
    from engine.export.comparison import ComparisonFile
    from engine.measure.side_by_side import SideBySide

Named = tuple[RunFolder, str]
"""A run, and the judge or control of it."""


def compare(options: Namespace) -> int:
    """Print settings that differ and paired gains, slice by slice; with --out the whole comparison as one file."""
    from engine.export.comparison import write_comparison
    from engine.measure.sides import MOST_SIDES, side_name

    workspace = open_workspace(options.workspace, create=False)
    sides = [side_name(name, workspace) for name in (options.old, options.new, *options.more)]
    if len(sides) > MOST_SIDES:
        raise UsageError(f"compare: {len(sides)} judges named, at most {MOST_SIDES} are told apart. Name fewer.")
    compared = [_compared(sides, benchmark) for benchmark in _benchmarks(sides, options.benchmark)]
    if options.out is not None:
        path = write_comparison(compared[0], options.out)
        if options.json:
            print_json({"comparison": str(path)})
        else:
            print(f"Written to {path}")
        return 0
    if options.json:
        print_json([row for one in compared for row in _rows(one.benchmark, one.result)])
        return 0
    _print_settings(compared[0])
    for one in compared:
        _print(one)
    return 0


def _benchmarks(sides: Sequence[Named], wanted: str | None) -> list[str]:
    """What every side was measured on. Raises `UsageError` where that is nothing."""
    from engine.measure.sides import measured

    there = [measured(run).get(judge, []) for run, judge in sides]
    shared = [name for name in there[0] if all(name in names for names in there[1:])]
    if wanted is not None and wanted in shared:
        return [wanted]
    if wanted is None and shared:
        return shared
    said = "; ".join(
        f"{run.name}/{judge}: {', '.join(names) or 'nothing'}" for (run, judge), names in zip(sides, there, strict=True)
    )
    where = f"on {wanted}" if wanted else "on the same benchmark"
    raise UsageError(
        f"compare: they were not all measured {where} ({said}). Measure with 'judge-studio evaluate', or name others."
    )


def _compared(sides: Sequence[Named], benchmark: str) -> "ComparisonFile":
    from engine.export.comparison import ComparisonFile
    from engine.measure.side_by_side import side_by_side
    from engine.measure.sides import read_side
    from engine.workspace.run_record import differing_settings

    runs = list({run.name: run for run, _ in sides}.values())
    read = [read_side(run, judge, benchmark) for run, judge in sides]
    for side in read:
        if not side.verdicts:
            raise UsageError(f"{side.name}: its verdicts on {benchmark} are not there. Evaluate it again.")
    root = runs[0].workspace.root
    return ComparisonFile(
        benchmark=benchmark,
        sides=read,
        result=side_by_side(read),
        runs=[run.name for run in runs],
        settings=differing_settings(runs),
        picture_of=lambda item: root / item.image if item.image else None,
    )


def _rows(benchmark: str, result: "SideBySide") -> Iterator[dict[str, Any]]:
    from engine.measure.metrics import STRICT

    for name, against in zip(result.names[1:], result.against, strict=True):
        for dimension, gain in against.gains.items():
            about = {"benchmark": benchmark, "judge": name, "against": result.names[0]}
            measured = {"n": gain.n, "gain": gain.gain, "gain_low": gain.low, "gain_high": gain.high, "p": gain.p}
            yield {**about, "dimension": dimension, "protocol": STRICT, **measured}


def _print_settings(comparison: "ComparisonFile") -> None:
    if comparison.settings:
        print("Settings that differ")
        print_table(("setting", *comparison.runs), [(name, *row) for name, row in comparison.settings.items()])
        print()


def _print(comparison: "ComparisonFile") -> None:
    from engine.measure.benchmarks.held_out import number_on
    from engine.measure.metrics import ALL
    from engine.measure.side_by_side import sentence

    result = comparison.result
    called = "" if (name := number_on(comparison.benchmark)) == "accuracy" else f": {name}"
    print(f"{comparison.benchmark}, strict (both orders right){called}")
    for name, scores in zip(result.names, result.scores, strict=True):
        if (score := scores.get(ALL)) is not None:
            print(f"  {name}: {score.accuracy:.3f} ({score.low:.3f} to {score.high:.3f}), {score.n:,} items")
    for place in range(1, len(result.names)):
        print(sentence(result, place))
    names = ("judge", "dimension", "n", "gain", "gain_low", "gain_high", "p")
    rows = [[row[name] for name in names] for row in _rows(comparison.benchmark, result)]
    if rows:
        print_table(names, rows)
    print(
        f"Got worse {len(result.of('worse')):,}, better {len(result.of('better')):,} items. See them with --out FILE."
    )
