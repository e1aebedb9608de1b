"""Prompt packs: every text that is sent to a model, and how its replies are read. No model, no files but the pack.

A pack is a YAML file under `assets/prompts` (or any path). What a small model needs, such as numbered
sentences, is the pack's business; the stages only render and read.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from engine.assets import assets_folder
from engine.backends.base import Message
from engine.errors import SettingsError
from engine.paths import expanded
from engine.records import AnswerType
from engine.verdicts import ANY_BOX, ANY_MARKER, ANY_THINKING

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_PICTURE = re.compile(r"<image (\d{1,4})>")
"""Where a picture stands in a question or a response that has several."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ClosedQuestion(_Strict):
    """A question of the bank with one right answer; `{slots}` in it are filled from the bank's lists."""

    question: str
    answer_type: AnswerType
    dimension: str


class QuestionBank(_Strict):
    """Questions that make sense for any image of the pack's world."""

    open: list[str] = Field(min_length=1)
    closed: list[ClosedQuestion] = []
    slots: dict[str, list[str]] = {}


class AnswerPrompts(_Strict):
    """How a response is asked for. `{question}` and, for options, `{choices}` are filled in."""

    open: str = "{question}"
    closed: str = "{question}"


class Alteration(_Strict):
    """How one detail of a response is damaged by the model that wrote it."""

    form: Literal["rewrite", "edit"]
    """rewrite: the reply is the whole altered response. edit: the reply names a change and the engine applies it."""
    dimensions: dict[str, str] = Field(min_length=1)
    """Dimension → prompt with `{question}` and `{response}`."""
    edit_pattern: str | None = None
    """For `edit`: a regular expression with the groups n (1-based sentence number), old and new."""

    @field_validator("edit_pattern")
    @classmethod
    def _has_groups(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            missing = {"n", "old", "new"} - set(re.compile(pattern).groupindex)
            if missing:
                raise ValueError(f"edit_pattern lacks the named groups {sorted(missing)}")
        return pattern

    @model_validator(mode="after")
    def _edit_has_pattern(self) -> "Alteration":
        if self.form == "edit" and self.edit_pattern is None:
            raise ValueError("the form edit needs an edit_pattern")
        return self


class PromptPack(_Strict):
    """All texts of one style of prompting."""

    name: str
    questions: QuestionBank
    ask: str | None = None
    """Prompt with `{count}` that lets the model write questions itself, one per line as "kind: question"
    (see `engine.sources.questions.written`); None where the pack cannot."""
    answer: AnswerPrompts = AnswerPrompts()
    final_answer: str = r"(?is)(?:final answer|answer)\s*(?:is)?\s*[:\-]?\s*(?P<answer>[^\n]+?)\s*\.?\s*$"
    """Regular expression with the group `answer` that finds a closed response's final answer."""
    alteration: Alteration
    judge: str
    """Template of the judge prompt with `{question}`, `{a}` and `{b}`."""
    judge_system: str | None = None
    number_sentences: bool = False
    """Show responses as numbered sentences, "A1: … A2: …", to the judge and to alterations."""

    @field_validator("final_answer")
    @classmethod
    def _has_answer(cls, pattern: str) -> str:
        if "answer" not in re.compile(pattern).groupindex:
            raise ValueError("final_answer lacks the named group 'answer'")
        return pattern


class RulingPrompts(_Strict):
    """How a published protocol puts two responses before a judge: the part of a pack that measuring needs."""

    name: str
    judge: str
    """Template with `{question}`, `{a}` and `{b}`."""
    judge_system: str | None = None
    number_sentences: bool = False


@lru_cache(maxsize=16)
def load_pack(name: str) -> PromptPack:
    """The pack called `name` under assets/prompts, or the YAML file at that path.

    Raises `SettingsError` if there is none or it does not hold what a pack holds.
    """
    path = expanded(name) if name.endswith((".yaml", ".yml")) else assets_folder() / "prompts" / f"{name}.yaml"
    try:
        return PromptPack.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        known = ", ".join(sorted(p.stem for p in (assets_folder() / "prompts").glob("*.yaml")))
        raise SettingsError(f"model.prompts: no prompt pack at {path}. Use one of {known}, or a .yaml file.") from error
    except (yaml.YAMLError, ValidationError, re.error) as error:
        first = str(error).splitlines()
        raise SettingsError(f"{path}: not a prompt pack: {'; '.join(first[:3])}. Correct the file.") from error


@lru_cache(maxsize=16)
def protocol_prompts(name: str) -> RulingPrompts:
    """The prompt of a published protocol, under assets/protocols."""
    path = assets_folder() / "protocols" / f"{name}.yaml"
    return RulingPrompts.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def _fill(template: str, **values: str) -> str:
    """Like `str.format`, but braces in values and unknown braces in templates stay as they are."""
    return re.sub(r"\{(" + "|".join(values) + r")\}", lambda found: values[found.group(1)], template)


def sentences(text: str) -> list[str]:
    """The sentences of a response, in order; joined by one space they are the text with its white space folded."""
    return [part for part in _SENTENCE_END.split(" ".join(text.split())) if part]


def numbered(text: str, letter: str) -> str:
    """ "A1: First sentence. A2: Second sentence." """
    return " ".join(f"{letter}{number}: {part}" for number, part in enumerate(sentences(text), 1))


def lettered(choices: tuple[str, ...]) -> str:
    """The options of a multiple-choice question, one per line: "(A) red"."""
    return "\n".join(f"({chr(65 + place)}) {choice}" for place, choice in enumerate(choices))


def full_question(question: str, choices: tuple[str, ...] = ()) -> str:
    """The question as a person would put it, with its options below if it has some."""
    return f"{question}\n{lettered(choices)}" if choices else question


def answer_messages(pack: PromptPack, kind: str, question: str, choices: tuple[str, ...] = ()) -> tuple[Message, ...]:
    """The prompt that asks for a response."""
    template = pack.answer.open if kind == "open" else pack.answer.closed
    return (Message(role="user", text=_fill(template, question=full_question(question, choices))),)


def ask_messages(pack: PromptPack, count: int) -> tuple[Message, ...]:
    """The prompt that lets the model write `count` questions about an image. The pack must have `ask`."""
    assert pack.ask is not None
    return (Message(role="user", text=_fill(pack.ask, count=str(count))),)


def alteration_messages(pack: PromptPack, dimension: str, question: str, response: str) -> tuple[Message, ...]:
    """The prompt that asks to damage one detail of `response`. Raises `KeyError` for an unknown dimension."""
    shown = numbered(response, "A") if pack.number_sentences else response
    template = pack.alteration.dimensions[dimension]
    return (Message(role="user", text=_fill(template, question=question, response=shown)),)


def judge_messages(
    pack: PromptPack | RulingPrompts,
    question: str,
    a: str,
    b: str,
    *,
    pictures: Mapping[str, tuple[Path, ...]] = {},
) -> tuple[Message, ...]:
    """The prompt that asks which of two responses is better; `a` is shown first.

    `pictures` has those inside "question", "a" and "b": the first stands behind its name <image 1> in that text, or
    before the text if that does not name it.

    Nothing in the question or the responses can be taken for a verdict, for the end of thinking, or for a line of the
    prompt itself: such places are broken by a visible space or quotation mark.
    """
    fences = prompt_fences(pack.judge)
    question, a, b = (as_material(text, fences) for text in (question, a, b))
    if pack.number_sentences:
        a, b = numbered(a, "A"), numbered(b, "B")
    user = _with_pictures(pack.judge, {"question": question, "a": a, "b": b}, pictures)
    return (user,) if pack.judge_system is None else (Message(role="system", text=pack.judge_system), user)


def _with_pictures(template: str, values: Mapping[str, str], pictures: Mapping[str, tuple[Path, ...]]) -> Message:
    """The template filled in as `_fill` does, with the places of the pictures that stand in the values."""
    text, places = "", []
    for number, part in enumerate(re.split(r"\{(" + "|".join(values) + r")\}", template)):
        is_slot = number % 2 == 1
        for words, picture in _pieces(values[part], pictures.get(part, ())) if is_slot else ((part, None),):
            text += words
            if picture is not None:
                places.append((len(text), picture))
    return Message(role="user", text=text, pictures=tuple(places))


def _pieces(text: str, pictures: tuple[Path, ...]) -> Iterator[tuple[str, Path | None]]:
    """Words and the picture behind them. One that the text does not name comes first, under its name."""
    named = {int(found[1]): found.end() for found in reversed(list(_PICTURE.finditer(text)))}
    for number, picture in enumerate(pictures, 1):
        if number not in named:
            yield f"<image {number}>", picture
            yield "\n", None
    done = 0
    for end, number in sorted((end, number) for number, end in named.items() if 0 < number <= len(pictures)):
        yield text[done:end], pictures[number - 1]
        done = end
    yield text[done:], None


def as_material(text: str, fences: frozenset[str] = frozenset()) -> str:
    """`text` with every form of a verdict and every thinking tag broken, and lines equal to one of `fences` quoted.

    A space, since invisible characters are removed by some tokenizers, and a judge that quotes the text would then
    write the marker itself.
    """
    for form in (ANY_MARKER, ANY_BOX, ANY_THINKING):
        text = form.sub(lambda found: f"{found.group()[0]} {found.group()[1:]}", text)
    if not fences:
        return text
    lines = text.split("\n")
    return "\n".join(f"> {line}" if _as_fence(line) in fences else line for line in lines)


@lru_cache(maxsize=16)
def prompt_fences(template: str) -> frozenset[str]:
    """The template's own lines without a slot, as far as they mark something off: they begin with a sign."""
    lines = {_as_fence(line) for line in template.split("\n") if "{" not in line}
    return frozenset(line for line in lines if line and not line[0].isalnum())


def _as_fence(line: str) -> str:
    return " ".join(line.split()).casefold()
