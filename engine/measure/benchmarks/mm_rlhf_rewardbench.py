"""MM-RLHF-RewardBench (arXiv 2502.10391, hub id yifanzhang114/MM-RLHF-RewardBench): 170 hard pairs in five kinds.

Several pairs share a question, and the authors' stricter number, ACC+, asks for all of a question's pairs. They compare
two scalar rewards, which have no order; a judge that compares stands in with both orders.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.errors import SourceError
from engine.measure.benchmarks.protocol import Benchmark, Items, LeaveOut, Loaded, Protocol, both_orders, sliced_rows
from engine.measure.benchmarks.rows import each_once, image_file, open_rows, texts, usable
from engine.measure.metrics import STRICT, outcomes
from engine.records import BenchmarkItem, Order, ScoreRow, Verdict, VerdictRow, content_id, names_preferred
from engine.sources.pictures.upright import ImageRefused
from engine.verdicts import read_verdict

NAME = "mm-rlhf-rewardbench"
HUB_ID = "yifanzhang114/MM-RLHF-RewardBench"
ACC_PLUS = "mmrlhf-acc-plus"

_KINDS = ("mcq", "long", "short", "safety", "video")
"""The first of these words in the picture's path is the kind of a row, in this order: the authors' script."""


def load_mm_rlhf_rewardbench(place: str | None, *, folder: Path, leave_out: LeaveOut = lambda _: None) -> Loaded:
    """All items about one picture; rows about a video, or whose picture is missing, are told to `leave_out`.

    `place` is mm_reward_bench.jsonl beside its pictures, or a folder with it; None asks the hub. Raises `SourceError`
    if nothing usable is there.
    """
    opened = open_rows(place, hub_id=HUB_ID, files=("mm_reward_bench.jsonl",))
    rows = [(number, usable(row, opened.where)) for number, row in enumerate(opened.rows)]
    videos = [row for _, row in rows if not row.get("image")]
    for row in videos:
        leave_out(f"row '{row.get('id')}': is about a video")
    loaded = each_once(
        _item(row, number, opened.where, opened.root, folder, leave_out) for number, row in rows if row.get("image")
    )
    if not loaded.items:
        raise SourceError(f"{opened.where}: holds no usable item of {NAME}. Download it again with its images.")
    return replace(loaded.sorted_by(lambda item: item.item_id), rows=len(rows), unusable=len(videos))


def kind_of_path(path: str) -> str:
    """The kind of a row by its picture's path."""
    return next((kind for kind in _KINDS if kind in path), "other")


def _item(
    row: Mapping[str, Any], number: int, where: str, root: Path, folder: Path, leave_out: LeaveOut
) -> BenchmarkItem | None:
    prompt, chosen, rejected = texts(row, "prompt", "chosen", "rejected", where=where)
    image = row["image"]
    try:
        picture = image_file(image, root, folder)
    except ImageRefused as refusal:
        leave_out(f"row '{row.get('id')}': {refusal}")
        return None
    path = image.get("path") if isinstance(image, Mapping) else image
    return BenchmarkItem(
        item_id=content_id(NAME, row.get("id"), prompt, chosen, rejected),
        benchmark=NAME,
        image_id=content_id(str(picture)),
        image=str(picture),
        question=prompt.replace("<image>", "").strip(),
        preferred=chosen,
        degraded=rejected,
        kind="open",
        dimension=kind_of_path(str(path or "")),
        place=number,
    )


def read_plain(text: str, order: Order) -> tuple[Verdict, bool]:
    """The verdict as everywhere in this project."""
    verdict = read_verdict(text)
    return verdict, names_preferred(verdict, order)


def acc_plus_scores(judge: str, verdicts: Sequence[VerdictRow], items: Items) -> list[ScoreRow]:
    """A question counts when every pair about it is right in both orders; one item stands for each question."""
    by_question: dict[tuple[str, str], list[tuple[str, float]]] = defaultdict(list)
    for outcome in outcomes(verdicts):
        item = items[outcome.item_id]
        by_question[item.image_id, item.question].append((outcome.item_id, outcome.value(STRICT)))
    counted = {pairs[0][0]: min(value for _, value in pairs) for pairs in by_question.values()}
    if not counted:
        return []
    return sliced_rows(judge=judge, benchmark=NAME, protocol=ACC_PLUS, counted=counted, replies=verdicts, items=items)


BENCHMARK = Benchmark(
    name=NAME,
    load=load_mm_rlhf_rewardbench,
    items=170,
    defects=("A fifth of its rows is about videos, which are left out here.",),
    protocols=(
        Protocol(
            name=ACC_PLUS,
            prompts=None,
            temperature=0.0,
            max_tokens=None,
            orders=both_orders,
            read=read_plain,
            scores=acc_plus_scores,
            rule="The judge's own prompt, greedy, both orders. A question counts when all its pairs are right in both "
            "orders. (The authors compare two scalar rewards.)",
        ),
    ),
)
