"""Sentences and frames around the cards: panel, note, command, empty state, confirmation, key-value list, log."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from studio.look.cards.markup import EMPTY, Html, element, esc, local_url, press


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A button inside a card, or a link if it has a `url` (of `studio.page.place.link`).

    A click on a button arrives in the tab's handler as `event.act` and `event.id`.
    """

    label: str
    act: str = ""
    """What to do, e.g. "open", "delete", "next"."""
    key: str = ""
    """data-id: what to do it to."""
    url: str | None = None
    kind: Literal["plain", "main", "stop", "bare"] = "plain"
    small: bool = False
    wide: bool = False
    hint: str | None = None
    """Keyboard key shown on the button, e.g. "j"."""
    said: str | None = None
    """What a screen reader says, where the label is only a sign."""
    disabled: bool = False


def button(action: Action) -> Html:
    """The action as a button; one `main` per screen or card."""
    kind = "" if action.kind == "plain" else f" is-{action.kind}"
    shape = (" is-small" if action.small else "") + (" is-wide" if action.wide else "")
    hint = element("span", esc(action.hint), class_="st-key", aria_hidden="true") if action.hint else EMPTY
    return press(
        esc(action.label),
        hint,
        act=action.act,
        key=action.key,
        url=None if action.disabled else action.url,
        class_=f"st-btn{kind}{shape}",
        aria_label=action.said,
        disabled=action.disabled,
    )


def link(words: str, url: str, *, mono: bool = False) -> Html:
    """A link within this server; plain text if the URL leads anywhere else."""
    href = local_url(url)
    body = esc(words, limit=200)
    return element("a", body, href=href, class_="st-mono" if mono else None) if href else element("span", body)


def panel(*body: Html, title: str | None = None, aside: Html = EMPTY, foot: Html = EMPTY) -> Html:
    """A framed section: title and aside in its header, `foot` under a hairline. Pad the body with `padded`."""
    head = element("header", element("h2", esc(title, limit=200)), aside) if title is not None else EMPTY
    tail = element("footer", foot) if foot else EMPTY
    return element("section", head, *body, tail, class_="st-panel")


def panel_head(title: str, aside: Html = EMPTY) -> Html:
    """The header alone, for a `gr.Column(elem_classes="st-panel")` that holds Gradio's own controls or plots."""
    return element("header", element("h2", esc(title, limit=200)), aside)


def panel_foot(*body: Html) -> Html:
    """The footer alone, for the end of such a column."""
    return element("footer", *body)


def says(text: str) -> Html:
    """The sentence below a chart that says what the statistic says, with its interval."""
    return element("p", esc(text), class_="st-says")


def padded(*body: Html) -> Html:
    """The body of a panel with its usual 18 px inside."""
    return element("div", *body, class_="st-pad")


def sub(text: str, *, dim: bool = False) -> Html:
    """A 13 px sentence in the second or third ink."""
    return element("p", esc(text), class_="st-sub st-dim" if dim else "st-sub")


def note(text: str, *, tone: Literal["info", "warn", "error"] = "info", action: Action | None = None) -> Html:
    """One sentence with an edge: petrol, amber for a warning, red for an error (the command line's sentence)."""
    suffix = {"info": "", "warn": " is-warn", "error": " is-error"}[tone]
    role = {"info": "status", "warn": "status", "error": "alert"}[tone]
    tail = button(action) if action else EMPTY
    return element("div", element("p", esc(text), dir="auto"), tail, class_=f"st-note{suffix}", role=role)


def shipped_note(way_back: str | None) -> Html:
    """Above the finished run that ships: what it is, and the way to a visitor's own workspace where there is one."""
    action = Action(label="Back to my workspace", url=way_back, small=True) if way_back else None
    return element(
        "div",
        note(
            "A real run that ships with Judge Studio, with its own pictures, replies and judges. Nothing here can be "
            "changed: look at every page, and ask its judges on Live judge.",
            action=action,
        ),
        class_="st-shipped",
    )


def command(text: str, *, title: str = "The same from a terminal") -> Html:
    """The same action for a terminal, with Copy. Ends every screen that starts something."""
    copy = element("button", Html("Copy"), type="button", class_="st-btn is-small is-bare", data_copy="pre")
    head = element("div", element("span", esc(title)), copy, class_="st-between")
    return element("div", head, shell(text), class_="st-cmdbox st-sub")


def shell(text: str) -> Html:
    """A command as it is typed. It scrolls in its box: folded, "--preset" would end a line as "--"."""
    return element("pre", esc(text), class_="st-cmd", tabindex="0")


EmptyPlace = Literal["pairs", "pairs-coming", "pairs-filtered", "traces", "traces-coming", "versions", "live"]

_HOME = Action(label="Open Home", url="?tab=home", kind="main")
_EMPTY: dict[str, tuple[str, Action | None]] = {
    "pairs": (
        "No pairs yet. They appear while synthesize runs.",
        Action(label="Open Launch", url="?tab=launch", kind="main"),
    ),
    "pairs-coming": ("No pairs yet. They appear while synthesize runs. Home shows how far the run is.", _HOME),
    "pairs-filtered": ("No pair matches.", Action(label="Clear filters", act="clear", kind="main")),
    "traces": ("No rulings yet. Judge starts after synthesize.", None),
    "traces-coming": ("No rulings yet. Judge starts after synthesize. Home shows how far the run is.", _HOME),
    "versions": ("Only judge-v0 so far: the first comparison comes after iteration 1.", None),
    "live": ("Nothing judged yet. The comparison is ready: press Judge in both orders, or change it first.", None),
}


def empty_place(place: EmptyPlace) -> Html:
    """The sentence and action LOOK.md gives for a place that has nothing to show yet."""
    sentence, action = _EMPTY[place]
    return empty(sentence, action)


def empty(sentence: str, *actions: Action | None, title: str | None = None, command_line: str = "") -> Html:
    """One sentence, one action (a second may be plain), and the command if something can be started."""
    head = element("h1", esc(title)) if title else EMPTY
    shown = [button(action) for action in actions if action]
    row = element("div", *shown, class_="st-row is-centre") if shown else EMPTY
    code = shell(command_line) if command_line else EMPTY
    return element("div", head, element("p", esc(sentence)), row, code, class_="st-empty")


def confirm(question: str, consequence: str, *, yes: Action, no: Action) -> Html:
    """An inline box that asks before something that cannot be undone."""
    return element(
        "div",
        element("p", element("b", esc(question, limit=300))),
        element("p", esc(consequence, limit=600), class_="st-sub"),
        element("div", button(yes), button(no), class_="st-row"),
        class_="st-confirm",
        role="group",
        aria_label=question[:300],
    )


def key_values(rows: Sequence[tuple[str, str]], *, wide: bool = False) -> Html:
    """Names on the left, values on the right; `wide` for a settings list."""
    cells = [Html(element("dt", esc(name)) + element("dd", esc(value, limit=2000), dir="auto")) for name, value in rows]
    return element("dl", *cells, class_="st-kv is-wide" if wide else "st-kv")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One event of a run."""

    time: str
    """Clock time, "14:02:31"."""
    text: str
    bad: bool = False
    """An error: shown in red and said as one."""


def log_lines(lines: Sequence[LogLine]) -> Html:
    """Events in mono, newest first as given."""
    items = [
        element(
            "li",
            element("time", esc(line.time)),
            element("span", esc(line.text, limit=1000), dir="auto"),
            class_="is-bad" if line.bad else None,
        )
        for line in lines
    ]
    return element("ul", *items, class_="st-log")
