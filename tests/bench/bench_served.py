"""Our client beside a bare one: the same bodies to the same stub server, alternating, at 32 and 256 under way.

    python tests/bench/bench_served.py [--requests 1500] [--rounds 3] [--milliseconds 50]

The stub answers each chat after a fixed time, in a process of its own. The bare client is httpx with threads and no
reading of replies: once as anybody writes it, with one pool of connections, and once with as many pools as ours.
Then a misbehaving server: 10,000 requests, two in a hundred answered by a fault at random.
"""

import argparse
import asyncio
import itertools
import json
import multiprocessing
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[2]))

from engine.backends.base import Message, Request, Sampling
from engine.backends.served.http_door import POOLS
from engine.backends.served.openai import OpenAIBackend
from tests.engine.backends.served.chat_server import Behaviour, serve

REPLY = json.dumps(
    {
        "choices": [{"message": {"content": "I see three. [[A]]"}, "finish_reason": "stop", "token_ids": [1, 2, 3, 4]}],
        "usage": {"completion_tokens": 4},
    }
).encode()
MODELS = json.dumps({"data": [{"id": "tiny", "owned_by": "vllm"}]}).encode()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """One connection, kept open."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.decode().split("\r\n")
            sizes = [line.partition(":")[2] for line in lines if line.lower().startswith("content-length")]
            if sizes:
                await reader.readexactly(int(sizes[0]))
                await asyncio.sleep(seconds)
            body = REPLY if sizes else MODELS
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body))
            writer.write(body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def stub(port: "multiprocessing.connection.Connection", seconds: float) -> None:
    async def run() -> None:
        server = await asyncio.start_server(lambda r, w: answer(r, w, seconds), "127.0.0.1", 0, backlog=1024)
        port.send(server.sockets[0].getsockname()[1])
        async with server:
            await server.serve_forever()

    asyncio.run(run())


def asked(count: int) -> list[Request]:
    text = "Which of two responses describes the picture better? " * 20
    return [
        Request(
            key=str(number),
            messages=(Message(role="user", text=f"{number} {text}"),),
            sampling=Sampling(temperature=1.0, max_tokens=64),
        )
        for number in range(count)
    ]


Spent = tuple[float, float]
"""Seconds on the clock, and seconds of this process's processor time: on a busy machine only the second is our own."""


def spent(work: Callable[[], object]) -> Spent:
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


def bare(clients: list[httpx.Client], url: str, bodies: list[dict[str, object]], at_once: int) -> Spent:
    turns = itertools.cycle(clients)

    def work() -> None:
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(lambda body: next(turns).post(f"{url}/chat/completions", json=body).json(), bodies))

    return spent(work)


def ours(backend: OpenAIBackend, requests: list[Request]) -> Spent:
    def work() -> None:
        assert len(list(backend.generate(requests))) == len(requests)

    return spent(work)


def more(times: dict[str, list[Spent]], which: int) -> str:
    """How much more ours took than the bare client in the same round: the median round, the least and the most."""
    ratios = sorted(ours[which] / bare[which] for bare, ours in zip(times["bare"], times["ours"], strict=True))
    return f"{statistics.median(ratios) - 1:+.1%} ({ratios[0] - 1:+.1%} to {ratios[-1] - 1:+.1%})"


def overhead(requests_count: int, rounds: int, seconds: float) -> None:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=stub, args=(there, seconds), daemon=True)
    process.start()
    url = f"http://127.0.0.1:{here.recv()}/v1"
    requests = asked(requests_count)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    clients = [httpx.Client(limits=limits, timeout=60, trust_env=False) for _ in range(POOLS)]
    for at_once, pools in itertools.product((32, 256), (1, POOLS)):
        backend = OpenAIBackend(url, sequences=at_once)
        bodies = [backend._body(request, first=0, count=1) for request in requests]
        times: dict[str, list[Spent]] = {"bare": [], "ours": []}
        for number in range(rounds + 1):
            turns: list[tuple[str, Callable[[], Spent]]] = [
                ("bare", lambda: bare(clients[:pools], url, bodies, at_once)),  # noqa: B023  called at once
                ("ours", lambda: ours(backend, requests)),  # noqa: B023
            ]
            for name, turn in turns if number % 2 else reversed(turns):
                took = turn()
                if number:  # the first round makes the connections
                    times[name].append(took)
        rates = {
            name: f"{len(requests) / statistics.median(t for t, _ in some):,.0f}/s" for name, some in times.items()
        }
        print(f"{at_once:>4} under way, {rounds} rounds: bare, {pools} pool(s), {rates['bare']}, ours {rates['ours']}; "
              f"overhead {more(times, 0)} on the clock, {more(times, 1)} in processor time", flush=True)  # fmt: skip
        backend.close()
    for client in clients:
        client.close()
    process.terminate()


def misbehaving(count: int) -> None:
    """Faults at random, five requests that are always refused, and a stop in the middle."""
    behaviour = Behaviour(faults=random.Random(0), refused="refuse me")
    server = serve(behaviour)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    refused = [Message(role="user", text=f"refuse me {number}") for number in range(5)]
    requests = asked(count)
    requests += [replace(requests[0], key=f"x{number}", messages=(one,)) for number, one in enumerate(refused)]
    url = f"http://127.0.0.1:{server.server_port}/v1"
    with closing(OpenAIBackend(url, sequences=32, pause=0.01)) as backend:
        running = backend.generate(requests)
        stored = [next(running) for _ in range(count // 2)]
        running.close()
        kept, before = {one.key for one in stored}, len(behaviour.asked)
        stored += backend.generate([request for request in requests if request.key not in kept])
    again = {body["messages"][0]["content"].split()[0] for path, body in behaviour.asked[before:] if "messages" in body}
    chats = sum(path.endswith("completions") for path, _ in behaviour.asked)
    once = sorted(one.key for one in stored) == sorted(request.key for request in requests)
    print(f"{len(requests):,} requests, {behaviour.faults_given:,} faults met: each stored once {once}, "
          f"{sum(one.fault is not None for one in stored)} of them with a reason (5 meant), "
          f"{len(again & kept)} asked again after they were stored, "
          f"{chats - len(requests) - behaviour.faults_given - 5} replies lost by the stop", flush=True)  # fmt: skip
    server.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--milliseconds", type=float, default=50)
    parser.add_argument("--misbehaving", type=int, default=10_000)
    options = parser.parse_args()
    overhead(options.requests, options.rounds, options.milliseconds / 1000)
    misbehaving(options.misbehaving)


if __name__ == "__main__":
    main()
