"""Which option of a multiple-choice question is meant."""

import re
from collections.abc import Sequence

from engine.stages.synthesize.answers.dress import undressed
from engine.stages.synthesize.answers.phrases import bare, phrase

_LEAD_IN = re.compile(
    r"(?:(?:so|thus|therefore|hence),? )?(?:(?:the|my) )?(?:(?:final|correct|right|best) )?(?:answer|option|choice)s? "
    r"(?:is|would be|should be|must be)[: ]+|(?:option|choice|answer|letter)[: ]+(?=[(\[]?[a-z]\b)|"
    r"(?:i (?:would )?(?:choose|pick|select)|i'd (?:choose|pick|say)|i think it's|it is|it's|it would be) "
    r"(?=(?:option )?[(\[]?[a-z]\b)|"
    r"(?:option|choice) (?=[(\[]?[a-z]\b)",
    re.IGNORECASE,
)
_LETTER = re.compile(
    r"(?P<open>[(\[{<]?)\s*(?P<letter>[a-z])\s*(?P<close>[)\]}>]?)(?P<after>\s*[).:,;]+\s*|\s+-+\s+|(?<=[)\]}>])\s+|\s+(?=[(\[\"'])|\s+(?:because|since|as)\b.*|$)"
    r"(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_REASON = re.compile(
    r"\s*(?:,|\.|;|-|\()?\s*\b(?:because|since|as it|which is|as shown|as the)\b.*$", re.IGNORECASE | re.DOTALL
)
_OWN_LETTER = re.compile(r"\s*[(\[]?([a-z])[)\].:]+\s*(?=\S)", re.IGNORECASE)


def option(text: str, choices: Sequence[str]) -> str | None:
    """The letter of the option that an undressed text gives by letter, by words, or by both; None if they do not agree.

    Without `choices` any letter is one, and other text is brought to a phrase's form.
    """
    plain = _led(text)
    shown = _texts(choices)
    known = [phrase(undressed(choice)) for choice in shown]
    meant = _meant(plain, shown, known)
    letter = _LETTER.fullmatch(plain)
    if letter is not None and bool(letter["open"]) <= bool(letter["close"]):
        place = ord(letter["letter"].upper()) - ord("A")
        if not choices or place < len(choices):
            if meant and place not in meant:
                return None
            rest = bare(_REASON.sub("", letter["rest"]))
            if _agrees(
                rest,
                place,
                known,
                sure=letter["letter"].isupper() or bool(letter["close"]) or letter["after"].strip() in (".", ")", ":"),
            ):
                return chr(65 + place)
    if len(meant) == 1:
        return chr(65 + meant.pop())
    return _mentioned(plain, known) if choices else phrase(text)


def _mentioned(plain: str, known: list[str | None]) -> str | None:
    """The one letter in a text that else holds nothing but talk and that option's words: "I think B is correct"."""
    marks = [mark for mark in _MENTION.finditer(plain) if ord(mark[0].upper()) - 65 < len(known)]
    if len(marks) != 1:
        return None
    mark, place = marks[0], ord(marks[0][0].upper()) - 65
    rest = _TALK.sub(" ", f"{plain[: mark.start()]} {plain[mark.end() :]}")
    said = phrase(" ".join(rest.split()).strip(_MARKS)) if rest.strip(_MARKS) else None
    return chr(65 + place) if said is None or said == known[place] else None


_MENTION = re.compile(r"(?<![^\W\u3000-\u9fff])(?<![!~¬+-])(?:[A-Z](?![\w'+#*°-])|(?<=[(\[])[a-z](?=[)\]]))")
_TALK = re.compile(
    r"\b(?:the|my|final|correct|right|best|answer|option|choice|letter|is|it|it's|that|this|must|should|would|will|be|"
    r"i|i'd|i'll|say|think|believe|choose|chose|pick|select|selected|go|going|with|so|thus|therefore|hence|definitely|clearly|"
    r"which|here|antwort|respuesta|réponse|risposta|resposta)\b|最终|正确|答案|选项|选择|选|是|为|[✓✔✅☑→⇒|=]|[-=]>",
    re.IGNORECASE,
)
_MARKS = " .,;:!()[]{}<>\"'*_`-–—/\\【】「」『』、，。：；"


def _agrees(rest: str, place: int, known: list[str | None], *, sure: bool) -> bool:
    """Whether what follows the letter is nothing, or the words of that option."""
    said = phrase(rest) if rest else None
    if not known:
        return sure or said is None
    if said is None:
        return True
    if said == known[place]:
        return True
    # "B) green, as the leaves show": it begins with the option's words and names no other option
    own = known[place]
    others = [text for number, text in enumerate(known) if number != place and text]
    return bool(own) and said.startswith(f"{own} ") and not any(f" {text} " in f" {said} " for text in others)


def _led(text: str) -> str:
    plain = text.strip().strip("*_`\"' ")
    while lead := _LEAD_IN.match(plain):
        plain = plain[lead.end() :].strip("*_`\"' :")
    return plain.rstrip(" .!?*_`\"'")


def _meant(plain: str, shown: Sequence[str], known: list[str | None]) -> set[int]:
    """Options whose text this is: to the letter if one is, else in a phrase's form."""
    exact = {place for place, choice in enumerate(shown) if choice.casefold().strip() == plain.casefold()}
    if len(exact) == 1:
        return exact
    said = phrase(plain) if plain else None
    return {place for place, choice in enumerate(known) if choice is not None and choice == said}


def _texts(choices: Sequence[str]) -> list[str]:
    """The options' texts, without letters of their own ("A. red", "(b) green") if all carry them in order."""
    marks = [_OWN_LETTER.match(choice) for choice in choices]
    if choices and all(mark and mark[1].upper() == chr(65 + place) for place, mark in enumerate(marks)):
        return [choice[mark.end() :] for choice, mark in zip(choices, marks, strict=True) if mark]
    return list(choices)
