"""Dates and times of day in a text, each brought to one writing: "5 march 2020", "10:30 pm".

A date in figures with the day or the month first (3/5/2020) is left as it is: nobody knows which is meant.
"""

import re

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_MONTH_OF = {name[:length]: name for name in _MONTHS for length in (3, len(name))} | {"sept": "september"}
_MONTH = "(?P<month>" + "|".join(sorted(_MONTH_OF, key=len, reverse=True)) + r")\.?"
_DAY = r"(?P<day>0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
_YEAR = r"(?:(?:,? | of )(?P<year>\d{4}))?(?!\d)"
_DATES = (
    re.compile(rf"(?<![\w/.-])(?:the )?{_DAY}(?: of)?[ -]{_MONTH}(?![a-z]){_YEAR}(?![\w])", re.IGNORECASE),
    re.compile(rf"(?<![\w/.-]){_MONTH} (?:the )?{_DAY}(?![\w:]){_YEAR}(?![\w])", re.IGNORECASE),
)
_ISO = re.compile(
    r"(?<![\w/.-])(?P<year>\d{4})([-/])(?P<number>0?[1-9]|1[0-2])\2(?P<day>0[1-9]|[12]\d|3[01]|[1-9])(?![\w/-])"
)
_DASHED = re.compile(rf"(?<![\w/.-]){_DAY}-{_MONTH}-(?P<year>\d{{4}})(?![\w-])", re.IGNORECASE)
_MONTH_YEAR = re.compile(rf"(?<![\w/.-]){_MONTH},? (?P<year>\d{{4}})(?!\w)", re.IGNORECASE)

_HALF = r"[ap]\.?m\b\.?"
_TIME = re.compile(
    r"(?<![\w.:/$€£-])(?P<hour>[01]?\d|2[0-3])(?:(?P<mark>[:.h])(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?)?(?![\d:])"
    rf"(?: ?(?P<half>{_HALF})(?!\w)| ?(?P<clock>o'? ?clock)(?: (?P<half_after>{_HALF})(?!\w))?)?",
    re.IGNORECASE,
)
_PAST = re.compile(
    r"(?<!\w)(?P<part>half|(?:a )?quarter|\d{1,2}|five|ten|twenty|twenty[- ]five)(?: minutes?)? "
    r"(?P<way>past|to|after|before) "
    r"(?P<hour>1[0-2]|[1-9]|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)(?!\w)(?! minutes)",
    re.IGNORECASE,
)
_SPOKEN = {
    "half": 30, "quarter": 15, "a quarter": 15, "five": 5, "ten": 10, "twenty": 20, "twenty five": 25, "one": 1,
    "two": 2, "three": 3, "four": 4, "six": 6, "seven": 7, "eight": 8, "nine": 9, "eleven": 11, "twelve": 12,
}  # fmt: skip
_SPOKEN_HOUR = re.compile(
    r"(?<!\w)(one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve) (?=o'? ?clock)", re.IGNORECASE
)
_NAMED = {"noon": "12:00 pm", "midday": "12:00 pm", "midnight": "12:00 am"}


def dated(text: str) -> str:
    """The undressed text with its dates in one writing. A month alone keeps its full name only beside a year."""
    for pattern in (_ISO, _DASHED, *_DATES):
        text = pattern.sub(_date, text)
    return _MONTH_YEAR.sub(lambda found: f"{_MONTH_OF[found['month'].lower()]} {found['year']}", text)


def _date(found: re.Match[str]) -> str:
    parts = found.groupdict()
    month = _MONTHS[int(parts["number"]) - 1] if "number" in parts else _MONTH_OF[parts["month"].lower()]
    year = f" {parts['year']}" if parts.get("year") else ""
    return f"{int(parts['day'])} {month}{year}"


def timed(text: str) -> str:
    """The undressed text with its times of day in one writing; 22:30 is 10:30 pm, a bare 10:30 stays as it is."""
    if text.lower() in _NAMED:
        return _NAMED[text.lower()]
    text = _PAST.sub(_past, text)
    text = _SPOKEN_HOUR.sub(lambda found: f"{_SPOKEN[found[1].lower()]} ", text)
    return _TIME.sub(_time, text)


def _past(found: re.Match[str]) -> str:
    part, hour = (found[name].lower().replace("-", " ") for name in ("part", "hour"))
    minutes = int(part) if part.isdigit() else _SPOKEN[part]
    oclock = int(hour) if hour.isdigit() else _SPOKEN[hour]
    if not 0 < minutes < 60:
        return found[0]
    if found["way"].lower() in ("to", "before"):
        minutes, oclock = 60 - minutes, oclock - 1 or 12
    return f"{oclock}:{minutes:02}"


def _time(found: re.Match[str]) -> str:
    half = (found["half"] or found["half_after"] or "").replace(".", "").lower()
    hour, minute = int(found["hour"]), found["minute"]
    said = half or found["clock"] or (found["mark"] == ":" and minute is not None)
    if not said or (half and not 0 < hour <= 12 and hour < 13) or (found["mark"] == "h" and half):
        return found[0]
    if hour > 12 or (hour == 0 and not half):
        hour, half = (hour - 12, "pm") if hour > 12 else (12, "am")
    second = f":{found['second']}" if found["second"] and found["second"] != "00" else ""
    return f"{hour}:{minute or '00'}{second}" + (f" {half}" if half else "")
