"""Questions that the model writes itself about each image, one per line with its kind, and how they are read.

open: Describe how the people are dressed.
number: How many chairs are there?
yes_no: Is the door open?
phrase: What colour is the car?
option: What is the man holding? | a phone | a cup | a book
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.backends.base import Backend, Request, Sampling
from engine.errors import SettingsError
from engine.prompts import PromptPack, ask_messages
from engine.records import AnswerType, ImageRow, Instruction, Kind, seed_for
from engine.sources.questions.instructions import instruction
from engine.verdicts import after_thinking

_LINE = re.compile(
    r"^\s*(?:[-*•]\s+|\(?\d{1,2}[.):]\s*)?[*_\[(]*"
    r"(?P<kind>open|number|yes[ _/-]?no|phrase|options?|multiple[ _-]choice)[*_\])]*\s*[:–-][*_]*\s*(?P<rest>\S.*)$",
    re.IGNORECASE,
)
"""A small model decorates: a bullet or number before, asterisks or brackets around the kind."""
_KINDS: dict[str, tuple[Kind, AnswerType | None]] = {
    "open": ("open", None),
    "number": ("closed", "number"),
    "yesno": ("closed", "yes_no"),
    "phrase": ("closed", "phrase"),
    "option": ("closed", "option"),
    "options": ("closed", "option"),
    "multiplechoice": ("closed", "option"),
}
_LENGTH = range(8, 301)
"""Characters of a usable question."""
_CHOICES = range(2, 9)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenQuestion:
    """One question as the model wrote it."""

    question: str
    kind: Kind
    answer_type: AnswerType | None
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What came back for one image."""

    image_id: str
    instructions: tuple[Instruction, ...]
    dropped: int
    """Lines that were no usable question."""


def write_questions(
    images: Sequence[ImageRow],
    backend: Backend,
    pack: PromptPack,
    *,
    workspace: Path,
    count: int,
    held_out: frozenset[str],
    sampling: Sampling,
    seed: int,
) -> Iterator[Written]:
    """At most `count` questions about each image, each image's as soon as the model has written them.

    Raises `SettingsError` if the pack cannot ask for questions, and what the backend raises.
    """
    requests = _requests(images, pack, workspace=workspace, count=count, sampling=sampling, seed=seed)
    for completion in backend.generate(requests):
        questions, dropped = read_questions(after_thinking(completion.text))
        made = tuple(_instruction(completion.key, one, held_out) for one in questions[:count])
        yield Written(image_id=completion.key, instructions=made, dropped=dropped)


def _requests(
    images: Sequence[ImageRow], pack: PromptPack, *, workspace: Path, count: int, sampling: Sampling, seed: int
) -> list[Request]:
    if pack.ask is None:
        raise SettingsError(
            f"source.questions: is 'model', but the prompt pack '{pack.name}' cannot ask for questions. "
            "Use source.questions=bank, or a pack with 'ask'."
        )
    return [
        Request(
            key=image.image_id,
            messages=ask_messages(pack, count),
            image=workspace / image.path,
            sampling=sampling,
            seed=seed_for("written questions", seed, image.image_id),
        )
        for image in images
    ]


def _instruction(image_id: str, written: WrittenQuestion, held_out: frozenset[str]) -> Instruction:
    return instruction(
        image_id,
        written.question,
        kind=written.kind,
        answer_type=written.answer_type,
        choices=written.choices,
        held_out=held_out,
    )


def read_questions(text: str) -> tuple[list[WrittenQuestion], int]:
    """The questions of a reply, each once, and how many non-blank lines were none."""
    found: dict[str, WrittenQuestion] = {}
    dropped = 0
    for line in text.splitlines():
        if not line.strip():
            continue
        question = _read_line(line)
        if question is None or question.question.casefold() in found:
            dropped += 1
        else:
            found[question.question.casefold()] = question
    return list(found.values()), dropped


def _read_line(line: str) -> WrittenQuestion | None:
    match = _LINE.match(line)
    if match is None:
        return None
    kind, answer_type = _KINDS[re.sub(r"[ _/-]", "", match["kind"].lower())]
    question, *choices = (" ".join(part.split()).strip("*_ ") for part in match["rest"].split("|"))
    if len(question) not in _LENGTH or not any(letter.isalpha() for letter in question):
        return None
    if kind == "closed" and not question.endswith("?"):
        return None
    if answer_type == "option":
        if len(choices) not in _CHOICES or not all(choices) or len({c.casefold() for c in choices}) < len(choices):
            return None
    elif choices:
        return None
    return WrittenQuestion(question=question, kind=kind, answer_type=answer_type, choices=tuple(choices))
