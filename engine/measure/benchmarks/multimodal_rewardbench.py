"""Multimodal RewardBench (arXiv 2502.14191, CC-BY-NC): its items, and how its authors score.

Their script shows each item once, in the stored order, and reads a contradictory reply as A and one without a verdict
as a coin flip. `official_scores` does the same with verdicts in both orders, of which it takes the stored one's.
"""

import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine.errors import SourceError
from engine.judging.asking import names_preferred
from engine.measure.benchmarks.official import official_row
from engine.measure.benchmarks.rows import image_file, open_rows, texts, usable
from engine.records import BenchmarkItem, Order, ScoreRow, Verdict, VerdictRow, content_id
from engine.sources.pictures.upright import ImageRefused

NAME = "multimodal-rewardbench"
HUB_ID = "syhuggingface/multimodal_rewardbench"
"""A mirror with images; the authors' release (github.com/facebookresearch/multimodal_rewardbench) holds pointers."""
OFFICIAL = "mmrb-official"
"""Name of the authors' protocol."""
COIN_SEED = 123
"""The authors' seed. They flip in file order, here in order of item ids: the flips agree in number, not one by one."""

_DIMENSIONS = {
    "open_generation/correctness_task": "correctness",
    "open_generation/preference_task": "preference",
    "knowledge": "knowledge",
    "reasoning": "reasoning",
    "safety": "safety",
    "vqa": "vqa",
}
_NOT_IN_IDS = re.compile(r"[^\w.-]")


def load_multimodal_rewardbench(
    place: str | None, *, folder: Path, leave_out: Callable[[str], None] = lambda _: None
) -> list[BenchmarkItem]:
    """All items in an order that mixes the categories; embedded pictures are written to `folder`.

    `place` is all_data.json beside its images, a folder with it, or parquet; None asks the hub for the mirror. Rows
    whose picture is missing are left out; `leave_out` is told of each. Raises `SourceError` if nothing usable is there.
    """
    opened = open_rows(place, hub_id=HUB_ID, files=("data/all_data.json", "all_data.json"))
    items: dict[str, BenchmarkItem] = {}
    for row in opened.rows:
        item = _item(usable(row, opened.where), opened.where, opened.root, folder, leave_out)
        if item is not None:
            items[item.item_id] = item
    if not items:
        raise SourceError(
            f"{opened.where}: holds no item of {NAME} whose picture is there. Fetch the pictures with the "
            "authors' scripts/0_download_data.py."
        )
    return sorted(items.values(), key=lambda item: content_id(item.item_id))


def stored_order(item_id: str) -> Order:
    """The order in which the benchmark's file shows the two responses; the loader keeps it in the id."""
    order = item_id.rsplit(":", 2)[1]
    assert order in ("AB", "BA")
    return "AB" if order == "AB" else "BA"


def read_official_verdict(text: str, coin: random.Random) -> Verdict:
    """What a reply says by the authors' rule: [[A]] wherever it stands, else [[B]], else a coin flip."""
    if "[[A]]" in text:
        return "A"
    if "[[B]]" in text:
        return "B"
    return "A" if coin.random() < 0.5 else "B"


def official_scores(judge: str, verdicts: Sequence[VerdictRow]) -> list[ScoreRow]:
    """Scores by the authors' rules from verdicts of this benchmark: overall is the mean over items.

    Only replies in the stored order count. `invalid` is the share that our own reading calls invalid.
    """
    rows = sorted((row for row in verdicts if row.order == stored_order(row.item_id)), key=lambda row: row.item_id)
    coin = random.Random(COIN_SEED)
    right = {row.item_id: names_preferred(read_official_verdict(row.reasoning, coin), row.order) for row in rows}
    dimensions = ["all", *sorted({row.dimension for row in rows})] if rows else []
    parts = {dimension: [row for row in rows if dimension in ("all", row.dimension)] for dimension in dimensions}
    return [
        official_row(
            judge=judge,
            benchmark=NAME,
            protocol=OFFICIAL,
            dimension=dimension,
            right=[right[row.item_id] for row in part],
            image_ids=[row.image_id for row in part],
            replies=part,
        )
        for dimension, part in parts.items()
    ]


def _item(row: Any, where: str, root: Path, folder: Path, leave_out: Callable[[str], None]) -> BenchmarkItem | None:
    row_id, text, first, second, better, category = texts(
        row, "ID", "Text", "Output1", "Output2", "Better", "Category", where=where
    )
    if better not in ("Output1", "Output2"):
        raise SourceError(f"{where}: row '{row_id}' calls '{better}' better. Is it {NAME}? Download it again.")
    try:
        picture = image_file(row.get("Image"), root, folder)
    except ImageRefused as refusal:
        leave_out(f"row '{row_id}': {refusal}")
        return None
    stored: Order = "AB" if better == "Output1" else "BA"
    # Ids occur twice, so the content is part of ours.
    digest = content_id(NAME, row_id, text, *sorted((first, second)))
    return BenchmarkItem(
        item_id=f"{_NOT_IN_IDS.sub('_', row_id)}:{stored}:{digest}",
        benchmark=NAME,
        image_id=content_id(str(picture)),
        image=str(picture),
        question=text,
        preferred=first if stored == "AB" else second,
        degraded=second if stored == "AB" else first,
        kind="open",
        dimension=_DIMENSIONS.get(category, category),
    )
