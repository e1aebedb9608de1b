"""A visitor's question to the catalog, answered by a child process with limits of its own.

DuckDB confines what a question may read and how long it takes, but not what a single text may grow to:
`select repeat('x', 10000000000)` would end the process that runs it. So that process is never the page's.
"""

import json
import resource
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.errors import JudgeStudioError, UsageError
from engine.workspace.catalog.database import Result, open_catalog
from engine.workspace.folders import Workspace, open_workspace
from studio.jobs import child

ROW_LIMIT = 500
SECONDS_LIMIT = 15.0
LONGEST_QUESTION = 20_000
"""Characters."""
_ADDRESS_SPACE = 3_000_000_000
"""Bytes the child may reserve; DuckDB and its threads reserve about one without using them."""
_GRACE_SECONDS = 10.0
"""For starting and for sending the answer, beyond the question's own limit."""
_LONGEST_CELL = 20_000
"""Characters; longer texts are cut in the answer."""


def ask(workspace: Workspace, text: str, *, limit: int = ROW_LIMIT, seconds: float = SECONDS_LIMIT) -> Result:
    """Answer one SELECT. Raises `UsageError` with the sentence to show."""
    return next(result for result in asking(workspace, text, limit=limit, seconds=seconds) if result is not None)


def asking(
    workspace: Workspace, text: str, *, limit: int = ROW_LIMIT, seconds: float = SECONDS_LIMIT
) -> Iterator[Result | None]:
    """None about every second while the question is worked on, then its answer. Closing it ends the question.

    Raises `UsageError` with the sentence to show.
    """
    if len(text) > LONGEST_QUESTION:
        raise UsageError(
            f"sql: {len(text):,} characters, at most {LONGEST_QUESTION:,} are read. Ask something shorter."
        )
    question = json.dumps({"workspace": str(workspace.root), "text": text, "limit": limit, "seconds": seconds})
    try:
        for end in child.until_ended("studio.jobs.sql", [], given=question.encode(), seconds=seconds + _GRACE_SECONDS):
            yield _result(end.said) if end is not None else None
    except TimeoutError:
        raise UsageError("sql: stopped because it took too long. Ask for less, or filter by run.") from None


def _result(said: bytes) -> Result:
    try:
        answer: dict[str, Any] = json.loads(said)
    except ValueError:
        raise UsageError("sql: needs more memory than a question may have. Ask for fewer or shorter texts.") from None
    if "error" in answer:
        raise UsageError(str(answer["error"]))
    return Result(
        columns=tuple(answer["columns"]),
        types=tuple(answer["types"]),
        rows=[tuple(row) for row in answer["rows"]],
        truncated=bool(answer["truncated"]),
        seconds=float(answer["seconds"]),
    )


def main() -> None:
    """Read one question from stdin, write its answer to stdout."""
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    asked = json.load(sys.stdin)
    try:
        catalog = open_catalog(open_workspace(Path(asked["workspace"]), create=False))
        result = catalog.sql(asked["text"], limit=int(asked["limit"]), seconds=float(asked["seconds"]))
        answer: dict[str, Any] = {**asdict(result), "rows": [[_plain(cell) for cell in row] for row in result.rows]}
    except JudgeStudioError as error:
        answer = {"error": str(error)}
    except MemoryError:
        answer = {"error": "sql: needs more memory than a question may have. Ask for fewer or shorter texts."}
    json.dump(answer, sys.stdout)


def _plain(cell: Any) -> Any:
    """A cell as JSON can hold it."""
    if cell is None or isinstance(cell, bool | int):
        return cell
    if isinstance(cell, float):
        return cell if cell == cell and abs(cell) != float("inf") else str(cell)
    text = cell if isinstance(cell, str) else str(cell)
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"


if __name__ == "__main__":
    main()
