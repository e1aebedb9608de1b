"""25 visitors at once for a minute on loopback: page loads, pages of pairs and scores, and live judging by some.

    python tests/bench/bench_visitors.py WORKSPACE [--visitors 25] [--judging 5] [--seconds 60]

Every visitor has a session of its own and speaks the page's own protocol (queue/join, queue/data). `judging` of them
keep asking the live judge for a verdict in both orders: they queue for the one model. Prints how many answers came,
errors, answers about another run or question than the one asked, and the median and 95th percentile.
"""

import argparse
import json
import secrets
import statistics
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parents[2]))

from engine.assets import assets_folder
from tests.studio_server import studio_server


@dataclass(slots=True)
class Tally:
    """What all visitors met."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    wrong: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, what: str, seconds: float) -> None:
        with self.lock:
            self.seconds.setdefault(what, []).append(seconds)

    def fail(self, sentence: str) -> None:
        with self.lock:
            self.errors.append(sentence)


class Visitor:
    """One browser's worth of requests."""

    def __init__(self, url: str, config: dict[str, Any], runs: list[str], number: int, tally: Tally) -> None:
        self.client = httpx.Client(base_url=url, timeout=120)
        self.number = number
        self.session = secrets.token_hex(5)
        self.config = config
        self.run = runs[number % len(runs)]
        self.tally = tally

    def visit(self, until: float, *, judges: bool) -> None:
        try:
            self.timed("page", lambda: self.client.get(f"/?run={self.run}").raise_for_status())
            self.timed("load", lambda: self.call(self.index("load"), []))
            image = self.upload() if judges else None
            while time.monotonic() < until:
                if image is not None:
                    self.judge(image)
                    continue
                pairs = self.timed("pairs", lambda: self.call(self.named("pairs"), [self.run, None, None, "", 24]))
                self.timed("scores", lambda: self.call(self.named("scores"), [self.run]))
                self.check(pairs)
                time.sleep(0.5)
        except Exception as error:
            self.tally.fail(f"{type(error).__name__}: {error}"[:300])
        finally:
            self.client.close()

    def upload(self) -> dict[str, Any]:
        """One of the shipped example scenes."""
        scene = sorted((assets_folder() / "examples").glob("*.png"))[self.number % 4]
        answer = self.client.post("/gradio_api/upload", files={"files": (scene.name, scene.read_bytes(), "image/png")})
        path = answer.raise_for_status().json()[0]
        return {"path": path, "orig_name": scene.name, "meta": {"_type": "gradio.FileData"}}

    def judge(self, image: dict[str, Any]) -> None:
        judge = f"{self.run}/judge-v{self.number % 2}"
        asked = [image, "How many shapes are there?", f"There are {self.number}.", "There are none.", [judge]]
        (ruling,) = self.timed("verdict", lambda: self.call(self.named("judge"), asked))["data"][0]
        if ruling["judge"] != judge or ruling["verdict"] == "failed":
            self.tally.fail(f"asked {judge}: {ruling}"[:300])

    def timed(self, what: str, ask: Any) -> Any:
        began = time.perf_counter()
        answer = ask()
        self.tally.add(what, time.perf_counter() - began)
        return answer

    def check(self, pairs: Any) -> None:
        """Every row that names a run must name the one that was asked for."""
        for name in runs_in(pairs):
            if name != self.run:
                self.tally.wrong += 1

    def index(self, event: str) -> int:
        return next(
            int(one["id"])
            for one in self.config["dependencies"]
            if any(target[1] == event for target in one["targets"])
        )

    def named(self, name: str) -> int:
        return next(int(one["id"]) for one in self.config["dependencies"] if one["api_name"] == name)

    def call(self, index: int, data: list[Any]) -> Any:
        """One event through the queue; its output. Raises if it ended in an error."""
        wanted = len(next(one for one in self.config["dependencies"] if one["id"] == index)["inputs"])
        body = {"data": (data + [None] * wanted)[:wanted], "fn_index": index, "session_hash": self.session}
        event = self.client.post("/gradio_api/queue/join", json=body).raise_for_status().json()["event_id"]
        with self.client.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as answer:
            for line in answer.iter_lines():
                if not line.startswith("data: "):
                    continue
                message = json.loads(line[6:])
                if message.get("event_id") == event and message["msg"] == "process_completed":
                    if not message["success"]:
                        raise RuntimeError(f"event {index}: {message['output']}")
                    return message["output"]
        raise RuntimeError(f"event {index}: the stream ended before the answer")


def runs_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["run"]] if isinstance(value.get("run"), str) else []
        return own + [name for part in value.values() for name in runs_in(part)]
    return [name for part in value for name in runs_in(part)] if isinstance(value, list) else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--visitors", type=int, default=25)
    parser.add_argument("--judging", type=int, default=5, help="how many of the visitors judge")
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    runs = sorted(path.parent.name for path in (options.workspace / "runs").glob("*/config.yaml"))
    tally = Tally()
    with studio_server(options.workspace) as server:
        config = httpx.get(f"{server.url}/config", timeout=60).json()
        until = time.monotonic() + options.seconds
        threads = [
            threading.Thread(
                target=Visitor(server.url, config, runs, number, tally).visit,
                args=(until,),
                kwargs={"judges": number < options.judging},
            )
            for number in range(options.visitors)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(f"{options.visitors} visitors, {options.judging} of them judging, {options.seconds:.0f} s, {len(runs)} runs")
    for what, seconds in tally.seconds.items():
        p95 = statistics.quantiles(seconds, n=20)[-1] if len(seconds) > 1 else seconds[0]
        print(
            f"{what:<8} {len(seconds):>6} answers   median {statistics.median(seconds):.3f} s   95 % below {p95:.3f} s"
        )
    print(f"errors {len(tally.errors)}, answers about another run {tally.wrong}")
    for sentence in sorted(set(tally.errors))[:5]:
        print(f"  {sentence}")


if __name__ == "__main__":
    main()
