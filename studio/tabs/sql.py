"""The SQL tab: a read-only console over the workspace's tables, the schema beside it, and CSV to take away."""

import csv
import hashlib
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from engine.errors import JudgeStudioError
from engine.workspace.catalog.database import Result
from engine.workspace.catalog.views import schema
from engine.workspace.folders import Workspace
from studio.jobs import runs as jobs
from studio.jobs.sql import ROW_LIMIT, ask
from studio.look import cards, words
from studio.look.cards.system import SchemaTable, result_table, schema_browser
from studio.look.sheet import card_html
from studio.page.page import Page, Tab

MOST_ROWS = 10_000
_SHOWN_ROWS = 200
"""Rows on the page; the CSV has them all."""
_FILE_SECONDS = 3600.0
"""A CSV that nobody fetched for this long is removed."""

EXAMPLES = {
    "Kept share by dimension": (
        "SELECT iteration, dimension, count(*) AS traces, round(avg(kept::INT), 3) AS kept_share\n"
        "FROM traces WHERE run = '{run}' GROUP BY ALL ORDER BY ALL"
    ),
    "Why traces were rejected": (
        "SELECT iteration, reason, count(*) AS traces\n"
        "FROM traces WHERE run = '{run}' GROUP BY ALL ORDER BY iteration, traces DESC"
    ),
    "Why pairs were dropped": (
        "SELECT iteration, strategy, dropped, count(*) AS pairs\n"
        "FROM pairs WHERE run = '{run}' AND dropped IS NOT NULL GROUP BY ALL ORDER BY ALL"
    ),
    "How often each version says A": (
        'SELECT judge, "order", verdict, count(*) AS traces\n'
        "FROM traces WHERE run = '{run}' GROUP BY ALL ORDER BY ALL"
    ),
    "Accuracy beside the controls": (
        "SELECT benchmark, judge, n, accuracy, low, high, position_lean, length_lean\n"
        "FROM scores WHERE run = '{run}' AND dimension = 'all' AND protocol = 'strict'\n"
        "ORDER BY benchmark, accuracy DESC"
    ),
    "Longest reasonings": (
        "SELECT iteration, pair_id, judge, tokens, left(reasoning, 200) AS beginning\n"
        "FROM traces WHERE run = '{run}' ORDER BY tokens DESC LIMIT 20"
    ),
    "Images nobody could use": (
        "SELECT i.name, i.width, i.height FROM images i\n"
        "WHERE i.run = '{run}' AND i.image_id NOT IN\n"
        "  (SELECT image_id FROM pairs WHERE run = '{run}' AND dropped IS NULL)"
    ),
}
"""Name and text of example questions; {run} becomes the chosen run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlAnswer:
    """What came of a question."""

    html: str
    csv: str | None
    """Path of the whole answer; None if there is none."""


def build(page: Page) -> None:
    """Lay out the SQL tab and connect its events. Call it inside the app's gr.Tab."""
    with gr.Row(elem_classes="st-gap"):
        with gr.Column(scale=8, min_width=320):
            with gr.Column(elem_classes="st-panel st-pad"):
                gr.HTML(cards.sheet(_title()), apply_default_css=False)
                text = gr.Code(
                    value="", language="sql", label="Question", lines=6, max_lines=24, elem_id="sql-text",
                    show_label=False, interactive=True, wrap_lines=True,
                )  # fmt: skip
                with gr.Row():
                    run_it = gr.Button("Run", variant="primary", scale=0, min_width=110, elem_id="sql-run")
                    limit = gr.Dropdown(
                        [(f"{words.number(n)} rows", n) for n in (100, ROW_LIMIT, 2_000, MOST_ROWS)], value=ROW_LIMIT,
                        label="Row limit", container=False, show_label=False, scale=0, min_width=150,
                    )  # fmt: skip
                    download = gr.DownloadButton("Download CSV", visible=False, scale=0, min_width=150)
            answer = card_html(elem_id="sql-answer")
        with gr.Column(scale=4, min_width=300):
            examples = card_html(cards.sheet(_examples()))
            browser = card_html(cards.sheet(_schema()))
    command = card_html()
    page.url.bind("sql.q", text)

    def answered(question: str | None, limit: int) -> list[Any]:
        now = show_answer(page.workspace, question or "", int(limit))
        return [
            now.html,
            gr.update(value=now.csv, visible=now.csv is not None),
            show_command(page.workspace, question or ""),
        ]

    def chosen(event: gr.EventData, run: str | None, before: str | None) -> Any:
        name = str(getattr(event, "id", ""))
        if getattr(event, "act", "") == "example" and name in EXAMPLES:
            return EXAMPLES[name].replace("{run}", (run or "").replace("'", "''"))
        return with_name(before or "", name)

    once: dict[str, Any] = {"show_progress": "minimal", "trigger_mode": "once", "concurrency_limit": 2}
    run_it.click(answered, [text, limit], [answer, download, command], concurrency_id="sql", **once)
    examples.click(chosen, [page.run, text], text, show_progress="hidden").then(
        answered, [text, limit], [answer, download, command], concurrency_id="sql", **once
    )
    browser.click(chosen, [page.run, text], text, show_progress="hidden")


def show_answer(workspace: Workspace, question: str, limit: int = ROW_LIMIT) -> SqlAnswer:
    """The answer as a table and a CSV, or the sentence that says why there is none."""
    if not question.strip():
        return SqlAnswer(html=cards.sheet(cards.note("Type a question, or choose an example.")), csv=None)
    try:
        result = ask(workspace, question, limit=min(max(1, limit), MOST_ROWS))
    except JudgeStudioError as error:
        return SqlAnswer(html=cards.sheet(cards.note(str(error), tone="error")), csv=None)
    return SqlAnswer(html=cards.sheet(_answer(result)), csv=write_csv(result) if result.rows else None)


def with_name(question: str, name: str) -> str:
    """The question with a name of the schema added; alone it becomes a question."""
    views = schema()
    known = {*views, *(column.name for columns in views.values() for column in columns)}
    if name not in known:
        return question
    if not question.strip():
        return f"FROM {name} LIMIT 20" if name in views else question
    quoted = '"order"' if name == "order" else name
    return f"{question.rstrip()} {quoted}"


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
        writer.writerow(result.columns)
        writer.writerows(result.rows)
    return str(path)


def _answer(result: Result) -> cards.Html:
    if not result.rows:
        return cards.note("The question has no rows.")
    shown = result.rows[:_SHOWN_ROWS]
    table = result_table(result.columns, shown, more=result.truncated and len(shown) == len(result.rows))
    said = f"Took {words.duration(result.seconds)}"
    if len(shown) < len(result.rows):
        said = f"{words.number(len(shown))} of {words.plural(len(result.rows), 'row')} shown, the CSV has all. {said}"
    return cards.panel(table, title="Answer", aside=cards.element("span", cards.esc(said), class_="st-sub"))


def _title() -> cards.Html:
    sub = (
        "Read-only, over this workspace's tables alone. One SELECT at a time; it may also start with FROM or DESCRIBE."
    )
    return cards.element("div", cards.Html("<h2>Ask the tables</h2>"), cards.sub(sub, dim=True))


def _examples() -> cards.Html:
    buttons = [cards.press(cards.esc(name), act="example", key=name, class_="st-linkish") for name in EXAMPLES]
    lines = [cards.element("div", button, class_="st-sub") for button in buttons]
    return cards.panel(
        cards.padded(cards.element("div", *lines, class_="st-stack is-close")), title="Example questions"
    )


def _schema() -> cards.Html:
    tables = [
        SchemaTable(name=name, columns=[(column.name, column.type) for column in columns])
        for name, columns in schema().items()
    ]
    return cards.panel(cards.padded(schema_browser(tables)), title="Tables")


def show_command(workspace: Workspace, question: str) -> str:
    """The same for a terminal, line by line: a comment ends where its line does."""
    if not question.strip() or len(question) > 2_000:
        return ""
    return cards.sheet(cards.command(jobs.command_line("sql", [question.strip()], workspace)))


TAB = Tab(key="sql", label="SQL", build=build)
