"""Commands that show and hand out what runs made: comparisons, exports, reports, tables, the doctor."""

import json
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from engine.workspace import open_workspace


def sql(options: Namespace) -> int:
    """Print the answer to one query, or the tables there are."""
    from engine.catalog import open_catalog

    catalog = open_catalog(open_workspace(options.workspace, create=False))
    if options.query is None:
        schema = catalog.schema()
        if options.json:
            print(json.dumps({name: [column.name for column in columns] for name, columns in schema.items()}, indent=1))
        else:
            print("\n".join(f"{name}({', '.join(c.name for c in columns)})" for name, columns in schema.items()))
        return 0
    result = catalog.sql(options.query, limit=options.limit)
    if options.json:
        rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
        print(json.dumps(rows, indent=1, ensure_ascii=False, default=str))
    else:
        print_table(result.columns, result.rows)
        if result.truncated:
            print(f"… more than {options.limit:,} rows; raise --limit to see them.")
    return 0


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


def doctor(options: Namespace) -> int:
    """Print what this machine and environment have."""
    from engine.doctor import doctor_report, report_text

    facts = doctor_report(options.workspace)
    print(json.dumps(asdict(facts), indent=1) if options.json else report_text(facts))
    return 0
