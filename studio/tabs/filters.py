"""What the filter rows of tabs share: choices with their counts, the iteration, values as a place. It knows no tab."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Protocol, TypeVar

import gradio as gr

from studio.look import words

FIND_SCRIPT = """
document.addEventListener('input', ({target}) => {
  if (target.matches('.st-find textarea, .st-find input')) target.dispatchEvent(new Event('keypress'));
});
"""
"""Once per page: a search box also says when its text was pasted, cut or deleted, or came from a phone's keyboard.
Gradio's says `input` at a `keypress` alone."""

Choices = tuple[tuple[str, str], ...]
"""Label and value of each entry of a drop-down."""

ALL_ITERATIONS = "all"
LONGEST = 300
"""Characters of one value; longer ones come from nobody's page."""

Place = TypeVar("Place")


def place_of(kind: type[Place], values: Sequence[Any]) -> Place:
    """The values of a tab's components, all of them untrusted, in the order of the fields of its place."""
    given = dict(zip(names_of(kind), values, strict=True))
    switches = {field.name for field in fields(kind) if field.type in (bool, "bool")}  # type: ignore[arg-type]
    return kind(**{
        name: bool(value) if name in switches else str(value or "")[:LONGEST] for name, value in given.items()
    })  # fmt: skip


def names_of(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def read_choice(text: str) -> Any:
    """A value of the URL as the only entry, until the tab draws itself and knows the others."""
    if len(text) > LONGEST:
        raise ValueError(text)
    return gr.update(choices=[(text, text)], value=text)


def settled(iteration: str, there: Sequence[int]) -> str:
    """The newest iteration where none is named, or a missing one is; "" where there is none at all."""
    known = [str(number) for number in there]
    if iteration == ALL_ITERATIONS or iteration in known:
        return iteration
    return known[-1] if known else ""


class Row(Protocol):
    """A row of a page, with the cursor that names it in the URL."""

    @property
    def cursor(self) -> str: ...


class Paged(Protocol):
    """A page of rows among all that match."""

    @property
    def has_previous(self) -> bool: ...
    @property
    def has_next(self) -> bool: ...


def turned(at: str, page: Paged, rows: Sequence[Row], *, forward: bool) -> str:
    """`at` one page on or back from the page that shows these rows; unchanged where there is none."""
    if not rows or not (page.has_next if forward else page.has_previous):
        return at
    return f"after:{rows[-1].cursor}" if forward else f"before:{rows[0].cursor}"


def is_astray(at: str, page: Paged, rows: Sequence[Row]) -> bool:
    """Whether this page should be the first one instead, which has no `at`: nothing comes before it, or its rows are
    gone, or `at` is nonsense."""
    return bool(at) and not (rows and page.has_previous)


def iteration_number(iteration: str) -> int | None:
    """None for all of them."""
    return int(iteration) if iteration.isdecimal() else None


def iterations(there: Sequence[int]) -> Choices:
    """Newest first, then all."""
    numbers = [(str(number), str(number)) for number in reversed(there)]
    return (*numbers, *((("All", ALL_ITERATIONS),) if numbers else ()))


def any_of(counts: Sequence[tuple[str, int]], chosen: str, labels: Mapping[str, str] | None = None) -> Choices:
    """Any, and each value with its count; the chosen one is there even if the run has none of it."""
    known = dict(counts)
    known.setdefault(chosen, 0)
    said = labels or {}
    entries = ((f"{said.get(value, value)} {words.number(known[value])}", value) for value in known if value)
    return (("Any", ""), *entries)
