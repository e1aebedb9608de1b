"""A judge behind HTTP beside the backend alone: rulings per second, in one run, on the same comparisons.

    python tests/bench/bench_serve.py [--judge shapes-vlm] [--clients 64] [--count 512] [--rounds 9] [--per-batch .25]

Alone: `rule_many` on all of them, as a run asks. Served: that many clients in a process of their own, each with a
connection of its own and one comparison under way; then one client that sends batches. The three take turns, each round
beginning with another one, so that other work on the machine meets them all. What is printed is the median over the
rounds of each round's own ratio, with the lowest and the highest: of seconds by the clock, which mean little on a busy
machine, and of the processor's seconds in the process that holds the model, which other work hardly touches.

With `--per-batch .25` a stand-in takes the model's place: every batch of up to 64 sequences takes that long, however
few are in it, and the processor is free meanwhile. That is a GPU's situation at its hardest for a server, which must
keep batches full: the ratio is about the serving alone. The first call holds whoever came first and the last calls run
out, so take many comparisons (`--count 1024`).
"""

import argparse
import asyncio
import base64
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from engine.backends.base import Completion, Request
from engine.judging.judges import judges_together, opened
from engine.judging.ruling import rule_many
from engine.prompts import load_pack
from engine.records import BenchmarkItem, Comparison
from engine.shapes.benchmark import items
from engine.workspace.folders import open_workspace
from tests.engine.serve.judge_server import judge_server
from tests.fake_backend import FakeBackend

BATCH = 128


class Line:
    """One connection that is kept, as plain as HTTP can be: clients share the machine with the server, and what they
    cost is taken from its rate."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader, self._writer = reader, writer
        self._head = f"POST /v1/judge HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n".encode()

    async def post(self, body: bytes) -> bytes:
        """The body of the answer."""
        self._writer.write(self._head + b"content-length: %d\r\n\r\n" % len(body) + body)
        head = await self._reader.readuntil(b"\r\n\r\n")
        (length,) = re.findall(rb"content-length: (\d+)", head.lower())
        answer = await self._reader.readexactly(int(length))
        assert head.startswith(b"HTTP/1.1 200 "), (head, answer[:500])
        return answer


async def ask_all(url: str, bodies: list[bytes], count: int) -> None:
    """`count` clients, each with a connection of its own and one request under way, work the bodies off together."""
    left, host = iter(bodies), url.removeprefix("http://")

    async def one() -> None:
        reader, writer = await asyncio.open_connection(*host.split(":"), limit=2**26)
        line = Line(reader, writer, host)
        for body in left:
            answer = await line.post(body)
            assert b'"error"' not in answer, answer[:500]
        writer.close()

    await asyncio.gather(*(one() for _ in range(count)))


def timed(words: list[str]) -> float:
    """Seconds that the client process itself counted, its start left out."""
    return float(subprocess.run([sys.executable, __file__, *words], check=True, capture_output=True, text=True).stdout)


def act_as_client(what: str, url: str, file: str, count: int) -> None:
    rows = json.loads(Path(file).read_text())
    if what == "batches":  # one program that has two batches under way
        rows, count = [{"comparisons": rows[start : start + BATCH]} for start in range(0, len(rows), BATCH)], 2
    bodies = [json.dumps(row).encode() for row in rows]
    began = time.perf_counter()
    asyncio.run(ask_all(url, bodies, count))
    print(time.perf_counter() - began)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestants:
    """What takes turns, each by its name: a call that rules on every comparison once; its seconds by the clock."""

    alone: Callable[[], float]
    served: Mapping[str, Callable[[], float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Seconds of one pass over all comparisons."""

    clock: float
    processor: float
    """Of the process that holds the model; clients have one of their own."""


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--judge", default="shapes-vlm")
    options.add_argument("--clients", type=int, default=64)
    options.add_argument("--count", type=int, default=512)
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--per-batch", type=float, help="seconds: a stand-in for the model, see above")
    options.add_argument("--act", nargs=3)
    given = options.parse_args()
    if given.act:
        act_as_client(*given.act, given.clients)
        return
    with tempfile.TemporaryDirectory() as scratch, contestants(given, Path(scratch)) as found:
        report(given.count, rounds(found, given.rounds), stand_in=given.per_batch is not None)


@contextmanager
def contestants(given: argparse.Namespace, scratch: Path) -> Iterator[Contestants]:
    """The backend, opened and warm, and a server of it, on the same comparisons."""
    workspace = open_workspace(scratch / "ws")
    judges = judges_together([given.judge], workspace)
    drawn = items(count=given.count, folder=scratch / "items")
    comparisons = {
        one.item_id: Comparison(
            image=Path(one.image), question=one.question, preferred=one.preferred, degraded=one.degraded
        )
        for one in drawn
    }
    file = scratch / "bodies.json"
    file.write_text(json.dumps([body_of(one) for one in drawn]))
    pack, most = load_pack(judges[0].settings.prompt_pack), judges[0].settings.judge.max_tokens
    model = opened(judges, workspace) if given.per_batch is None else nullcontext(Paced(given.per_batch))
    with model as backend, judge_server(backend, judges) as url:
        name = judges[0].load_into(backend)

        def alone(some: Mapping[str, Comparison] = comparisons) -> float:
            began = time.perf_counter()
            list(rule_many(backend, pack, some, judge=name, max_tokens=most))
            return time.perf_counter() - began

        alone(dict(list(comparisons.items())[:16]))
        words = ["--clients", str(given.clients), "--act"]
        yield Contestants(
            alone=alone,
            served={
                f"{given.clients} clients": lambda: timed([*words, "clients", url, str(file)]),
                f"batches of {BATCH}": lambda: timed([*words, "batches", url, str(file)]),
            },
        )


class Paced(FakeBackend):
    """A model whose every batch takes the same time."""

    SEQUENCES = 64

    def __init__(self, seconds: float) -> None:
        super().__init__(lambda _request, _sample: f"{'I look at both answers. ' * 10}[[A]]")
        self._seconds = seconds

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        for start in range(0, len(requests), self.SEQUENCES):
            time.sleep(self._seconds)
            yield from super().generate(requests[start : start + self.SEQUENCES])


def body_of(one: BenchmarkItem) -> dict[str, str]:
    """An item as a program sends it."""
    picture = base64.b64encode(Path(one.image).read_bytes()).decode()
    return {
        "image": f"data:image/png;base64,{picture}", "question": one.question, "a": one.preferred, "b": one.degraded,
    }  # fmt: skip


def rounds(found: Contestants, count: int) -> list[dict[str, Turn]]:
    """What each contestant took in each round."""
    turns = [(_ALONE, found.alone), *found.served.items()]
    return [
        {name: taken(turn) for name, turn in turns[number % len(turns) :] + turns[: number % len(turns)]}
        for number in range(count)
    ]


def taken(turn: Callable[[], float]) -> Turn:
    before = time.process_time()
    clock = turn()
    return Turn(clock=clock, processor=time.process_time() - before)


_ALONE = "backend alone"


def report(count: int, turns: list[dict[str, Turn]], *, stand_in: bool) -> None:
    for name in turns[0]:
        rate = statistics.median(count / one[name].clock for one in turns)
        by_clock = spread([one[_ALONE].clock / one[name].clock for one in turns])
        if stand_in:  # which costs nothing: what is left is the serving
            more = statistics.median((one[name].processor - one[_ALONE].processor) / count for one in turns)
            processor = f"{1000 * more:.1f} ms of the processor per ruling"
        else:
            ratios = spread([one[_ALONE].processor / one[name].processor for one in turns])
            processor = f"per processor second {ratios}"
        told = "" if name == _ALONE else f"   of the backend's own: {by_clock}; {processor}"
        print(f"{name:<16} {rate:7.1f} rulings per s{told}", flush=True)


def spread(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.1%} ({min(ratios):.1%} to {max(ratios):.1%})"


if __name__ == "__main__":
    main()
