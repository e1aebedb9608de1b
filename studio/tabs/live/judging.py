"""Judging on the Live judge tab: Start streams what the judges write, Stop and leaving the page end it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import gradio as gr

from engine.errors import JudgeStudioError
from engine.workspace.folders import Workspace
from studio.live import history
from studio.live.answers import check_question, judge_choices, miniature_warning, unanswered, usual_judges
from studio.live.client import live_judge
from studio.live.said import JudgeSaid, Ruled
from studio.live.visit import LiveForm, Visit, judge_live
from studio.page.page import Page
from studio.tabs.live.components import Aside, Form, hidden, told
from studio.tabs.live.view import no_results, show_command, show_history, show_results

_VISITORS = 64
"""Judgements under way at once; they wait for the one process without a thread each."""

Update = dict[Any, Any]
"""What changes, by component; what is not named stays as it is, for Gradio rebuilds a component at every update."""


def connect(page: Page, form: Form, beside: Aside) -> None:
    """Connect Start, Stop, and the end of the visit."""
    judging = Judging(page.workspace, form, beside)
    shown = [
        beside.message, beside.waiting, beside.results, beside.history, beside.command, beside.item, beside.brought,
        beside.ruled, form.judges, form.start, form.stop,
    ]  # fmt: skip
    event = form.start.click(
        judging.answer, [page.run, form.guess, *form.asked], shown, show_progress="hidden", concurrency_limit=_VISITORS
    )
    form.stop.click(judging.stopped, None, shown, cancels=[event], show_progress="hidden")
    root = gr.context.Context.root_block
    assert root is not None
    root.unload(judging.leave)


class Judging:
    """The listeners, and the judgements of all visitors that are under way."""

    def __init__(self, workspace: Workspace, form: Form, beside: Aside) -> None:
        self._workspace, self._form, self._beside = workspace, form, beside
        self._live = live_judge(workspace)
        self._visits: dict[str, Visit] = {}

    async def answer(
        self, request: gr.Request, run: str | None, guess: str, *values: Any
    ) -> AsyncGenerator[Update, None]:
        """Everything from the press to the finished rulings."""
        asked, beside = asked_of(*values), self._beside
        if not asked.judges:  # pressed before the tab could say who judges: those that it will name
            known = judge_choices(self._workspace)
            asked = replace(asked, judges=tuple(usual_judges([one.name for one in known], run)))
            choices = [(one.label, one.name) for one in known]
            yield {self._form.judges: gr.update(choices=choices, value=list(asked.judges))}
        about = {"guess": guess or "", "warning": miniature_warning(self._workspace, asked.judges, asked.images)}
        command = show_command(self._workspace, asked)
        try:
            meant = check_question(
                self._workspace, asked.judges, asked.question, asked.a, asked.b, pictures=len(asked.images)
            )
        except JudgeStudioError as error:
            yield {**self._fault(error), beside.command: command}
            return
        visit = self._visits[str(request.session_hash)] = Visit()
        results = unanswered(meant)
        yield {
            beside.message: hidden(), beside.waiting: hidden(), beside.command: command,
            beside.results: show_results(results, **about), **self._is_busy(True),
        }  # fmt: skip
        try:
            async with aclosing(judge_live(self._live, asked, results, visit)) as steps:
                waited = ""
                async for step, wait in steps:
                    results = step
                    changed = {} if wait == waited else {beside.waiting: told(wait) if wait else hidden()}
                    waited = wait
                    yield {beside.results: show_results(results, **about), **changed}
        except JudgeStudioError as error:
            yield {**self._fault(error), beside.results: no_results()}
            return
        if not visit.has_left:
            yield {beside.results: show_results(results, **about), **await self._ended(asked, results)}

    async def _ended(self, asked: LiveForm, results: Mapping[str, JudgeSaid]) -> Update:
        beside = self._beside
        key = await asyncio.to_thread(_keep, self._workspace, asked, list(results.values()))
        past = await asyncio.to_thread(show_history, self._workspace)
        said = tuple(results.values())
        ruled = Ruled(images=asked.images, question=asked.question, a=asked.a, b=asked.b, said=said)
        return {
            beside.waiting: hidden(), beside.history: past, beside.item: key, beside.brought: key,
            beside.ruled: ruled, **self._is_busy(False),
        }  # fmt: skip

    def leave(self, request: gr.Request) -> None:
        """The page was closed: end what it had asked."""
        visit = self._visits.pop(str(request.session_hash), None)
        if visit is not None:
            visit.leave()

    def stopped(self, request: gr.Request) -> Update:
        """Stop was pressed."""
        self.leave(request)
        beside = self._beside
        return {
            beside.message: told("Stopped. Nothing was kept of this judgement."), beside.waiting: hidden(),
            beside.results: no_results(), beside.ruled: None, **self._is_busy(False),
        }  # fmt: skip

    def _fault(self, error: JudgeStudioError) -> Update:
        beside = self._beside
        return {beside.message: told(str(error), "error"), beside.waiting: hidden(), **self._is_busy(False)}

    def _is_busy(self, busy: bool) -> Update:
        return {self._form.start: gr.update(visible=not busy), self._form.stop: gr.update(visible=busy)}


def asked_of(
    images: Sequence[str] | None, question: str | None, a: str | None, b: str | None, judges: Sequence[str] | None,
    busy: str | None,
) -> LiveForm:  # fmt: skip
    """The values of `Form.asked`."""
    return LiveForm(
        images=tuple(images or ()), question=question or "", a=a or "", b=b or "", judges=tuple(judges or ()),
        wait=busy == "wait",
    )  # fmt: skip


def _keep(workspace: Workspace, asked: LiveForm, results: Sequence[JudgeSaid]) -> str:
    """Into the history, unless no judge got to the end. A history that cannot be written does not hide the answer."""
    if all(result.failed for result in results):
        return ""
    try:
        return history.keep(
            workspace,
            images=asked.images,
            question=asked.question,
            a=asked.a,
            b=asked.b,
            judges=asked.judges,
            said=results,
        )
    except JudgeStudioError:
        return ""
