"""axe-core finds nothing serious on any page, at both widths: one page is opened and walked through. What is
around the tabs is looked at with the first.

Contrast is left to `tests/bench/picture_pages.py --axe`, which waits until every page stands still: what is being drawn
is pale for a moment.
"""

from typing import Any

import pytest

from studio.app import TABS
from tests.browser.conftest import PHONE, WIDE, Opener
from tests.studio_server import Server

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

_OPTIONS = {"resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": False}}}


_STILL_DRAWN = 'aria-label="Empty value"'
"""Gradio's own sign for a chart that is not there yet."""


def _serious(page: Any, within: str = "html") -> list[str]:
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(axe.Axe().axe_script)
    found = page.evaluate("([within, options]) => axe.run(within, options)", [within, _OPTIONS])["violations"]
    return [
        f"{fault['id']}: {node['target'][-1]} {node['html'][:120]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
        if _STILL_DRAWN not in node["html"]
    ]


def test_axe_finds_nothing_serious_on_any_page(visit: Opener, sample_server: Server) -> None:
    watched = visit(sample_server)
    page = watched.open("?run=shapes-01")
    faults: dict[str, list[str]] = {}
    for tab in (known.key for known in TABS):
        watched.go(tab, "&run=shapes-01")
        for size in (WIDE, PHONE):
            page.set_viewport_size(size)
            if found := _serious(page, f"#tab-{tab}" if tab != "home" else "html"):
                faults[f"{tab} {size['width']}"] = found
    assert faults == {}


def test_axe_sees_a_serious_fault_where_there_is_one(visit: Opener, sample_server: Server) -> None:
    page = visit(sample_server).open()
    page.evaluate("document.querySelector('#tab-home').append(document.createElement('button'))")
    assert any(fault.startswith("button-name") for fault in _serious(page))
