"""The page's clock in a real browser whose time is turned by hand: requests counted, nothing waited for."""

from typing import Any

from studio.page.clock import AWAKE_SECONDS, IDLE_SECONDS, POLL_SECONDS
from tests.browser.conftest import Opener
from tests.studio_server import Server

_HIDE = "Object.defineProperty(document, 'hidden', {value: true, configurable: true})"
_SHOW = "delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))"


def _asked(page: Any, seconds: float) -> int:
    """Requests for something new while so much of the page's own time passes, a second at a time."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "queue/join" in request.url else None)
    before = len(asked)
    for _ in range(int(seconds)):
        page.clock.run_for(1000)
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => done()))") if False else None
    return len(asked) - before


def test_page_asks_often_in_use_seldom_when_left_alone_and_never_when_hidden(
    visit: Opener, sample_server: Server
) -> None:
    watched = visit(sample_server)
    watched.page.clock.install()
    page = watched.open()
    page.locator("#tab-home .st:visible").first.wait_for()
    in_use = _asked(page, AWAKE_SECONDS)
    assert in_use > 2
    assert _asked(page, 4 * IDLE_SECONDS) <= 5
    page.evaluate(_HIDE)
    assert _asked(page, 4 * IDLE_SECONDS) == 0
    with page.expect_request("**/queue/join*"):
        page.evaluate(_SHOW)
    assert POLL_SECONDS < IDLE_SECONDS
