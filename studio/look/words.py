"""Numbers, durations, sizes and intervals in the words of the page: "1,171", "53 s", "40 %", "0.57 to 0.65".

Pure formatting. A value that is None reads "not known" (or the `missing` word); minus is U+2212.
"""

import math

from engine.records import BASE_JUDGE
from engine.workspace import timing

MINUS = "\u2212"
MISSING = "not known"


def number(value: float | None, *, missing: str = MISSING) -> str:
    """A count with thousands commas: 1171 → "1,171"."""
    if value is None or not math.isfinite(value):
        return missing
    return f"{round(value):,}".replace("-", MINUS)


def decimal(value: float | None, digits: int = 2, *, missing: str = MISSING) -> str:
    """A fixed number of decimals: 0.61 → "0.61", −0.004 with 3 digits → "−0.004"."""
    if value is None or not math.isfinite(value):
        return missing
    text = f"{value:,.{digits}f}"
    return text.lstrip("-") if float(text.replace(",", "")) == 0 else text.replace("-", MINUS)


def signed(value: float | None, digits: int = 2, *, missing: str = MISSING) -> str:
    """With its sign always: 0.17 → "+0.17", −0.12 → "−0.12", 0 → "0.00"."""
    text = decimal(value, digits, missing=missing)
    is_number = value is not None and math.isfinite(value)
    return f"+{text}" if is_number and value and value > 0 and text.strip("0.,") else text


def percent(share: float | None, digits: int = 0, *, missing: str = MISSING) -> str:
    """A share in [0, 1] as a percentage: 0.4 → "40 %"."""
    if share is None or not math.isfinite(share):
        return missing
    return f"{decimal(share * 100, digits)} %"


def interval(low: float | None, high: float | None, digits: int = 2, *, sign: bool = False) -> str:
    """ "0.57 to 0.65", or with signs "+0.12 to +0.22"."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return "interval not known"
    show = signed if sign else decimal
    return f"{show(low, digits)} to {show(high, digits)}"


def p_value(p: float | None) -> str:
    """ "p < 0.001", "p = 0.04"; at most three decimals, because more would be noise."""
    if p is None or not math.isfinite(p):
        return "p not known"
    told = "p < 0.001" if p < 0.001 else f"p = {p:.3f}".rstrip("0").rstrip(".")
    return told.replace(" ", "\u00a0")  # one word, which no line ends in


def duration(seconds: float | None, *, missing: str = MISSING) -> str:
    """A time that was measured: "53 s", "2 min 18 s", "5 h 12 min", "3 d 4 h"."""
    return timing.duration(seconds, missing=missing)


def about(seconds: float | None, *, missing: str = MISSING) -> str:
    """A time that is expected: from two minutes on without seconds."""
    return timing.about(seconds, missing=missing)


def ago(seconds: float | None) -> str:
    """Age of something in one unit: "2 s ago", "6 min ago", "3 h ago", "2 d ago"."""
    if seconds is None or not math.isfinite(seconds):
        return "at an unknown time"
    total = max(0, int(seconds))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if total >= size:
            return f"{total // size} {unit} ago"
    return f"{total} s ago"


def size(bytes_: float | None, *, missing: str = MISSING) -> str:
    """Bytes in powers of 1,000 as a person reads them: "84 MB", "1.3 GB", "512 B"."""
    if bytes_ is None or not math.isfinite(bytes_):
        return missing
    value = max(0.0, float(bytes_))
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit in ("B", "kB", "MB") or value >= 99.5 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:,.1f} TB"


def plural(count: int, noun: str, many: str | None = None) -> str:
    """ "1 item", "21 items"; `many` where adding "s" is not enough."""
    return f"{number(count)} {noun if count == 1 else many or noun + 's'}"


def short_id(identifier: str, length: int = 6) -> str:
    """The first characters of a content id, enough to tell two apart on a page."""
    return identifier[:length]


def control_name(judge: str) -> str:
    """ "control:shorter-wins" → "shorter wins", "control:image-blind:judge-v2" → "image-blind v2"."""
    name, _, behind = judge.removeprefix("control:").partition(":")
    if name in ("image-blind", "wrong-image", "prompted"):
        return f"{name} {(behind or BASE_JUDGE).removeprefix('judge-')}"
    return name.replace("-", " ")
