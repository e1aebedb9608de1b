"""What kind of question a text is when its source does not say: open or closed, and the form of its answer."""

import re

from engine.records import AnswerType, Kind

_DIRECTIVES: tuple[tuple[AnswerType, str], ...] = (
    (
        "option",
        r"\b(?:option|choice|answer)(?:['’]s)? letter\b|\bletter of (?:the|your) (?:correct |right |"
        r"best )?(?:option|choice|answer)|"
        r"\b(?:answer|respond|reply) with (?:only )?(?-i:[A-J](?:, ?[A-J])*,? or [A-J]\b)|"
        r"\b(?:choose|select|pick) (?:one )?from\s*:|"
        r"\bletter (?:from|of) the (?:given )?(?:choices|options)|\bcorrect (?:option|choice) (?:letter|from)|"
        r"\b(?:choose|select|pick|answer with|respond with|give|output) (?:only )?(?:the |one |an? )?"
        r"(?:single )?(?:correct |right |best |most \w+ )?(?:option|letter|choice)s?\b|"
        r"\bfrom the (?:given|following|provided|above|below) (?:options|choices)",
    ),
    (
        "yes_no",
        r"\b(?:yes|true)[\"'”’*]*(?:,? ?/ ?|,? or )[\"'“‘*]*(?:no|false)\b|\bis (?:this|the|that) "
        r"(?:statement|claim|sentence) (?:true|correct|right)\b",
    ),
    (
        "number",
        r"\b(?:answer|respond|reply|output|give|write|provide|return)\b[^.?!\n]{0,40}\b(?:an?|the|one|single|only) "
        r"(?:[\w-]+ )?(?:number|integer|digit|numeral|figure|numeric(?:al)? value)s?\b(?! of (?:words|sentences))|"
        r"\brequiring an? (?:integer|floating[- ]point number|number)|\b(?:in|as) (?:numerals|digits|"
        r"an? (?:integer|number))\b",
    ),
    (
        "phrase",
        r"\b(?:single|one|two|three|few|couple of|1|2|3|1-3)(?: (?:or|to) (?:one|two|three|few|2|3))? "
        r"(?:single )?(?:words?|tokens?)\b"
        r"(?! (?:caption|title|story|poem|description|summary))|\b(?:word or (?:short )?phrase|short "
        r"phrase|one phrase|short answer|"
        r"(?:very )?brief answer|answer with (?:just |only )?(?:an?|the) (?:\w+ )?(?:phrase|word|name|text)\b|"
        r"just the (?:name|word|text)\b|answer(?: \w+)? (?:very )?briefly|as few words|word answer|quick "
        r"(?:response|answer))\b|"
        r"\b(?:answer|respond|reply) with (?:only )?[\"'“]?[a-z-]+[\"'”]?(?:, "
        r"?[\"'“]?[a-z-]+[\"'”]?)*,? or (?:with )?[\"'“]?[a-z-]+",
    ),
)
"""What the instruction itself asks the answer to be; the first that applies counts."""
_OPTION_MARK = re.compile(
    r"(?:(?<=^)|(?<=\n))[ \t]*(?:[-*•][ \t]+)?(?:\*\*|__)?(?:option )?"  # in a line of its own
    r"(?:\(([A-J])\)|\[([A-J])\]|([A-J])(?:[.):、．：）]|[ ]+[-–][ ]))(?:\*\*|__)?[ \t]*(?=\S)"
    r"|(?<![\w(])\(([A-J])\)[ \t]*(?=\S)|(?<=[^\W_])\(([B-J])\)(?=[^\W_])"  # within a line
    r"|(?<=[\s,;?:])([A-J])[.):][ \t]+(?=\S)",
    re.IGNORECASE,
)
_LISTED = re.compile(r"(?:^|\n|[.?] )(?:answer )?(?:options?|choices)\s*(?:are\s*)?:", re.IGNORECASE)
_LONGEST_OPTION = 200
"""Characters. What is longer is a passage with a letter in it."""

_BEFORE = re.compile(
    r"^(?:(?:in|from|on|according to|based on|looking (?:closely )?at|by looking at|considering|given|"
    r"judging (?:by|from)|as (?:shown|seen) in|with) (?:the|this|that) [\w ]{1,40}|please),? "
    r"(?=(?:approximately |about )?how many\b|what\b|(?:please )?count\b|"
    r"(?:is|are|was|were|do|does|did|has|have|can|could)(?:n't)?\b)|"
    r"^(?:please |kindly )*(?:(?:can|could|would|will) you (?:please )?)?(?:(?:tell|give) me|state|say|give|determine|"
    r"find|report|identify|count) (?=how many\b|the (?:total |exact )?(?:number|count) of)|"
    r"^(?:please |kindly )*(?:(?:can|could|would|will) you (?:please )?)(?=count (?:the|all|how)\b)",
    re.IGNORECASE,
)
"""What stands before a question and changes nothing of its kind: "In this image, …", "Can you tell me how many …"."""
_NUMBER = re.compile(
    r"^(?:approximately |about |exactly )?(?:how many|there (?:is|are|were) how many|"
    r"(?:the )?(?:total |exact )?(?:number|count) of|what(?:['’]s| is| was| are)? (?:the )?(?:total |"
    r"exact |approximate |combined )?"
    r"(?:number|count|amount|quantity|percentage|percent|sum|difference|ratio|average|mean|median|age) "
    r"(?:of|in|between)|"
    r"what percent(?:age)?|count (?:the|all|how))\b(?! ways)",
    re.IGNORECASE,
)
_YES_NO = re.compile(
    r"^(?:and |so |then |but )?(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|am|"
    r"might|must)(?:n['’]?t)?\b",
    re.IGNORECASE,
)
_ASKS_FOR_TALK = re.compile(
    r"\b(?:can|could|would|will|do|are you able to|may|might|should)\s+(?:you|i|we)\b(?! (?:see|spot|find|"
    r"identify any|detect|notice|read any|count any)\b)|"
    r"(?:^|[.?!] )(?:please )?(?:describe|explain|write|tell|give|provide|create|generate|compose|summari[sz]e|"
    r"discuss|elaborate|list|"
    r"compare|analy[sz]e|imagine|suggest|outline|transcribe|translate|narrate|caption|show|identify|name)\b|"
    r"\b(?:describe|explain|elaborate|why|justify|in detail|discuss|step[- ]by[- ]step|give (?:your "
    r")?reasons?|reasoning|your thoughts|"
    r"if so|if yes|if not|if any)\b|"
    r"\band (?:what|why|how|where|who|which|when|describe|explain|tell|if)\b",
    re.IGNORECASE,
)
"""What cannot be answered by one word even if the sentence begins like a yes-no question."""
_ASKS_FOR_PROSE = re.compile(
    r"\b(?:describe|caption|story|poem|haiku|summar(?:y|i[sz]e)|compose|write an?|description|explain|elaborate|why)\b",
    re.IGNORECASE,
)
"""What has no one right wording, however short the source's own answer is."""
_GIVE = re.compile(r"^(?:please )?(?:name|give|provide|identify|tell|state)\b", re.IGNORECASE)
"""Asks for talk, unless it asks for one word."""
_OR = re.compile(r"\bor\b(?! (?:not|otherwise|anything|something|any|more|less|fewer|older|younger)\b)", re.IGNORECASE)
_BLOCK = re.compile(
    r"^(?:hint|context|reference ocr token[s]?|note|passage|lecture|image|<image>|instruction[s]?)\s*:.*$",
    re.IGNORECASE | re.MULTILINE,
)
_QUESTION_MARK = re.compile(r"^\s*(?:<image>\s*)?(?:question|q)\s*[:.]\s*", re.IGNORECASE | re.MULTILINE)
_QUANTITY = re.compile(
    r"[-+−]?[$€£¥₹]?\s?(?:\d+(?:,\d{2,3})*(?:\.\d+)?|\.\d+|\d+ ?/ ?\d+|\d+ \d/\d|[½¼¾⅓⅔])\s*"
    r"(?:%|percent|°\s?[CF]?|[$€£¥₹]|million|billion|thousand|"
    r"[nμmck]?m[²³23]?|[μmk]?g|[mc]?[lL]|[km]?W|[kMGT]?B|[kMG]?Hz|k?V|lbs?|oz|ft|feet|inch(?:es)?|in|miles?|mph|km/h|(?:centi|milli|kilo)?met(?:er|re)s?|"
    r"degrees?(?: (?:celsius|fahrenheit))?|dollars?|euros?|pounds?|cents?|seconds?|minutes?|hours?|days?|"
    r"weeks?|months?|years?(?: old)?)?",
    re.IGNORECASE,
)  # fmt: skip
_NUMBER_WORD = re.compile(
    r"(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen|"
    r"(?:twen|thir|for|fif|six|seven|eigh|nine)ty(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?|"
    r"(?:a|one) hundred)",
    re.IGNORECASE,
)
_SAID = re.compile(r"(?:yes|no|true|false)(?:[,.!] [^?]{0,40})?", re.IGNORECASE)
_ABOUT = re.compile(r"^(?:about|approximately|around|roughly|exactly|~|≈) ?(?=\S)", re.IGNORECASE)
_COUNTED = re.compile(r"(?<=[a-z0-9]) (?:[a-z]+ ){0,2}[a-z]+s$", re.IGNORECASE)
_LONGEST_PHRASE = 4
"""Words. A longer answer can be right in many wordings, so a vote over samples would not meet."""


def kind_of(question: str, choices: tuple[str, ...] = (), answer: str | None = None) -> tuple[Kind, AnswerType | None]:
    """Options make it closed, given or in the question's text; else the source's answer decides; else what the
    instruction asks the answer to be; else the question's own form.

    What is not plainly closed is open: an open question judged as closed has no majority and is dropped, the
    other way round it only loses its vote.
    """
    asked = directive(question)
    if choices or asked == "option" or _LISTED.search(question) or apart(question)[1]:
        return "closed", "option"
    if answer is not None:
        kind, answer_type = _by_answer(answer.strip().rstrip("."), counts=bool(_NUMBER.match(_stem(question))))
        in_prose = answer_type == "phrase" and asked != "phrase" and _ASKS_FOR_PROSE.search(question)
        return ("open", None) if in_prose else (kind, answer_type)
    if asked in ("number", "yes_no"):
        return "closed", asked
    stem = _stem(question)
    short = asked == "phrase" and not _ASKS_FOR_PROSE.search(stem)
    if _ASKS_FOR_TALK.search(_GIVE.sub("", stem) if short else stem):
        return "open", None
    form = _by_form(stem) or asked
    return ("closed", form) if form is not None else ("open", None)


def directive(question: str) -> AnswerType | None:
    """The form of answer that the instruction asks for in words, e.g. "Answer with the option's letter"."""
    return next((kind for kind, pattern in _DIRECTIVES if re.search(pattern, question, re.IGNORECASE)), None)


def apart(question: str) -> tuple[str, tuple[str, ...]]:
    """(the question without the lettered options in its text, those options); (question, ()) if it lists none.

    Options are lettered one after the other from A, in lines or in one line: "(A) red (B) green", "A. red\nB. green".
    """
    marks = _run_from_a(list(_OPTION_MARK.finditer(question)))
    if len(marks) < 2:
        return question, ()
    ends = [mark.start() for mark in marks[1:]]
    last = question.find("\n", marks[-1].end())
    ends.append(len(question) if last < 0 else last)
    options = tuple(question[mark.end() : end].strip(" \t\r\n,;*_") for mark, end in zip(marks, ends, strict=True))
    folded = {option.casefold() for option in options}
    if "" in folded or len(folded) < len(options) or max(map(len, options)) > _LONGEST_OPTION:
        return question, ()
    before = _LIST_HEAD.sub("", question[: marks[0].start()]).strip()
    after = question[ends[-1] :].strip()
    return "\n".join(part for part in (before, after) if part), options


_LIST_HEAD = re.compile(r"(?:^|(?<=\s))(?:answer )?(?:options?|choices)\s*(?:are\s*)?:?\s*$", re.IGNORECASE)


def _run_from_a(marks: list[re.Match[str]]) -> list[re.Match[str]]:
    """The last run of marks A, B, C, …, where the first begins a line or follows the end of a sentence."""
    run: list[re.Match[str]] = []
    best: list[re.Match[str]] = []
    for mark in marks:
        letter = next(filter(None, mark.groups())).upper()
        begins = letter == "A" and mark.string[: mark.start()].rstrip(" \t")[-1:] in "\n?:.!;"
        run = [*run, mark] if run and letter == chr(65 + len(run)) else [mark] if begins else []
        best = run if len(run) > 1 else best
    return best


def _stem(question: str) -> str:
    """The question itself: without the hint or context before it and the directive after it."""
    text = _BLOCK.sub("", question.replace("<image>", " ").replace("\r", ""))
    marked = list(_QUESTION_MARK.finditer(text))
    if marked:
        text = text[marked[-1].end() :]
    parts = [part.strip() for part in re.split(r"\n|(?<=[?.!])\s+", text) if part.strip()]
    kept = [part for part in parts if directive(part) is None or (part.endswith("?") and _NUMBER.match(part))]
    stem = " ".join(kept or parts[:1])
    while before := _BEFORE.match(stem):
        stem = stem[before.end() :]
    return stem


def _by_form(stem: str) -> AnswerType | None:
    sentences = [part for part in re.split(r"(?<=[?.!])\s+", stem) if part]
    first = next((part for part in sentences if part.endswith("?")), sentences[0] if sentences else "")
    if stem.count("?") > 1 or _OR.search(first):
        return None
    if _NUMBER.match(first):
        return "number"
    return "yes_no" if _YES_NO.match(first) and first.endswith("?") else None


def _by_answer(answer: str, *, counts: bool) -> tuple[Kind, AnswerType | None]:
    """`counts`: the question asks how many, so "12 apples" is a number, too."""
    if _SAID.fullmatch(answer):
        return "closed", "yes_no"
    alone = _ABOUT.sub("", answer)
    counted = _COUNTED.sub("", alone) if counts else alone
    if any(_QUANTITY.fullmatch(text) or _NUMBER_WORD.fullmatch(text) for text in (alone, counted)):
        return "closed", "number"
    if len(answer.split()) <= _LONGEST_PHRASE:
        return "closed", "phrase"
    return "open", None
