"""Our client beside a bare one: the same bodies to the same stub server, alternating, at 32 and 256 under way.

    python tests/bench/bench_served.py [--requests 1500] [--rounds 3] [--milliseconds 50]

The stub answers each chat after a fixed time, in a process of its own. The bare client is httpx with threads and no
reading of replies. Then a misbehaving server: 10,000 requests, two in a hundred answered by a fault at random.
"""

import argparse
import asyncio
import json
import multiprocessing
import random
import statistics
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[2]))

from engine.backends.base import Message, Request, Sampling
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


def bare(url: str, bodies: list[dict[str, object]], at_once: int) -> float:
    with httpx.Client(limits=httpx.Limits(max_connections=None), timeout=60, trust_env=False) as client:
        began = time.perf_counter()
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(lambda body: client.post(f"{url}/chat/completions", json=body).json(), bodies))
        return time.perf_counter() - began


def ours(backend: OpenAIBackend, requests: list[Request]) -> float:
    began = time.perf_counter()
    assert len(list(backend.generate(requests))) == len(requests)
    return time.perf_counter() - began


def overhead(requests_count: int, rounds: int, seconds: float) -> None:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=stub, args=(there, seconds), daemon=True)
    process.start()
    url = f"http://127.0.0.1:{here.recv()}/v1"
    requests = asked(requests_count)
    for at_once in (32, 256):
        backend = OpenAIBackend(url, sequences=at_once)
        bodies = [backend._body(request, first=0, count=1) for request in requests]
        times: dict[str, list[float]] = {"bare": [], "ours": []}
        for _ in range(rounds):
            times["bare"].append(bare(url, bodies, at_once))
            times["ours"].append(ours(backend, requests))
        middle = {name: statistics.median(some) for name, some in times.items()}
        rates = {name: f"{len(requests) / one:,.0f}/s" for name, one in middle.items()}
        print(f"{at_once:>4} under way: bare {rates['bare']}, ours {rates['ours']}, "
              f"overhead {middle['ours'] / middle['bare'] - 1:+.1%}", flush=True)  # fmt: skip
        backend.close()
    process.terminate()


def misbehaving(count: int) -> None:
    behaviour = Behaviour(faults=random.Random(0))
    server = serve(behaviour)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    backend = OpenAIBackend(f"http://127.0.0.1:{server.server_port}/v1", sequences=32, pause=0.01)
    requests = asked(count)
    found = list(backend.generate(requests))
    chats = sum(path.endswith("completions") for path, _ in behaviour.asked)
    once = sorted(one.key for one in found) == sorted(request.key for request in requests)
    print(f"{count:,} requests, {chats - count:,} faults met: each answered once {once}, "
          f"{sum(one.fault is not None for one in found)} with a stored reason", flush=True)  # fmt: skip
    backend.close()
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
