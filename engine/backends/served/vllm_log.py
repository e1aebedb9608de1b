"""What a vLLM server's log says to a person: the phase it is in while it starts, and the first real error."""

import re
from collections.abc import Sequence

_PREFIX = re.compile(
    r"^(?:\([^)]*\bpid=\d+\)\s?)?"
    r"(?:(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL)\s+\d\d-\d\d \d\d:\d\d:\d\d\s+(?:\[[^\]]*\]\s?)?)?"
)
"""Process and level, as vLLM writes them before each line of a message, tracebacks included."""
_EXCEPTION = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit)\b(?::|$)")
_ARGUMENT = re.compile(r"^\S+: error: |\bNo module named\b|: not found$|No such file or directory$|^Killed\b")
_ELSEWHERE = re.compile(r"see root cause above|see stack trace", re.I)
_MORE_LINES = 2
"""Indented lines behind an exception that belong to its message, as pydantic writes them."""
_LONGEST = 500

_PHASES = (
    (re.compile(r"Initializing .*engine|non-default args|API server version", re.I), "reading the model's settings"),
    (re.compile(r"Application startup complete|Starting vLLM (?:API )?server", re.I), "opening its door"),
    (re.compile(r"Capturing CUDA graphs.*?(?P<share>\d+)%", re.I), "recording CUDA graphs"),
    (re.compile(r"captur\w+ (?:CUDA )?graph|Graph capturing", re.I), "recording CUDA graphs"),
    (re.compile(r"KV cache size|Available KV cache memory|profil", re.I), "measuring memory"),
    (re.compile(r"torch\.compile|Dynamo bytecode|Compiling a graph|Inductor", re.I), "compiling"),
    (re.compile(r"Loading \w+ checkpoint shards:\s*(?P<share>\d+)%", re.I), "loading weights"),
    (re.compile(r"Loading weights took|Model loading took", re.I), "weights loaded"),
    (re.compile(r"Starting to load model|Loading model|Loading \w+ checkpoint", re.I), "loading weights"),
    (re.compile(r"Downloading|Fetching \d+ files", re.I), "downloading the model"),
)
"""What a line shows. The first lists all settings, names of compilers among them; then the latest phase first."""


def plain(line: str) -> str:
    """A line without what vLLM puts before its message; a traceback's indentation stays."""
    return line[_head(line).end() :].rstrip()


def phase(lines: Sequence[str]) -> str:
    """What the server does now, e.g. "loading weights, 50 %"."""
    for line in reversed(lines):
        for pattern, words in _PHASES:
            found = pattern.search(line)
            if found:
                share = found.groupdict().get("share")
                return f"{words}, {share} %" if share else words
    return "starting Python"


def first_error(lines: Sequence[str]) -> str | None:
    """The first error that is a cause and not a report of one; None if the log holds none.

    Python writes a chain of exceptions cause first, and processes that end because of another one say so.
    """
    for number, line in enumerate(lines):
        text = plain(line)
        if _head(line)["level"] in ("DEBUG", "INFO", "WARNING") or _ELSEWHERE.search(text):
            continue
        if _EXCEPTION.match(text):
            return _whole_message(lines, number)
        if _ARGUMENT.search(text) and not text.startswith(" "):
            return text[:_LONGEST]
    return None


def _whole_message(lines: Sequence[str], number: int) -> str:
    said = [plain(lines[number])]
    for line in lines[number + 1 : number + 1 + _MORE_LINES]:
        text = plain(line)
        if not text.startswith("  "):
            break
        said.append(text.strip())
    return " ".join(said)[:_LONGEST]


def _head(line: str) -> re.Match[str]:
    found = _PREFIX.match(line)
    assert found is not None, "every part of the pattern may be absent"
    return found
