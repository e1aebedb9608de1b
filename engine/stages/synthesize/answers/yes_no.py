"""Yes or no, in the languages that models answer in."""

import re

_YES = frozenset(("yes", "yeah", "yep", "yup", "true", "correct"))
_NO = frozenset(("no", "nope", "nah", "false", "incorrect"))
_YES_ABROAD = (
    "oui ja jawohl sí si sim sì да так igen evet tak ano kyllä joo ναι vâng có đúng ya yaa iya benar opo ndiyo "
    "はい ええ そう 是 是的 对 对的 對 對的 有 네 예 응 그렇다 نعم أجل بله हाँ हां हाँजी হ্যাঁ ஆம் అవును ใช่ ใช่ครับ ใช่ค่ะ "
    "כן jā jah áno "
)
_NO_ABROAD = (
    "non nein não nao нет ні nem hayır hayir yok nie ne nej nei nee ei όχι không khong tidak bukan hapana nē "
    "いいえ いや いえ ううん ない 不 不是 否 没 沒 没有 沒有 不对 不對 아니 아뇨 아니요 아니오 아니다 لا نه خیر "
    "नहीं না இல்லை కాదు ไม่ ไม่ใช่ ไม่มี לא "
)
_FOREIGN = dict.fromkeys(_YES_ABROAD.split(), "yes") | dict.fromkeys(_NO_ABROAD.split(), "no")
"""One word that is a whole clause: "ne" and "si" have other meanings inside a sentence."""
_EMPTY_NO = re.compile(
    r"no\.? ?\d|no (?:idea|clues?|doubt|way|information|comment|telling|wonder|matter|problem|worries|preference|"
    r"opinion|answer|image|evidence|one (?:knows|can (?:tell|say))|longer sure|sure|s[eé]|lo s[eé])\b"
)
_WHOLE_YES = frozenset(
    (
        "sure",
        "affirmative",
        "indeed",
        "of course",
        "absolutely",
        "certainly",
        "definitely",
        "जी हाँ",
        "जी हां",
        "yes, no doubt",
    )
)
_WHOLE_NO = re.compile(
    r"(?:of course|absolutely|certainly|definitely|surely) not|not (?:at all|correct|true)|negative|untrue|no way|"
    r"जी नहीं|(?:it|that|there|he|she|they|this) (?:(?:is|are|was|were|does|do|did|has|have|can)(?: not|n't)|cannot|"
    r"can't)(?: (?:any|correct|true))?"
)
"""Replies that are this and nothing else."""
_UNSURE = re.compile(
    r"\b(?:not (?:\w+ )?(?:sure|certain)|unsure|uncertain|(?:do not|don't|cannot|can't) (?:know|tell|say)|maybe)\b"
)
_DISOWNED = re.compile(
    r"\W*(?:is|was|would be|must be|cannot be|can't be) (?:\w+ )?(?:wrong|incorrect|false|not|out)\b"
)
"""What follows a yes or no that is spoken of, not said: "yes is wrong"."""
_SURE = re.compile(r"(?:definitely|certainly|absolutely|clearly|obviously|indeed),? (?=yes\b|no\b|not\b)")
_LEAD_IN = re.compile(
    r"(?:(?:the|my) (?:final |correct )?answer (?:is|would be)|i (?:think|believe|would say|guess)|i'd say|"
    r"it is|it's|that is|that's|"
    r"there (?:is|are)|this is|the (?:statement|claim|sentence) is)(?: an?)?[: ]+(?=\w)"
)
_AGAINST = re.compile(
    r"(?:^|[,.;:!/|-] ?|\b(?:or|and|actually|wait,?|rather|but|is|say|also) )(yes|no|true|false)(?= ?(?:[,.;:!?/|-]|$))"
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
    if plain in _WHOLE_YES or _WHOLE_NO.fullmatch(plain):
        return "yes" if plain in _WHOLE_YES else "no"
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
    doubted = _UNSURE.search(rest) or _DISOWNED.match(rest)
    return None if contradicted or denied or doubted else said
