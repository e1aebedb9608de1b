"""Yes or no, in the languages that models answer in."""

import re

_YES = frozenset(("yes", "yeah", "yep", "yup", "true", "correct"))
_NO = frozenset(("no", "nope", "nah", "false", "incorrect"))
_YES_ABROAD = (
    "oui ja sí si sim sì да так igen evet tak ano kyllä joo ναι vâng có ya yaa はい ええ そう 是 是的 对 對 有 네 예 "
    "그렇다  نعم بله हाँ हां हाँजी হ্যাঁ ஆம் ใช่ כן jā jah áno hai ndiyo "
)
_NO_ABROAD = (
    "non nein não nao нет ні nem hayır hayir nie ne nej nei nee ei όχι không khong tidak bukan いいえ いや いえ "
    "ない 不 不是  否 没有 沒有 不对 不對 아니요 아니오 아니다 لا نه خیر नहीं না இல்லை ไม่ ไม่ใช่ לא nē hapana "
)
_FOREIGN = dict.fromkeys(_YES_ABROAD.split(), "yes") | dict.fromkeys(_NO_ABROAD.split(), "no")
"""One word that is a whole clause: "ne" and "si" have other meanings inside a sentence."""
_EMPTY_NO = re.compile(
    r"no (?:idea|clue|doubt|way|information|comment|telling|wonder|matter|problem|worries|preference|opinion|answer|"
    r"image|evidence to|longer sure|s[eé]|lo s[eé])\b"
)
_SURE = re.compile(r"(?:definitely|certainly|absolutely|clearly|obviously|indeed),? (?=yes\b|no\b|not\b)")
_LEAD_IN = re.compile(
    r"(?:(?:the|my) (?:final |correct )?answer (?:is|would be)|i (?:think|believe|would say|guess)|i'd say|"
    r"it is|it's|that is|that's|"
    r"there (?:is|are)|this is|the statement is)(?: an?)?[: ]+(?=\w)"
)
_AGAINST = re.compile(
    r"(?:^|[,.;:!/|-] ?|\b(?:or|and|actually|wait,?|rather|but|is|say) )(yes|no|true|false)(?= ?(?:[,.;:!?/|-]|$))"
)
_DENIED = re.compile(
    r"^\W*(?:(?:it|there|that|this|he|she|they|the \w+) )?(?:\w+n't|(?:is|are|was|does|do|has|have|can) not"
    r"|(?:is|are|was|were) no(?! (?:doubt|question)))\b|^\W*(?:of course|certainly|definitely|absolutely) not\b"
)


def yes_no(text: str) -> str | None:
    """ "yes" or "no" of an undressed text; None if it says neither, both, or one and then the other."""
    plain = text.casefold().strip(" \"'()[]{}*_.,;:!")
    if plain in ("y", "n"):
        return "yes" if plain == "y" else "no"
    clause = re.split(r"[,，、。.;；:!！?()\n]|\s-\s", plain, maxsplit=1)[0].strip()
    if clause in _FOREIGN:
        rest = plain[len(clause) :].strip(" ,，、。.;；!！?()-")
        return None if rest in _FOREIGN and _FOREIGN[rest] != _FOREIGN[clause] else _FOREIGN[clause]
    plain = _SURE.sub("", plain)
    while lead := _LEAD_IN.match(plain):
        plain = plain[lead.end() :]
    words = re.findall(r"\w+", plain)
    if not words or words[0] not in _YES | _NO or _EMPTY_NO.match(plain):
        return None
    said = "yes" if words[0] in _YES else "no"
    rest = plain[plain.index(words[0]) + len(words[0]) :]
    opposite = {"no", "false"} if said == "yes" else {"yes", "true"}
    contradicted = any(found in opposite for found in _AGAINST.findall(rest)) or (
        len(words) > 1
        and (words[1] in opposite or words[1] in ("or", "and") or re.match(r"\s*[/|]\s*\w", rest) is not None)
    )
    denied = said == "yes" and _DENIED.match(rest.lstrip(", ")) is not None
    return None if contradicted or denied else said
