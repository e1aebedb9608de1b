"""A run at work, seen through a reload, a restart of the web server, and two browsers at once.

The run is a process that holds the run's lock and writes its state, as the engine's does; the engine's own work is
tested in tests/engine.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import expect

from engine.workspace.folders import RunFolder
from engine.workspace.state import read_state
from studio.jobs.child import environment
from tests.browser.conftest import Opener
from tests.patience import seconds
from tests.sample_workspace import make_workspace
from tests.studio_server import studio_server

_WORK = """
import sys, time
from dataclasses import replace
from pathlib import Path
from engine.workspace.progress import Progress
from engine.errors import StopRequested
from engine.workspace.locks import run_lock
from engine.workspace.state import RunState
from engine.workspace.folders import RunFolder
run = RunFolder(Path(sys.argv[1]))
with run_lock(run):
    progress = Progress(run, RunState(run=run.name, state="running", iteration=2, iterations=4, device="cpu"))
    progress.begin("select", total=100_000, unit="traces", message="Selecting")
    print("works", flush=True)
    try:
        while True:
            progress.advance()
            time.sleep(0.1)
    except StopRequested:
        progress.update(state="stopped", message="Stopped; finished parts are kept", pid=None)
"""


@contextmanager
def run_at_work(run: RunFolder) -> Iterator["subprocess.Popen[bytes]"]:
    words = [sys.executable, "-c", _WORK, str(run.folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"works"
        try:
            yield process
        finally:
            process.terminate()


def test_run_is_the_same_after_reload_restart_and_in_a_second_browser(visit: Opener, tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "ws")
    run = workspace.run("shapes-01")
    with run_at_work(run) as process:
        with studio_server(workspace.root) as server:
            watched = [visit(server), visit(server)]
            pages = [one.open("?run=shapes-01") for one in watched]
            for page in pages:
                expect(page.locator(".st-ledger")).to_contain_text("of 100,000 traces")
                expect(page.get_by_text("1 run active")).to_be_visible()
            pages[0].reload()
            expect(pages[0].locator(".st-ledger")).to_contain_text("of 100,000 traces")
            before = read_state(run).done
            port = server.port
        assert process.poll() is None, "the run must outlive the web server"
        with studio_server(workspace.root, port=port):
            page = pages[0]  # nobody reloads it: it finds the new server by itself
            reached = read_state(run).done
            assert reached > before
            page.wait_for_function(_SHOWS_MORE_THAN, arg=reached)
            page.get_by_role("button", name="Stop").click()
            expect(page.get_by_text("Stopped in iteration 2")).to_be_visible()
            assert process.wait(timeout=seconds(60)) == 0
            pages[1].close()
        for one in watched:
            one.was_away()
    assert read_state(run).state == "stopped"


_SHOWS_MORE_THAN = r"""reached => {
  const ledger = document.querySelector(".st-ledger");
  const count = ledger && /([\d,]+) of 100,000 traces/.exec(ledger.innerText);
  return count && Number(count[1].replace(",", "")) > reached;
}"""


def test_killed_run_is_shown_as_failed_without_a_reload(visit: Opener, tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "ws")
    run = workspace.run("shapes-01")
    with run_at_work(run) as process, studio_server(workspace.root) as server:
        page = visit(server).open("?run=shapes-01")
        expect(page.locator(".st-ledger")).to_contain_text("of 100,000 traces")
        process.kill()
        expect(page.get_by_text("ended without a word")).to_be_visible()
        expect(page.get_by_role("link", name="Show the error")).to_be_visible()
