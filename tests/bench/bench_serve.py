"""A judge behind HTTP beside the backend alone: rulings per second, in one run, on the same comparisons.

    python tests/bench/bench_serve.py [--judge shapes-vlm] [--clients 64] [--count 512] [--rounds 3]

Alone: `rule_many` on all of them, as a run asks. Served: that many clients in a process of their own, each with a
connection of its own and one comparison under way; then one client that sends batches. The three take turns, so that
other work on the machine meets them all; medians are printed.
"""

import argparse
import asyncio
import base64
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[2]))

from engine.judging.judges import judges_together, opened
from engine.judging.ruling import rule_many
from engine.prompts import load_pack
from engine.records import Comparison
from engine.shapes.benchmark import items
from engine.workspace.folders import open_workspace
from tests.engine.serve.judge_server import judge_server

BATCH = 128


async def clients(url: str, bodies: list[dict], count: int) -> None:
    """`count` clients work the comparisons off together."""
    left = iter(bodies)

    async def one() -> None:
        async with httpx.AsyncClient(timeout=600) as client:
            for body in left:
                answer = await client.post(f"{url}/v1/judge", json=body)
                assert answer.status_code == 200, answer.text

    await asyncio.gather(*(one() for _ in range(count)))


def batches(url: str, bodies: list[dict]) -> None:
    """One client sends them in batches, two under way."""
    parts = [bodies[start : start + BATCH] for start in range(0, len(bodies), BATCH)]
    asyncio.run(_batches(url, parts))


async def _batches(url: str, parts: list[list[dict]]) -> None:
    left = iter(parts)

    async def one() -> None:
        async with httpx.AsyncClient(timeout=600) as client:
            for part in left:
                answer = await client.post(f"{url}/v1/judge", json={"comparisons": part})
                assert all("verdict" in ruling for ruling in answer.json()["rulings"]), answer.text[:500]

    await asyncio.gather(one(), one())


def timed(words: list[str]) -> float:
    """Seconds that the client process itself counted, its start left out."""
    return float(subprocess.run([sys.executable, __file__, *words], check=True, capture_output=True, text=True).stdout)


def act_as_client(what: str, url: str, file: str, count: int) -> None:
    bodies = json.loads(Path(file).read_text())
    began = time.perf_counter()
    if what == "clients":
        asyncio.run(clients(url, bodies, count))
    else:
        batches(url, bodies)
    print(time.perf_counter() - began)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--judge", default="shapes-vlm")
    options.add_argument("--clients", type=int, default=64)
    options.add_argument("--count", type=int, default=512)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--act", nargs=3)
    given = options.parse_args()
    if given.act:
        act_as_client(*given.act, given.clients)
        return
    with tempfile.TemporaryDirectory() as scratch:
        workspace = open_workspace(Path(scratch) / "ws")
        judges = judges_together([given.judge], workspace)
        asked = items(count=given.count, folder=Path(scratch) / "items")
        comparisons = {
            one.item_id: Comparison(
                image=Path(one.image), question=one.question, preferred=one.preferred, degraded=one.degraded
            )
            for one in asked
        }
        bodies = [
            {
                "image": f"data:image/png;base64,{base64.b64encode(Path(one.image).read_bytes()).decode()}",
                "question": one.question,
                "a": one.preferred,
                "b": one.degraded,
            }
            for one in asked
        ]
        file = Path(scratch) / "bodies.json"
        file.write_text(json.dumps(bodies))
        seconds: dict[str, list[float]] = {
            "backend alone": [],
            f"{given.clients} clients": [],
            f"batches of {BATCH}": [],
        }
        with opened(judges, workspace) as backend:
            pack = load_pack(judges[0].settings.prompt_pack)
            name, most = judges[0].load_into(backend), judges[0].settings.judge.max_tokens
            list(rule_many(backend, pack, dict(list(comparisons.items())[:16]), judge=name, max_tokens=most))
            with judge_server(backend, judges) as url:
                for _ in range(given.rounds):
                    began = time.perf_counter()
                    list(rule_many(backend, pack, comparisons, judge=name, max_tokens=most))
                    seconds["backend alone"].append(time.perf_counter() - began)
                    for what, label in (("clients", f"{given.clients} clients"), ("batches", f"batches of {BATCH}")):
                        words = ["--clients", str(given.clients), "--act", what, url, str(file)]
                        seconds[label].append(timed(words))
        alone = statistics.median(seconds["backend alone"])
        for label, times in seconds.items():
            middle = statistics.median(times)
            print(f"{label:<16} {given.count / middle:7.1f} rulings per s   {alone / middle:6.1%} of the backend's own")


if __name__ == "__main__":
    main()
