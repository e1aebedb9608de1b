"""Commands that show and hand out what runs made: exports, reports, tables, the doctor."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.commands.terminal import print_json
from engine.errors import UsageError, WorkspaceError
from engine.paths import expanded
from engine.workspace.folders import open_workspace

if TYPE_CHECKING:
    from engine.runs.doctor import DoctorReport


def labels(options: Namespace) -> int:
    """Print what hand labels say of a judge: how often the person would call it right, and κ with its base rate."""
    from engine.judging.judges import resolve_judge
    from engine.measure.hand_labels import judged_by_hand
    from engine.measure.scores import hand_label_lines

    judge = resolve_judge(options.judge, open_workspace(options.workspace, create=False))
    if judge.run is None:
        raise UsageError(f"{judge.label}: belongs to no run, so nothing was labelled. Name RUN/judge-vN.")
    found = judged_by_hand(judge.run, judge.version, rater=options.rater, benchmark=options.benchmark)
    if found is None:
        raise UsageError(
            f"run '{judge.run.name}': {options.rater} has labelled nothing yet. Label items in the studio."
        )
    if options.json:
        print_json(asdict(found))
    else:
        print("\n".join(hand_label_lines(found)))
    return 0


def export(options: Namespace) -> int:
    """Write a judge version to a new folder."""
    from engine.export.judge import export_judge
    from engine.judging.judges import resolve_judge

    workspace = open_workspace(options.workspace, create=False)
    folder = export_judge(resolve_judge(options.judge, workspace), options.folder, merged=options.merged)
    if options.json:
        print_json({"folder": str(folder)})
    else:
        print(f"Written to {folder}")
    return 0


def export_data(options: Namespace) -> int:
    """Write a run's data sets to a new folder."""
    from engine.export.data import export_data as write

    run = open_workspace(options.workspace, create=False).existing_run(options.name)
    counts = write(run, options.folder)
    rows = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    if options.json:
        print_json(counts)
    else:
        print(f"Written to {options.folder}: {rows}")
    return 0


def report(options: Namespace) -> int:
    """Write a run's report as one HTML file."""
    from engine.export.report import damaged_parts, write_report

    run = open_workspace(options.workspace, create=False).existing_run(options.name)
    path = write_report(run, options.out)
    for fault in damaged_parts(run):
        print(f"judge-studio report: left out: {fault.what}", file=sys.stderr)
    if options.json:
        print_json({"report": str(path)})
    else:
        print(f"Written to {path}")
    return 0


def sql(options: Namespace) -> int:
    """Print the answer to one query, or the tables there are."""
    from engine.workspace.catalog.database import open_catalog

    workspace = open_workspace(options.workspace, create=False)
    if not _is_unicode(workspace.root):
        raise WorkspaceError(f"{workspace.root}: DuckDB opens no folder whose name is not UTF-8. Rename the folder.")
    catalog = open_catalog(workspace)
    if options.query is None:
        schema = catalog.schema()
        if options.json:
            print_json({name: [column.name for column in columns] for name, columns in schema.items()})
        else:
            print("\n".join(f"{name}({', '.join(c.name for c in columns)})" for name, columns in schema.items()))
        return 0
    result = catalog.sql(options.query, limit=options.limit)
    for fault in catalog.faults():
        print(f"judge-studio sql: left out: {fault.what}", file=sys.stderr)
    if options.json:
        rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
        print_json(rows)
    else:
        print_table(result.columns, result.rows)
        if result.truncated:
            print(f"… more than {options.limit:,} rows; raise --limit to see them.")
    return 0


def _is_unicode(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A plain table, numbers to the right. Control characters in cells are shown, not obeyed by the terminal."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(name), *(len(row[place]) for row in cells), 0) for place, name in enumerate(columns)]
    print("  ".join(name.ljust(width) for name, width in zip(columns, widths, strict=True)).rstrip())
    for row, values in zip(cells, rows, strict=True):
        aligned = (
            text.rjust(width) if isinstance(value, int | float) else text.ljust(width)
            for text, width, value in zip(row, widths, values, strict=True)
        )
        print("  ".join(aligned).rstrip())


def _cell(value: Any) -> str:
    text = "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
    shown = "".join(char if char.isprintable() else " " for char in text)
    return shown if len(shown) <= 80 else shown[:79] + "…"


def _ready_report(options: Namespace) -> "DoctorReport":
    """What a run with these settings needs and finds, and a reply timed, which later plans remember."""
    from engine.commands.runs import overrides_from
    from engine.config import load_settings
    from engine.runs.doctor import DoctorReport
    from engine.runs.pace import keep_pace
    from engine.runs.ready import ready_facts, timed_reply

    is_file = options.asked_for.endswith((".yaml", ".yml"))
    settings = load_settings(
        preset=None if is_file else options.asked_for,
        file=expanded(Path(options.asked_for)) if is_file else None,
        overrides=overrides_from(options.settings),
    )
    workspace = open_workspace(options.workspace)
    fact, seconds = timed_reply(settings)
    if seconds is not None:
        keep_pace(settings, workspace, seconds)
    return DoctorReport(facts=(*ready_facts(settings, workspace), fact))


def doctor(options: Namespace) -> int:
    """Print what this machine and environment have; with --for, whether they can do what settings ask."""
    from engine.runs.doctor import doctor_report, report_text

    facts = _ready_report(options) if options.asked_for else doctor_report(options.workspace)
    if options.json:
        print_json(asdict(facts))
    else:
        print(report_text(facts))
    return 0
