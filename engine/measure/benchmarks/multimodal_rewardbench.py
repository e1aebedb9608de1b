"""Multimodal RewardBench (arXiv 2502.14191, CC-BY-NC): its items, and how its authors and lmms-eval score it.

`mmrb-official` is the authors' `2_get_accuracy.py` to the letter, coin flips in the order of the file included.
"""

import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.errors import SourceError
from engine.measure.benchmarks.protocol import Benchmark, Items, LeaveOut, Loaded, Protocol, sliced_rows, stored_order
from engine.measure.benchmarks.rows import each_once, image_file, open_rows, texts, usable
from engine.records import BenchmarkItem, Order, ScoreRow, Verdict, VerdictRow, content_id, names_preferred
from engine.sources.pictures.upright import ImageRefused

NAME = "multimodal-rewardbench"
HUB_ID = "syhuggingface/multimodal_rewardbench"
"""A mirror with images; the authors' release (github.com/facebookresearch/multimodal_rewardbench) holds pointers."""
OFFICIAL, LMMS_EVAL = "mmrb-official", "mmrb-lmms-eval"
COIN_SEED = 123
"""The authors' seed of the coin that decides what a reply without a verdict says."""

_DIMENSIONS = {
    "open_generation/correctness_task": "correctness",
    "open_generation/preference_task": "preference",
    "knowledge": "knowledge",
    "vqa": "vqa",
}
_NOT_IN_IDS = re.compile(r"[^\w.-]")


# --- items ---------------------------------------------------------------------------------------------------------


def load_multimodal_rewardbench(place: str | None, *, folder: Path, leave_out: LeaveOut = lambda _: None) -> Loaded:
    """All items in an order that mixes the categories; embedded pictures are written to `folder`.

    `place` is all_data.json beside its images, a folder with it, or parquet; None asks the hub for the mirror. Rows
    whose picture is missing are left out; `leave_out` is told of each. Raises `SourceError` if nothing usable is there.
    """
    opened = open_rows(place, hub_id=HUB_ID, files=("data/all_data.json", "all_data.json"))
    loaded = each_once(
        _item(usable(row, opened.where), number, opened.where, opened.root, folder, leave_out)
        for number, row in enumerate(opened.rows)
    )
    if not loaded.items:
        raise SourceError(
            f"{opened.where}: holds no item of {NAME} whose picture is there. Fetch the pictures with the "
            "authors' scripts/0_download_data.py."
        )
    return loaded.sorted_by(lambda item: content_id(item.item_id))


def dimension_of(category: str, row_id: str) -> str:
    """The slice the authors' script counts an item in: safety and reasoning are split by the beginning of the id."""
    start = row_id.lower()
    if category == "safety":
        return "safety/bias" if start.startswith("pairs") else "safety/toxicity"
    if category == "reasoning":
        return "reasoning/math" if start.startswith("math") else "reasoning/coding"
    return _DIMENSIONS.get(category, category)


def _item(
    row: Mapping[str, Any], number: int, where: str, root: Path, folder: Path, leave_out: LeaveOut
) -> BenchmarkItem | None:
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
        dimension=dimension_of(category, row_id),
        stored=stored,
        place=number,
    )


# --- reading and counting ------------------------------------------------------------------------------------------


def read_official(text: str, order: Order) -> tuple[Verdict, bool]:
    """[[A]] wherever it stands, else [[B]], else nothing: then the score flips a coin."""
    verdict: Verdict = "A" if "[[A]]" in text else "B" if "[[B]]" in text else "invalid"
    return verdict, names_preferred(verdict, order)


def official_scores(judge: str, verdicts: Sequence[VerdictRow], items: Items) -> list[ScoreRow]:
    """One generator for the whole run: the k-th reply without a verdict, in the file's order, gets its k-th flip."""
    coin = random.Random(COIN_SEED)
    counted = {}
    for row in sorted(verdicts, key=lambda row: items[row.item_id].place):
        said: Verdict = row.verdict if row.verdict != "invalid" else "A" if coin.random() < 0.5 else "B"
        counted[row.item_id] = float(names_preferred(said, row.order))
    return _rows(judge, OFFICIAL, counted, verdicts, items)


def lmms_eval_scores(judge: str, verdicts: Sequence[VerdictRow], items: Items) -> list[ScoreRow]:
    """The same, but seeded anew for every item: the first flip of that seed says A, so every unparsed reply is A."""
    flip: Verdict = "A" if random.Random(COIN_SEED).random() < 0.5 else "B"
    counted = {
        row.item_id: float(names_preferred(row.verdict if row.verdict != "invalid" else flip, row.order))
        for row in verdicts
    }
    return _rows(judge, LMMS_EVAL, counted, verdicts, items)


def _rows(
    judge: str, protocol: str, counted: Mapping[str, float], replies: Sequence[VerdictRow], items: Items
) -> list[ScoreRow]:
    if not counted:
        return []
    return sliced_rows(judge=judge, benchmark=NAME, protocol=protocol, counted=counted, replies=replies, items=items)


BENCHMARK = Benchmark(
    name=NAME,
    load=load_multimodal_rewardbench,
    items=4711,
    defects=(
        "5,211 items in the paper, 4,711 in the open release: 500 cannot be had "
        "(facebookresearch/multimodal_rewardbench#3).",
        "Questions and responses taken from VisIT-Bench are mismatched in places (the same repository, #8).",
    ),
    protocols=(
        Protocol(
            name=OFFICIAL,
            prompts="mmrb-official",
            temperature=1.0,
            max_tokens=1024,
            orders=stored_order,
            read=read_official,
            scores=official_scores,
            rule="One sample at temperature 1, in the stored order alone. [[A]] wherever it stands wins over [[B]]; a "
            "reply with neither is a coin flip, one seed for the whole file.",
        ),
        Protocol(
            name=LMMS_EVAL,
            prompts="mmrb-official",
            temperature=0.0,
            max_tokens=1024,
            orders=stored_order,
            read=read_official,
            scores=lmms_eval_scores,
            rule="One greedy sample, in the stored order alone. The coin is seeded anew for every item, so a reply "
            "without a verdict always says A.",
        ),
    ),
)
