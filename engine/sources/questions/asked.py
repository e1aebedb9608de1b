"""What the cells of a row ask: the question, its options and its answer, in the many shapes that tables hold them in.

It knows no images and no files. A cell that cannot be understood asks nothing; it is never asked as it stands.
"""

import ast
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from engine.sources.pictures.upright import ImageRefused
from engine.sources.questions.kinds import apart
from engine.text import without_halves

Role = Literal["user", "assistant", "other"]
Turn = tuple[Role, str]
"""Who speaks in a conversation, and the text."""

_ROLES: dict[str, Role] = {
    **dict.fromkeys(("human", "user", "prompter", "question", "instruction", "prompt", "query"), "user"),
    **dict.fromkeys(("gpt", "assistant", "bot", "model", "chatbot", "chatgpt", "answer"), "assistant"),
}
_ROLE_KEYS = ("from", "role", "speaker")
_TEXT_KEYS = ("value", "content", "text", "parts")
_ASKING_KEYS = ("question", "user", "human", "prompt", "instruction", "query")
_ANSWERING_KEYS = ("answer", "assistant", "gpt", "response", "output", "chosen")
_WRAPPING_KEYS = ("messages", "conversations", "conversation", "turns")
_IMAGE_MARK = re.compile(r"<\|?image(?:_placeholder|_pad)?\|?>|\[IMG\]|<\|vision_start\|>|<\|vision_end\|>")
_TAGGED = re.compile(r"<answer>(.*)</answer>", re.IGNORECASE | re.DOTALL)
_DEEPEST = 6
"""Lists in lists that are still looked into."""


def question_in(value: Any) -> str | None:
    """A text, or the first thing the user says in a conversation: LLaVA's or OpenAI's form, with a text or parts as
    content, a struct of lists, pairs of user and assistant, or any of them as JSON text."""
    for role, text in turns_in(value):
        if role == "user":
            return _IMAGE_MARK.sub(" ", text).strip() or None
    return None


def first_reply_in(value: Any) -> str | None:
    """The first thing the assistant says in a conversation; None if the cell is none."""
    return next((text.strip() for role, text in turns_in(value) if role == "assistant" and text.strip()), None)


def turns_in(value: Any, depth: int = 0) -> Iterator[Turn]:
    """Who says what, in order; a plain text is what the user says."""
    if depth > _DEEPEST:
        return
    if isinstance(value, bytes):  # a column of text that was written as binary
        value = _decoded(value)
    if isinstance(value, str):
        held = _container(value)
        if held is None:
            yield "user", without_halves(value)
        else:
            yield from turns_in(held, depth + 1)
    elif isinstance(value, Mapping):
        yield from _turns_of(value, depth)
    elif isinstance(value, list | tuple):
        if value and all(_is_part(part) for part in value):
            yield "user", _text_of(value)
        elif value and all(isinstance(part, str) for part in value):
            yield "user", without_halves(value[0])  # several questions about one image: the first
        else:
            for part in value:
                yield from turns_in(part, depth + 1)


def _turns_of(value: Mapping[str, Any], depth: int) -> Iterator[Turn]:
    speaker = next((value[key] for key in _ROLE_KEYS if value.get(key) is not None), None)
    said = next((value[key] for key in _TEXT_KEYS if value.get(key) is not None), None)
    if isinstance(speaker, list | tuple) and isinstance(said, list | tuple):  # what `datasets` makes of a list of turns
        yield from ((_role(who), _text_of(what)) for who, what in zip(speaker, said, strict=False))
    elif isinstance(speaker, str):
        yield _role(speaker), _text_of(said)
    elif wrapped := next((value[key] for key in _WRAPPING_KEYS if value.get(key)), None):
        yield from turns_in(wrapped, depth + 1)
    else:
        asking = next((value[key] for key in _ASKING_KEYS if value.get(key)), None)
        answering = next((value[key] for key in _ANSWERING_KEYS if value.get(key)), None)
        asked, answered = (_each(part) for part in (asking, answering))
        for place, part in enumerate(asked):
            yield "user", _text_of(part)
            if place < len(answered):
                yield "assistant", _text_of(answered[place])


def _each(value: Any) -> list[Any]:
    """The texts of a cell that holds one or a list of them."""
    if value is None:
        return []
    several = isinstance(value, list | tuple) and all(isinstance(part, str) for part in value)
    return list(value) if several else [value]


def _role(name: Any) -> Role:
    return _ROLES.get(str(name).strip().lower(), "other")


def _is_part(value: Any) -> bool:
    """Whether it is a part of a message's content, as OpenAI has them: {"type": "text", "text": …}."""
    return isinstance(value, Mapping) and "type" in value and not any(value.get(key) for key in _ROLE_KEYS)


def _text_of(content: Any) -> str:
    """The text of a message's content; images and other parts are left out."""
    if isinstance(content, str):
        return without_halves(content)
    if isinstance(content, Mapping):
        return _text_of(next((content[key] for key in _TEXT_KEYS if content.get(key) is not None), ""))
    if isinstance(content, list | tuple):
        return "\n".join(text for text in map(_text_of, content) if text)
    return ""


def _container(text: str) -> Any:
    """The list or object that a text is the JSON of; None if it is a text."""
    if text.lstrip()[:1] not in ("[", "{"):
        return None
    try:
        held = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return held if isinstance(held, list | dict) else None


def answer_in(value: Any) -> str | None:
    """A text or number; the most frequent of several (VQA's ten annotators); a conversation's first reply."""
    if isinstance(value, Mapping):
        named = next((value[key] for key in ("answer", "text", "label") if key in value), None)
        value = named if "answer" in value else first_reply_in(value) or named
    if isinstance(value, list | tuple):
        if (reply := first_reply_in(value)) is not None and not all(
            "answer" in part for part in value if isinstance(part, Mapping)
        ):
            return reply
        given = [answer for answer in map(answer_in, value) if answer is not None]
        return Counter(given).most_common(1)[0][0] if given else None
    if isinstance(value, str) and isinstance(_container(value), list):
        return answer_in(_container(value))
    return _scalar(value)


def _scalar(value: Any) -> str | None:
    """A cell's text; None where it is empty."""
    if isinstance(value, bytes):
        value = _decoded(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column of integers in which one is missing
    text = without_halves(str(value)).strip()
    tagged = _TAGGED.fullmatch(text)
    return (tagged[1].strip() if tagged else text) or None


def _decoded(value: bytes) -> str | None:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return None


def choices_in(value: Any) -> tuple[str, ...]:
    """The options: a list, an object by letters, the text of one in JSON or Python form (MMMU), lettered text, lines.

    Empty ones at the end are left out, as are letters of their own ("A. red"). Raises `ImageRefused` where one is
    missing in the middle, which would move the letters of those after it, or where no list can be seen.
    """
    if isinstance(value, str):
        value = _listed(value)
    if isinstance(value, Mapping):
        value = _by_letter(value)
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise ImageRefused("its choices are not a list")
    texts = [_option(choice) for choice in value]
    while texts and texts[-1] is None:
        texts.pop()
    if None in texts:
        raise ImageRefused(f"its choice {chr(65 + texts.index(None))} is empty while later ones are not")
    options = _unlettered([text for text in texts if text is not None])
    return options if len(options) > 1 else ()


def _option(choice: Any) -> str | None:
    """One option's text: given plainly, as {"text": …}, or as {"A": …}."""
    if isinstance(choice, Mapping):
        named = next((choice[key] for key in _TEXT_KEYS if choice.get(key) is not None), None)
        choice = named if named is not None or len(choice) != 1 else next(iter(choice.values()))
    if isinstance(choice, list | tuple | Mapping):
        raise ImageRefused("its choices are lists themselves")
    return ("True" if choice else "False") if isinstance(choice, bool) else _scalar(choice)


def _by_letter(value: Mapping[str, Any]) -> Any:
    """The options of an object: {"A": …, "B": …}, or {"text": […], "label": […]} (ARC)."""
    for key in ("text", "texts", "choices", "options", "value"):
        if isinstance(value.get(key), list | tuple):
            return value[key]
    if len(value) < 2:
        raise ImageRefused("its choices are not a list")
    ordered = sorted(value) if all(len(key) == len(min(value, key=len)) for key in value) else list(value)
    return [value[key] for key in ordered]


def _listed(text: str) -> Any:
    """The options in a text."""
    if not text.strip():
        return None
    if text.lstrip()[:1] in ("[", "(", "{"):
        for parse in (json.loads, ast.literal_eval):
            try:
                held = parse(text.strip())
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                continue
            if isinstance(held, list | tuple | dict):
                return held
    if (lettered := apart(text.strip())[1]) and not apart(text.strip())[0]:
        return list(lettered)
    for mark in ("\n", "|", ";", "\t"):
        if mark in text.strip():
            return [part.strip() for part in text.strip().split(mark) if part.strip()]
    raise ImageRefused("its choices are one text; give a list, one a line, or put | between them")


_OWN_LETTER = re.compile(r"\s*[(\[]?([A-Za-z])[)\].:]\s*(?=\S)")


def _unlettered(options: Sequence[str]) -> tuple[str, ...]:
    marks = [_OWN_LETTER.match(option) for option in options]
    if all(mark and mark[1].upper() == chr(65 + place) for place, mark in enumerate(marks)):
        return tuple(option[mark.end() :].strip() for option, mark in zip(options, marks, strict=True) if mark)
    return tuple(options)
