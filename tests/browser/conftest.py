"""A real Chromium on a real studio. Skipped with the reason where there is no browser.

Every page a test opens is watched: an error in the console, a request to another host, or a script that came out of
somebody's text fails the test.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.assets import EMBEDDED
from engine.workspace.folders import RunFolder
from engine.workspace.provenance import model_folder
from tests.arena_run import arena_run
from tests.patience import seconds
from tests.sample_workspace import make_workspace
from tests.studio_server import Server, studio_server
from tests.tiny_models import save_tiny_adapter

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
PATIENCE = 1000 * seconds(120)
"""Milliseconds a locator waits."""
playwright.expect.set_options(timeout=PATIENCE)


def _is_browser_test(item: pytest.Item) -> bool:
    return Path(__file__).parent in item.path.parents


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the browser tests, and run them last: they are slow, and Playwright keeps an event loop running.

    One that fails is tried once more, as Playwright's own runner does on CI: browser, page and server are processes
    that a busy machine may starve of time in ways no other test knows. A second try is a finding, not a pass without a
    word: the summary shows each with its cause, which is to be mended, and more than three end the run in red.
    """
    items.sort(key=_is_browser_test)
    for item in items:
        if _is_browser_test(item):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.flaky(reruns=1))
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(seconds(900)))
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="no Chromium on this machine (Debian: apt install chromium)"))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


AWAY = re.compile(
    r"ERR_CONNECTION|ERR_EMPTY|ERR_INCOMPLETE|Failed to fetch|Connection errored|network error|AbortError"
    r"|Server stopped|status of 503|Unable to preload CSS"
)
"""What the browser and Gradio's client write to the console while there is no server to answer, or one that is ending,
and of what a page had asked when it was left."""


class Watched:
    """A browser page and what went wrong on it."""

    def __init__(self, context: Any, server: Server) -> None:
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.server = server
        self.problems: list[str] = []
        self.page.on("domcontentloaded", lambda _: self.was_away())
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("console", self._console)
        self.page.on("request", self._request)
        self.page.on("dialog", self._dialog)

    def _console(self, message: Any) -> None:
        if message.type == "error":
            self.problems.append(f"console: {message.text}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.server.url, "data:", "blob:")):
            self.problems.append(f"request to another host: {request.url}")

    def _dialog(self, dialog: Any) -> None:
        self.problems.append(f"a script ran: {dialog.message}")
        dialog.dismiss()

    def was_away(self) -> None:
        """The page was left, or its server was not there: what was said of that until now is no fault."""
        self.problems[:] = [problem for problem in self.problems if not AWAY.search(problem)]

    def open(self, query: str = "") -> Any:
        """Load the app at a place and wait until it answers: before that, nothing hears of another place."""
        self.page.goto(f"{self.server.url}/{query}")
        self.page.get_by_role("tab", name="Home").wait_for()
        self.page.locator(".st-heart .st").first.wait_for(state="attached")
        return self.page

    def go(self, tab: str, query: str = "") -> Any:
        """Change the place as a link does, without loading the page again; the tab's panel once it shows something."""
        self.page.evaluate(
            "address => { history.pushState(null, '', address); dispatchEvent(new PopStateEvent('popstate')); }",
            f"?tab={tab}{query}",
        )
        panel = self.page.locator(f"#tab-{tab}")
        panel.locator(".st:visible").first.wait_for()
        self.page.wait_for_function(
            "name => document.querySelector(`#tab-${name}`).innerText.trim().length > 20", arg=tab
        )
        return panel

    def sideways(self) -> int:
        """Pixels by which the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


Opener = Callable[..., Watched]


@pytest.fixture
def visit(chromium: Any) -> Iterator[Opener]:
    """`visit(server, size=PHONE, dark=True)` → a page of its own; its problems are checked at the end."""
    opened: list[tuple[Any, Watched]] = []

    def open_page(server: Server, *, size: dict[str, int] = WIDE, dark: bool = False, reduced: bool = False) -> Watched:
        context = chromium.new_context(
            viewport=size,
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce" if reduced else "no-preference",
        )
        opened.append((context, Watched(context, server)))
        return opened[-1][1]

    yield open_page
    for _, watched in opened:
        if watched.server.process.poll() is not None:  # a test's own server ends before the page does
            watched.was_away()
    problems = [problem for _, watched in opened for problem in watched.problems]
    for context, _ in opened:
        context.close()
    assert problems == []


@pytest.fixture(scope="session")
def empty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with studio_server(tmp_path_factory.mktemp("empty") / "ws") as server:
        yield server


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of scripted rows, hostile text in questions and file names among them."""
    return make_workspace(tmp_path_factory.mktemp("sample") / "ws").root


@pytest.fixture(scope="session")
def sample_server(sample: Path) -> Iterator[Server]:
    with studio_server(sample) as server:
        yield server


@pytest.fixture(scope="session")
def judged(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run with two measured versions. Three can be asked: the embedded model, with small random adapters."""
    run = arena_run(tmp_path_factory.mktemp("judged") / "ws")
    for number in (1, 2):
        save_tiny_adapter(model_folder(EMBEDDED), run.adapter(number), seed=number, scale=0.02)
    return run


@pytest.fixture(scope="session")
def judged_server(judged: RunFolder) -> Iterator[Server]:
    with studio_server(judged.workspace.root) as server:
        yield server
