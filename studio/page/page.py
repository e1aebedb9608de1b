"""What every tab is given: the workspace, the chosen run, the place in the URL, and a signal to draw again.

It knows no tab by name. A tab is a module that declares itself, and is built inside its `gr.Tab`:

    def build(page: Page) -> None:
        search = gr.Textbox(label="Search")
        page.url.bind("pairs.q", search)              # ?pairs.q=… brings it back, typing writes it
        item = page.url.hidden("pairs.item")          # a value without a control of its own
        cards = gr.HTML()
        page.redraw("pairs", show, [page.run, search, item], [cards])

    TAB = Tab(key="pairs", label="Pairs", build=build, watches=(pulse.notes,))

`page.redraw(tab, …)` runs when that tab is open and: it was just opened, another run was chosen, the URL was read
(page load, link, back button), the run wrote something, or something it watches changed.
"""

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import gradio as gr

from engine.errors import JudgeStudioError
from engine.workspace.folders import Workspace
from studio.page.clock import page_clock
from studio.page.place import Url, read_query, value_at
from studio.page.pulse import Moment, Watch, active_runs, show_heart, signature

if TYPE_CHECKING:
    from engine.workspace.catalog.database import Catalog

_VISITS = itertools.count(1)

Visit = tuple[int, str]
"""Number of the visit and the tab that was opened by it."""
Head = tuple[str, tuple[str, ...]]
"""Heartbeat and names of runs as they are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """A tab, as it declares itself in its own file."""

    key: str
    """In the URL."""
    label: str
    build: "Callable[[Page], None]"
    """Lays it out and connects its events; called inside its `gr.Tab`."""
    watches: Sequence[Watch] = ()
    """What it shows beside what the chosen run writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What the page shows of the first tab before it has asked anything: its redraw comes two round trips later."""

    draw: Callable[[str | None], Sequence[str]]
    """Run → HTML for each of `cards`."""
    cards: Sequence[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a tab needs to know of the page it is on."""

    workspace: Workspace
    run: Any
    """`gr.Dropdown` with the name of the chosen run, None in an empty workspace."""
    tabs: Any
    tab: Any
    """Hidden text: key of the open tab."""
    clock: Any
    """Ticks by its `select`. Prefer `redraw`: one request asks for all tabs."""
    url: Url
    shelf: Any
    """Where components stand that nobody sees."""
    pulses: dict[str, Any] = field(default_factory=dict)
    """Per tab a `gr.State` whose value changes when the tab has reason to draw again."""
    opening: "list[Opening]" = field(default_factory=list)
    """What the first tab shows at once."""
    _catalog: "list[Catalog]" = field(default_factory=list)
    _catalog_lock: threading.Lock = field(default_factory=threading.Lock)

    def catalog(self) -> "Catalog":
        """The DuckDB views over the workspace, opened on first need and shared by all visitors."""
        from engine.workspace.catalog.database import (
            open_catalog,  # DuckDB costs start-up time that an idle page need not pay
        )

        with self._catalog_lock:
            if not self._catalog:
                self._catalog.append(open_catalog(self.workspace))
            return self._catalog[0]

    def image_url(self, path: str | None) -> str | None:
        """Address of a picture from its path in the views ("images/3f/3fa1….png"); None stays None.

        It names the picture as the workspace does, not where it lies: see `Pictures` of `studio.server.guard`.
        """
        if not path:
            return None
        return f"gradio_api/file={quote(path if path.startswith('images/') else str(self.workspace.root / path))}"

    def redraw(
        self, tab: str, fn: Callable[..., Any], inputs: Sequence[Any], outputs: Sequence[Any], **event: Any
    ) -> Any:
        """Call `fn` whenever the open tab `tab` has reason to draw itself again; returns the event, for `.then`.

        It is answered in turn with the tab's other listeners, those that are given `turns(tab)`.
        """
        options = {**self.turns(tab, "always_last"), **event}
        return self.pulse(tab).change(fn, list(inputs), list(outputs), **options)

    def turns(self, tab: str, trigger_mode: str = "once") -> dict[str, Any]:
        """Options of the tab's listeners that are answered one at a time, in the order asked: what an earlier question
        shows never comes after a later one's answer. For each that writes what the redraw writes.

        `trigger_mode` is Gradio's: "multiple" for cards (see `EACH_CLICK`), "always_last" for filters."""
        return {
            "show_progress": "hidden", "trigger_mode": trigger_mode, "concurrency_limit": 1,
            "concurrency_id": f"{tab} {id(self)}",
        }  # fmt: skip

    def pulse(self, tab: str) -> Any:
        """The tab's `gr.State` of `pulses`, made on first need."""
        if tab not in self.pulses:
            with self.shelf:
                self.pulses[tab] = gr.State("")
        return self.pulses[tab]


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
        clock = page_clock()
    return Page(workspace=workspace, run=run, tabs=tabs, tab=open_tab, clock=clock, url=url, shelf=shelf)


def connect(page: Page, tabs: Sequence[Tab], header: Any, heart: Any) -> None:
    """Join the place (URL, tabs, run, clock) to the pulses. Call it once, after every tab was built.

    `header` is the `gr.HTML` made with `FOLLOW_LINKS`; `heart` shows in words whether a run is active.
    """
    traffic = Traffic(page, tabs)
    visit, shown, asked = gr.State((0, tabs[0].key)), gr.State(("", ())), gr.State("")
    beats = [heart, page.run, shown, *(page.pulse(tab.key) for tab in tabs)]
    private: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    # Each click needs its own answer ("always_last" would repeat the first click's data), and one after the other:
    # an older answer that came last would leave an older place.
    moves: dict[str, Any] = {
        **private, "trigger_mode": "multiple", "concurrency_limit": 1, "concurrency_id": f"place {id(page)}",
    }  # fmt: skip
    outputs = [page.tabs, visit, *(binding.component for binding in traffic.places), *beats]
    now = [page.tab, page.run, visit, shown]
    page.tabs.select(traffic.opened, now, [page.tabs, page.tab, visit, *beats], **moves)
    page.clock.select(traffic.beat, now, beats, **private)
    page.run.change(traffic.beat, now, beats, trigger_mode="always_last", **private)
    root = gr.context.Context.root_block
    assert root is not None
    for event in (
        root.load(traffic.loaded, None, [asked, page.tabs, visit, page.tab, *beats], **moves),
        asked.change(traffic.placed, [asked, page.run], outputs, **moves),
        header.select(traffic.followed, page.run, outputs, **moves),
    ):
        event.then(None, page.run, None, js=page.url.write_script("run"), **private)


def first_sight(page: Page, query: Mapping[str, str]) -> dict[int, str]:
    """HTML of the opening's cards at the place that the query names, by Gradio's number of the component.

    {} where another tab is opened, or where it cannot be drawn: the tab's redraw says why.
    """
    if query.get("tab", page.tab.value) != page.tab.value:
        return {}
    try:
        drawn = [(opening.cards, opening.draw(query.get("run"))) for opening in page.opening]
    except (JudgeStudioError, OSError):
        return {}
    return {card._id: value for cards, values in drawn for card, value in zip(cards, values, strict=True)}


class Traffic:
    """Answers to whatever moves the page: its clock, a link, a tab, a run that was chosen."""

    def __init__(self, page: Page, tabs: Sequence[Tab]) -> None:
        self._page = page
        self._tabs = {tab.key: tab for tab in tabs}
        self._first = tabs[0].key
        self.places = [binding for binding in page.url.bindings if binding.component is not page.run]
        """What the URL names beside the run."""

    def beat(self, tab: str, run: str | None, visit: Visit, shown: Head) -> list[Any]:
        """Heart, run, what is shown of them, and a pulse per tab; only what changed."""
        names = self._names()
        active = active_runs(self._page.workspace)
        heart = show_heart(active)
        head: list[Any] = [gr.skip(), gr.skip(), gr.skip()]
        chosen = run if run in names else names[0] if names else None
        if (heart, names) != shown or chosen != run:
            # A run that stays is not sent back: meanwhile the visitor may have chosen another.
            value = {} if chosen == run else {"value": chosen}
            head = [heart, gr.update(choices=list(names), elem_classes=run_classes(names), **value), (heart, names)]
        moment = Moment(workspace=self._page.workspace, run=chosen, active=active)
        watches = self._tabs[tab].watches if tab in self._tabs else ()
        mark = f"{signature(moment, watches)} visit {visit[0]}"
        return [*head, *(mark if name == tab else gr.skip() for name in self._tabs)]

    def go(self, query: Mapping[str, str], run: str | None) -> list[Any]:
        """Tab, bound values and beat in one answer: every round trip more is seen as an empty page."""
        tab = self._known(query.get("tab"))
        place = (next(_VISITS), tab)
        values = [value_at(binding, {**query, "tab": tab}.get(binding.key)) for binding in self.places]
        return [gr.update(selected=tab), place, *values, *self._arrived(query, run, place)]

    def _arrived(self, query: Mapping[str, str], run: str | None, place: Visit) -> list[Any]:
        """The beat of a place that was just entered, with the run that its address names."""
        names = self._names()
        is_asked = query.get("run") in names
        answer = self.beat(place[1], query["run"] if is_asked else run, place, ("", ()))
        if is_asked:
            answer[1] = gr.update(choices=list(names), value=query["run"], elem_classes=run_classes(names))
        return answer

    def loaded(self, request: gr.Request) -> list[Any]:
        """A page that was just opened. Most addresses name a tab and a run at most; the browser looks for every
        component that an answer may write, so what else there is to set (`placed`) is left out of this one."""
        query = dict(request.query_params)
        if any(binding.key in query for binding in self.places if binding.component is not self._page.tab):
            # Tabs, visit and tab; heart, run and what is shown of them; a pulse per tab.
            return [urlencode(query), *[gr.skip()] * (6 + len(self._tabs))]
        tab = self._known(query.get("tab"))
        place = (next(_VISITS), tab)
        # The first tab is open from the start, unless somebody was quicker than this answer.
        is_first = tab == self._first
        opened = gr.skip() if is_first else gr.update(selected=tab)
        return [gr.skip(), opened, place, gr.skip() if is_first else tab, *self._arrived(query, None, place)]

    def placed(self, asked: str, run: str | None) -> list[Any]:
        """A page that was opened at an address that names more than tab and run."""
        return self.go(read_query(asked), run)

    def followed(self, event: gr.EventData, run: str | None) -> list[Any]:
        """A link, or the back button."""
        return self.go(read_query(str(getattr(event, "query", ""))), run)

    def opened(self, event: gr.SelectData, tab: str, run: str | None, visit: Visit, shown: Head) -> list[Any]:
        """A tab that was clicked."""
        asked = self._known(str(getattr(event, "id", "")))
        place = (next(_VISITS), asked)
        # A link that was answered after this click has opened its own tab meanwhile: the later click wins.
        is_moved = visit[1] != tab
        return [
            gr.update(selected=asked) if is_moved else gr.skip(),
            asked,
            place,
            *self.beat(asked, run, place, shown),
        ]

    def _known(self, tab: str | None) -> str:
        return tab if tab in self._tabs else self._first

    def _names(self) -> tuple[str, ...]:
        return tuple(folder.name for folder in self._page.workspace.runs())


def run_classes(names: Sequence[str]) -> list[str]:
    """Classes of the run's dropdown, which is not shown while there is nothing to choose."""
    return ["st-runs"] if names else ["st-runs", "is-empty"]


def _run_update(workspace: Workspace, name: str) -> Any:
    names = [folder.name for folder in workspace.runs()]
    if name not in names:
        raise ValueError(name)
    return gr.update(choices=names, value=name)
