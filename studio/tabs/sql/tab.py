"""The SQL tab: a read-only console over the workspace's tables, with the schema beside it. Answers are in `view`."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from engine.errors import JudgeStudioError
from engine.workspace.catalog.views import schema
from engine.workspace.folders import Workspace
from studio.jobs import runs as jobs
from studio.jobs.sql import ROW_LIMIT, asking
from studio.look import cards, words
from studio.look.cards.system import SchemaTable, schema_browser
from studio.look.sheet import card_html
from studio.page.page import Page, Tab
from studio.tabs.sql.view import answer, write_csv

MOST_ROWS = 10_000

_CTRL_ENTER = """
document.addEventListener('keydown', (event) => {
  const isHere = event.target.closest && event.target.closest('#sql-text');
  if (!isHere || event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  requestAnimationFrame(() => document.querySelector('button#sql-run, #sql-run button').click());
}, true);
"""
"""Ctrl+Enter (⌘+Enter) runs the question; the editor must not see it, it would add a line."""

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
    is_waiting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """The components of the tab."""

    text: Any
    run_it: Any
    cancel: Any
    limit: Any
    download: Any
    answer: Any
    examples: Any
    browser: Any
    command: Any

    @property
    def outputs(self) -> list[Any]:
        return [self.answer, self.download, self.command, self.cancel]


def build(page: Page) -> None:
    """Lay out the SQL tab and connect its events. Call it inside the app's gr.Tab."""
    with gr.Row(elem_classes="st-gap"):
        with gr.Column(scale=8, min_width=320):
            console = _lay_out_console()
            answer = card_html(elem_id="sql-answer")
            examples = card_html(cards.sheet(_examples()))
        with gr.Column(scale=4, min_width=300):
            browser = card_html(cards.sheet(_schema()))
    parts = _Parts(**console, answer=answer, examples=examples, browser=browser, command=card_html())
    page.url.bind("sql.q", parts.text)
    _connect(page, parts)


def _lay_out_console() -> dict[str, Any]:
    with gr.Column(elem_classes="st-panel st-pad"):
        gr.HTML(cards.sheet(_title()), apply_default_css=False, js_on_load=_CTRL_ENTER)
        text = gr.Code(
            value="", language="sql", label="Question", lines=6, max_lines=24, elem_id="sql-text",
            show_label=False, interactive=True, wrap_lines=True, visible=False,
        )  # fmt: skip
        with gr.Row():
            run_it = gr.Button("Run", variant="primary", scale=0, min_width=110, elem_id="sql-run")
            cancel = gr.Button("Cancel", scale=0, min_width=110, visible=False)
            limit = gr.Dropdown(
                [(f"{words.number(n)} rows", n) for n in (100, ROW_LIMIT, 2_000, MOST_ROWS)], value=ROW_LIMIT,
                label="Row limit", container=False, show_label=False, scale=0, min_width=150, filterable=False,
            )  # fmt: skip
            download = gr.DownloadButton("Download CSV", visible=False, scale=0, min_width=150)
    return {"text": text, "run_it": run_it, "cancel": cancel, "limit": limit, "download": download}


def _connect(page: Page, parts: _Parts) -> None:
    # The editor is the largest script of all, so it is fetched when the tab is opened and not with the first page.
    is_there = gr.State(value=False)
    page.redraw(
        "sql", lambda seen: [gr.skip() if seen else gr.update(visible=True), True], [is_there], [parts.text, is_there]
    )

    def answered(run: str | None, question: str | None, limit: int) -> Iterator[list[Any]]:
        for now in show_answers(page.workspace, question or "", int(limit), run=run):
            command = show_command(page.workspace, question or "")
            done = [gr.update(value=now.csv, visible=now.csv is not None), command, gr.update(visible=now.is_waiting)]
            yield [now.html, *done]

    def chosen(event: gr.EventData, run: str | None, before: str | None) -> Any:
        name = str(getattr(event, "id", ""))
        if getattr(event, "act", "") == "example" and name in EXAMPLES:
            return EXAMPLES[name].replace("{run}", (run or "").replace("'", "''"))
        return with_name(before or "", name)

    def cancelled() -> list[Any]:
        return [cards.sheet(cards.note("Cancelled.")), gr.skip(), gr.skip(), gr.update(visible=False)]

    # "always_last": Run pressed during a question asks the new one afterwards.
    asked: dict[str, Any] = {
        "show_progress": "hidden", "trigger_mode": "always_last", "concurrency_limit": 2, "concurrency_id": "sql",
    }  # fmt: skip
    inputs = [page.run, parts.text, parts.limit]
    ran = parts.run_it.click(answered, inputs, parts.outputs, **asked)
    each = page.turns("sql", "multiple")
    tried = parts.examples.click(chosen, [page.run, parts.text], parts.text, **each).then(
        answered, inputs, parts.outputs, **asked
    )
    parts.browser.click(chosen, [page.run, parts.text], parts.text, **each)
    parts.cancel.click(cancelled, None, parts.outputs, cancels=[ran, tried], show_progress="hidden")


def show_answers(
    workspace: Workspace, question: str, limit: int = ROW_LIMIT, *, run: str | None = None
) -> Iterator[SqlAnswer]:
    """How long it takes by now, about every second; then the answer as a table and a CSV, or the sentence that says why
    there is none. Closing it ends the question."""
    if not question.strip():
        yield SqlAnswer(html=cards.sheet(cards.note("Type a question, or choose an example.")), csv=None)
        return
    began = time.monotonic()
    try:
        for result in asking(workspace, question, limit=min(max(1, limit), MOST_ROWS)):
            if result is None:
                waited = words.duration(time.monotonic() - began)
                yield SqlAnswer(html=cards.sheet(cards.note(f"Asking, {waited} by now.")), csv=None, is_waiting=True)
                continue
            file = write_csv(result) if result.rows else None
            yield SqlAnswer(html=cards.sheet(answer(result, run)), csv=file)
    except JudgeStudioError as error:
        yield SqlAnswer(html=cards.sheet(cards.note(str(error), tone="error")), csv=None)


def show_answer(workspace: Workspace, question: str, limit: int = ROW_LIMIT, *, run: str | None = None) -> SqlAnswer:
    """The last of `show_answers`."""
    *_, last = show_answers(workspace, question, limit, run=run)
    return last


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


def _title() -> cards.Html:
    sub = (
        "Read-only, over this workspace's tables alone. One SELECT at a time; it may also start with FROM or "
        "DESCRIBE. Ctrl+Enter runs it."
    )
    return cards.element("div", cards.Html("<h2>Ask the tables</h2>"), cards.sub(sub, dim=True))


def _examples() -> cards.Html:
    buttons = [cards.press(cards.esc(name), act="example", key=name, class_="st-linkish") for name in EXAMPLES]
    lines = [cards.element("div", button, class_="st-sub") for button in buttons]
    return cards.panel(cards.padded(cards.element("div", *lines, class_="st-choices")), title="Example questions")


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
