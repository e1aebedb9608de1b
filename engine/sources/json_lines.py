"""Lines of a JSON file that people wrote by hand or by script, one object each. It knows no column."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.errors import SourceError
from engine.paths import expanded
from engine.text import without_halves


def json_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Every line that is not blank, with the words by which errors name it. A byte order mark is passed over.

    Raises `SourceError` if there is no such file, or it is not text in UTF-8.
    """
    try:
        with expanded(path).open(encoding="utf-8-sig") as file:  # not splitlines: texts may hold U+2028
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield f"{path} line {number}", line
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path}: cannot read: it is not text in UTF-8 ({error.reason}). Save it as UTF-8."
        ) from error
    except (OSError, ValueError) as error:
        raise SourceError(f"{path}: cannot read: {error}. Name an existing .jsonl file.") from error


def json_row(where: str, line: str) -> dict[str, Any]:
    """One line as an object. Raises `SourceError` that begins with `where`, the place of the line."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{where}: not JSON ({error}). Correct the line.") from None
    if not isinstance(row, dict):
        raise SourceError(f"{where}: expected an object, found a {type(row).__name__}. Correct the line.")
    read: dict[str, Any] = without_halves(row)
    return read
