"""An answer in the one form in which equal answers are equal texts."""

from collections.abc import Callable, Sequence

from engine.records import AnswerType
from engine.stages.synthesize.answers.dress import undressed
from engine.stages.synthesize.answers.numbers import number
from engine.stages.synthesize.answers.options import option
from engine.stages.synthesize.answers.phrases import bare, phrase
from engine.stages.synthesize.answers.yes_no import yes_no

_ROUNDS = 4
"""A form that is not its own form after so many readings is none."""
_LONGEST = 2000
"""Characters of a text that is still read as an answer."""


def normalise(answer: str, answer_type: AnswerType | None, choices: Sequence[str] = ()) -> str | None:
    """The answer in the one form in which equal answers are equal texts, or None if it cannot be read.

    number → digits with the unit ("3", "-0.5", "25 cm", "50%"); yes_no → "yes"/"no"; option → its letter ("B");
    phrase → lower case, without articles, in one spelling and number. An unknown type is read as a phrase.
    A form is its own form: normalising it again changes nothing.
    """
    if len(answer) > _LONGEST:
        return None
    read: Callable[[str], str | None] = {
        "number": lambda text: number(bare(text)),
        "yes_no": yes_no,
        "option": lambda text: option(text, choices),
    }.get(answer_type or "phrase", lambda text: phrase(text) if text else None)
    form = read(undressed(answer))
    if choices and answer_type == "option":
        return form  # a letter, which may be another option's text
    for _ in range(_ROUNDS):
        if form is None or not form.strip():
            return None
        again = read(undressed(form))
        if again == form:
            return form
        form = again
    return None
