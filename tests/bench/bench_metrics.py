"""Seconds that all numbers of one judge on one benchmark take: scores of every slice, and paired gains over another.

    python tests/bench/bench_metrics.py [--items 5000]

No model, no file: verdicts are drawn, a third of the pictures have several items, as benchmarks have.
"""

import argparse
import time

import numpy as np

from engine.measure.intervals import FLIPS
from engine.measure.metrics import ALL, STRICT, comparisons, score_rows
from engine.records import ORDERS, BenchmarkItem, VerdictRow, naming


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=5000)
    options = parser.parse_args()
    draw = np.random.default_rng(0)
    items = [_item(number, int(draw.integers(options.items * 2 // 3))) for number in range(options.items)]
    old, new = (_verdicts(items, share, draw) for share in (0.6, 0.65))
    by_id = {item.item_id: item for item in items}

    start = time.monotonic()
    scores = score_rows("judge-v1", "bench", new, by_id)
    scored = time.monotonic()
    gains = list(comparisons(new, old))
    compared = time.monotonic()
    overall = next(row for row in scores if (row.protocol, row.dimension) == (STRICT, ALL))
    print(f"{options.items:,} items, {len(gains)} slices, {FLIPS:,} draws; accuracy {overall.accuracy:.3f}")
    print(f"scores with intervals {scored - start:.2f} s, paired gains {compared - scored:.2f} s")
    print(f"all {compared - start:.2f} s")


def _item(number: int, picture: int) -> BenchmarkItem:
    return BenchmarkItem(
        item_id=f"{number}", benchmark="bench", image_id=f"{picture}", image="x.png", question="q",
        preferred="good" * (1 + number % 5), degraded="bad" * (1 + number % 7), kind="open" if number % 2 else "closed",
        dimension=("count", "position", "colour", "text")[number % 4],
    )  # fmt: skip


def _verdicts(items: list[BenchmarkItem], share: float, draw: np.random.Generator) -> list[VerdictRow]:
    rows = []
    for item in items:
        for order in ORDERS:
            right = bool(draw.random() < share)
            rows.append(
                VerdictRow(
                    judge="j", benchmark="bench", item_id=item.item_id, image_id=item.image_id, kind=item.kind,
                    dimension=item.dimension, order=order, verdict=naming(right, order), correct=right, reasoning="",
                    tokens=1,
                )
            )  # fmt: skip
    return rows


if __name__ == "__main__":
    main()
