"""The one place where text becomes HTML: escaping, attributes and elements for every card.

It knows no component. `Html` marks text that is already safe to show; everything else must pass `esc`.
"""

import html
import re
from typing import NewType

from studio.look.paths import without_paths

Html = NewType("Html", str)
"""Markup made by this package. A plain `str` is never one, so mypy refuses unescaped text as a child."""

EMPTY = Html("")

TEXT_LIMIT = 20_000
"""Characters of one text that are put on a page; a model can write megabytes, a browser should not get them."""

_READ = frozenset({"title", "aria-label", "alt", "data-label", "placeholder"})
"""Attributes that a person reads; the others are read by the page."""
_VOID = frozenset({"img", "br", "input"})
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202d\u202e\ufffe\uffff]")
_LOCAL_URL = re.compile(r"(?!//)[A-Za-z0-9/?#._][A-Za-z0-9\-._~/?=&%#,+@!$'()*]*")
_IMAGE_DATA = re.compile(r"data:image/(?:png|jpeg|webp|gif);base64,[A-Za-z0-9+/]+={0,2}")


def esc(value: object, *, limit: int = TEXT_LIMIT) -> Html:
    """The value as text that holds no markup, at most `limit` characters of it.

    Control characters, direction overrides and lone surrogates become "\ufffd": the first are invisible, the
    second show text backwards, the third cannot be sent. Behind a password it also holds no path of the machine.
    """
    return _escaped(without_paths(str(value)), limit)


def _escaped(text: str, limit: int = TEXT_LIMIT) -> Html:
    text = clip(text, limit)
    text = _CONTROL.sub("\ufffd", text).encode("utf-8", "replace").decode("utf-8")
    return Html(html.escape(text, quote=True))


def clip(text: str, limit: int) -> str:
    """The text, cut at `limit` characters with an ellipsis where something was left out."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def attributes(**values: object) -> str:
    """Attributes with escaped values: `class_` loses its underscore, inner underscores become dashes.

    `None` and `False` leave the attribute out; `True` writes its name alone. A picture's data are never cut.
    """
    parts = []
    for key, value in values.items():
        if value is None or value is False:
            continue
        name = key.rstrip("_").replace("_", "-")
        parts.append(f" {name}" if value is True else f' {name}="{_value(name, value)}"')
    return "".join(parts)


def _value(name: str, value: object) -> Html:
    is_picture = name == "src" and _IMAGE_DATA.fullmatch(str(value)) is not None
    if is_picture:
        return Html(str(value))
    return esc(value) if name in _READ else _escaped(str(value))


def element(tag: str, *children: Html, **values: object) -> Html:
    """One element; children are markup already, attribute values are escaped here."""
    opening = f"<{tag}{attributes(**values)}>"
    return Html(opening) if tag in _VOID else Html(f"{opening}{''.join(children)}</{tag}>")


def join(parts: "list[Html] | tuple[Html, ...]", separator: str = "") -> Html:
    """The parts one after another; the separator is text and is escaped."""
    return Html(esc(separator).join(parts))


def local_url(url: str | None) -> str | None:
    """The URL if it leads to this same server, else None: no scheme, no host, no script.

    Callers percent-encode what they put in. A page of ours never asks another machine for anything.
    """
    return url if url and _LOCAL_URL.fullmatch(url) else None


def image_url(url: str | None) -> str | None:
    """A local URL or an inline bitmap, else None. SVG is refused because it can hold scripts."""
    return url if url and (_LOCAL_URL.fullmatch(url) or _IMAGE_DATA.fullmatch(url)) else None


def press(*body: Html, act: str, key: str = "", url: str | None = None, class_: str, **values: object) -> Html:
    """Something to press: a link if a local `url` is given, else a button whose click reports `act` and `key`."""
    href = local_url(url)
    if href is not None:
        return element("a", *body, href=href, class_=class_, **values)
    return element("button", *body, type="button", class_=class_, data_act=act, data_id=key, **values)


def ready(class_: str, part: int) -> dict[str, object]:
    """Attributes of an entry of a list by the page it belongs to: 0 is the one that is shown; entries of the page
    before (-1) or after (1) it lie ready, unseen, until keys reach them (`studio.look.keys`)."""
    if not part:
        return {"class_": class_ or None}
    return {"class_": f"{class_} is-ready".strip(), "data_part": part}


def sheet(*parts: Html) -> Html:
    """What a `gr.HTML` shows: the parts one under the other, in the `.st` class that scopes the style sheet."""
    return element("div", *parts, class_="st st-sheet")
