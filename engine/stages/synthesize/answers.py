"""Final answers of closed questions: found in a response, brought to one form per type, and voted on.

It knows no model and no file. `None` is an answer that cannot be read: nothing here guesses.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from engine.records import AnswerType

_SHORT_WORDS, _SHORT_CHARACTERS = 6, 60
"""A reply without the words "the answer is" counts as an answer itself up to this length; longer ones are talk."""

_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
NUMBER_WORDS: dict[str, int] = {
    **{word: value for value, word in enumerate(_UNITS)},
    **{word: 20 + 10 * place for place, word in enumerate(_TENS)},
    **{
        f"{ten} {_UNITS[unit]}": 20 + 10 * place + unit
        for place, ten in enumerate(_TENS)
        for unit in range(1, 10)
    },
    "one hundred": 100, "a hundred": 100, "hundred": 100, "a dozen": 12, "dozen": 12, "none": 0, "no": 0,
}  # fmt: skip
"""Number words up to one hundred, with a space where some write a hyphen."""
_NUMBER_WORD = re.compile(r"\b(?:" + "|".join(sorted(NUMBER_WORDS, key=len, reverse=True)) + r")\b")
_DIGITS = re.compile(r"(?<![\w.,:/])[-+]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?(?!\w|[.,:/][0-9])")
_QUALIFIED = re.compile(r"\b(?:minus|negative|half|quarter|point|than|least|most|between|or)\b")
"""Words after which a number is not the answer by itself: "more than 3", "minus two"."""

_YES = frozenset(("yes", "yeah", "yep", "yup", "true"))
_NO = frozenset(("no", "nope", "nah", "false"))
_LETTER = re.compile(r"\(?([a-z])(?:[).:\-]+(?:\s+(.*))?)?", re.S)
_LEAD_IN = re.compile(
    r"(?:the |my )?(?:(?:final|correct|right|best) )?(?:answer|option|choice) (?:is|would be)[ :]|"
    r"(?:option|choice) (?=\(?[a-z]\b)|(?:it|this|that|there|they|these|he|she) (?:is|are) |(?:it|that|there)['’]s "
)
_BOXED = re.compile(r"\\boxed\{([^{}]*)\}")
_MARKUP = " \t\n*_`\"“”‘’'$"
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = re.compile(r"(?<![0-9])[^\w\s]|[^\w\s](?![0-9])|_")
"""Every mark but those between digits, as in 3.5 or 10:30."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What the samples of one question said."""

    counts: dict[str, int]
    """Answer → samples, most frequent first, ties in alphabetical order. Unreadable samples are not in it."""
    winner: str | None
    """The majority answer; None if there is none."""
    reason: str | None
    """Why no pair can be made: "unreadable", "no-majority", "tied", "unanimous"; None if one can."""


def final_answer(text: str, pattern: str) -> str | None:
    """The last text in the group `answer` of `pattern`, or the whole reply if the pattern is absent and it is short."""
    folded = re.sub(r"\s*\n\s*", "\n", re.sub(r"[^\S\n]+", " ", text)).strip()  # keeps patterns with \s* linear
    found = [match["answer"].strip() for match in re.finditer(pattern, folded)]
    if found:
        return found[-1] or None
    short = len(folded) <= _SHORT_CHARACTERS and len(folded.split()) <= _SHORT_WORDS
    return folded if folded and short else None


def normalise(answer: str, answer_type: AnswerType | None, choices: Sequence[str] = ()) -> str | None:
    """The answer in the one form in which equal answers are equal texts, or None if it cannot be read.

    number → digits ("3", "-0.5"); yes_no → "yes"/"no"; option → its letter ("B"); phrase → lower case without
    articles and punctuation. Spelling is left alone. An unknown type is read as a phrase.
    """
    plain = _plain(answer)
    if answer_type == "number":
        return _number(plain)
    if answer_type == "yes_no":
        return _yes_no(plain)
    if answer_type == "option":
        return _option(plain, choices)
    return _phrase(plain) or None


def vote(answers: Sequence[str | None], min_votes: int) -> Vote:
    """Majority of normalised answers: at least `min_votes` and strictly ahead of the runner-up.

    Source: arXiv 2512.05145 asks for 5 of 16; that a tie decides nothing is ours.
    """
    tally = Counter(answer for answer in answers if answer is not None)
    ranked = sorted(tally.items(), key=lambda entry: (-entry[1], entry[0]))
    counts = dict(ranked)
    if not ranked:
        return Vote(counts=counts, winner=None, reason="unreadable")
    if ranked[0][1] < min_votes:
        return Vote(counts=counts, winner=None, reason="no-majority")
    if len(ranked) == 1:
        return Vote(counts=counts, winner=ranked[0][0], reason="unanimous")
    if ranked[0][1] == ranked[1][1]:
        return Vote(counts=counts, winner=None, reason="tied")
    return Vote(counts=counts, winner=ranked[0][0], reason=None)


def _plain(answer: str) -> str:
    """Compatibility characters, letter case, markup and lead-ins removed."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", answer).casefold()).replace("−", "-")
    text = " ".join(_BOXED.sub(r"\1", text).split()).strip(_MARKUP)
    while lead := _LEAD_IN.match(text):
        text = text[lead.end() :].lstrip(_MARKUP + ":")
    return text


def _number(text: str) -> str | None:
    if _QUALIFIED.search(text):
        return None
    said = {_canonical(digits) for digits in _DIGITS.findall(text)}
    said |= {str(NUMBER_WORDS[word]) for word in _NUMBER_WORD.findall(text.replace("-", " "))}
    return said.pop() if len(said) == 1 else None


def _canonical(digits: str) -> str:
    """ "+1,000.50" → "1000.5". Text, not floats: no digit is lost."""
    sign = "-" if digits.startswith("-") else ""
    whole, _, fraction = digits.lstrip("+-").replace(",", "").partition(".")
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    value = f"{whole}.{fraction}" if fraction else whole
    return value if value == "0" else sign + value


def _yes_no(text: str) -> str | None:
    words = re.findall(r"\w+", text)[:2]
    if not words or words[0] not in _YES | _NO:
        return None
    said, against = ("yes", _NO) if words[0] in _YES else ("no", _YES)
    undecided = len(words) == 2 and (words[1] in against or words[1] in ("or", "and"))
    return None if undecided else said


def _option(text: str, choices: Sequence[str]) -> str | None:
    """The letter, if what was given is one option's letter, its text, or both, and they do not contradict."""
    known = [_phrase(_plain(choice)) for choice in choices]
    meant = {place for place, choice in enumerate(known) if choice and choice == _phrase(text)}
    letter = _LETTER.fullmatch(text)
    place = ord(letter[1]) - ord("a") if letter else -1
    if letter and (not choices or place < len(choices)):
        rest = _phrase(letter[2] or "")
        if meant and place not in meant:
            return None
        if not rest or not choices or rest == known[place]:
            return chr(65 + place)
    if len(meant) == 1:
        return chr(65 + meant.pop())
    return None if choices else _phrase(text) or None


def _phrase(text: str) -> str:
    """Words only; number words below one hundred as digits, so that "two dogs" and "2 dogs" agree."""
    words = " ".join(_PUNCTUATION.sub(" ", re.sub(r"['’]", "", text)).split())
    bare = " ".join(_ARTICLE.sub(" ", words).split()) or words
    digits = " ".join(str(NUMBER_WORDS[word]) if word in _UNITS or word in _TENS else word for word in bare.split())
    return digits or text.strip()
