"""What an open page costs while nothing runs: CPU seconds of the server, and requests, over a minute.

    python tests/bench/bench_idle.py WORKSPACE [--seconds 60] [--tab home]

A real Chromium opens the page and is left alone, first shown, then hidden. Nobody touches it, no run works.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

from playwright.sync_api import sync_playwright

from studio.page.clock import AWAKE_SECONDS
from tests.browser.conftest import CHROMIUM
from tests.studio_server import studio_server


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("workspace", type=Path)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--tab", default="home")
    asked = options.parse_args()
    with studio_server(asked.workspace) as server, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        page.goto(f"{server.url}/?tab={asked.tab}")
        page.get_by_role("tab", name="Home").wait_for()
        page.wait_for_timeout(1000 * (AWAKE_SECONDS + 5))
        process = psutil.Process(server.process.pid)
        print(f"{'':<8} {'CPU s':>7} {'of a core':>10} {'requests':>9}")
        print(_line("shown", page, process, requests, asked.seconds))
        page.evaluate("Object.defineProperty(document, 'hidden', {value: true})")
        print(_line("hidden", page, process, requests, asked.seconds))
        browser.close()


def _line(name: str, page: Any, process: psutil.Process, requests: list[str], seconds: float) -> str:
    before, start, sent = _cpu(process), time.monotonic(), len(requests)
    page.wait_for_timeout(1000 * seconds)
    spent = _cpu(process) - before
    return f"{name:<8} {spent:>7.2f} {spent / (time.monotonic() - start):>10.2%} {len(requests) - sent:>9}"


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
