"""A quicker start: Gradio reads the signature of a component's constructor for every component, and again each time it
describes the page, about 3,600 times before ours is up. Written down once, `inspect` finds it at once.
"""

import inspect
from collections.abc import Iterator
from typing import Any

from gradio.blocks import Block


def remember_signatures() -> None:
    """Keep the signature of every component's constructor where `inspect.signature` looks first."""
    for kind in _kinds(Block):
        made_by = inspect.unwrap(vars(kind)["__init__"])
        if not hasattr(made_by, "__signature__"):
            made_by.__signature__ = inspect.signature(made_by)


def _kinds(kind: Any) -> Iterator[Any]:
    """The class and all below it, those with a constructor of their own."""
    if "__init__" in vars(kind):
        yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)
