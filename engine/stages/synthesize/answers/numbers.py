"""Numbers as people and models write them: digits, words, fractions, with sign and unit. Exact; nothing is rounded.

`text2num` and `word2number` were tried: they leave "2 million", "a hundred", "two dozen", "half" and "2 1/2" unread.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from engine.stages.synthesize.answers.units import is_sign, money_before, unit_at

_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SMALL = {word: value for value, word in enumerate(_UNITS)} | {word: 20 + 10 * k for k, word in enumerate(_TENS)}
"""Number words below one hundred that are one word."""
NUMBER_WORDS = SMALL | {"hundred": 100, "dozen": 12, "none": 0, "no": 0}
"""The same with a few more that stand for a number by themselves."""
_SCALES = {
    "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "quadrillion": 10**15,
    "lakh": 10**5, "crore": 10**7, "mn": 10**6, "mio": 10**6, "bn": 10**9, "tn": 10**12,
}  # fmt: skip
_SHORT_SCALES = {"k": 10**3, "K": 10**3, "M": 10**6}
"""Letters that touch their number: "5k"."""
_MONEY_SCALES = {**_SHORT_SCALES, "m": 10**6, "b": 10**9, "B": 10**9, "T": 10**12}
"""With a currency before the number a metre or a byte cannot be meant."""
_PARTS = {
    "half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4, "fourths": 4,
    "fifth": 5, "fifths": 5, "sixth": 6, "sixths": 6, "seventh": 7, "sevenths": 7, "eighth": 8, "eighths": 8,
    "ninth": 9, "ninths": 9, "tenth": 10, "tenths": 10, "hundredth": 100, "hundredths": 100,
    "thousandth": 1000, "thousandths": 1000,
}  # fmt: skip
_LONGEST = 100
"""Digits of a number that is still read; more are no answer, and Python refuses to turn 4300 into an integer."""

_GROUPED = (
    r"\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d{2})+,\d{3}|\d{1,3}(?:[ ']\d{3})+(?![ ']?\d)|\d{1,3}(?:\.\d{3}){2,}(?!\.?\d)"
)
_DIGITS = re.compile(
    rf"(?<![\w.,:/])(?:(?P<whole>{_GROUPED}|\d+)(?P<fraction>\.\d+)?|(?P<only>\.\d+))(?!\d|[,:]\d|\.\d|'\d)"
)
"""A number in digits; thousands by comma (also the Indian way), space, apostrophe, or two points and more."""
_OVER = re.compile(r" ?/ ?(\d+)(?![\w/.,:]*\d)")
_MIXED = re.compile(r"(?:[ -]|(?:[ -]and[ -]))(\d+)/(\d+)(?![\w/.,:]*\d)")
_POWER = re.compile(r"(?:[eE]([-+]?\d{1,2})|(?P<times> ?[×x*·] ?)10(?:\^|\*\*)([-+]?\d{1,2}))(?!\w)")
_POWER_OF_TEN = re.compile(r"10(?:\^|\*\*)([-+]?\d{1,2})(?!\w)")
_SCALE_AFTER = re.compile(r"[ -]?(" + "|".join(_SCALES) + r"|hundred|dozen)(?![\w])", re.IGNORECASE)
_SIGN = re.compile(r"(?<![\w)\].,%])(?:([-+])|(?:(minus|negative) ))$", re.IGNORECASE)
_ONE_WORD = "|".join(sorted(SMALL, key=len, reverse=True))
_BELOW_100 = rf"(?:(?:{'|'.join(_TENS)})[ -](?:{'|'.join(_UNITS[1:10])})|{_ONE_WORD})"
_GROUP = rf"(?:(?:(?:an? |{_BELOW_100}[ -]))?(?:hundred(?:[ -](?:and[ -])?{_BELOW_100})?|dozen)|{_BELOW_100})"
_TERM = re.compile(
    rf"(?:(?:an? |(?P<group>{_GROUP})[ -])?(?P<scale>{'|'.join(_SCALES)})|(?P<only>{_GROUP}))(?![a-z])", re.IGNORECASE
)
"""Words of a number up to one of its scales: "two hundred thousand" of "two hundred thousand and five"."""
_BETWEEN = re.compile(r",? (?:and )?|-")
_PART_START = re.compile(r"(?:an? )?(half|quarter|third)(?![a-z])", re.IGNORECASE)
_SCALE_OF_A_PART = re.compile(rf"[ -](?:an? )?({'|'.join(_SCALES)}|hundred|dozen)(?![a-z])", re.IGNORECASE)
_NUMBER_START = re.compile(
    rf"(?<![\w.,:/])\.?\d|(?<![\w-])(?:(?:an? )?(?:hundred|dozen|half|quarter|{'|'.join(_SCALES)})|an? third"
    rf"|{_ONE_WORD})(?![a-z])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One number in a text."""

    start: int
    """Where it begins, sign and currency included."""
    end: int
    value: Fraction
    digits: str | None
    """The digits as written, without grouping, where it was written as plain digits: "007", "3.10"."""
    unit: str | None
    touched: str
    """Letters that touch its end and are no unit: "rd" of "3rd". Such a number says something else."""

    def __str__(self) -> str:
        number = shown(self.value)
        if self.unit is None:
            return number
        if is_sign(self.unit):
            return f"-{self.unit}{number[1:]}" if number.startswith("-") else self.unit + number
        return number + self.unit if self.unit in ("%", "‰", "°") else f"{number} {self.unit}"


def shown(value: Fraction) -> str:
    """The shortest exact writing: "3", "-0.5", "1/3"."""
    below, fives = value.denominator, 0
    while below % 2 == 0:
        below, fives = below // 2, fives + 1
    tens = 0
    while below % 5 == 0:
        below, tens = below // 5, tens + 1
    if below != 1:
        return f"{value.numerator}/{value.denominator}"
    places = max(fives, tens)
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else sign + digits


def quantities(text: str) -> Iterator[Quantity]:
    """Every number of an undressed text, from left to right.

    Raises `ValueError` where a number or its unit can be read in two ways.
    """
    place = 0
    while start := _NUMBER_START.search(text, place):
        read = _read_digits(text, start.start()) if start[0][-1].isdigit() else _read_words(text, start.start())
        if read is None:
            place = start.end()
            continue
        value, end, digits = read
        begin, sign, unit = _before(text, start.start())
        if unit is not None and digits is not None:
            value, end = _money_scaled(text, value, end)
        if unit is None:
            found = unit_at(text, end)
            if found is not None:
                unit, end = found
        touched = re.compile(r"\w*").match(text, end)
        yield Quantity(
            start=begin,
            end=end,
            value=sign * value,
            digits=digits,
            unit=unit,
            touched=touched[0] if touched else "",
        )
        place = max(end, start.end())


def _before(text: str, start: int) -> tuple[int, int, str | None]:
    """(where the number begins with what belongs to it, its sign, its currency)."""
    away = max(0, start - _REACH)
    near = text[away:start]
    begin, unit = money_before(near)
    signed = _SIGN.search(near[:begin])
    sign = -1 if signed and (signed[2] or signed[1] == "-") else 1
    begin = signed.start() if signed else begin
    if signed and unit is None:  # -$5, but also $-5
        begin, unit = money_before(near[:begin])
    return away + begin, sign, unit


_REACH = 24
"""Characters before a number in which its sign and its currency stand."""


def _money_scaled(text: str, value: Fraction, end: int) -> tuple[Fraction, int]:
    letter = text[end : end + 1]
    if letter in _MONEY_SCALES and letter and not text[end + 1 : end + 2].isalnum():
        return value * _MONEY_SCALES[letter], end + 1
    return value, end


def _read_digits(text: str, start: int) -> tuple[Fraction, int, str | None] | None:
    power = _POWER_OF_TEN.match(text, start)
    if power is not None:
        return Fraction(10) ** int(power[1]), power.end(), None
    found = _DIGITS.match(text, start)
    if found is None or len(found[0]) > _LONGEST:
        return None
    grouped = found["whole"] or "0"
    whole = re.sub(r"\D", "", grouped)
    digits = whole + (found["fraction"] or found["only"] or "")
    value, end = Fraction(digits), found.end()
    plain = found["fraction"] is None and found["only"] is None
    fraction = (_MIXED if plain else _OVER).match(text, end) if plain else None
    if fraction is not None and 0 < int(fraction[1]) < int(fraction[2]):
        return value + Fraction(int(fraction[1]), int(fraction[2])), fraction.end(), None
    over = _OVER.match(text, end) if plain and whole == grouped else None
    if over is not None:
        below = int(over[1])
        if below < 2 or value % below == 0:
            raise ValueError(over[0])  # 10/5, 3/0: a score, a date, a page
        return value / below, over.end(), None
    return _scaled(text, value, end, digits)


def _scaled(text: str, value: Fraction, end: int, digits: str) -> tuple[Fraction, int, str | None]:
    """ "2 million", "5k", "3e5", "2 × 10^3", "2 and a half"."""
    power = _POWER.match(text, end)
    if power is not None:
        return value * Fraction(10) ** int(power[1] or power[3]), power.end(), None
    short = text[end : end + 1]
    if short in _SHORT_SCALES and short and not re.match(r"[\w/^]", text[end + 1 : end + 2]):
        return value * _SHORT_SCALES[short], end + 1, None
    part = _PART_AFTER.match(text, end)
    if part is not None and digits.isdecimal():
        return _part(value, part)
    written: str | None = digits
    while scale := _SCALE_AFTER.match(text, end):
        word = scale[1].lower()
        value *= {"hundred": 100, "dozen": 12}.get(word) or _SCALES[word]
        end, written = scale.end(), None
    half = _HALF_MORE.match(text, end)
    if half is not None:
        return _large(text, value + _half_more(half), half.end())
    return value, end, written


_HALF_MORE = re.compile(
    r"[ -]and[ -](?:(a|an|one|two|three)[ -])?(half|third|quarter|quarters|thirds)(?![a-z])", re.IGNORECASE
)


def _half_more(found: re.Match[str]) -> Fraction:
    count = {"two": 2, "three": 3}.get((found[1] or "a").lower(), 1)
    return Fraction(count, _PARTS[found[2].lower()])


def _read_words(text: str, start: int) -> tuple[Fraction, int, str | None] | None:
    """A number in words: "one hundred and fifty", "two dozen", "half a million", "three point five"."""
    part = _PART_START.match(text, start)
    if part is not None:
        return _part_first(text, part)
    total, end, last, place = 0, start, 10**18, start
    while (term := _TERM.match(text, place)) and _SCALES.get((term["scale"] or "").lower(), 1) < last:
        last = _SCALES.get((term["scale"] or "").lower(), 1)
        total, end = total + _group(term["group"] or term["only"] or "one") * last, term.end()
        between = _BETWEEN.match(text, end)
        if last == 1 or between is None:
            break
        place = between.end()
    return None if end == start else _after_words(text, Fraction(total), end)


def _group(words: str) -> int:
    """ "a hundred and fifty" → 150, "two dozen" → 24."""
    value = 0
    for word in re.findall(r"[a-z]+", words.lower()):
        value = value + SMALL[word] if word in SMALL else max(value, 1) * {"hundred": 100, "dozen": 12}.get(word, 1)
    return value


def _after_words(text: str, value: Fraction, end: int) -> tuple[Fraction, int, str | None]:
    """What may follow a number in words: a decimal part, a half more, or what it is the count of ("two thirds")."""
    point = _POINT.match(text, end)
    if point is not None:
        digits = "".join(str(SMALL[word.lower()]) for word in re.findall(r"[a-z]+", point[1], re.IGNORECASE))
        value, end = value + Fraction(int(digits), 10 ** len(digits)), point.end()
        return _large(text, value, end)
    half = _HALF_MORE.match(text, end)
    if half is not None:
        return _large(text, value + _half_more(half), half.end())
    part = _PART_AFTER.match(text, end)
    if part is not None:
        return _part(value, part)
    if _PLACE_AFTER.match(text, end):
        raise ValueError(text[end:])
    return value, end, None


def _part(value: Fraction, part: re.Match[str]) -> tuple[Fraction, int, None]:
    word = part[1].lower()
    if (value == 1) == word.endswith("s"):
        raise ValueError(word)  # "twenty third" is a place, not a number
    return value / _PARTS[word], part.end(), None


def _large(text: str, value: Fraction, end: int) -> tuple[Fraction, int, None]:
    """A decimal number in words and the "million" after it."""
    scale = _SCALE_AFTER.match(text, end)
    if scale is not None and scale[1].lower() in _SCALES:
        return value * _SCALES[scale[1].lower()], scale.end(), None
    return value, end, None


_POINT = re.compile(r" point((?: (?:" + "|".join(_UNITS[:10]) + r"))+)(?![a-z])", re.IGNORECASE)
_PART_AFTER = re.compile(r"[ -](" + "|".join(sorted(_PARTS, key=len, reverse=True)) + r")(?![a-z])", re.IGNORECASE)
_PLACE_AFTER = re.compile(
    r"[ -](?:first|second(?!s)|\w+teenth|\w+tieth|twelfth|eleventh|hundredth|thousandth)\b", re.IGNORECASE
)


def _part_first(text: str, part: re.Match[str]) -> tuple[Fraction, int, str | None]:
    """ "half", "a quarter", "half a million", "half dozen", "half a mile"."""
    value, end = Fraction(1, _PARTS[part[1].lower()]), part.end()
    of = _SCALE_OF_A_PART.match(text, end)
    if of is not None:
        return value * ({"hundred": 100, "dozen": 12}.get(of[1].lower()) or _SCALES[of[1].lower()]), of.end(), None
    if re.match(r"[ -](?:past|to|after)\b", text[end:], re.IGNORECASE):
        raise ValueError(text[end:])  # a time
    article = re.compile(" an?(?= )").match(text, end)
    if article is not None and unit_at(text, article.end()) is not None:
        return value, article.end(), None
    return value, end, None


_VAGUE = re.compile(
    r"\b(?:than|least|most|between|or|not|never|few|several|couple|dozens|hundreds|thousands|millions|billions|tens|zillions?|"
    r"unknown|minimum|maximum|except|plus|odd|out of|squared|cubed|factorial|modulo|mod|am|pm|a\.m|p\.m|o'clock|"
    r"january|february|april|june|july|august|september|october|november|december)\b|n't\b|\b(?:the|this|"
    r"that|another|which|each|every)(?: [a-z]+)? ones?\b|(?<=\d)\+(?!\w)|"
    r"(?-i:\b(?:March|May|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b)",
    re.IGNORECASE,
)
"""Words beside which a number is not the answer by itself: a bound, a time, a date."""
_BOUND_BEFORE = re.compile(
    r"(?:\b(?:over|under|above|below|nearly|almost|barely|beyond|up to|until|fewer|less|more|past|quarter "
    r"to|point|version|twice|thrice|double|triple|log|ln|lg|sin|cos|tan|exp|sqrt|"
    r"(?:roots?|squares?|cubes?|factorial|power|logarithm|sine|cosine|tangent|multiples?|factors?) of)"
    r"|[<>≤≥±√≠^=×*÷+/])\s*(?:an? )?$",
    re.IGNORECASE,
)
_SAYS_MORE = re.compile(
    r"(?<=\w)[*](?=\w)|\d\s*[-:/]\s*\d|\d,\d|\d!\s*\w|(?:^|\s)-\s+\d|\d\s*/|[_'\"]\d|\d['\"]"
    r"|\d ?[b-zB-Z](?![\w'])|\d [A-Z](?![\w'])"
    r"|\b(?:per|an?|each|every) (?:second|minute|hour|day|night|week|month|quarter|year|decade|century|person|\w+ly)\b"
)
"""Beside a 0 in place of each number: what no number may leave behind, because the text then says more than it.
A lone letter behind a number is a unit or a factor that is not known."""


def _is_sign(letter: str) -> bool:
    """Whether a letter is a mathematical sign, a currency or one of the like; emoji and quotation marks are not."""
    return unicodedata.category(letter) in ("Sm", "Sc") or letter in "^°%‰‱@&√π∞"


_ABOUT = re.compile(
    r"(?:\b(?:about|approximately|approx\.?|around|roughly|circa|exactly|only|just)|[~≈])\s*(?=\S)", re.IGNORECASE
)
_NUMBERED = re.compile(r"(?:\b(?:no|nr|num)\.? ?|[#№] ?)(?=\d)", re.IGNORECASE)
_EQUALS = re.compile(r"^(?:[A-Za-z]\w{0,2}(?:\([a-z]\))? ?)?= ?(?=[-+.\d$√])")
_NONE = re.compile(r"(?:none|no|nil|nobody|no one)\b(?! ?\d)", re.IGNORECASE)


def number(text: str) -> str | None:
    """The one number that an undressed text gives, with its unit: "3", "-0.5", "1/3", "25 cm", "50%", "$50".

    What is counted ("3 dogs") is no unit. None if there is no number, if there are several, or if the text says more
    than a number: a bound, a range, a sum, a time.
    """
    text = _EQUALS.sub("", _NUMBERED.sub("", _ABOUT.sub("", re.sub(r"\bno one\b", "none", text, flags=re.IGNORECASE))))
    if _VAGUE.search(text):
        return None
    try:
        found = list(quantities(text))
    except (ValueError, ZeroDivisionError):
        return None
    rest: list[str] = []
    end = 0
    for one in found:
        between = text[end : one.start]
        if rest and (between.strip(" -") == "" or re.search(r"\band\b", between, re.IGNORECASE)):
            return None  # "twenty twenty" is a year, "nine one one" a number to call, "two and two" a sum
        if one.touched or _BOUND_BEFORE.search(text[: one.start]):
            return None
        rest.append(text[end : one.start])
        end = one.end
    left = "\0".join((*rest, text[end:]))
    if _SAYS_MORE.search(left.replace("\0", "0")) or re.search(r"\d", left) or any(map(_is_sign, left)):
        return None
    said = {str(one) for one in found}
    if _NONE.search(left):
        said.add("0")
    return said.pop() if len(said) == 1 else None
