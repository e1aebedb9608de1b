"""What Launch says before a run is started: what speaks for and against it on this machine, and a timed reply."""

import json
import time
from collections.abc import Iterator, Sequence

from engine.config import Settings
from engine.runs.doctor import Fact
from engine.runs.ready import is_blind_to_photos, will_fail
from engine.workspace.folders import Workspace
from studio.jobs import child
from studio.jobs import runs as jobs
from studio.look import cards, words
from studio.look.cards import Action, Html

_TIMING_SECONDS = 600.0
_SIGNS = {"ok": ("✓", "is-c-kept"), "note": ("○", "is-c-quiet"), "bad": ("✕", "is-c-rejected")}
_SAID = {"ok": "fine", "note": "to know", "bad": "will fail"}


def ready_card(facts: Sequence[Fact], settings: Settings) -> Html:
    """One line per thing a run needs, what is wrong first in words and red."""
    rows = [
        cards.element(
            "li",
            cards.element("b", cards.esc(_SIGNS[fact.state][0]), class_=_SIGNS[fact.state][1], role="img",
                          aria_label=_SAID[fact.state]),
            cards.element("span", cards.esc(fact.name)),
            cards.element("span", cards.esc(f"{fact.found}." + (f" {fact.advice}" if fact.advice else "")), dir="auto"),
        )
        for fact in facts
    ]  # fmt: skip
    timing = Action(label="Time one reply", act="time", small=True)
    told = cards.note(blind_words(settings), tone="error") if is_blind_to_photos(settings) else cards.EMPTY
    listed = cards.element("ul", *rows, class_="st-ready")
    return cards.panel(
        cards.padded(cards.element("div", told, listed, class_="st-stack")),
        title="Before you start",
        aside=cards.button(timing),
    )


def blind_words(settings: Settings) -> str:
    """Why a run of the embedded model on photographs is worth nothing."""
    return (
        f"{settings.model.base} knows drawn shapes only: on pictures of your own, what it writes, how it rules and "
        "every accuracy mean nothing. Choose a model that can see photos."
    )


def refusal(facts: Sequence[Fact], settings: Settings) -> Html:
    """Asks once more before a run that is known to fail or to mean nothing; empty where nothing speaks against it."""
    fault = blind_words(settings) if is_blind_to_photos(settings) else will_fail(tuple(facts))
    if fault is None:
        return cards.EMPTY
    return cards.confirm(
        "Start it all the same?",
        fault,
        yes=Action(label="Start it all the same", act="start-anyway", kind="stop"),
        no=Action(label="Change the settings", act="keep"),
    )


def timing_steps(workspace: Workspace, launch: jobs.Launch) -> Iterator[Html]:
    """Words and seconds while a child process loads the model and times its rulings, then what it found."""
    asked = ["doctor", "--for", launch.preset or "shapes", *launch.words()[2:], "--json"]
    began = time.monotonic()
    try:
        for end in child.until_ended(
            child.COMMANDS, [*asked, "--workspace", str(workspace.root)], seconds=_TIMING_SECONDS
        ):
            told = words.duration(int(time.monotonic() - began))
            yield _timed(end) if end is not None else cards.note(f"Loading the model and timing its replies, {told}.")
    except TimeoutError:
        yield cards.note("One reply: it took longer than 10 minutes. Take a smaller model.", tone="error")


def _timed(end: child.Ended) -> Html:
    if end.code != 0:
        return cards.note(end.last_words or "it ended without a word.", tone="error")
    try:
        fact = json.loads(end.said)["facts"][-1]
        text, is_bad = f"{fact['name']}: {fact['found']}.", fact["state"] == "bad"
    except (ValueError, TypeError, KeyError, IndexError):
        text, is_bad = "the timing printed something that is no answer.", True
    return cards.note(text, tone="error" if is_bad else "info")
