"""How often the text-only control calls comparisons leaky that are, and that are not.

    python -m tests.bench.leak_rates [--seeds 40] [--count 300]

Prints a Markdown table: how often a leak was said, mean accuracy, and the CPU time of one look.
"""

import argparse
import time
from statistics import mean

from engine.measure.leaks import findings
from engine.measure.metrics import score_rows
from engine.measure.text_only import TEXT_ONLY, text_only_verdicts
from tests.leaky_pairs import LEAKS, comparisons


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--count", type=int, default=300, help="comparisons per seed")
    options = parser.parse_args()
    print("| leak | said in | mean accuracy | CPU per look |\n| --- | --- | --- | --- |")
    for name, leak in {"none": None, **LEAKS}.items():
        started = time.process_time()
        found = []
        for seed in range(options.seeds):
            items = comparisons(seed, leak, options.count)
            rows = score_rows(TEXT_ONLY, "made", text_only_verdicts(items), {item.item_id: item for item in items})
            found += findings(rows)
        seconds = (time.process_time() - started) / options.seeds
        said = sum(finding.leaks for finding in found)
        print(f"| {name} | {said} of {len(found)} | {mean(one.accuracy for one in found):.3f} | {seconds:.2f} s |")


if __name__ == "__main__":
    main()
