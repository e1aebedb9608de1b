"""A file that is one JSON array (LLaVA's, LLaMA-Factory's), read element by element: it may have gigabytes."""

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20
"""Bytes read at a time."""
_NEAR_THE_END = 16
"""Characters: the longest token but strings that a chunk may cut in two."""
_BETWEEN = re.compile(r"[\s,]*")


def is_array(head: bytes) -> bool:
    """Whether a file that begins so is an array of objects; a line of JSON lines may be an array of other things."""
    return re.match(rb"(?:\xef\xbb\xbf)?\s*\[\s*(?:[\{\]]|$)", head) is not None


def array_elements(path: Path, longest: int) -> Iterator[Any]:
    """The elements in order. Raises `ValueError` where the text is no array, or an element exceeds `longest`."""
    decoder = json.JSONDecoder()
    with path.open("rb") as file:
        text = codecs.getincrementaldecoder("utf-8-sig")("strict")
        waiting, place, more = "", 0, b"-"
        opened = False
        enough = 1
        """Characters from which it is worth trying: a long element is tried a few times, not once a chunk."""
        while True:
            place = _BETWEEN.match(waiting, place).end()  # type: ignore[union-attr]  # matches nothing, too
            if waiting[place : place + 1] == ("]" if opened else "["):
                if opened:
                    if waiting[place + 1 :].strip() or file.read().strip():
                        raise ValueError("more follows after the end of the array")
                    return
                opened, place = True, place + 1
                continue
            found = _element(decoder, waiting, place, ended=not more) if len(waiting) - place >= enough else None
            if found is not None:
                yield found[0]
                place, enough = found[1], 1
            elif not more:
                raise ValueError("it ends before the array does")
            elif len(waiting) - place > longest:
                raise ValueError(f"an element is longer than {longest:,} bytes")
            else:
                more = file.read(_CHUNK)
                waiting, place = waiting[place:] + text.decode(more, final=not more), 0
                enough = (
                    1 if not more or len(waiting) < 2 * _CHUNK else min(longest, max(enough, len(waiting) * 3 // 2))
                )


def _element(decoder: json.JSONDecoder, waiting: str, place: int, *, ended: bool) -> tuple[Any, int] | None:
    """(the element that begins at `place`, where it ends), None if more of the file is needed to tell."""
    try:
        value, end = decoder.raw_decode(waiting, place)
    except RecursionError:
        raise ValueError("an element is nested too deeply") from None
    except json.JSONDecodeError as error:
        # A mistake far from the end of what was read stays one, however much follows.
        if ended or (error.pos < len(waiting) - _NEAR_THE_END and not error.msg.startswith("Unterminated")):
            raise ValueError(f"{error.msg} at its character {error.pos - place}") from None
        return None
    return None if end == len(waiting) and not ended else (value, end)
