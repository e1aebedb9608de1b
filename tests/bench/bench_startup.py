"""From the command to an interactive first page: the studio beside a three-line Gradio hello-world, by turns.

    python tests/bench/bench_startup.py [--workspace DIR] [--turns 5]

Prints wall seconds (to the first answer, to the first visible content in Chromium) and processor seconds of the server,
median and least of the turns, and the studio's share of each. A shared machine can be half as fast a minute later: the
least says what the work takes, the median what was seen.
"""

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

HELLO = """
import gradio as gr
demo = gr.Interface(lambda name: "Hello " + name, "text", "text")
demo.launch(server_port={port}, quiet=True)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def hello_words(port: int) -> list[str]:
    return [sys.executable, "-c", HELLO.format(port=port)]


def studio_words(workspace: Path) -> Callable[[int], list[str]]:
    def words(port: int) -> list[str]:
        command = [sys.executable, "-m", "engine.cli", "open", "--workspace", str(workspace)]
        return [*command, "--port", str(port), "--no-browser"]

    return words


def one_start(words: Callable[[int], list[str]], browser: Any, sign: str) -> dict[str, float]:
    """Seconds from the spawn to the first answer and to the first visible `sign`, and the server's processor time."""
    port = free_port()
    environment = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", "PYTHONPATH": str(ROOT)}
    began = time.perf_counter()
    with subprocess.Popen(words(port), cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            answered = until_answer(port, began)
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{port}/")
            page.locator(sign).first.wait_for(timeout=120_000)
            visible = time.perf_counter() - began
            times = psutil.Process(process.pid).cpu_times()
            page.close()
        finally:
            process.terminate()
    return {"answer": answered, "visible": visible, "processor": times.user + times.system}


def until_answer(port: int, began: float) -> float:
    while True:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/", timeout=30).status_code == 200:
                return time.perf_counter() - began
        except httpx.TransportError:
            time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as driver:
        workspace = options.workspace or Path(temporary) / "ws"
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        kinds = {
            "hello": (hello_words, "textarea"),
            "studio": (studio_words(workspace), "[role=tabpanel] h1"),
        }
        seen: dict[str, list[dict[str, float]]] = {name: [] for name in kinds}
        for _ in range(options.turns):
            for name, (words, sign) in kinds.items():
                seen[name].append(one_start(words, browser, sign))
        browser.close()
    for measure in ("answer", "visible", "processor"):
        for what, of in (("median", statistics.median), ("least", min)):
            hello, studio = (of([run[measure] for run in seen[name]]) for name in kinds)
            print(f"{measure:<10} {what:<7} hello {hello:6.2f} s   studio {studio:6.2f} s   {studio / hello:.2f} ×")


if __name__ == "__main__":
    main()
