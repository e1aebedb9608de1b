"""DuckDB, loaded when something of it is first used: a page that shows no table yet starts without it.

from engine.workspace.catalog import lazy_duckdb as duckdb
"""

from typing import Any


def __getattr__(name: str) -> Any:
    """Whatever `duckdb` has under that name. Types in signatures are quoted, since they are read when a file loads."""
    import duckdb

    return getattr(duckdb, name)
