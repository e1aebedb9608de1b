"""The place: what the URL names, the components that show it, and links from one place to another.

A place is a query string. Which tabs there are is not known here; a tab names its own keys.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

import gradio as gr

_LONGEST_VALUE = 2_000
"""Characters of one value of the URL; longer ones are ignored, browsers and proxies cut URLs anyway."""

_WRITE_URL = """(value) => {
  const url = new URL(window.location.href), key = %s, usual = %s;
  const text = Array.isArray(value) ? value.join(",") : value === true ? "1" : value == null || value === false ? "" : String(value);
  if (text === usual || text.length > 2000) url.searchParams.delete(key); else url.searchParams.set(key, text);
  if (url.href !== window.location.href) window.history.replaceState(window.history.state, "", url);
}"""  # noqa: E501


def link(tab: str, run: str | None = None, values: Mapping[str, object] | None = None) -> str:
    """Address of a place, e.g. `link("traces", "shapes-02", {"traces.reason": "wrong"})` → "?tab=traces&run=…".

    Everything not named has its usual value there. Relative, so it also works behind a proxy.
    """
    query = {"tab": tab, **({"run": run} if run else {}), **{k: v for k, v in (values or {}).items() if v}}
    return "?" + urlencode({key: _as_text(value) for key, value in query.items()})


@dataclass(frozen=True, slots=True)
class Binding:
    """One key of the URL and the component that shows its value."""

    key: str
    component: Any
    usual: Any
    """Value while the key is absent."""
    read: Callable[[str], Any]
    """Text of the URL → value of the component (or a `gr.update`); raises `ValueError` for nonsense."""


class Url:
    """Named keys of the query string, each bound to one component."""

    def __init__(self, shelf: Any) -> None:
        self._shelf = shelf
        self.bindings: list[Binding] = []

    def bind(self, key: str, component: Any, *, read: Callable[[str], Any] | None = None) -> None:
        """The component's value is kept in the URL under `key` ("<tab>.<what>"), and brought back from it.

        Without `read` the text is checked against the component: a Dropdown or Radio takes only its choices (pass
        `read` where the choices depend on the run), a Number only numbers, a multi-select is split at commas.
        """
        if any(known.key == key for known in self.bindings):
            raise AssertionError(f"the URL key {key} is bound twice")
        usual = component.value
        self.bindings.append(Binding(key, component, usual, read or _reader(component)))
        component.change(None, [component], None, js=self.write_script(key), queue=False)

    def write_script(self, key: str) -> str:
        """JavaScript that writes a bound component's value into the URL, or removes it where it is the usual one.

        The run is never usual: which one is the newest changes, and a link must go on meaning what was copied.
        """
        usual = next(known.usual for known in self.bindings if known.key == key)
        return _WRITE_URL % (json.dumps(key), json.dumps("" if key == "run" else _as_text(usual)))

    def hidden(self, key: str, value: str = "") -> Any:
        """A bound text without a control, e.g. the chosen item or the place in a list. Use it as input and output."""
        with self._shelf:
            box = gr.Textbox(value=value, visible="hidden", label=key, container=False)
        self.bind(key, box)
        return box

    def values(self, query: Mapping[str, str]) -> list[Any]:
        """What each bound component shows at the place the query names; unknown or odd values count as absent."""
        return [value_at(binding, query.get(binding.key)) for binding in self.bindings]


FOLLOW_LINKS = """
document.querySelector('base')?.removeAttribute('href');
const went = () => trigger('select', {query: window.location.search});
document.addEventListener('click', (event) => {
  const anchor = event.target.closest && event.target.closest('a[href^="?"]');
  if (!anchor || anchor.target || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const theme = new URL(window.location.href).searchParams.get('__theme');
  const url = new URL(anchor.getAttribute('href'), window.location.href);
  if (theme) url.searchParams.set('__theme', theme);
  window.history.pushState(null, '', url);
  window.scrollTo(0, 0);
  went();
});
window.addEventListener('popstate', went);
"""
"""`js_on_load` of the header: links made by `link` and the back button change the place without a page load.

Where a page has a <base>, Plotly writes the whole address into its clip paths, and every line of a chart vanishes when
the place changes. Gradio's says "./", which is what holds without it.
"""


def read_query(query: str) -> dict[str, str]:
    """A query string as the browser has it → key and last value; {} for one that no page of ours wrote."""
    try:
        return dict(parse_qsl(query.lstrip("?"), max_num_fields=200) if len(query) < 50_000 else [])
    except ValueError:
        return {}


def value_at(binding: Binding, text: str | None) -> Any:
    if binding.key == "run" and text is None:
        return gr.skip()
    if text is None or len(text) > _LONGEST_VALUE:
        return binding.usual
    try:
        return binding.read(text)
    except ValueError:
        return gr.skip() if binding.key == "run" else binding.usual


def _reader(component: Any) -> Callable[[str], Any]:
    """How a text becomes a value of this component."""
    if isinstance(component, gr.Checkbox):
        return lambda text: text == "1"
    if isinstance(component, gr.Number | gr.Slider):
        return float
    values = {str(value): value for _, value in getattr(component, "choices", None) or []}
    free = not isinstance(component, gr.Dropdown | gr.Radio | gr.CheckboxGroup)
    if free or getattr(component, "allow_custom_value", False):
        return str

    def one(text: str) -> Any:
        if text not in values:
            raise ValueError(text)
        return values[text]

    if isinstance(component, gr.CheckboxGroup) or getattr(component, "multiselect", False):
        return lambda text: [one(part) for part in text.split(",") if part]
    return one


def _as_text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ",".join(str(part) for part in value)
    if isinstance(value, bool):
        return "1" if value else ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)
