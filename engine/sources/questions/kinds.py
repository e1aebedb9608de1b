"""What kind of question a text is when its source does not say: open or closed, and the form of its answer."""

import re

from engine.records import AnswerType, Kind

_NUMBER = re.compile(r"^(?:how many|what (?:is the )?(?:total )?(?:number|count) of)\b", re.IGNORECASE)
_YES_NO = re.compile(
    r"^(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should)(?:n't)?\b", re.IGNORECASE
)
_OR = re.compile(r"\bor\b", re.IGNORECASE)
_DIGITS = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?\s*%?")
_LONGEST_PHRASE = 4
"""Words. A longer answer can be right in many wordings, so a vote over samples would not meet."""


def kind_of(question: str, choices: tuple[str, ...] = (), answer: str | None = None) -> tuple[Kind, AnswerType | None]:
    """Options make it closed; else the source's answer decides; else the question's own form.

    What is not plainly closed is open: an open question judged as closed has no majority and is dropped, the
    other way round it only loses its vote.
    """
    if choices:
        return "closed", "option"
    first = question.strip().splitlines()[0] if question.strip() else ""
    if answer is not None:
        return _by_answer(answer.strip().rstrip("."))
    if _NUMBER.match(first):
        return "closed", "number"
    if _YES_NO.match(first) and first.endswith("?") and not _OR.search(first):
        return "closed", "yes_no"
    return "open", None


def _by_answer(answer: str) -> tuple[Kind, AnswerType | None]:
    if answer.lower() in ("yes", "no"):
        return "closed", "yes_no"
    if _DIGITS.fullmatch(answer):
        return "closed", "number"
    if len(answer.split()) <= _LONGEST_PHRASE:
        return "closed", "phrase"
    return "open", None
