"""What the Live judge tab says: which judges there are, events turned into cards, who has the device, examples.

Plain values in and out. No Gradio, no process.
"""

import base64
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from engine.assets import EMBEDDED, SHIPPED, assets_folder
from engine.errors import JudgeStudioError, UsageError
from engine.judging.judges import versions_of
from engine.records import BASE_JUDGE, MOST_PICTURES, version_number
from engine.workspace.decisions import best_judge
from engine.workspace.folders import Workspace
from engine.workspace.provenance import model_folder
from engine.workspace.run_record import run_settings
from engine.workspace.state import ALIVE, read_state
from studio.live.history import Judgement
from studio.live.picture import looks_drawn
from studio.live.said import JudgeSaid
from studio.look import cards, words
from studio.look.cards import Action, HistoryRow, Html, LiveHalf, LiveResult

MOST_JUDGES = 4
LONGEST_TEXT = 8_000
"""Characters of a question or response. A judge reads both responses twice; more would not fit most models."""
_DEVICES = {"cpu": "CPU", "cuda": "GPU"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A judge that can be asked."""

    name: str
    """For `engine.judging.judges.resolve_judge`: "shapes-01/judge-v2", or the embedded base model."""
    about: str
    """Run and role: "shapes-01, best version"."""

    @property
    def title(self) -> str:
        """The version alone."""
        return self.name.rpartition("/")[2]

    @property
    def label(self) -> str:
        return f"{self.title} · {self.about}"


def judge_choices(workspace: Workspace) -> list[Choice]:
    """Every version of every run, newest run first and its best version first of all; then the embedded model."""
    found = []
    for run in workspace.runs():
        try:
            best, state = best_judge(run), read_state(run).state
        except (JudgeStudioError, TypeError):
            continue  # a damaged run; Home says so
        names = versions_of(run)
        for judge in sorted(names, key=lambda name: (name != best, -(version_number(name) or 0))):
            role = "best version" if judge == best and len(names) > 1 else "base model" if judge == BASE_JUDGE else ""
            parts = [run.name, role, "running" if state in ALIVE else ""]
            found.append(Choice(name=f"{run.name}/{judge}", about=", ".join(part for part in parts if part)))
    folder = model_folder(EMBEDDED)
    if folder is not None and (folder / "model.safetensors").is_file():
        found.append(Choice(name=EMBEDDED, about="embedded base model"))
    return found


def usual_judges(names: Sequence[str], run: str | None) -> list[str]:
    """The best version of the run (it stands first among its own) beside its base model; else the first of all."""
    own = [name for name in names if run and name.startswith(f"{run}/")]
    if not own:
        return list(names[:1])
    base = f"{run}/judge-v0"
    return [own[0], base] if base in own and own[0] != base else own[:1]


def check_question(
    workspace: Workspace, judges: Sequence[str], question: str, a: str, b: str, *, pictures: int
) -> list[Choice]:
    """The judges that are meant. Raises `UsageError` for what cannot be asked; every value is untrusted."""
    known = {choice.name: choice for choice in judge_choices(workspace)}
    if not judges:
        raise UsageError("Live judge: no judge version is chosen. Choose one to four.")
    if len(judges) > MOST_JUDGES:
        raise UsageError(f"Live judge: {len(judges)} judge versions are too many at once. Choose one to four.")
    for name in judges:
        if name not in known:
            raise UsageError(f"Live judge: there is no judge '{str(name)[:80]}'. Choose one of the list.")
    if not pictures:
        raise UsageError("Live judge: there is no image. Drop one, or pick an example.")
    if pictures > MOST_PICTURES:
        raise UsageError(f"Live judge: {pictures} images are too many for one question. Use up to {MOST_PICTURES}.")
    for what, text in (("question", question), ("response A", a), ("response B", b)):
        if not text.strip():
            raise UsageError(f"Live judge: {what} is empty. Write it, or pick an example.")
        if len(text) > LONGEST_TEXT:
            raise UsageError(f"Live judge: {what} has {len(text):,} characters, {LONGEST_TEXT:,} fit. Shorten it.")
    return [known[name] for name in dict.fromkeys(judges)]


def miniature_warning(workspace: Workspace, judges: Sequence[str], images: Sequence[str]) -> str:
    """Why the embedded model's verdicts on these pictures mean nothing; "" where they may, or there is none yet.

    `judges` and `images` (relative to the workspace) are the visitor's.
    """
    if not images or (len(images) == 1 and looks_drawn(workspace.root / images[0])):
        return ""
    small = [name.rpartition("/")[2] for name in judges if _is_miniature(workspace, name)]
    if not small:
        return ""
    verb = "knows" if len(small) == 1 else "know"
    known, given, them = (
        ("drawn shapes only", "This picture is", "it") if len(images) == 1
        else ("single drawn scenes only", "Several pictures are", "them")
    )  # fmt: skip
    return (
        f"{', '.join(dict.fromkeys(small))} {verb} {known}: a working miniature. {given} nothing it was made for, and "
        f"what it says of {them} means nothing, however sure it sounds."
    )


def _is_miniature(workspace: Workspace, judge: str) -> bool:
    run, _, _ = judge.partition("/")
    if judge in SHIPPED:
        return True
    try:
        return run_settings(workspace.existing_run(run)).model.base in SHIPPED
    except (JudgeStudioError, TypeError):
        return False


# --- events ------------------------------------------------------------------------------------------------------


def unanswered(choices: Sequence[Choice]) -> dict[str, JudgeSaid]:
    """Nothing said yet, by name of judge."""
    return {choice.name: JudgeSaid(judge=choice.title, about=choice.about) for choice in choices}


def live_card(said: JudgeSaid) -> LiveResult:
    """The card of what one judge said."""
    a_first, b_first = (
        LiveHalf(
            first="A" if one.order == "AB" else "B", state=one.state, text=one.reasoning, verdict=one.verdict,
            tokens=one.tokens, seconds=one.seconds, first_seconds=one.first_seconds, confidence=one.confidence,
        )
        for one in said.orders
    )  # fmt: skip
    return LiveResult(judge=said.judge, about=said.about, a_first=a_first, b_first=b_first, failed=said.failed)


def progress_words(event: Mapping[str, Any] | None, before: int, seconds: float) -> str:
    """What a visitor waits for, in words and with a count; "" while text is coming."""
    told = words.duration(seconds) if seconds >= 1 else ""
    tail = f" {told} so far." if told else ""
    if before:
        return f"{words.plural(before, 'judgement')} of other visitors before yours.{tail}"
    if event is None:
        return f"Starting the live judge's process, once for all visitors.{tail}"
    if event["event"] == "waiting":
        return f"Waiting for {event.get('holder')}.{tail}"
    if event["event"] in ("start", "loading"):
        return f"Loading the model; the next judgement starts at once.{tail}"
    return ""


def ruling_word(said: JudgeSaid) -> str:
    """A judgement in one word: A, B, tie, order-flip, invalid or failed."""
    return "failed" if said.ruling is None else said.ruling.verdict


def history_rows(judgements: Sequence[Judgement]) -> list[HistoryRow]:
    now = time.time()
    return [
        HistoryRow(
            key=one.key,
            question=one.question,
            rulings=[(said.judge, ruling_word(said)) for said in one.said],
            when=words.ago(now - one.time),
        )
        for one in judgements
    ]


# --- the device --------------------------------------------------------------------------------------------------


def device_note(workspace: Workspace, busy: Mapping[str, str]) -> Html:
    """Who has the device and what a visitor can do about it; nothing while it is free."""
    if not busy:
        return cards.EMPTY
    device, holder = next(iter(busy.items()))
    name = holder.removeprefix("run ")
    stop = None
    if holder.startswith("run ") and name in {run.name for run in workspace.runs()}:
        stop = Action(label=f"Stop {name}", act="stop-run", key=name, kind="stop", small=True)
    slower = (
        "answers take about twice as long while both use it"
        if device == "cpu"
        else "a judgement that does not wait uses the CPU, which is slower"
    )
    text = f"{holder[:1].upper()}{holder[1:]} is using the {_DEVICES[device]}. You can judge now: {slower}. "
    rest = "Or wait for it, or stop it: what it finished is kept." if stop else "Or wait for it."
    return cards.note(text + rest, action=stop)


# --- examples ----------------------------------------------------------------------------------------------------


@cache
def examples() -> tuple[dict[str, str], ...]:
    """The shipped examples: image (file name), question, a, b."""
    path = assets_folder() / "examples" / "examples.json"
    return tuple(json.loads(path.read_text(encoding="utf-8")))


@cache
def example_buttons() -> Html:
    """One small picture per example. Act "example", `id` its number."""
    buttons = []
    for number, example in enumerate(examples()):
        data = base64.b64encode((assets_folder() / "examples" / example["image"]).read_bytes()).decode()
        picture = cards.picture(f"data:image/png;base64,{data}", "", width=48)
        buttons.append(
            cards.press(
                picture, act="example", key=str(number), class_="st-plain", aria_label=f"Example: {example['question']}"
            )
        )
    return cards.element(
        "div", cards.sub("Or start from an example"), cards.element("div", *buttons, class_="st-examples")
    )
