"""No text from a model, a file or a visitor becomes markup in any card, and every card is well formed."""

import inspect
import re
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.look import cards
from studio.look.cards import Html
from tests.studio.look.cards.every_card import CARDS

_TAGS = set(
    """a article b br button caption circle dd del details div dl dt em figure footer h1 h2 h3 header i img ins li mark
    p path polyline pre rect section small span summary svg table tbody td th thead time tr ul""".split()  # noqa: SIM905
)
_ATTRIBUTES = set(
    """alt aria-busy aria-current aria-hidden aria-label class cx cy d data-act data-copy data-id data-key data-keys
    data-label data-term data-theme-switch data-tour data-zoom decoding dir disabled fill height href id loading open
    points r rel role scope src stroke stroke-dasharray stroke-width style tabindex target title type viewbox width x
    y""".split()  # noqa: SIM905
)
_VOID = frozenset({"img", "br"})
_STYLE = re.compile(r"(?:--(?:v|in|out):[\d.]+;?|--tone:var\(--st-[a-z0-9]+\);?|(?:left|width):[\d.]+%;?)+")

_PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    '" style="position:fixed" x="',
    "</span></div></article>",
    "<!--",
    "-->",
    "]]>",
    "&lt;b&gt;",
    "&#x3c;svg/onload=alert(1)&#x3e;",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "data:image/svg+xml;base64,PHN2Zy8+",
    "//evil.example/x.png",
    "/gradio_api/file=images/3f/3fa1.png",
    "?tab=pairs&run=%3Cb%3E",
    "/\\evil.example",
    "https://evil.example/x.png",
    "${alert(1)}",
    "{{constructor}}",
    "[[A]]<mark>[[B]]",
    "\u202e\u2066 rtl مرحبا",
    "\x00\x1b[31m\ud800",
    "**bold** [x](javascript:y)",
    "W" * 300,
    "\n\n",
)
hostile = st.one_of(
    st.sampled_from(_PAYLOADS),
    st.lists(st.sampled_from(_PAYLOADS) | st.text(max_size=12), min_size=1, max_size=4).map("".join),
    st.text(alphabet=st.characters(), max_size=60),
)


class Reader(HTMLParser):
    """Tags, attributes and text of a fragment; `faults` names what is badly nested or not allowed."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []
        self.texts: list[str] = []
        self.values: list[tuple[str, str, str]] = []
        self._open: list[str] = []
        self.feed(markup)
        self.close()
        self.faults += [f"<{tag}> is never closed" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _TAGS:
            self.faults.append(f"tag <{tag}>")
        for name, value in attrs:
            self.values.append((tag, name, value or ""))
            if name not in _ATTRIBUTES:
                self.faults.append(f"attribute {name} of <{tag}>")
        if tag not in _VOID and not self.get_starttag_text().endswith("/>"):  # type: ignore[union-attr]
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("circle", "path", "polyline", "rect") and (not self._open or self._open[-1] != tag):
            return
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}> out of place")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.faults.append(f"comment {data}")

    def handle_decl(self, decl: str) -> None:
        self.faults.append(f"declaration {decl}")

    def unknown_decl(self, data: str) -> None:
        self.faults.append(f"unknown declaration {data}")

    def handle_pi(self, data: str) -> None:
        self.faults.append(f"processing instruction {data}")


@pytest.mark.parametrize("name", sorted(CARDS))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=hostile)
def test_card_with_hostile_text_stays_within_its_own_tags_and_attributes(name: str, text: str) -> None:
    reader = Reader(CARDS[name](text))

    assert reader.faults == []
    for tag, attribute, value in reader.values:
        if attribute == "href":
            assert cards.local_url(value) == value
        if attribute == "src":
            assert cards.image_url(value) == value
        if attribute == "style":
            assert _STYLE.fullmatch(value), (tag, value)


@pytest.mark.parametrize("name", sorted(CARDS))
def test_card_can_always_be_sent_as_utf8(name: str) -> None:
    CARDS[name]("\ud800 lone \udfff").encode("utf-8")


def test_every_function_that_makes_markup_is_among_the_tested_cards() -> None:
    made = {
        name
        for name in cards.__all__
        if inspect.isfunction(fn := getattr(cards, name)) and inspect.signature(fn).return_annotation is Html
    }

    assert made - set(CARDS) == set()


@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet=st.characters(exclude_categories=("Cc", "Cs", "Cn", "Co")), max_size=80))
def test_escaped_text_is_shown_as_it_was_written(text: str) -> None:
    shown = "".join(Reader(cards.element("p", cards.esc(text), title=text)).texts)

    assert shown == text.replace("\u202d", "\ufffd").replace("\u202e", "\ufffd")
