"""How long tests wait: seconds that are plenty on a quiet machine, times how slow this one was found to be.

A time limit in a test is only there to end a test that hangs. It proves nothing, so no test asserts on time.

    httpx.get(url, timeout=seconds(60))
"""

import os
import time
from functools import cache

_QUIET = 0.05
"""Seconds of the fixed work below on a machine of the project's kind with nothing else to do."""
_MOST = 30.0
"""Times: a machine slower than that is broken, and a test that hangs should end some day."""


def seconds(quiet: float) -> float:
    """What `quiet` seconds of an idle machine may take here; never less than them."""
    waiting = os.getloadavg()[0] / (os.cpu_count() or 1)  # the load may have come after the measuring
    return quiet * min(_MOST, max(1.0, slowness(), waiting))


@cache
def slowness() -> float:
    """Times the fixed work takes longer than on a quiet machine; measured once per session, the slowest of three."""
    return max(_work() for _ in range(3)) / _QUIET


def _work() -> float:
    started = time.perf_counter()
    total = 0
    for number in range(1_000_000):
        total += number
    return time.perf_counter() - started
