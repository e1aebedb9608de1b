"""Keeps a redraw that comes late from undoing what a visitor clicked meanwhile. It knows no tab's contents.

While a run writes, a tab is redrawn every two seconds with the choices it had when that was asked for. The redraw may
be answered after a click that came later, and would put the old choices back.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import gradio as gr

Listener = Callable[..., Sequence[Any]]


class Clicks:
    """A tab's clicks, counted on the page (those it had when it asked) and on the server (those answered by now).

    Wrap the tab's listeners, which take the run first, and add `counts` to the end of their inputs and outputs.
    """

    def __init__(self, outputs: Sequence[Any]) -> None:
        """`outputs` of the redraw."""
        self._nothing = [gr.skip()] * (len(outputs) + 2)
        self.counts = [gr.Textbox("0", visible="hidden", container=False), gr.State((0, None))]

    def counted(self, fn: Listener) -> Listener:
        """A visitor's choice: a redraw that was asked for before it is late."""

        @wraps(fn)
        def answer(*values: Any) -> list[Any]:
            *own, _, (number, _) = values
            run = own[1] if isinstance(own[0], gr.EventData) else own[0]
            return [*fn(*own), str(number + 1), (number + 1, run)]

        return answer

    def redrawn(self, fn: Listener) -> Listener:
        """Nothing, if the visitor chose something of the same run since this was asked for."""

        @wraps(fn)
        def answer(run: str | None, *values: Any) -> list[Any]:
            *own, seen, (number, last_run) = values
            if seen.isdecimal() and int(seen) < number and run == last_run:
                return self._nothing
            return [*fn(run, *own), gr.skip(), gr.skip()]

        return answer


def fetch_script(elem_id: str) -> str:
    """Presses a hidden `gr.DownloadButton` whose file has just come; given that button as input, only if it has one."""
    button = f"document.querySelector('a#{elem_id}, #{elem_id} a') || document.querySelector('#{elem_id}')"
    return f"(file) => {{ if (file !== null) ({button})?.click(); }}"
