"""One visitor's live judgement: what was asked, the steps of the answer as they come, and leaving early. No Gradio."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from engine.workspace.folders import Workspace
from studio.live import answers as live_view
from studio.live.client import Call, LiveJudge, LiveQuestion, busy_devices
from studio.live.said import JudgeSaid, fold

_PULSE = 0.1
"""Seconds between two looks at what was written: ten new pictures of a reply per second are as many as one reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveForm:
    """The form's values, all from the visitor."""

    images: tuple[str, ...]
    """Of the question, relative to the workspace: where `take_picture` put them."""
    question: str
    a: str
    b: str
    judges: tuple[str, ...]
    wait: bool = False


@dataclass(slots=True)
class Visit:
    """One judgement under way in one browser window."""

    call: Call | None = None
    has_left: bool = False

    def leave(self) -> None:
        """Stop was pressed or the window is gone: cancel whatever is under way."""
        self.has_left = True
        if self.call is not None:
            self.call.close()


async def judge_live(
    live: LiveJudge, asked: LiveForm, results: Mapping[str, JudgeSaid], visit: Visit
) -> AsyncGenerator[tuple[dict[str, JudgeSaid], str], None]:
    """What was said and what is being waited for, again and again until the judgement is over. Closing it cancels."""
    now, started = dict(results), time.monotonic()
    while asked.wait and not visit.has_left and (busy := busy_devices()):
        told = {"event": "waiting", "holder": next(iter(busy.values()))}
        yield now, live_view.progress_words(told, 0, time.monotonic() - started)
        await asyncio.sleep(1.0)
    if visit.has_left:
        return
    call = visit.call = await asyncio.to_thread(live.submit, _question(live.workspace, asked))
    try:
        async with aclosing(_follow(call, now, started, visit)) as steps:
            async for step in steps:
                yield step
    finally:
        call.close()


async def _follow(
    call: Call, now: dict[str, JudgeSaid], started: float, visit: Visit
) -> AsyncGenerator[tuple[dict[str, JudgeSaid], str], None]:
    last: Mapping[str, Any] | None = None
    said = ""
    while not (call.is_over or visit.has_left):
        news = call.news()
        for event in news:
            if event["event"] == "died":
                now = {
                    name: one if one.is_done else replace(one, failed=str(event["error"])) for name, one in now.items()
                }
            now, last = fold(now, event), event
        told = live_view.progress_words(last, call.before() if last is None else 0, time.monotonic() - started)
        if news or told != said:
            said = told
            yield now, told
        await asyncio.sleep(_PULSE)


def _question(workspace: Workspace, asked: LiveForm) -> LiveQuestion:
    images = tuple(workspace.root / image for image in asked.images)
    return LiveQuestion(
        judges=asked.judges, images=images, question=asked.question, a=asked.a, b=asked.b, wait=asked.wait
    )
