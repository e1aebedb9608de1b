"""A short phrase in the one form in which phrases of one meaning are equal texts.

Dress goes: letter case, articles, punctuation, British or American, plural or not. What could change the meaning
stays: signs, units, decimals, negations, the order of words.
"""

import re
import unicodedata

from engine.stages.synthesize.answers.clock import dated, timed
from engine.stages.synthesize.answers.numbers import Quantity, quantities
from engine.stages.synthesize.answers.words import spelled, without_articles

_ATTRIBUTE = (
    "colou?r|answer|number|count|shape|size|material|name|brand|title|word|text|sign|animal|object|subject|season|"
    "weather|time|date|year|price|value|result|total|sum|letter|logo|word|position|direction|pattern|background"
)
_LEAD_IN = re.compile(
    r"(?:i (?:can )?see|i think(?: that)?|i believe(?: that)?|(?:i'd|i would) (?:say|answer)|"
    r"(?:the|my) answer (?:is|would be)|it (?:looks|seems|appears) (?:like|to be)|it would be|"
    r"(?:it|this|that|there|they|these|those|he|she) (?:is|are)|(?:it|that|there|he|she|this)'s|they're|"
    rf"(?:the|its|his|her|their) (?:(?:main|primary|dominant|total|correct|final|overall) )?(?:{_ATTRIBUTE})s?"
    r"(?: (?:of|on|in) (?:(?:the|this|that|his|her|their) )?[\w'-]+(?: [\w'-]+)?)?"
    r"(?: (?:is|are|says|reads|would be|shows)(?! not\b)(?: that| the word)?)) ?:? *(?=\S)",
    re.IGNORECASE,
)
_OUTER = (('"', '"'), ("'", "'"), ("(", ")"), ("[", "]"), ("{", "}"), ("`", "`"))
_FORMULA = re.compile(
    r"[=^√∛∑∫÷×±≤≥≠]|[\w)] ?[+*] ?[\w(]|(?<![a-z])(?:[a-z]['\"]{0,3}|sin|cos|tan|log|ln|exp)\([\w,. +*-]+\)|"
    r"(?<![\w-])[a-z] ?- ?\d"
    r"|\d[a-z]? ?- ?\d*[a-z](?![a-z])|[<>] ?-?[\d.]|(?<![\w-])-[^\W\d](?![^\W\d])"
)
"""Marks of a text whose every sign counts."""
_ACRONYM = re.compile(r"(?<![\w.])(?:[a-z]\.)+[a-z](?![\w])\.?")
_TOKEN = re.compile(
    r"(?:(?<![\w)])[-+])?[$¤#]?(?:\d+(?:[.,:/-]\d+)*|\.\d+)[a-zGHMST]*(?:[%¤][a-z]*|\+(?!\w)|!(?!\w))?"
    r"|[a-zGHMST][a-z0-9]*(?:[.@/&][a-z0-9]+)*(?:\+\+|[+#](?!\w)|(?<![a-z]{3})-(?![\w-])|(?<![a-z]{2})'(?!\w))?"
    r"|(?<![\w)])[-+]¤+|[¤$%<>=+^~@#&/|\\]+"
)
"""Numbers with what belongs to them, words, signs; searched in the text's shape."""
_MOST_WORDS = 12
"""What is longer is a sentence: it may give the same answer as a phrase in it, so it must not stand against that."""
_SHORTENED = re.compile(r"\d+[kKM]")
"""4K is no 4000 where it may be a resolution."""
_COUNT_OF_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_SIDE = re.compile(
    r"(?:(?:on|at|to|in|towards?) )?(?:the )?(?P<side>left|right)(?:(?: hand)?(?: (?:side|part)))?"
    r"(?: (?:of|in) (?:the )?(?:image|picture|photo|photograph|frame|scene))?"
)
_PLACE = re.compile(
    r"(?:(?:in|at) )?(?:the )?(?P<place>(?:(?:top|bottom|upper|lower) (?:left|right)(?= corner|$| of| part| side)"
    r"|middle|centre|bottom|top))(?: (?:corner|part))?(?: (?:of|in) (?:the )?(?:image|picture|photo|"
    r"photograph|frame|scene))?"
)


def phrase(text: str) -> str | None:
    """The one form of an undressed text; None if nothing is left of it."""
    plain = bare(text)
    try:
        found = list(quantities(plain))
    except (ValueError, ZeroDivisionError):
        found = []
    if _SHORTENED.fullmatch(plain):
        return _lowered(plain)
    if len(found) == 1 and found[0].start == 0 and found[0].end == len(plain) and not found[0].touched:
        return _alone(plain, found[0])
    lowered = _lowered(_counted(timed(dated(plain))))
    if _FORMULA.search(lowered):
        return _formula(lowered) or None
    joined = " ".join(spelled(word) for word in without_articles(_tokens(lowered)))
    if joined.count(" ") >= _MOST_WORDS:
        return None
    return _placed(joined) or _lowered(plain) or None


_CAPITAL_COUNTS = re.compile(r"((?<!\w)\d+ ?[GHMST](?!\w))")
"""5G is no 5 g; what is so written stays so."""


def _lowered(text: str) -> str:
    return "".join(part if _CAPITAL_COUNTS.fullmatch(part) else part.casefold() for part in _CAPITAL_COUNTS.split(text))


def bare(text: str) -> str:
    """The text without lead-in, outer quotes and brackets, and closing marks; letter case stays."""
    before = None
    while text != before:
        before = text
        text = _ENDS.sub("", text) or text
        for first, last in _OUTER:
            inner = text[1:-1]
            if len(text) > 2 and text[0] == first and text[-1] == last and first not in inner and last not in inner:
                text = inner.strip()
        text = _LEAD_IN.sub("", text, count=1)
    return text


_ENDS = re.compile(r"^[\s,;:*_]+|(?<!\d)!+$|[\s.,;:?*_]+$|^\.(?=\s)")


def _alone(plain: str, one: Quantity) -> str:
    """A number and nothing else. Without a unit its digits stay as written: 3.10 may be a version, 10/12 a score."""
    if one.unit is not None:
        return str(one)
    if one.digits is not None:
        return ("-" if one.value < 0 else "+" if plain.startswith("+") else "") + one.digits
    if re.fullmatch(r"[-+]?\d+ ?/ ?\d+", plain):
        return plain.replace(" ", "")
    return f"{one.value.numerator}/{one.value.denominator}" if 0 < one.value < 1 and "." not in plain else str(one)


def _counted(text: str) -> str:
    """Number words as digits, and numbers with a known unit in their one writing."""
    try:
        found = list(quantities(text))
    except (ValueError, ZeroDivisionError):
        return _COUNT_OF_THOUSANDS.sub(lambda digits: digits[0].replace(",", ""), text)
    parts, end = [], 0
    for one in found:
        worded = one.digits is None and "/" not in text[one.start : one.end]
        shortened = _SHORTENED.fullmatch(text[one.start : one.end])
        if one.touched or shortened or not (worded or one.unit is not None or "," in text[one.start : one.end]):
            continue
        if (
            worded
            and one.unit is None
            and text[one.start : one.end].casefold() in ("half", "a half", "a quarter", "quarter")
        ):
            continue
        parts += [text[end : one.start], str(one)]
        end = one.end
    return "".join((*parts, text[end:]))


def _formula(lowered: str) -> str:
    return re.sub(r"\s+", "", lowered.replace("**", "^").replace("·", "*").strip("\"'"))


def _tokens(lowered: str) -> list[str]:
    """Numbers, words and signs; hyphens and other marks only divide, apostrophes and an acronym's points vanish."""
    text = _ACRONYM.sub(lambda found: found[0].replace(".", ""), re.sub(r"(?<=\w)'(?=\w)", "", lowered))
    text = re.sub(r"(?<=\d)(?: - |-)(?=\d)|^- (?=[\d.$])", "-", text)
    shape = "".join(letter if letter.isascii() else _shape(letter) for letter in text)
    tokens = [text[found.start() : found.end()] for found in _TOKEN.finditer(shape)]
    return ["and" if token == "&" else token for token in tokens]


def _shape(letter: str) -> str:
    """Of any script: a letter or its mark as x, a sign as ¤, else a comma or a space."""
    kind = unicodedata.category(letter)
    if kind[0] in "LMN" or letter in "\u200c\u200d":
        return "x"
    return "¤" if kind[0] == "S" or letter == "‰" else " " if letter.isspace() else ","


def _placed(words: str) -> str:
    """ "on left side" and "left" are one place, "in top left corner" and "top left" another."""
    side = _SIDE.fullmatch(words)
    if side is not None:
        return side["side"]
    place = _PLACE.fullmatch(words)
    return place["place"].replace("upper", "top").replace("lower", "bottom") if place is not None else words
