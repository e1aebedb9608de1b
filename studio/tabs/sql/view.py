"""What came of a question: a table whose pairs are links, and a file that a spreadsheet only reads. No Gradio."""

import csv
import hashlib
import os
import tempfile
import time
from pathlib import Path

from engine.workspace.catalog.database import Result
from studio.look import cards, words
from studio.look.cards.system import result_table
from studio.page.place import link

SHOWN_ROWS = 200
"""Rows on the page; the CSV has them all."""
_FILE_SECONDS = 3600.0
"""A CSV that nobody fetched for this long is removed."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes a text for a formula by (OWASP, CSV injection)."""


def answer(result: Result, run: str | None) -> cards.Html:
    """The rows. A pair's id leads to the pair: of the row's run and iteration where it names them."""
    if not result.rows:
        return cards.note("The question has no rows.")
    shown = result.rows[:SHOWN_ROWS]
    urls = [pair_url(result.columns, row, run) for row in shown]
    more = result.truncated and len(shown) == len(result.rows)
    table = result_table(result.columns, shown, more=more, urls={"pair_id": urls})
    said = f"Took {words.duration(result.seconds)}"
    if len(shown) < len(result.rows):
        said = f"{words.number(len(shown))} of {words.plural(len(result.rows), 'row')} shown, the CSV has all. {said}"
    return cards.panel(table, title="Answer", aside=cards.element("span", cards.esc(said), class_="st-sub"))


def pair_url(columns: tuple[str, ...], row: tuple[object, ...], run: str | None) -> str | None:
    """Where a row's pair is shown; None where it has none. Without an iteration the id is searched for in all."""
    cells = dict(zip(columns, row, strict=False))
    pair = cells.get("pair_id")
    if not isinstance(pair, str) or not pair:
        return None
    where = cells.get("run", run)
    iteration = cells.get("iteration")
    if isinstance(iteration, int):
        values = {"pairs.iteration": iteration, "pairs.item": f"{iteration}-{pair}"}
    else:
        values = {"pairs.iteration": "all", "pairs.q": pair}
    return link("pairs", str(where) if where else None, values)


def write_csv(result: Result) -> str:
    """The rows as a file for the download button. Old ones are removed."""
    folder = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()) / "sql"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*/answer.csv"):
        if time.time() - old.stat().st_mtime > _FILE_SECONDS:
            old.unlink(missing_ok=True)
    mark = hashlib.sha256(repr((result.columns, result.rows)).encode()).hexdigest()[:16]
    path = folder / mark / "answer.csv"
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(map(_harmless, result.columns))
        writer.writerows(map(_harmless, row) for row in result.rows)
    return str(path)


def _harmless(cell: object) -> object:
    """A text that would be run as a formula gets an apostrophe, as OWASP advises; numbers stay numbers."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
