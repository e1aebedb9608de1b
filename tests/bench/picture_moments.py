"""Photograph what a page shows for a moment only: questions, refusals, explanations, what is opened by a click.

    python tests/bench/picture_moments.py /tmp/pictures [--visits lists,opened] [--sizes 1440-light,390-dark]

Writes VISIT-STEP-WIDTH-THEME.png and prints what looks wrong, as `picture_pages.py` does. Visits: the empty workspace
(tour, words of the trade, a refused start, own photographs), a workspace of four runs whose benchmark asks about
several pictures at once (what is deleted, listed, opened), and a run that failed.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import expect, sync_playwright

from engine.export.finished import NAME
from engine.records import BenchmarkItem
from engine.workspace.state import read_state, write_state
from tests.bench.photo_folder import make_photo_folder
from tests.bench.picture_pages import NO_TOUR, SIZES, asked_visits, copied, empty, failed, photograph
from tests.browser.conftest import CHROMIUM, Watched
from tests.studio_server import Server, studio_server

Step = Callable[..., None]
"""Photographs the page under this name, or only what the window shows: scrolling ends an explanation."""


def tour(watched: Watched, step: Step) -> None:
    """The finished run, opened from the empty page, and the five steps through it."""
    page = watched.page
    page.get_by_role("link", name="Look at a finished run").click()
    expect(page.locator(".st-duels > article")).to_have_count(2)
    step("opened")
    page.locator("[data-tour]:visible").first.click()
    box = page.locator(".st-tour")
    for number in range(1, 6):
        expect(box).to_contain_text(f"{number} of 5")
        step(f"step-{number}")
        box.get_by_role("button", name="Next" if number < 5 else "Done").click()
    page.goto(f"{watched.server.url}/finished/?tab=home")
    word = page.locator("#tab-home [data-term]:visible").first
    word.scroll_into_view_if_needed()
    word.hover()
    expect(page.locator(".st-tip")).to_be_visible()
    step("word-hover", scrolls=False)
    page.mouse.move(0, 0)
    page.locator("#tab-home [data-term][tabindex]:visible").first.focus()
    expect(page.locator(".st-tip")).to_be_visible()
    step("word-focus", scrolls=False)


def photos(watched: Watched, step: Step) -> None:
    """A folder of photographs with files gone wrong, taken in, then on Launch, then with a model that cannot see it."""
    page, folder = watched.page, Path(tempfile.mkdtemp()) / "photos"
    make_photo_folder(folder)
    panel = watched.go("images", "&images.way=folder")
    box = page.get_by_label("Folder, zip, parquet or jsonl file on this machine")
    box.wait_for()
    page.wait_for_timeout(1000)  # Gradio 6.31 writes the old value back over what a robot types as a field appears
    box.fill(str(folder))
    page.get_by_role("button", name="Take in", exact=True).click()
    page.get_by_text("files skipped").click()
    step("taken-in")
    panel.get_by_role("link", name="Use in a new run").click()
    launch = page.locator("#tab-launch")
    expect(launch).to_contain_text("images of your own")
    step("launch")
    base = page.locator("#set-model-base textarea, #set-model-base input")
    base.fill("shapes-vlm")
    base.press("Tab")
    expect(launch.locator(".st-note.is-error")).to_contain_text("knows drawn shapes only")
    page.get_by_role("button", name="Start the run").click()
    expect(page.get_by_role("button", name="Start it all the same")).to_be_visible()
    step("asked-again")


def refused(watched: Watched, step: Step) -> None:
    """A start that cannot be: a run name that no folder can have."""
    page = watched.page
    launch = watched.go("launch")
    name = launch.get_by_label("Run name")
    name.wait_for()
    page.wait_for_timeout(1000)  # as above
    name.fill("../elsewhere")
    name.press("Tab")
    page.get_by_role("button", name="Start the run").click()
    expect(launch.get_by_role("alert").first).to_be_visible()
    step("start")


def lists(watched: Watched, step: Step) -> None:
    """Four runs, a question before a deletion, pairs as a table with one open, traces with the replay open."""
    page = watched.page
    expect(watched.go("home", f"&run={NAME}").locator(".st-duels img").nth(2)).to_be_visible()
    step("four-runs")
    page.get_by_role("button", name="Delete run fog-demo-2").click()
    expect(page.locator(".st-confirm")).to_be_visible()
    step("delete")
    page.locator(".st-confirm button").last.click()
    pairs = watched.go("pairs", f"&run={NAME}&pairs.view=table")
    pairs.locator("table").first.wait_for()
    step("pairs-table")
    pairs.locator("[data-act=open]").first.click()
    page.locator(".st-drawer:visible").wait_for()
    step("pairs-drawer")
    traces = watched.go("traces", f"&run={NAME}")
    traces.get_by_role("button", name="Replay the selection").click()
    expect(traces).to_contain_text("with these settings")
    step("replay")


def opened(watched: Watched, step: Step) -> None:
    """An item of several pictures: from Versions on Compare, on the live judge; what the chosen run is on Launch."""
    page = watched.page
    watched.go("versions", f"&run={NAME}").locator(".st-changes a:visible").first.click()
    expect(page.locator("#tab-compare img").nth(2)).to_be_visible()
    step("compare-item")
    expect(watched.go("live", f"&run={NAME}")).to_contain_text("From this run's own benchmark")
    step("live-example")
    _chosen_run(watched, "Iteration 3", step)


def _chosen_run(watched: Watched, says: str, step: Step) -> None:
    launch = watched.go("launch", f"&run={NAME}")
    launch.get_by_label("The chosen run").check(force=True)
    expect(launch).to_contain_text(says)
    step("launch-run")


def broken(watched: Watched, step: Step) -> None:
    """What a failed run says on Launch."""
    _chosen_run(watched, "no memory left", step)


VISITS: dict[str, tuple[str, Callable[[Watched, Step], None]]] = {
    "tour": ("empty", tour), "photos": ("empty", photos), "refused": ("empty", refused),
    "lists": ("four", lists), "opened": ("four", opened), "broken": ("failed", broken),
}  # fmt: skip


@contextmanager
def four_runs(folder: Path) -> Iterator[Path]:
    """Copies of the run that ships; the first one's benchmark asks every question about three pictures."""
    run = copied(folder)
    for number in (2, 3, 4):
        other = run.workspace.run(f"{NAME}-{number}")
        shutil.copytree(run.folder, other.folder)
        write_state(other, replace(read_state(other), run=other.name, started_at=number * 86_400.0))
    benchmark = run.stage(0, "benchmark")
    items = benchmark.read("items", BenchmarkItem)
    several = [
        replace(item, more_images=(items[place - 1].image, items[place - 2].image)) for place, item in enumerate(items)
    ]
    for part in benchmark.parts("items"):
        part.unlink()
    benchmark.write("items", several)
    yield folder


PLACES: dict[str, Callable[[Path], Any]] = {"empty": empty, "four": four_runs, "failed": failed}


def main() -> None:
    asked = asked_visits(__doc__, VISITS)
    expect.set_options(timeout=90_000)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for place, made in PLACES.items():
            visits = [name for name in asked.visits.split(",") if VISITS[name][0] == place]
            if not visits:
                continue
            with made(Path(scratch) / place) as workspace, studio_server(workspace) as server:
                for size in asked.sizes.split(","):
                    for visit in visits:
                        _visited(browser, server, visit, size, asked.out)
        browser.close()


def _visited(browser: Any, server: Server, visit: str, size: str, out: Path) -> None:
    """One visit at one size, on a page of its own. A visit that ends early says so, and the next one begins."""
    viewport, theme = SIZES[size]
    context = browser.new_context(viewport=viewport, color_scheme=theme)
    watched = Watched(context, server)
    watched.page.set_default_timeout(90_000)
    watched.page.add_init_script(NO_TOUR)
    watched.open()

    def step(name: str, *, scrolls: bool = True) -> None:
        path = out / f"{visit}-{name}-{size}.png"
        photograph(watched, path) if scrolls else watched.page.screenshot(path=path)

    try:
        VISITS[visit][1](watched, step)
    except (AssertionError, PlaywrightError) as error:
        print(f"{visit}-{size}: ended early, {str(error)[:300]}", flush=True)
    context.close()


if __name__ == "__main__":
    main()
