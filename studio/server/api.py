"""The public endpoints, for `gradio_client` and curl: judge, runs, pairs, scores. The rest of the page is private.

from gradio_client import Client, handle_file
client = Client("http://127.0.0.1:7860/")
client.predict(handle_file("cat.png"), "How many cats?", "Two.", "Three.", api_name="/judge")
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial, wraps
from inspect import signature
from typing import Any

import gradio as gr

from engine.errors import JudgeStudioError, UsageError
from engine.stages.select.reasons import KEPT, REASONS
from engine.workspace.decisions import best_judge
from engine.workspace.folders import RunFolder
from engine.workspace.state import read_state
from studio.live.answers import check_question, judge_choices, ruling_word, unanswered, usual_judges
from studio.live.client import LiveQuestion, live_judge
from studio.live.picture import take_picture, uploaded_path
from studio.live.said import JudgeSaid, fold
from studio.look.paths import without_paths
from studio.page.page import Page
from studio.queries.pairs import PairFilter, PairRow, pairs_page
from studio.queries.scores import run_scores

_MOST_PAIRS = 200
"""Pairs of one answer; ask for more with `after`."""
_JUDGEMENTS_AT_ONCE = 8
"""Each holds a thread until the one live judge has answered it."""


def declare(page: Page) -> None:
    """Make the endpoints. Call it inside the app's `gr.Blocks`."""
    endpoints, shown = Endpoints(page=page), _examples(page)
    _fill_in(gr.api(_speaking(endpoints.judge), api_name="judge", concurrency_limit=_JUDGEMENTS_AT_ONCE), shown)
    for endpoint in (endpoints.runs, endpoints.pairs, endpoints.scores):
        _fill_in(gr.api(_speaking(endpoint), api_name=endpoint.__name__), shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """The endpoints; their docstrings are what callers read on the API page."""

    page: Page

    def judge(
        self,
        image: dict[str, Any] | list[dict[str, Any]],
        question: str,
        a: str,
        b: str,
        judges: list[str] | None = None,
    ) -> list[Any]:
        """Which of two responses is better, by one to four judge versions, in both orders, with their reasons.

        image: an uploaded file (`handle_file("cat.png")`), or a list of several, which the question calls <image 1>,
        <image 2>. judges: names such as "shapes-01/judge-v2" (see /runs); without any, the best version of the newest
        run. Returns one object per judge: verdict (A, B, tie, order-flip, invalid, failed), and per order
        the verdict, reasoning, confidence and seconds.
        """
        workspace = self.page.workspace
        names = judges or usual_judges([choice.name for choice in judge_choices(workspace)], None)
        sent = image if isinstance(image, list) else [] if image is None else [image]
        choices = check_question(workspace, names, question, a, b, pictures=len(sent))
        stored = tuple(workspace.root / take_picture(workspace, uploaded_path(one)) for one in sent)
        said = unanswered(choices)
        asked = LiveQuestion(judges=tuple(said), images=stored, question=question, a=a, b=b)
        for event in live_judge(workspace).ask(asked):
            said = fold(said, event)
        return [_ruling(name, one) for name, one in said.items()]

    def runs(self) -> list[Any]:
        """All runs, newest first: name, state, stage, iteration, best version, and the judges that can be asked.

        A run whose files are damaged has the state "failed", an "error" and no judges.
        """
        names = [choice.name for choice in judge_choices(self.page.workspace)]
        return [run_record(run, names) for run in self.page.workspace.runs()]

    def pairs(
        self, run: str, iteration: int | None = None, fate: str | None = None, after: str = "", count: int = 24
    ) -> Any:
        """Pairs of a run, open and closed ones by turns, at most 200 per call.

        fate: kept, rejected, waiting, dropped or a reason code. after: the `next` of the answer before, "" to begin.
        Returns {"total", "pairs", "next"}; `next` is null on the last page. `votes`: answer → samples that gave it.
        """
        self.page.workspace.existing_run(run)
        check_fate(fate)
        size = max(1, min(int(count), _MOST_PAIRS))
        at = f"after:{after}" if after else ""
        wanted = PairFilter(run=run, iteration=iteration, fate=fate or None)
        found = pairs_page(self.page.catalog(), wanted, at=at, size=size)
        rows = [pair_record(row) for row in found.rows]
        following = found.rows[-1].cursor if found.rows and found.has_next else None
        return {"total": found.total, "pairs": rows, "next": following}

    def scores(self, run: str, benchmark: str | None = None) -> list[Any]:
        """Accuracy of every judge version and control of a run: per benchmark, protocol and dimension, with 95 %
        intervals clustered by image, invalid rate, position lean and length lean."""
        self.page.workspace.existing_run(run)
        return [asdict(row) for row in run_scores(self.page.catalog(), run, benchmark=benchmark or None)]


def _examples(page: Page) -> dict[str, Any]:
    """By parameter: what the API page's snippets ask for. They run as they are beside a picture called cat.png."""
    names = [run.name for run in page.workspace.runs()]
    picture = {"path": "cat.png", "url": "cat.png", "meta": {"_type": "gradio.FileData"}}
    return {
        "image": picture, "question": "How many cats are there?", "a": "Two.", "b": "Three.",
        "run": names[0] if names else "shapes-01",
    }  # fmt: skip


def _fill_in(endpoint: Any, examples: Mapping[str, Any]) -> None:
    """Name an endpoint's parameters and give them their examples: `gr.api` makes their components and takes neither."""
    root = gr.context.Context.root_block
    assert root is not None
    for name, number in zip(signature(endpoint.fn).parameters, endpoint["inputs"], strict=True):
        component: Any = root.blocks[number]
        component.label = name
        if name in examples:
            component.example_payload = partial(examples.get, name)


def check_fate(fate: str | None) -> None:
    """Raises `UsageError` for a fate that no pair can have."""
    known = ("kept", "rejected", "waiting", "dropped", *(code for code in REASONS if code != KEPT))
    if fate and fate not in known and not fate.startswith("dropped: "):
        raise UsageError(f"pairs: no fate called '{fate[:80]}'. Use one of {', '.join(known)}.")


def pair_record(row: PairRow) -> dict[str, Any]:
    """One pair as plain values."""
    values = asdict(row)
    del values["rank"]  # a cursor of the page's own; `next` is what callers go on with
    return {**values, "votes": None if row.votes is None else json.loads(row.votes)}


def run_record(run: RunFolder, names: Sequence[str]) -> dict[str, Any]:
    """One run as plain values, with those of the judges' `names` that are its own. Damaged files hide no other run."""
    try:
        state, best = read_state(run), best_judge(run)
    except (JudgeStudioError, TypeError) as error:
        return {"run": run.name, "state": "failed", "error": without_paths(str(error)), "judges": []}
    return {
        "run": run.name,
        "state": state.state,
        "stage": state.stage,
        "iteration": state.iteration,
        "iterations": state.iterations,
        "best": best,
        "seconds": state.seconds,
        "judges": [name for name in names if name.startswith(f"{run.name}/")],
    }


def _ruling(name: str, said: JudgeSaid) -> dict[str, Any]:
    """One judge's answer as plain values."""
    orders = {
        one.order: {
            "verdict": one.verdict,
            "reasoning": one.reasoning,
            "confidence": one.confidence,
            "seconds": one.seconds,
        }
        for one in said.orders
    }
    return {"judge": name, "verdict": ruling_word(said), "orders": orders, "error": said.failed}


def _speaking(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """The endpoint with expected failures as their own sentence: Gradio shows clients no other exception's words."""

    @wraps(endpoint)
    def told(*values: Any, **named: Any) -> Any:
        try:
            return endpoint(*values, **named)
        except JudgeStudioError as error:
            raise gr.Error(without_paths(str(error)), print_exception=False) from None

    return told
