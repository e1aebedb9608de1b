"""Where the final answer stands in a reply."""

import re

from engine.verdicts import after_thinking

_SHORT_WORDS, _SHORT_CHARACTERS = 6, 60
"""A reply without a mark of its answer counts as an answer itself up to this length; longer ones are talk."""

_LONGEST = 600
"""Characters of a line that are looked at; no answer is so long."""
_TAGGED = re.compile(
    r"<(answer|final_answer|final|ans|response|output)>"
    r"((?:(?!<(?:answer|final_answer|final|ans|response|output)>)[^\0]){0,400}?)(?:</\1>|\Z)|"
    r"<\|(begin_of_box)\|>((?:(?!<\|begin_of_box\|>)[^\0]){0,400}?)(?:<\|end_of_box\|>|\Z)|"
    r"\[(answer|ans)\]((?:(?!\[(?:answer|ans)\])[^\0]){0,400}?)\[/\5\]|"
    r"[\"'](?:final[_ ]?)?answer[\"']\s*:\s*(?:\"((?:[^\"\\\n]|\\.){0,400})\"|'((?:[^'\\\n]|\\.){0,400})'|"
    r"([-\w.]{1,60}))",
    re.IGNORECASE,
)
"""<answer>…</answer>, <|begin_of_box|>…, [ANSWER]…[/ANSWER], {"answer": …}."""
_END_MARK = re.compile(r"(?:\s?(?:<\|(?!begin_of_box|end_of_box)[\w-]{1,30}\|>|</s>|<eos>|<end_of_turn>))+$")
"""What a server left of the model's own end of text."""
_TAIL = 200
"""Characters at the end in which it is looked for."""
_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{((?:[^{}\n]|\{(?:[^{}\n]|\{[^{}\n]{0,80}\}){0,200}\}){0,300})\}")
_ABROAD = (
    r"(?:(?:die|la|el|a|het|de|итоговый|окончательный|правильный|richtige|endgültige|korrekte|juiste) ){0,2}"
    r"(?:最终|最後の|最后|最後|正确|最終的な|最終)?"
    r"(?:antwort|antwoord|svar(?:et)?|vastaus|réponse|respuesta|resposta|risposta|răspuns(?:ul)?|ответ|відповідь|"
    r"odpowiedź|odpověď|válasz|απάντηση|cevap|yanıt|jawaban(?:nya)?|đáp án|câu trả lời|คำตอบ|תשובה|答案|答え|回答|答|"
    r"정답|답변|답|الجواب|الإجابة|उत्तर|जवाब|উত্তর|jibu|sagot)"
    r"(?: (?:finale?|correct[ae]|corretta|correta|definitiva|final))?"
)
_WORDS = rf"(?:(?:the|my) )?(?:(?:final|correct|short|right|best) )?(?:answers?|ans)|{_ABROAD}"
_DRESS = r"[#>*_`\"'|•·\s-]*"
_LINE = re.compile(
    rf"^{_DRESS}[\[(«【]?(?:\d{{1,2}}[.)] +)?(?:(?:so|thus|therefore|hence),? +)?(?:{_WORDS})(?: to the question| "
    rf"\([^)\n]{{0,40}}\))?(?P<bold>[*_`\"']*)\s*"
    r"(?:(?:is|would be|是|为|為)?[*_`\s\])»】]*(?:[:：]|[-=]>|[→⇒]|=(?![=>]))|(?:\s[-–—]+\s)|"
    r"[\])»】]\s|(?P<bare>[*_`#\s]*$))"
    r"(?P<said>.*)$",
    re.IGNORECASE,
)
_AGAIN = re.compile(r"\banswer(?: is)?[*_]*\s?[:：][*_]*\s?", re.IGNORECASE)
_SENTENCE = re.compile(
    r"\b(?:the|my) (?:(?:final|correct|right|best) )?(?:answer|option|choice)(?:,[^,.\n]{1,80},)?(?: to "
    r"[^.,\n]{1,80}?)?"
    r"(?: here)? (?:is|would be|must be|should be)(?: therefore| thus| then)?(?: "
    r"that)?[:\s*_]+(?P<said>(?!clear|obvious|unclear|not\b)[^\n]{1,300})",
    re.IGNORECASE,
)
_SENTENCE_ABROAD = re.compile(
    rf"(?:^|\n)[#>*_ -]{{0,9}}(?:{_ABROAD}) ?(?:(?:es|est|ist|é|è|er|är|is|jest|je|e|on|adalah|là|это)"
    r"(?![^\W\d_])|คือ|是|为|為|は|은|는|هي|هو|है)"
    r"[:：\s*_]*(?P<said>[^\n]{1,300}?)(?:です|だ|입니다|이다|है)?[.。]?(?=\n|$)",
    re.IGNORECASE,
)
_RESULT = re.compile(
    r"^[#>*_` ]*(?:(?:result|conclusion|response|output|solution)[*_`]*\s?[:：]|#{4}(?!#))[*_` ]*(?P<said>.+)$",
    re.IGNORECASE,
)
"""A last line that gives an answer under another name: "Result: 5", "#### 5" as GSM8K writes it."""
_EMPHASIS = " \t*_`"
_ASKS_ITSELF = re.compile(r"(?:so |thus |therefore,? )?(?:the|my) (?:final |correct )?answer(?: is)?\W*", re.IGNORECASE)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(.])(?:[A-Za-z]|mr|mrs|ms|dr|st|mt|vs|jr|sr|prof|gen|inc|co|ltd|ave|approx|ft|in|oz|lb|lbs|etc|e\.g|i\.e)$",
    re.IGNORECASE,
)
_STOP = re.compile(
    r"(?<=[^\s.])[.!?](?:[*_`\"')\]]*)\s+(?=[\"'(*]*[^\W\d_a-zß-ÿ])|[;。！？]|\s+[—–-]{1,2}\s+(?=because|since|as\b)"
)
_BECAUSE = re.compile(
    r"(?:,|\s)\s*(?:because|since|as (?:it|the|they|there|you|we|i|shown|seen)\b|which (?:is|means)\b).*$",
    re.IGNORECASE,
)


def final_answer(text: str, pattern: str) -> str | None:
    """The reply's final answer as it was written, or None if nothing says which words it is.

    In this order, the last of each: what is tagged (`<answer>`), what stands in a line that begins with "Answer", what
    stands in `\\boxed{}`, the group `answer` of the pack's `pattern`, "the answer, as seen here, is …"; else the whole
    reply if it is short. What a model thought before it answered is not looked at.
    """
    folded = _folded(after_thinking(text))
    for found in (_tagged(folded), _of_a_line(folded), _boxed(folded)):
        if found is not None:
            return found or None
    said = _by_pattern(folded, pattern)
    if said is not None:
        return first_sentence(said) or None
    for sentence in (_SENTENCE, _SENTENCE_ABROAD):
        if sentences := [match["said"] for match in sentence.finditer(folded)]:
            return first_sentence(sentences[-1]) or None
    bare = folded.strip("`").strip()
    if result := _RESULT.match(bare[bare.rfind("\n") + 1 :][:_LONGEST]):
        return first_sentence(result["said"]) or None
    if _LINE.match(bare[:_LONGEST]) or _ASKS_ITSELF.fullmatch(bare):
        return None  # "Answer:" and nothing after it
    short = len(bare) <= _SHORT_CHARACTERS and len(bare.split()) <= _SHORT_WORDS
    return bare if bare and short else None


def _folded(text: str) -> str:
    """Runs of white space as one sign, which keeps patterns with \\s* linear."""
    folded = re.sub(r"\s*\n\s*", "\n", re.sub(r"[^\S\n]+", " ", text)).strip()
    return (folded[:-_TAIL] + _END_MARK.sub("", folded[-_TAIL:])).strip()


def _by_pattern(text: str, pattern: str) -> str | None:
    """The last of what the pattern finds, also where it found a line in which "the answer is" stands twice."""
    said = None
    for _ in range(8):
        found = [match["answer"].strip() for match in re.finditer(pattern, text if said is None else said)]
        if not found or found[-1] == said:
            break
        said = found[-1]
    return said


def _tagged(text: str) -> str | None:
    found = [match for match in _TAGGED.finditer(text) if match.group(match.lastindex or 0).strip()]
    return None if not found else " ".join(found[-1].group(found[-1].lastindex or 0).split())


def _boxed(text: str) -> str | None:
    found = _BOXED.findall(text)
    return found[-1].strip() if found else None


def _of_a_line(text: str) -> str | None:
    """What follows "Answer:" at the beginning of a line, or stands in the line below it."""
    lines = text.split("\n")
    answer = None
    for number, line in enumerate(lines):
        found = _LINE.match(line[:_LONGEST])
        if found is None:
            continue
        said = (_AGAIN.split(found["said"])[-1] or found["said"]).strip(_EMPHASIS)
        if line.lstrip().startswith("|"):  # a row of a table
            said = said.strip("| ")
        said = said or _below(lines[number + 1 :])
        if said:
            answer = first_sentence(said)
    return answer


def _below(lines: list[str]) -> str:
    """The first line that says something, without its bullet; "" if that is another "Answer:"."""
    for line in lines:
        said = re.sub(r"^[-•+] +", "", line.strip(_EMPHASIS)).strip(_EMPHASIS)
        if said.strip("-=—") and not line.lstrip().startswith("```"):
            return "" if _LINE.match(line[:_LONGEST]) else said
    return ""


def first_sentence(text: str) -> str:
    """The text up to the end of its first sentence and without its reason: "Blue. The sky is …", "B, because …"."""
    text = re.sub(r"(?<!\w)\*\*|\*\*(?!\w)", "", text[:_LONGEST]).strip(_EMPHASIS)
    for stop in _STOP.finditer(text):
        if not _ABBREVIATION.search(text[max(0, stop.start() - 8) : stop.start()]):
            text = text[: stop.start()]
            break
    shorter = _BECAUSE.sub("", text)
    return (shorter or text).strip(_EMPHASIS).rstrip(".").strip(_EMPHASIS)
