"""What the Live judge tab shows of one comparison: plain values in, HTML out. No Gradio."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from engine.errors import JudgeStudioError
from engine.workspace.folders import Workspace
from studio.jobs import runs as jobs
from studio.live import history
from studio.live.answers import history_rows, live_card, miniature_warning
from studio.live.history import Judgement
from studio.live.own_examples import OwnExample
from studio.live.said import JudgeSaid
from studio.live.visit import LiveForm
from studio.look import cards, words
from studio.look.cards import Html

_HISTORY = 8
"""Past judgements that are listed."""


def no_results() -> str:
    """Before anything is judged."""
    return cards.sheet(cards.panel(cards.empty_place("live")))


def show_results(results: Mapping[str, JudgeSaid], *, guess: str = "", warning: str = "") -> str:
    """What every judge says, and all together; `guess` and `warning` as in `cards.live_results`."""
    return cards.sheet(_results(tuple(results.values()), guess=guess, warning=warning))


def show_results_of(workspace: Workspace, found: Judgement) -> str:
    """A past judgement, with its age above."""
    when = cards.sub(f"Judged {words.ago(time.time() - found.time)}.", dim=True)
    return cards.sheet(when, _results(found.said, warning=miniature_warning(workspace, found.judges, found.images)))


def show_own(example: OwnExample) -> str:
    """The rulings that were given when the run was measured, said to be that."""
    about = f"From this run's own benchmark: {example.label}. These rulings are those it was measured by."
    return cards.sheet(cards.note(about), _results(example.said))


def show_turned(said: Sequence[JudgeSaid], guess: str) -> str:
    """The rulings after A and B changed places."""
    about = "A and B have changed places. The rulings are the same: each judge has seen both orders."
    return cards.sheet(cards.note(about), _results(said, guess=guess))


def _results(said: Sequence[JudgeSaid], *, guess: str = "", warning: str = "") -> Html:
    return cards.live_results([live_card(one) for one in said], guess=guess, warning=warning)


def show_own_buttons(examples: Sequence[OwnExample], image_url: Callable[[str | None], str | None]) -> str:
    """One small picture per example, with what it is an example of. Act "own", `id` the item."""
    if not examples:
        return ""
    buttons = [
        cards.press(
            cards.picture(image_url(next(iter(one.images), None)), "", width=one.width),
            cards.element("small", cards.esc(one.label)),
            act="own",
            key=one.item_id,
            class_="st-plain",
            aria_label=f"Example: {one.label}",
        )
        for one in examples
    ]
    own = cards.element("div", *buttons, class_="st-examples is-told")
    return cards.sheet(cards.element("div", cards.sub("From this run's own benchmark"), own))


def show_more_pictures(images: Sequence[str], image_url: Callable[[str | None], str | None]) -> str:
    """The question's pictures after the first, each under the name that the question can call it; a press takes it
    away. Act "remove", `id` its number from 1 and its place."""
    if len(images) < 2:
        return ""
    buttons = [
        cards.press(
            cards.picture(image_url(image), ""),
            cards.element("small", cards.esc(f"image {number} ×")),
            act="remove",
            key=f"{number} {image}",
            class_="st-plain",
            aria_label=f"Take image {number} away",
        )
        for number, image in enumerate(images, 1)
        if number > 1
    ]
    about = "The question can call them <image 1>, <image 2>; the large one is the first."
    return cards.sheet(cards.element("div", *buttons, class_="st-examples"), cards.sub(about))


def show_history(workspace: Workspace) -> str:
    """The newest judgements; they are shared by all visitors of this workspace."""
    try:
        rows = history_rows(history.recent(workspace, count=_HISTORY))
    except JudgeStudioError as error:
        return cards.sheet(cards.note(str(error), tone="error"))
    return cards.sheet(cards.panel(cards.history_list(rows), title="Recent judgements"))


def show_command(workspace: Workspace, asked: LiveForm) -> str:
    """The same for a terminal."""
    paths = [workspace.root / image for image in asked.images]
    images = [os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path) for path in paths]
    values = [("image", image) for image in images or ["scene.png"]]
    values += [("question", asked.question), ("a", asked.a), ("b", asked.b)]
    told = [word for name, value in values for word in (f"--{name}", value)]
    told += [word for judge in asked.judges for word in ("--judge", judge)]
    return cards.sheet(cards.panel(cards.padded(cards.command(jobs.command_line("judge", told, workspace)))))
