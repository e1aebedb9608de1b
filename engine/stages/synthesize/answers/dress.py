"""The dress of a text taken off: LaTeX, markdown, HTML tags, odd characters. What it says, and letter case, stay.

It knows no type of answer. A sign that could carry meaning (minus, %, $, <, √) is never dropped here.
"""

import re
import unicodedata

_INVISIBLE = dict.fromkeys(
    map(
        ord,
        "\u00ad\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\u20e3\ufe0e\ufe0f\ufeff™®©℠",
    )
)
_SAME = str.maketrans(
    {
        **dict.fromkeys("−‐‑‒–﹣－", "-"),
        "—": " - ",
        **dict.fromkeys("‘’ʼ′`´", "'"),
        **dict.fromkeys("“”„«»″", '"'),
        **dict.fromkeys("✕✖⨯", "×"),
        **dict.fromkeys("⁄∕", "/"),
        "𝜋": "π",
        "🅰": "A",
        "🅱": "B",
        "٪": "%",
        "٫": ".",
        "٬": ",",
        "µ": "μ",
    }
)  # fmt: skip
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-", strict=True))
_RAISED_RUN = re.compile(f"[{''.join(_RAISED)}]+")
_FRACTION = re.compile(r"(\d?)\s*([¼½¾⅐-⅞↉])")
_DEGREE = re.compile(r"(?<=\d)(\s?)º")

_STRUCK = re.compile(
    r"~~(?=[^\s~])[^~\n]{0,300}~~|<(s|del|strike)>[^<\n]{0,300}</\1>|\\(?:[bx]?cancel|sout|st)\s*\{[^{}\n]{0,300}\}",
    re.IGNORECASE,
)
"""What was struck out is not said."""
_TAG = re.compile(r"</?(?:b|i|u|p|br|em|strong|span|code|sub|big|small|div)\s*/?>", re.IGNORECASE)
_RAISED_TAG = re.compile(r"<sup>\s*([-+\w]{1,8})\s*</sup>", re.IGNORECASE)
_MATH = re.compile(r"\$\$?(?=\S)([^$\n]{0,200}?[^$\s\\])\$\$?(?!\d)")
"""Pandoc's rule: no space inside the dollar signs, no digit after the second; so "$5 and $6" is money."""
_WRAP = re.compile(
    r"\\(?:text\w{0,2}|math(?:rm|bf|it|sf|tt|bb|cal)|mbox|hbox|boxed|fbox|operatorname|underline|emph|bf|rm)\s*"
    r"\{([^{}]{0,300})\}"
)
_FRAC = re.compile(r"(\d?)\\[dtc]?frac\s*\{([^{}]{1,60})\}\s*\{([^{}]{1,60})\}")
_BARE_FRAC = re.compile(r"(\d?)\\[dtc]?frac\s*(\d)\s*(\d)(?!\d)")
_ROOT = re.compile(r"\\sqrt\s*(?:\{([^{}]{1,60})\}|(\w))")
_BRACED_POWER = re.compile(r"\^\s*\{([-+\w]{1,8})\}")
_SPACING = re.compile(r"\\(?:left|right|quad|qquad|displaystyle|[,;:! ()\[\]])|(?<!\\)~(?=\S)(?<=\w~)")
_COMMANDS = {
    "times": "×", "cdot": "×", "div": "÷", "pm": "±", "leq": "≤", "le": "≤", "geq": "≥", "ge": "≥", "neq": "≠",
    "approx": "≈", "pi": "π", "infty": "∞", "circ": "°", "degree": "°", "lt": "<", "gt": ">", "sim": "~",
    "alpha": "α", "beta": "β", "theta": "θ", "Omega": "Ω", "mu": "μ", "Delta": "Δ", "rightarrow": "→", "to": "→",
}  # fmt: skip
_COMMAND = re.compile(r"\^?\\(" + "|".join(sorted(_COMMANDS, key=len, reverse=True)) + r")(?![a-zA-Z])")
_ESCAPED = re.compile(r"\\([%$#&_{}])")
_EMPHASIS = re.compile(r"(?<![\w*])(\*{1,3}|_{1,3}|'{2,3})(?=[^\s*_])([^*\n]{0,300}?[^\s*_]|[^\s*_])\1(?![\w*])")
_LEADING = re.compile(r"^(?:#{1,6}\s+|>\s+|[*•·-]\s+)+(?=[^\W\d])")
"""A heading, a quotation or a bullet, but only before a word: "> 5" and "- 5" may say more."""


def undressed(text: str) -> str:
    """The text in one line, in ordinary characters, without markup around what it says."""
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # half an emoji is no character
    text = _plain_characters(text.translate(_INVISIBLE).translate(_SAME))
    text = _without_latex(_TAG.sub(" ", _RAISED_TAG.sub(r"^\1", _STRUCK.sub(" ", text))))
    for _ in range(3):  # **_x_** is dressed twice
        text = _EMPHASIS.sub(r"\2", text)
    return " ".join(_LEADING.sub("", " ".join(text.split())).split())


def _plain_characters(text: str) -> str:
    """Compatibility forms as plain ones (fullwidth, ligatures, ㎝), every script's digits as 0-9.

    Raised digits and fractions are taken apart first: NFKC alone would make 102 of 10² and 21/2 of 2½.
    """
    text = _RAISED_RUN.sub(lambda run: "^" + "".join(_RAISED[sign] for sign in run[0]), text)
    text = _FRACTION.sub(
        lambda found: f"{found[1]}{' ' if found[1] else ''}{unicodedata.normalize('NFKC', found[2])}", text
    )
    text = unicodedata.normalize("NFKC", _DEGREE.sub(r"\1°", text)).translate(_SAME)
    return "".join(_digit(letter) if letter > "\x7f" else letter for letter in text)


def _digit(letter: str) -> str:
    return str(unicodedata.decimal(letter)) if letter.isdecimal() else letter


def _without_latex(text: str) -> str:
    text = _MATH.sub(r"\1", text)
    if "\\" in text or "^" in text:
        for _ in range(4):  # \boxed{\text{B}} is wrapped twice
            text = _WRAP.sub(r"\1", text)
        text = _BARE_FRAC.sub(_written_fraction, _FRAC.sub(_written_fraction, text))
        text = _ROOT.sub(lambda found: "√" + (found[1] or found[2]), text)
        text = _COMMAND.sub(lambda found: _COMMANDS[found[1]], _BRACED_POWER.sub(r"^\1", text))
        text = re.sub(r"\^\s*\{\s*°\s*\}", "°", text)
        text = _ESCAPED.sub(r"\1", _SPACING.sub(" ", text))
    return text


def _written_fraction(found: re.Match[str]) -> str:
    whole, above, below = found[1], found[2].strip(), found[3].strip()
    simple = above.isalnum() and below.isalnum()
    return f"{whole}{' ' if whole else ''}{above}/{below}" if simple else f"{whole}({above})/({below})"
