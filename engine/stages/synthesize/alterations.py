"""Altered responses: read from what the model said, applied if it proposed an edit, and refused if they leak.

An alteration is sound when one detail differs and nothing else tells the two responses apart. Text in, text out.
"""

import re
from collections import Counter
from dataclasses import dataclass

from engine.prompts import PromptPack, sentences
from engine.stages.synthesize.answers.numbers import NUMBER_WORDS

NOT_APPLICABLE = "NOT APPLICABLE"
"""What a prompt may ask for when a response holds no detail of the dimension."""
TRY_ANOTHER_DIMENSION = frozenset(("unchanged", "same-meaning", "bad-edit", "not-applicable"))
"""Reasons that say the dimension does not fit this response, so that the next try takes another one."""

_LEAST_KEPT_WORDS = 0.5
"""An altered response shares at least this share of words with the response; a refusal or a new text does not."""
_MOST_ALTERED_WORDS = 8
"""A longer difference is no single detail that could be named in a table."""

_OF_RESPONSE = r"(?:response|answer|version|text|description|caption|reply|detail|sentence)"
_COMMENTARY = re.compile(
    rf"^\W*(?:sure|certainly|absolutely|of course|okay|ok)\b\W*[,!.:]"
    rf"|^\W*(?:here(?: is|['’]s| are)|below is|this is)\b[^\n.]{{0,80}}(?::|\b{_OF_RESPONSE}\b)"
    rf"|^\W*(?:(?:the )?(?:altered|rewritten|modified|revised|edited|changed|new|incorrect|original)\s+)?{_OF_RESPONSE}"
    rf"\W*:"
    rf"|\b(?:altered|rewritten|modified|revised|edited|original|incorrect|inaccurate|wrong)\s+{_OF_RESPONSE}\b"
    rf"|\bI(?:['’]ve| have)?\s+(?:only\s+)?(?:changed|altered|replaced|modified|rewrote|rewritten|edited|swapped)\b"
    rf"|^\W*(?:note|explanation|changes?(?: made)?|reasoning)\s*:"
    rf"|[(\[]\s*(?:changed|altered|modified|replaced|was|instead of|originally|not)\b",
    re.IGNORECASE | re.MULTILINE,
)
_EMPHASIS = re.compile(r"\*\*|__|~~|<[a-z/]|->|→")
_QUOTES = '"“”«»`'


@dataclass(frozen=True, slots=True)
class Altered:
    """A sound alteration."""

    text: str
    altered: str | None
    """In words, e.g. "blue to green"; None if the difference is no single short stretch."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An alteration that is not used."""

    reason: str
    """"empty", "not-applicable", "bad-edit", "unchanged", "same-meaning", "commentary", "length-leak", "rewritten"."""
    text: str
    """The altered response if there was one, else the reply."""


def read_alteration(pack: PromptPack, response: str, reply: str, max_length_change: float) -> Altered | Refused:
    """What a reply makes of `response`, in the form that the pack asked for."""
    reply = reply.strip()
    if not reply:
        return Refused("empty", "")
    if " ".join(words(reply)) == NOT_APPLICABLE.casefold():
        return Refused("not-applicable", reply)
    if pack.alteration.form == "rewrite":
        return check(response, reply, max_length_change)
    edited = apply_edit(response, reply, pack.alteration.edit_pattern or "")
    return edited if isinstance(edited, Refused) else check(response, edited, max_length_change)


def apply_edit(response: str, reply: str, pattern: str) -> str | Refused:
    """The response with the proposed edit made in sentence n, all else left as it is, white space included.

    Refused as "bad-edit" if the reply holds no proposal, there is no such sentence, or its old text is not in the
    sentence exactly once; as "unchanged" if old and new are the same.
    """
    edit = re.search(pattern, reply) if pattern else None
    if edit is None or not edit["n"].isdecimal():
        return Refused("bad-edit", reply)
    old, new = edit["old"].strip(), edit["new"].strip()
    if words(old) == words(new):
        return Refused("unchanged", reply)
    span = _sentence_span(response, edit["n"])
    if span is None or not old or not new:
        return Refused("bad-edit", reply)
    found = list(_whole(old).finditer(response, *span))
    if len(found) != 1:
        return Refused("bad-edit", reply)
    start, end = found[0].span()
    if response[start].isupper() and old[0].islower():
        new = new[0].upper() + new[1:]
    return response[:start] + new + response[end:]


def check(response: str, altered: str, max_length_change: float) -> Altered | Refused:
    """The alteration, or the first reason against it."""
    before, after = words(response), words(altered)
    if before == after:
        return Refused("unchanged", altered)
    if _meaning(before) == _meaning(after):
        return Refused("same-meaning", altered)
    if _has_commentary(response, altered):
        return Refused("commentary", altered)
    if sum((Counter(before) & Counter(after)).values()) < _LEAST_KEPT_WORDS * min(len(before), len(after)) - 1:
        return Refused("rewritten", altered)
    if _leaks(len(before), len(after), max_length_change) or _leaks(len(response), len(altered), max_length_change):
        return Refused("length-leak", altered)
    return Altered(altered, difference(response, altered))


def difference(response: str, altered: str) -> str | None:
    """ "blue to green" if one short stretch of words was exchanged, else None."""
    before, after = response.split(), altered.split()
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    old = " ".join(before[start : len(before) - end]).strip(".,;:!?")
    new = " ".join(after[start : len(after) - end]).strip(".,;:!?")
    longest = max(len(before), len(after)) - start - end
    return f"{old} to {new}" if old and new and longest <= _MOST_ALTERED_WORDS else None


def words(text: str) -> list[str]:
    """Words in lower case without punctuation."""
    return re.findall(r"\w+", text.casefold())


def _meaning(spelled: list[str]) -> list[str]:
    """Words with number words as digits and without articles: what differs beyond this may differ in meaning."""
    return [str(NUMBER_WORDS.get(word, word)) for word in spelled if word not in ("a", "an", "the")]


def _has_commentary(response: str, altered: str) -> bool:
    """Whether the altered response speaks of itself, or marks the change, where the response does not."""
    if len(_COMMENTARY.findall(altered)) > len(_COMMENTARY.findall(response)):
        return True
    if len(_EMPHASIS.findall(altered)) > len(_EMPHASIS.findall(response)):
        return True
    return altered[0] in _QUOTES and altered[-1] in _QUOTES and response[0] not in _QUOTES


def _leaks(before: int, after: int, most: float) -> bool:
    return abs(after - before) > most * before


def _sentence_span(response: str, number: str) -> tuple[int, int] | None:
    """Where the sentence with this 1-based number stands in the response."""
    parts = sentences(response)
    if len(number) > 6 or not 1 <= int(number) <= len(parts):
        return None
    end = 0
    for part in parts[: int(number)]:
        found = re.compile(r"\s+".join(map(re.escape, part.split()))).search(response, end)
        assert found is not None, "sentences() returns what is in the text"
        start, end = found.span()
    return start, end


def _whole(old: str) -> re.Pattern[str]:
    """Finds `old` where it is not part of a longer word, in any letter case and white space."""
    return re.compile(r"(?<!\w)" + r"\s+".join(map(re.escape, old.split())) + r"(?!\w)", re.IGNORECASE)
