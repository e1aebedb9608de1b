"""What every tab is given: the workspace, the chosen run, the URL, and a signal that says when to draw again.

It knows no tab's contents. A tab is a module with `build(page)`, called inside its `gr.Tab`:

    def build(page: Page) -> None:
        search = gr.Textbox(label="Search")
        page.url.bind("pairs.q", search)              # ?pairs.q=… brings it back, typing writes it
        item = page.url.hidden("pairs.item")          # a value without a control of its own
        cards = gr.HTML()
        page.redraw("pairs", show, [page.run, search, item], [cards])

`page.redraw(tab, …)` runs when that tab is open and: it was just opened, another run was chosen, the URL was read
(page load, link, back button), or the run wrote something. Links between screens are ordinary links made by
`link(...)`; they change the place without loading the page again.
"""

import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode

import gradio as gr

from engine.errors import JudgeStudioError
from engine.workspace.folders import RunFolder, Workspace
from engine.workspace.state import ALIVE, read_state
from studio.jobs.uploads import sources
from studio.look import cards, words

if TYPE_CHECKING:
    from engine.workspace.catalog.database import Catalog

TABS = {
    "home": "Home",
    "images": "Images",
    "launch": "Launch",
    "pairs": "Pairs",
    "traces": "Traces",
    "training": "Training",
    "versions": "Versions",
    "live": "Live judge",
    "sql": "SQL",
    "doctor": "Doctor",
}
"""Key in the URL → label, in the order shown."""

POLL_SECONDS = 2.0
"""How often an open page asks whether something changed; a run writes its state every half second."""

_LONGEST_VALUE = 2_000
"""Characters of one value of the URL; longer ones are ignored, browsers and proxies cut URLs anyway."""

_WRITE_URL = """(value) => {
  const url = new URL(window.location.href), key = %s, usual = %s;
  const text = Array.isArray(value) ? value.join(",") : value === true ? "1" : value == null || value === false ? "" : String(value);
  if (text === usual || text.length > 2000) url.searchParams.delete(key); else url.searchParams.set(key, text);
  if (url.href !== window.location.href) window.history.replaceState(window.history.state, "", url);
}"""  # noqa: E501

_VISITS = itertools.count(1)


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
        component.change(
            None, [component], None, js=_WRITE_URL % (json.dumps(key), json.dumps(_as_text(usual))), queue=False
        )

    def hidden(self, key: str, value: str = "") -> Any:
        """A bound text without a control, e.g. the chosen item or the place in a list. Use it as input and output."""
        with self._shelf:
            box = gr.Textbox(value=value, visible="hidden", label=key, container=False)
        self.bind(key, box)
        return box

    def values(self, query: Mapping[str, str]) -> list[Any]:
        """What each bound component shows at the place the query names; unknown or odd values count as absent."""
        return [_value(binding, query.get(binding.key)) for binding in self.bindings]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a tab needs to know of the page it is on."""

    workspace: Workspace
    run: Any
    """`gr.Dropdown` with the name of the chosen run, None in an empty workspace."""
    tabs: Any
    tab: Any
    """Hidden text: key of the open tab."""
    timer: Any
    """Ticks every 2 s. Prefer `redraw`: one request asks for all tabs."""
    url: Url
    pulses: Mapping[str, Any]
    """Per tab a `gr.State` whose value changes when the tab has reason to draw again."""
    _catalog: "list[Catalog]" = field(default_factory=list)
    _opening: threading.Lock = field(default_factory=threading.Lock)

    def catalog(self) -> "Catalog":
        """The DuckDB views over the workspace, opened on first need and shared by all visitors."""
        from engine.workspace.catalog.database import (
            open_catalog,  # DuckDB costs start-up time that an idle page need not pay
        )

        with self._opening:
            if not self._catalog:
                self._catalog.append(open_catalog(self.workspace))
            return self._catalog[0]

    def image_url(self, path: str | None) -> str | None:
        """Address of a picture from its path in the views ("images/3f/3fa1….png"); None stays None."""
        return f"gradio_api/file={quote(str(self.workspace.root / path))}" if path else None

    def redraw(
        self, tab: str, fn: Callable[..., Any], inputs: Sequence[Any], outputs: Sequence[Any], **event: Any
    ) -> Any:
        """Call `fn` whenever the open tab `tab` has reason to draw itself again; returns the event, for `.then`."""
        options = {"show_progress": "hidden", "trigger_mode": "always_last", **event}
        return self.pulses[tab].change(fn, list(inputs), list(outputs), **options)


def create_page(workspace: Workspace, *, run: Any = None, tabs: Any = None) -> Page:
    """A page inside the current `gr.Blocks`. Tests may leave the components to it; the app brings its own."""
    shelf = gr.Column(elem_classes="st-shelf", visible=True)
    names = [folder.name for folder in workspace.runs()]
    chosen = names[0] if names else None
    run = run if run is not None else gr.Dropdown(names, value=chosen, label="Run")
    tabs = tabs if tabs is not None else gr.Tabs()
    url = Url(shelf)
    open_tab = url.hidden("tab", "home")
    url.bind("run", run, read=lambda name: _run_update(workspace, name))
    with shelf:
        timer = gr.Timer(POLL_SECONDS)
        pulses = {tab: gr.State("") for tab in TABS}
    return Page(workspace=workspace, run=run, tabs=tabs, tab=open_tab, timer=timer, url=url, pulses=pulses)


def connect(page: Page, header: Any, heart: Any) -> None:
    """Join the place (URL, tabs, run, timer) to the pulses. Call it once, after every tab was built.

    `header` is the `gr.HTML` made with `FOLLOW_LINKS`; `heart` shows in words whether a run is active.
    """
    visit = gr.State((0, "home"))
    shown = gr.State(("", ()))
    beats = [heart, page.run, shown, *page.pulses.values()]
    places = [binding for binding in page.url.bindings if binding.component is not page.run]
    private: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    # Each click needs its own answer ("always_last" would repeat the first click's data), and one after the other:
    # an older answer that came last would leave an older place.
    moves: dict[str, Any] = {
        **private, "trigger_mode": "multiple", "concurrency_limit": 1, "concurrency_id": f"place {id(page)}",
    }  # fmt: skip

    def beat(tab: str, run: str | None, visit: tuple[int, str], shown: tuple[str, tuple[str, ...]]) -> list[Any]:
        names = tuple(folder.name for folder in page.workspace.runs())
        active = active_runs(page.workspace)
        pulse = show_heart(active)
        head: list[Any] = [gr.skip(), gr.skip(), gr.skip()]
        chosen = run if run in names else names[0] if names else None
        if (pulse, names) != shown or chosen != run:
            # A run that stays is not sent back: meanwhile the visitor may have chosen another.
            value = {} if chosen == run else {"value": chosen}
            head = [pulse, gr.update(choices=list(names), elem_classes=run_classes(names), **value), (pulse, names)]
        mark = f"{signature(page.workspace, tab, chosen, active)} visit {visit[0]}"
        return [*head, *(mark if name == tab else gr.skip() for name in page.pulses)]

    def go(query: Mapping[str, str], run: str | None) -> list[Any]:
        """Tab, bound values and beat in one answer: every round trip more is seen as an empty page."""
        tab = query.get("tab", "home")
        known = tab if tab in TABS else "home"
        place = (next(_VISITS), known)
        values = [_value(binding, {**query, "tab": known}.get(binding.key)) for binding in places]
        names = [folder.name for folder in page.workspace.runs()]
        is_asked = query.get("run") in names
        answer = beat(known, query["run"] if is_asked else run, place, ("", ()))
        if is_asked:
            answer[1] = gr.update(choices=names, value=query["run"], elem_classes=run_classes(names))
        return [gr.Tabs(selected=known), place, *values, *answer]

    def loaded(request: gr.Request) -> list[Any]:
        answer = go(dict(request.query_params), None)
        if answer[1][1] == "home":
            answer[0] = gr.skip()  # it is open from the start, unless somebody was quicker than this answer
        return answer

    def followed(event: gr.EventData, run: str | None) -> list[Any]:
        return go(read_query(str(getattr(event, "query", ""))), run)

    def opened(
        event: gr.SelectData, tab: str, run: str | None, visit: tuple[int, str], shown: tuple[str, tuple[str, ...]]
    ) -> list[Any]:
        asked = str(getattr(event, "id", "home"))
        known = asked if asked in TABS else "home"
        place = (next(_VISITS), known)
        # A link that was answered after this click has opened its own tab meanwhile: the later click wins.
        is_moved = visit[1] != tab
        return [gr.Tabs(selected=known) if is_moved else gr.skip(), known, place, *beat(known, run, place, shown)]

    outputs = [page.tabs, visit, *(binding.component for binding in places), *beats]
    page.tabs.select(opened, [page.tab, page.run, visit, shown], [page.tabs, page.tab, visit, *beats], **moves)
    page.timer.tick(beat, [page.tab, page.run, visit, shown], beats, **private)
    page.run.change(beat, [page.tab, page.run, visit, shown], beats, trigger_mode="always_last", **private)
    root = gr.context.Context.root_block
    assert root is not None
    root.load(loaded, None, outputs, **moves)
    header.select(followed, page.run, outputs, **moves)


FOLLOW_LINKS = """
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
"""`js_on_load` of the header: links made by `link` and the back button change the place without a page load."""


def run_classes(names: Sequence[str]) -> list[str]:
    """Classes of the run's dropdown, which is not shown while there is nothing to choose."""
    return ["st-runs"] if names else ["st-runs", "is-empty"]


def active_runs(workspace: Workspace) -> list[str]:
    """Names of the runs that a live process works on, or waits to."""
    active = []
    for run in workspace.runs():
        try:
            if read_state(run).state in ALIVE:
                active.append(run.name)
        except (JudgeStudioError, TypeError):
            continue  # a damaged state.json; Home says so in the run's row
    return active


def show_heart(active: Sequence[str]) -> str:
    """The header's sign of life: how many runs are active."""
    if not active:
        return cards.sheet(cards.heartbeat("Idle", pulse="idle"))
    return cards.sheet(cards.heartbeat(f"{words.plural(len(active), 'run')} active", pulse="live"))


def read_query(query: str) -> dict[str, str]:
    """A query string as the browser has it → key and last value."""
    return dict(parse_qsl(query.lstrip("?"), max_num_fields=200) if len(query) < 50_000 else [])


def only_changed(values: Sequence[str], before: Sequence[str]) -> list[Any]:
    """Each text, or `gr.skip()` where it is what is shown already: what a visitor selected or opened stays so."""
    known = [*before, *[""] * (len(values) - len(before))]
    return [gr.skip() if value == old else value for value, old in zip(values, known, strict=False)]


def signature(workspace: Workspace, tab: str, run: str | None, active: Collection[str] = ()) -> str:
    """Changes when what `tab` shows of `run` changed on disk, or a process it shows at work ended without a word.

    A few dozen `stat` calls; only the records of taken-in sources are read. While runs are `active`, it also changes
    with time where ages are shown.
    """
    marks = [run or "", _stamp(workspace.runs_folder)]
    if tab == "images":
        marks += [_stamp(path) for path in sorted(workspace.uploads.glob("*/source.json"))]
        marks += [f"{source.key} {source.state}" for source in sources(workspace)]
    if tab in ("home", "launch", "live") and active:
        marks.append(str(int(time.monotonic() / POLL_SECONDS)))
    if run is None:
        return " ".join(marks)
    folder = workspace.run(run)
    if tab in ("home", "launch", "live"):
        files = ("state.json", "starting.json", "promoted.json")
        marks += [_stamp(other.folder / name) for other in workspace.runs() for name in files]
    if tab in ("versions", "training"):
        marks.append(_stamp(folder.folder / "promoted.json"))
    if tab == "training":
        marks.append(str(run in active))
    if tab in ("pairs", "traces"):
        marks.append(_stamp(workspace.notes))
    return " ".join([*marks, *_stage_stamps(folder)])


def _stage_stamps(run: RunFolder) -> list[str]:
    """A new part or done.json is a rename inside its stage folder, which changes that folder's time."""
    try:
        iterations = sorted(entry.path for entry in os.scandir(run.folder) if entry.is_dir())
        return [_stamp(stage.path) for iteration in iterations for stage in os.scandir(iteration) if stage.is_dir()]
    except OSError:  # deleted this instant
        return []


def _stamp(path: "os.PathLike[str] | str") -> str:
    try:
        return f"{os.stat(path).st_mtime_ns:x}"
    except OSError:
        return "-"


def _run_update(workspace: Workspace, name: str) -> Any:
    names = [folder.name for folder in workspace.runs()]
    if name not in names:
        raise ValueError(name)
    return gr.update(choices=names, value=name)


def _value(binding: Binding, text: str | None) -> Any:
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
