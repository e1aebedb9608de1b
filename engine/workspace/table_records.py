"""Which record the rows of each table are. What a record means is written with it, in `engine/records.py`."""

from engine.records import (
    BenchmarkItem,
    ImageLook,
    ImageRow,
    Instruction,
    Pair,
    PairFate,
    ScoreRow,
    Skipped,
    Step,
    Trace,
    VerdictRow,
    VersionRow,
)

TABLES: dict[str, type] = {
    "images": ImageRow,
    "looks": ImageLook,
    "skipped": Skipped,
    "instructions": Instruction,
    "pairs": Pair,
    "traces": Trace,
    "steps": Step,
    "versions": VersionRow,
    "items": BenchmarkItem,
    "verdicts": VerdictRow,
    "scores": ScoreRow,
    "fates": PairFate,
}
"""Table → the record of its rows: what Parquet parts and DuckDB views are made from."""
