"""What a text alone says of the pairs of finished iterations, as they were written and with `synthesize.even_answers`.

    python -m tests.bench.own_pair_leaks WORKSPACE RUN [RUN …]

Prints a Markdown table with a row per run and iteration: usable pairs, closed ones among them, and how many of all and
of the closed ones the control `text-only` names rightly. A run whose pairs are even already shows what it dropped too.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from engine.measure.benchmarks.held_out import pair_items
from engine.measure.leaks import OWN_PAIRS
from engine.measure.metrics import score_rows
from engine.measure.text_only import TEXT_ONLY, text_only_verdicts
from engine.prompts import load_pack
from engine.records import Instruction, Pair
from engine.stages.synthesize.even import USUAL, evened
from engine.workspace.folders import open_workspace
from engine.workspace.run_record import run_settings


def looked_at(pairs: Sequence[Pair]) -> str:
    """Cells of the table: pairs, closed pairs, accuracy on all, on the closed."""
    usable = [pair for pair in pairs if pair.dropped is None]
    items = pair_items(usable, benchmark=OWN_PAIRS)
    rows = score_rows(TEXT_ONLY, OWN_PAIRS, text_only_verdicts(items), {item.item_id: item for item in items})
    told = {row.dimension: f"{row.accuracy:.3f}" for row in rows if row.protocol == "strict"}
    closed = sum(pair.kind == "closed" for pair in usable)
    return f"{len(usable)} | {closed} | {told.get('all', '–')} | {told.get('kind:closed', '–')}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("runs", nargs="+", metavar="RUN")
    options = parser.parse_args()
    workspace = open_workspace(options.workspace, create=False)
    print("| run | iteration | pairs | closed | text-only | closed | even: pairs | closed | text-only | closed |")
    print("| --- " * 10 + "|")
    for name in options.runs:
        run = workspace.existing_run(name)
        pack = load_pack(run_settings(run).prompt_pack)
        asked = {one.instruction_id: one for one in run.intake().read("instructions", Instruction)}
        iteration = 1
        while run.stage(iteration, "synthesize").summary():
            stored = run.stage(iteration, "synthesize").read("pairs", Pair)
            pairs = [replace(pair, dropped=None) if pair.dropped == USUAL else pair for pair in stored]
            print(
                f"| {name} | {iteration} | {looked_at(pairs)} | {looked_at(evened(pairs, asked, pack))} |", flush=True
            )
            iteration += 1


if __name__ == "__main__":
    main()
