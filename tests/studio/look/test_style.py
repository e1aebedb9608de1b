"""The style sheet keeps to what Gradio's CSS mounting understands, can be read, and has a rule for every class."""

import re
from itertools import product

import pytest

from engine.assets import assets_folder
from tests.studio.look.cards.every_card import CARDS

CSS = re.sub(r"/\*.*?\*/", "", (assets_folder() / "style.css").read_text(encoding="utf-8"), flags=re.DOTALL)


def _blocks(css: str) -> list[tuple[str, str]]:
    """(prelude, body) of every rule on this level; bodies of @media keep their rules."""
    blocks, depth, start, prelude = [], 0, 0, ""
    for place, sign in enumerate(css):
        if sign == "{":
            if depth == 0:
                prelude, start = css[start:place].strip(), place + 1
            depth += 1
        elif sign == "}":
            depth -= 1
            if depth == 0:
                blocks.append((prelude, css[start:place]))
                start = place + 1
    assert depth == 0
    return blocks


TOP = _blocks(CSS)
MEDIA = [
    (selector, body) for prelude, rules in TOP if prelude.startswith("@media") for selector, body in _blocks(rules)
]
RULES = [(selector, body) for selector, body in TOP if not selector.startswith("@")] + MEDIA


def test_sheet_uses_no_at_rule_that_gradio_drops() -> None:
    names = {prelude.split()[0] for prelude, _ in TOP if prelude.startswith("@")}

    assert names <= {"@media", "@keyframes"}


def test_rules_are_not_nested() -> None:
    assert [selector for selector, body in RULES if "{" in body] == []


def test_media_rules_touch_only_what_lies_inside_the_container() -> None:
    outside = re.compile(r"(?:^|,)\s*(?::root|body|html|\.dark|\.main|\.gradio-container)\b")

    assert [selector for selector, _ in MEDIA if outside.search(selector)] == []


def test_no_selector_list_inside_is_or_not() -> None:
    assert [selector for selector, _ in RULES if re.search(r":(?:is|not|where|has)\([^)]*,", selector)] == []


_NO_LONGHANDS = {"outline-offset", "border-radius", "border-collapse", "stroke-width", "fill-opacity"}
"""Properties that begin like a shorthand but are none of its longhands."""


def test_no_shorthand_with_a_token_is_followed_by_its_own_longhand() -> None:
    lost = []
    for selector, body in RULES:
        names: list[str] = []
        for declaration in filter(None, (part.strip() for part in body.split(";"))):
            name, value = (part.strip() for part in declaration.split(":", 1))
            lost += [(selector, name) for short in names if name.startswith(f"{short}-") and name not in _NO_LONGHANDS]
            if "var(" in value and not name.startswith("--"):
                names.append(name)

    assert lost == []


def test_sheet_asks_for_nothing_from_elsewhere() -> None:
    assert "url(" not in CSS
    assert "@import" not in CSS


def _tokens(selector: str) -> dict[str, str]:
    body = next(body for prelude, body in TOP if prelude == selector)
    return dict(re.findall(r"--st-([a-z0-9-]+):\s*(#[0-9a-f]{6})", body))


LIGHT = _tokens(":root")
DARK = LIGHT | _tokens(".dark")


def _luminance(color: str) -> float:
    """Relative luminance as WCAG 2.2 defines it, 0 to 1."""
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


MODES = [pytest.param(LIGHT, id="light"), pytest.param(DARK, id="dark")]
ON_TINT = [(name, f"{name}-soft") for name in ("accent", "kept", "rejected", "flip", "invalid")]


@pytest.mark.parametrize("mode", MODES)
def test_text_reads_on_every_ground_it_is_put_on(mode: dict[str, str]) -> None:
    inks = ("ink", "ink2", "ink3", "accent", "kept", "rejected", "flip", "invalid")
    pairs = [*product(inks, ("paper", "panel", "sunk")), *ON_TINT, ("on-accent", "accent"), ("ink", "accent-soft")]
    pairs += [("ink", "flip-soft"), ("ink", "rejected-soft")]

    assert [pair for pair in pairs if _contrast(mode[pair[0]], mode[pair[1]]) < 4.5] == []


@pytest.mark.parametrize("mode", MODES)
def test_borders_of_controls_and_chart_lines_stand_out(mode: dict[str, str]) -> None:
    lines = ("edge", "c-new", "c-mid", "c-base", "c-control")

    assert [line for line in lines if _contrast(mode[line], mode["panel"]) < 3.0] == []


def test_every_token_that_is_used_is_defined() -> None:
    used = set(re.findall(r"var\(--st-([a-z0-9-]+)", CSS)) | set(
        re.findall(r"var\(--st-([a-z0-9-]+)", "".join(card("x") for card in CARDS.values()))
    )
    defined = set(re.findall(r"--st-([a-z0-9-]+):", CSS))

    assert used - defined == set()


def test_every_class_of_every_card_has_a_rule() -> None:
    markup = "".join(card(text) for card in CARDS.values() for text in ("x", "kept", "running", "/a.png"))
    used = {name for value in re.findall(r' class="([^"]*)"', markup) for name in value.split()}
    styled = set(re.findall(r"\.([a-zA-Z][\w-]*)", CSS))
    plain = {"is-c-accent", "st-plain"} | {name for name in used if name.startswith("is-")}

    assert {name for name in used if name not in styled} - plain == set()


def test_motion_stops_where_it_is_not_wanted() -> None:
    animated = {selector for selector, body in RULES if re.search(r"animation:\s*(?!none)", body)}
    stopped = next(rules for prelude, rules in TOP if "prefers-reduced-motion" in prelude)

    assert animated
    assert all(selector in stopped for selector in animated)
