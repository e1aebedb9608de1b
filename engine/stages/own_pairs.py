"""What the controls `text-only` and `wrong-image` say of an iteration's own pairs, before anything is trained on them.

Pairs that can be told apart without their picture teach a judge not to look. Stages call this at their end; the rows
go into their own folder as the table `scores`, under the benchmark name `pairs`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.backends.base import Backend, Sampling
from engine.judging.asking import ruling_request, verdict_of, verdict_row
from engine.measure.benchmarks.held_out import pair_items
from engine.measure.controls import control_sample, other_pictures, wrong_image
from engine.measure.leaks import OWN_PAIRS, findings
from engine.measure.metrics import score_rows
from engine.measure.text_only import TEXT_ONLY, text_only_verdicts
from engine.prompts import PromptPack
from engine.records import ORDERS, BenchmarkItem, Pair, ScoreRow, VerdictRow
from engine.workspace.folders import StageFolder
from engine.workspace.progress import Progress


def look_at_texts(folder: StageFolder, pairs: Sequence[Pair], progress: Progress) -> dict[str, Any]:
    """Let a classifier guess from the texts alone; for the stage's summary: `{"leaks": [sentence, …]}`."""
    items = pair_items(pairs, benchmark=OWN_PAIRS)
    if not folder.parts("scores"):
        progress.update(message="Looking for pairs that can be told apart by their texts alone")
        folder.write("scores", _scores(TEXT_ONLY, text_only_verdicts(items), items))
    return _said(folder, progress)


def show_other_pictures(
    *,
    folder: StageFolder,
    pairs: Sequence[Pair],
    images: Mapping[str, Path],
    most: int | None,
    max_tokens: int,
    pack: PromptPack,
    backend: Backend,
    judge: str,
    progress: Progress,
) -> dict[str, Any]:
    """Let the judge rule on at most `most` pairs with another pair's picture, greedily; as `look_at_texts`.

    A stop in the middle asks anew: it is one call on few pairs.
    """
    items = pair_items(pairs, benchmark=OWN_PAIRS)
    others = other_pictures(item.image_id for item in items)
    if others and not folder.parts("scores"):
        shown = control_sample(items, most)
        progress.update(message=f"Showing {judge} {len(shown):,} pairs with another pair's picture")
        requests = {
            f"{item.item_id}/{order}": ruling_request(
                pack,
                item.comparison(images[others[item.image_id]]),
                order,
                key=f"{item.item_id}/{order}",
                judge=judge,
                sampling=Sampling(max_tokens=max_tokens),
            )
            for item in shown
            for order in ORDERS
        }
        replies = {}
        for reply in backend.generate(list(requests.values())):
            progress.check_stop()
            replies[reply.key] = verdict_of(reply)
        name = wrong_image(judge)
        verdicts = [
            verdict_row(name, item, order, replies[f"{item.item_id}/{order}"]) for item in shown for order in ORDERS
        ]
        folder.write("scores", _scores(name, verdicts, shown))
    return _said(folder, progress)


def _scores(control: str, verdicts: Sequence[VerdictRow], items: Sequence[BenchmarkItem]) -> list[ScoreRow]:
    return score_rows(control, OWN_PAIRS, verdicts, {item.item_id: item for item in items})


def _said(folder: StageFolder, progress: Progress) -> dict[str, Any]:
    found = findings(folder.read("scores", ScoreRow))
    for one in found:
        progress.event("control", control=one.control, leaks=one.leaks, sentence=one.sentence)
    return {"leaks": [one.sentence for one in found if one.leaks]}
