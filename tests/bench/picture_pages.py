"""Photograph every page of the studio, and say what looks wrong on each: sideways scroll, console errors, cut texts.

    python tests/bench/picture_pages.py /tmp/pictures [--states empty,done] [--pages home,live] [--axe]

Writes STATE-PAGE-WIDTH-THEME.png for five states of a workspace (empty; in its first minute; running; finished;
failed), every page, 1440 and 390 px, light and dark. All but the empty one are made from the finished run that ships;
the running ones are held by this process, as a real run holds its folder. `--axe` adds what axe-core calls serious.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from playwright.sync_api import sync_playwright

from engine.export.finished import NAME, finished_workspace
from engine.workspace.files import write_json
from engine.workspace.folders import LAYOUT, RunFolder, open_workspace
from engine.workspace.locks import run_lock
from engine.workspace.state import append_event, read_events, read_state, write_state
from studio.app import TABS
from tests.browser.conftest import CHROMIUM, PHONE, WIDE, Watched
from tests.studio_server import studio_server

SIZES = {f"{size['width']}-{theme}": (size, theme) for size in (WIDE, PHONE) for theme in ("light", "dark")}
"""Name of a picture's end → size of the window, and its theme."""
NO_TOUR = "localStorage.setItem('judge-studio-tour', 'done')"
"""A script that says the tour was seen already."""
_CUT = """() => {
  const cut = [], seen = new Set();
  const scrolls = node => { for (; node && node !== document.body; node = node.parentElement)
    if (/auto|scroll/.test(getComputedStyle(node).overflowX)) return true; return false; };
  for (const node of document.querySelectorAll('body *')) {
    const text = [...node.childNodes].filter(c => c.nodeType === 3).map(c => c.data.trim()).join(' ').trim();
    if (!text || node.closest('.st-sr, .st-shelf, .tab-wrapper, [title], style, script')) continue;
    const box = node.getBoundingClientRect();
    if (box.width < 3 || !node.checkVisibility({checkVisibilityCSS: true, checkOpacity: true})) continue;
    const svg = node.closest('svg'), frame = svg && svg.getBoundingClientRect();
    const beyond = frame ? box.left < frame.left - 2 || box.right > frame.right + 2
      : (box.right > innerWidth + 1 || box.left < -1) && !scrolls(node);
    const hidden = !svg && getComputedStyle(node).overflowX !== 'visible' && !scrolls(node)
      && node.scrollWidth > node.clientWidth + 1;
    if (!(beyond || hidden) || seen.has(text)) continue;
    seen.add(text);
    cut.push((beyond ? 'beyond: ' : 'cut: ') + text.slice(0, 60));
  }
  return cut;
}"""
_SEEN = """async () => {
  for (let top = 0; top < document.documentElement.scrollHeight; top += innerHeight) {
    scrollTo(0, top);
    await new Promise(done => setTimeout(done, 60));
  }
  scrollTo(0, 0);
}"""
"""Once down and up, so that pictures which load when they are scrolled to are there."""
SETTLED = """() => new Promise(done => {
  let last = '', still = 0;
  const look = () => {
    const now = document.body.innerText + document.querySelectorAll('img, svg *').length;
    still = now === last ? still + 1 : 0; last = now;
    if (still >= 10) done(); else setTimeout(look, 120);
  };
  look();
})"""


def copied(folder: Path) -> RunFolder:
    """The run that ships, in a workspace of its own that may be written to."""
    shutil.copytree(finished_workspace().root, folder)
    write_json(folder / "workspace.json", {"layout": LAYOUT})
    return open_workspace(folder).existing_run(NAME)


def _cut_short(run: RunFolder, iteration: int, stage: str, **state: Any) -> None:
    """As it was while this stage was at work: what came after it is gone, and of it only the first part is there."""
    stages = ("synthesize", "judge", "select", "train", "evaluate")
    for number in range(iteration, 10):
        for name in stages if number > iteration else stages[stages.index(stage) + (stage == "judge") :]:
            shutil.rmtree(run.stage(number, name).folder, ignore_errors=True)
        if number > iteration:
            shutil.rmtree(run.stage(number, stage).folder.parent, ignore_errors=True)
    if iteration and stage == "judge":
        (run.stage(iteration, stage).folder / "done.json").unlink()
    _forget_after(run, iteration, stage)
    known = replace(read_state(run), stage=stage, iteration=iteration, heartbeat=time.time(), **state)
    write_state(run, known)


def _forget_after(run: RunFolder, iteration: int, stage: str) -> None:
    """Events up to the beginning of that stage, moved so that it began half a minute ago."""
    events = read_events(run)
    begins = {"event": "begin", "stage": stage, "iteration": iteration}.items()
    last = max(place for place, event in enumerate(events) if begins <= event.items())
    late = time.time() - 31 - events[last]["time"]
    lines = [json.dumps({**event, "time": event["time"] + late}) for event in events[: last + 1]]
    (run.folder / "events.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


@contextmanager
def empty(folder: Path) -> Iterator[Path]:
    yield folder


@contextmanager
def first_minute(folder: Path) -> Iterator[Path]:
    """A run that measures the untrained judge."""
    run = copied(folder)
    shutil.rmtree(run.stage(1, "judge").folder.parent)
    _cut_short(run, 0, "evaluate", state="running", done=140, total=1600, unit="verdicts", rate=9.5, stage_left=112.0,
               run_left=None, best=None, seconds=31.0, started_at=time.time() - 31,
               message="measuring judge-v0")  # fmt: skip
    with run_lock(run):
        yield folder


@contextmanager
def running(folder: Path) -> Iterator[Path]:
    """A run that judges in its third iteration."""
    run = copied(folder)
    _cut_short(run, 3, "judge", state="running", done=1240, total=1864, unit="traces", rate=41.0, stage_left=95.0,
               run_left=260.0, best="judge-v2", seconds=310.0, started_at=time.time() - 310,
               message="judge-v2 rules on its pairs")  # fmt: skip
    with run_lock(run):
        yield folder


@contextmanager
def done(folder: Path) -> Iterator[Path]:
    copied(folder)
    yield folder


@contextmanager
def failed(folder: Path) -> Iterator[Path]:
    """A run that failed in the training of its second iteration."""
    run = copied(folder)
    why = "train: the graphics card has no memory left (needed 2.1 GB more). Set train.batch_size lower, and resume."
    _cut_short(run, 2, "train", state="failed", error=why, best="judge-v1", seconds=641.0, done=31, total=124,
               unit="steps", rate=None, stage_left=None, run_left=None)  # fmt: skip
    append_event(run, "failed", error=why)
    yield folder


STATES: dict[str, Callable[[Path], Any]] = {
    "empty": empty, "first": first_minute, "running": running, "done": done, "failed": failed,
}  # fmt: skip


def _faults(page: Any, watched: Watched, axe: Any) -> list[str]:
    found = [*watched.problems, *page.evaluate(_CUT)]
    watched.problems.clear()
    if watched.sideways() > 0:
        found.append(f"sideways: {watched.sideways()} px")
    for fault in axe.run(page).response["violations"] if axe else ():
        if fault["impact"] in ("serious", "critical"):
            nodes = [f"{node['target'][-1]} {node['html'][:90]}" for node in fault["nodes"][:4]]
            found.append(f"axe {fault['id']} ({len(fault['nodes'])}): " + json.dumps(nodes))
    return found


def photograph(watched: Watched, path: Path, axe: Any = None) -> None:
    """The whole page as it is once nothing on it changes any more; what looks wrong on it is printed."""
    page = watched.page
    page.evaluate(_SEEN)
    page.evaluate(SETTLED)
    page.screenshot(path=path, full_page=True)
    for fault in _faults(page, watched, axe):
        print(f"{path.stem:<32} {fault}", flush=True)


def _visit(watched: Watched, tabs: list[str], name: Callable[[str], Path], axe: Any) -> None:
    page = watched.page
    page.add_init_script(NO_TOUR)
    watched.open()
    for tab in tabs:
        panel = watched.go(tab)
        if tab in ("training", "versions") and panel.locator(".st-plotbox").first.is_visible():
            panel.locator(".js-plotly-plot").first.wait_for(state="attached")
        photograph(watched, name(tab), axe)


def asked_visits(about: str | None, visits: Collection[str]) -> argparse.Namespace:
    """Command line of a script that visits pages one by one: `out`, a folder that is there now; `visits`; `sizes`."""
    options = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("out", type=Path)
    options.add_argument("--visits", default=",".join(visits))
    options.add_argument("--sizes", default=",".join(SIZES))
    asked = options.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    return asked


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("out", type=Path)
    options.add_argument("--states", default=",".join(STATES))
    options.add_argument("--pages", default=",".join(tab.key for tab in TABS))
    options.add_argument("--axe", action="store_true")
    asked = options.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    axe = None
    if asked.axe:
        from axe_playwright_python.sync_playwright import Axe

        axe = Axe()
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for state in asked.states.split(","):
            with STATES[state](Path(scratch) / state) as workspace, studio_server(workspace) as server:
                for end, (size, theme) in SIZES.items():
                    context = browser.new_context(viewport=size, color_scheme=theme)
                    _visit(
                        Watched(context, server),
                        asked.pages.split(","),
                        lambda tab, end=end, state=state: asked.out / f"{state}-{tab}-{end}.png",
                        axe,
                    )
                    context.close()
        browser.close()


if __name__ == "__main__":
    main()
