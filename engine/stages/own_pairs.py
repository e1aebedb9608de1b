"""What the controls `text-only` and `wrong-image` say of an iteration's own pairs, before anything is trained on them.

Pairs that can be told apart without their picture teach a judge not to look. Stages call this at their end; the rows
go into their own folder as the table `scores`, under the benchmark name `pairs`.
"""

from collections.abc import Sequence

from engine.backends.base import Backend
from engine.measure.benchmarks.held_out import pair_items
from engine.measure.controls import wrong_image
from engine.measure.leaks import OWN_PAIRS, findings
from engine.measure.metrics import score_rows
from engine.measure.text_only import TEXT_ONLY, text_only_verdicts
from engine.measure.wrong_image import wrong_image_verdicts
from engine.records import BenchmarkItem, Pair, ScoreRow, VerdictRow
from engine.stages.bench import Bench
from engine.workspace.folders import StageFolder
from engine.workspace.progress import Progress


def look_at_texts(folder: StageFolder, pairs: Sequence[Pair], progress: Progress) -> tuple[str, ...]:
    """Let a classifier guess from the texts alone; a sentence for each leak."""
    items = pair_items(pairs, benchmark=OWN_PAIRS)
    if not folder.parts("scores"):
        progress.update(message="Looking for pairs that can be told apart by their texts alone")
        folder.write("scores", _scores(TEXT_ONLY, text_only_verdicts(items), items))
    return _said(folder, progress)


def show_other_pictures(bench: Bench, backend: Backend, pairs: Sequence[Pair]) -> tuple[str, ...]:
    """Let the judge rule on some of the pairs with another pair's picture, greedily; as `look_at_texts`.

    A stop in the middle asks anew: it is one call on few pairs.
    """
    folder, judge = bench.folder("judge"), bench.parent
    items = pair_items(pairs, benchmark=OWN_PAIRS)
    if not folder.parts("scores"):
        bench.progress.update(message=f"Showing {judge} some pairs with another pair's picture")
        name = wrong_image(judge)
        verdicts = wrong_image_verdicts(
            backend,
            items,
            bench.images,
            judge=judge,
            name=name,
            pack=bench.pack,
            max_tokens=bench.settings.judge.max_tokens,
            most=bench.settings.evaluate.control_items,
            on_reply=bench.progress.check_stop,
        )
        folder.write("scores", _scores(name, verdicts, items))
    return _said(folder, bench.progress)


def _scores(control: str, verdicts: Sequence[VerdictRow], items: Sequence[BenchmarkItem]) -> list[ScoreRow]:
    return score_rows(control, OWN_PAIRS, verdicts, {item.item_id: item for item in items})


def _said(folder: StageFolder, progress: Progress) -> tuple[str, ...]:
    found = findings(folder.read("scores", ScoreRow))
    for one in found:
        progress.event("control", control=one.control, leaks=one.leaks, sentence=one.sentence)
    return tuple(one.sentence for one in found if one.leaks)
