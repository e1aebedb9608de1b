"""Pairs and traces written down as letters: r right, w wrong, t tie, i invalid."""

import random
from collections import defaultdict
from collections.abc import Sequence

from engine.records import ORDERS, Order, Pair, Trace, Verdict


def pair(number: int, *, image: int | None = None, dimension: str = "count", dropped: str | None = None) -> Pair:
    return Pair(
        pair_id=f"pair-{number:05d}",
        instruction_id=f"instruction-{number}",
        image_id=f"image-{number if image is None else image}",
        question="?",
        kind="open" if number % 2 else "closed",
        strategy="alteration",
        dimension=dimension,
        preferred="A true and longer thing.",
        degraded="A false thing.",
        votes=None,
        altered=None,
        writer="judge-v0",
        dropped=dropped,
    )


def traces(one: Pair, ab: str, ba: str) -> list[Trace]:
    """One letter per trace: r right, w wrong, t tie, i invalid."""
    return [
        Trace(
            trace_id=f"{one.pair_id}/{order}/{sample}",
            pair_id=one.pair_id,
            image_id=one.image_id,
            dimension=one.dimension,
            judge="judge-v0",
            order=order,
            sample=sample,
            reasoning=f"Because. {letter}",
            verdict=verdict(order, letter),
            tokens=12,
            kept=None,
            reason=None,
        )
        for order, letters in zip(ORDERS, (ab, ba), strict=True)
        for sample, letter in enumerate(letters)
    ]


def verdict(order: Order, letter: str) -> Verdict:
    if letter in "ti":
        return "tie" if letter == "t" else "invalid"
    return "A" if (order == "AB") == (letter == "r") else "B"


def reasons(rows: Sequence[Trace]) -> dict[str, list[str]]:
    """Order → reasons, sorted, of one pair."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        found[row.order].append(str(row.reason))
    return {order: sorted(some) for order, some in found.items()}


def random_world(count: int, per_order: int = 3) -> tuple[list[Pair], list[Trace]]:
    dice = random.Random(0)
    pairs = [pair(n, image=n // 2, dimension=dice.choice(["count", "text", "attribute"])) for n in range(count)]
    rows = [
        row for one in pairs for row in traces(one, *("".join(dice.choices("rrrwti", k=per_order)) for _ in ORDERS))
    ]
    return pairs, rows
