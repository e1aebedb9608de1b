"""Reading a reply: where its thinking ends, which verdict it states, and at which place. Text in, facts out.

What a judge quotes of the responses cannot state a verdict: markers in them are broken before they are shown
(`engine.prompts`), and a verdict on the last line outweighs whatever was said before it.
"""

import re
from dataclasses import dataclass
from typing import Any

from engine.records import Verdict

_MEANING: dict[str, Verdict] = {"A": "A", "B": "B", "C": "tie", "TIE": "tie"}
_LETTERS = str.maketrans("ＡＢＣａｂｃ", "ABCabc")

ANY_MARKER = re.compile(r"[\[［]{2}\s*(?:[ABCabcＡＢＣａｂｃ]|[Tt][Ii][Ee])\s*[\]］]{2}")
"""Every form of a verdict in double brackets that some rule below would read."""
ANY_BOX = re.compile(r"\\boxed\s*\{(?=[\s*$`]*(?:\\text\w*\{)?\s*(?:[ABCabcＡＢＣａｂｃ]|[Tt][Ii][Ee]|[\[［]))")
_WRITTEN = "A|B|C|[Tt]ie|TIE"
_SAID = re.compile(rf"\[\[\s*(?P<said>{_WRITTEN})\s*\]\]")

_ONE = r"(?P<said>[ABCabcＡＢＣａｂｃ]|[Tt][Ii][Ee])"
_AROUND = r"[\s*_`~#>$\"'“”.:]*"
_LAST_LINES = (
    re.compile(
        rf"{_AROUND}(?:\\boxed\s*\{{)?{_AROUND}(?P<token>[\[［]{{2}}\s*{_ONE}\s*[\]］]{{2}}){_AROUND}\}}?{_AROUND}"
    ),
    re.compile(rf"{_AROUND}(?P<token>\\boxed\s*\{{\s*(?:\\text\w*\s*\{{)?\s*{_ONE}\s*\}}{{1,2}}){_AROUND}"),
)
"""A line that holds one verdict token and nothing else but what makes text bold, quoted or boxed."""

_LONGEST_LAST_LINE = 80
"""Characters; a longer line holds something else, and the forms above would look at it for long."""

_NAMES = r"(?:seed:)?(?:think|thinking|thought|reasoning)"
_OPENING = re.compile(
    rf"<{_NAMES}>|◁think▷|\[THINK\]|<\|begin_of_thought\|>|<\|START_THINKING\|>"
    r"|<\|channel\|>(?:analysis|commentary)\b",
    re.I,
)
_CLOSING = re.compile(
    rf"</{_NAMES}>|◁/think▷|\[/THINK\]|<\|end_of_thought\|>|<\|END_THINKING\|>|<\|channel\|>final(?:<\|message\|>)?",
    re.I,
)
_SPOKEN_CHANNELS = re.compile(r"\Aanalysis.*assistantfinal", re.S)
"""Channels whose special tokens a server left out of the text."""
ANY_THINKING = re.compile(f"{_OPENING.pattern}|{_CLOSING.pattern}", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """The verdict that a reply states, and the token that states it."""

    verdict: Verdict
    """"A", "B" or "tie"."""
    start: int
    """Where the token begins in the reply; odds are asked for here."""
    end: int
    token: str
    """As it stands there: "[[A]]", "［［ａ］］", "\\boxed{A}"."""
    letter: int
    """Where in the token the letter stands."""

    def instead(self, letter: str) -> str:
        """The token with this letter ("A" or "B"), in the same width and case."""
        own = self.token[self.letter]
        plain = own.translate(_LETTERS)
        same_case = letter.lower() if plain.islower() else letter
        written = chr(ord(same_case) + ord(own) - ord(plain))
        return self.token[: self.letter] + written + self.token[self.letter + 1 :]


def thinking_end(text: str) -> int | None:
    """Where the answer begins: behind the last closing tag of any kind of thinking, 0 without any.

    None where thinking is not closed: what looks like a verdict in there is none. A closing tag alone is enough, as
    many chat templates write the opening one into the prompt.
    """
    ends = [found.end() for found in _CLOSING.finditer(text)]
    spoken = _SPOKEN_CHANNELS.match(text)
    begin = max([*ends, spoken.end() if spoken else 0])
    return None if _OPENING.search(text, begin) else begin


def after_thinking(text: str) -> str:
    """What a reply says to others; "" where it never came to that."""
    begin = thinking_end(text)
    return "" if begin is None else text[begin:].strip()


def stated(text: str) -> Stated | None:
    """The verdict of a reply: its last line, if that holds one verdict token and nothing else; else the only verdict
    it states in double brackets. None when it states none, or several different ones.

    A judge that contradicts itself has not decided; guessing would hide that from every metric.
    The tokens are those of MT-Bench (arXiv 2306.05685): [[A]], [[B]], [[C]] for a tie.
    """
    begin = thinking_end(text)
    if begin is None:
        return None
    whole = text.rstrip()
    line = max(whole.rfind("\n") + 1, begin)
    for form in _LAST_LINES if len(whole) - line <= _LONGEST_LAST_LINE else ():
        last = form.fullmatch(whole, line)
        if last:
            return _found(last, "token")
    found = list(_SAID.finditer(text, begin))
    if len({_meaning(one["said"]) for one in found}) != 1:
        return None
    return _found(found[0], 0)


def read_verdict(text: str) -> Verdict:
    """The verdict that a reply states (see `stated`), or "invalid"."""
    found = stated(text)
    return "invalid" if found is None else found.verdict


def _meaning(said: str) -> Verdict:
    return _MEANING[said.translate(_LETTERS).upper()]


def _found(match: re.Match[str], token: str | int) -> Stated:
    return Stated(
        verdict=_meaning(match["said"]),
        start=match.start(token),
        end=match.end(token),
        token=match[token],
        letter=match.start("said") - match.start(token),
    )


def reading_rule() -> dict[str, Any]:
    """The rule of `stated` as data, for programs that cannot import it.

    `broken` is what is broken in texts before they are shown (`engine.prompts.as_material`). A reply is split at
    `thinking_closes`; the first form of `reads` that is found in its last part, without white space at its end, says
    the verdict; none is "invalid".
    """
    broken = (ANY_MARKER.pattern, ANY_BOX.pattern, f"(?i:{ANY_THINKING.pattern})")
    return {
        "broken": "|".join(broken),
        "thinking_closes": f"(?i:{_CLOSING.pattern})|(?s:{_SPOKEN_CHANNELS.pattern})",
        "reads": [
            ("invalid", f"(?i:{_OPENING.pattern})"),
            *((verdict, form) for verdict, (letters, _) in _SPELT.items() for form in _last_line_forms(letters)),
            *((verdict, _only(letters)) for verdict, (_, letters) in _SPELT.items()),
        ],
    }


_SPELT: dict[Verdict, tuple[str, str]] = {
    "A": ("[AaＡａ]", "A"),
    "B": ("[BbＢｂ]", "B"),
    "tie": ("[CcＣｃ]|[Tt][Ii][Ee]", "C|[Tt]ie|TIE"),
}
"""How each verdict is spelt: alone on a last line, and elsewhere in double brackets."""


def _last_line_forms(letters: str) -> list[str]:
    """A last line that states this verdict and nothing else."""
    forms = (form.pattern.replace(_ONE, f"(?:{letters})").replace("?P<token>", "?:") for form in _LAST_LINES)
    return [rf"(?:\A|\n)(?=.{{0,{_LONGEST_LAST_LINE}}}\Z){form}\Z" for form in forms]


def _only(letters: str) -> str:
    """This verdict in double brackets, and none of another."""
    others = "|".join(spelt for _, spelt in _SPELT.values() if spelt != letters)
    own, other = (_SAID.pattern.replace(f"?P<said>{_WRITTEN}", f"?:{one}") for one in (letters, others))
    return rf"(?s)\A(?!.*{other}).*{own}"
