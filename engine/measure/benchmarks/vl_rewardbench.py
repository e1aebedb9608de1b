"""VL-RewardBench (arXiv 2411.17451, hub id MMInstruction/VL-RewardBench): its items, and how three harnesses score it.

`vlrb-official` is the authors' `cal.py` to the letter, with K = 5 samples. `vlrb-lmms-eval` and `vlrb-vlmevalkit`
follow those harnesses but for one thing: they let a second model read replies, which nothing here does.
"""

import random
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.errors import SourceError
from engine.measure.benchmarks.protocol import (
    Benchmark,
    Items,
    LeaveOut,
    Loaded,
    Protocol,
    macro_row,
    other,
    sliced_rows,
)
from engine.measure.benchmarks.rows import each_once, image_file, open_rows, texts, usable
from engine.records import (
    ORDERS,
    BenchmarkItem,
    Order,
    ScoreRow,
    Verdict,
    VerdictRow,
    content_id,
    names_preferred,
    seed_for,
)
from engine.sources.pictures.upright import ImageRefused

NAME = "vl-rewardbench"
HUB_ID = "MMInstruction/VL-RewardBench"
OFFICIAL, LMMS_EVAL, VLMEVALKIT = "vlrb-official", "vlrb-lmms-eval", "vlrb-vlmevalkit"
SAMPLES = 5
"""K of the authors' main table. Their script draws ten and scores the first K of a shuffle: the same as drawing K."""
GROUPS = ("general", "hallucination", "reasoning")

_BY_PREFIX = {
    "hallucination": "hallucination",
    "rlaif": "hallucination",
    "rlhf": "hallucination",
    "mathverse": "reasoning",
    "mmmu": "reasoning",
}
"""First part of an id → group; all others are general. 749, 318 and 183 items."""
_JUDGMENT = re.compile(
    r"(?:overall judgment|therefore).*answer\s*(\d+)\s*is\s*(?:the\s*)?(?:slightly\s*)?better", re.IGNORECASE
)
"""Greedy: the last "Answer N is better" after the first conclusion that has one."""


# --- items ---------------------------------------------------------------------------------------------------------


def load_vl_rewardbench(place: str | None, *, folder: Path, leave_out: LeaveOut = lambda _: None) -> Loaded:
    """All items in an order that mixes the groups; embedded pictures are written to `folder`.

    `place` is its parquet file, a folder with it, or the repository's data.jsonl beside its images; None asks the hub.
    Rows whose picture is missing are told to `leave_out`. Raises `SourceError` if nothing usable is there.
    """
    opened = open_rows(place, hub_id=HUB_ID, files=("data/data.jsonl", "data.jsonl"))
    loaded = each_once(
        _item(usable(row, opened.where), number, opened.where, opened.root, folder, leave_out)
        for number, row in enumerate(opened.rows)
    )
    if not loaded.items:
        raise SourceError(f"{opened.where}: holds no usable item of {NAME}. Download it again with its images.")
    return loaded.sorted_by(lambda item: item.item_id)


def group_of(row_id: str) -> str:
    """The group the authors count an item in, by its id's part before the first "_" or "-"."""
    return _BY_PREFIX.get(re.split(r"[_-]", row_id, maxsplit=1)[0].lower(), "general")


def _item(
    row: Mapping[str, Any], number: int, where: str, root: Path, folder: Path, leave_out: LeaveOut
) -> BenchmarkItem | None:
    row_id, query = texts(row, "id", "query", where=where)
    responses, ranks = list(row.get("response") or ()), list(row.get("human_ranking") or ())
    if len(responses) != 2 or sorted(ranks) != [0, 1]:
        raise SourceError(f"{where}: row '{row_id}' has no two ranked responses. Is it {NAME}? Download it again.")
    try:
        picture = image_file(row.get("image", row.get("image_path")), root, folder)
    except ImageRefused as refusal:
        leave_out(f"row '{row_id}': {refusal}")
        return None
    better = ranks.index(0)
    return BenchmarkItem(
        # Ids occur twice; the authors tell rows apart like this, too.
        item_id=content_id(NAME, row_id, query, *sorted(responses)),
        benchmark=NAME,
        image_id=content_id(str(picture)),
        image=str(picture),
        question=query.replace("<image>", "").strip(),
        preferred=responses[better],
        degraded=responses[1 - better],
        kind="open",
        dimension=group_of(row_id),
        stored=ORDERS[better],
        place=number,
    )


# --- asking --------------------------------------------------------------------------------------------------------


def drawn_orders(item: BenchmarkItem, seed: int) -> tuple[Order, ...]:
    """Each of the K samples in an order of its own, by chance."""
    draw = random.Random(seed_for("vlrb order", seed, item.item_id))
    return tuple(draw.choice(ORDERS) for _ in range(SAMPLES))


def parity_order(item: BenchmarkItem, _seed: int) -> tuple[Order, ...]:
    """Once: as stored where the responses' characters sum to an even number, else turned round."""
    even = (len(item.preferred) + len(item.degraded)) % 2 == 0
    return (item.stored if even else other(item.stored),)


def read_official(text: str, order: Order) -> tuple[Verdict, bool]:
    """What a reply says by the authors' pattern, line breaks and asterisks removed.

    Any number but the rejected response's counts as right, so "Answer 3 is better" is right though no verdict.
    """
    found = _JUDGMENT.search(text.replace("\n", "").replace("*", ""))
    if found is None:
        return "invalid", False
    number = int(found[1])
    rejected = 2 if order == "AB" else 1
    verdict: Verdict = "A" if number == 1 else "B" if number == 2 else "invalid"
    return verdict, number != rejected


def read_of_two(text: str, order: Order) -> tuple[Verdict, bool]:
    """The same pattern in the other harnesses, where only the number of the better response is right."""
    verdict, _ = read_official(text, order)
    return verdict, names_preferred(verdict, order)


# --- counting ------------------------------------------------------------------------------------------------------


def official_scores(judge: str, verdicts: Sequence[VerdictRow], items: Items) -> list[ScoreRow]:
    """`classify` of cal.py: an item agrees when more than half of all its samples agree, rejects likewise, else it
    leaves the denominator. Unparsed samples count among all. Overall over items, macro over groups."""
    by_item: dict[str, list[VerdictRow]] = defaultdict(list)
    for row in sorted(verdicts, key=lambda row: row.sample):
        if len(by_item[row.item_id]) < SAMPLES:
            by_item[row.item_id].append(row)
    counted = {item_id: float(right) for item_id, rows in by_item.items() if (right := _majority(rows)) is not None}
    replies = [row for rows in by_item.values() for row in rows]
    return _rows(judge, OFFICIAL, counted, replies, items)


def _majority(rows: Sequence[VerdictRow]) -> bool | None:
    """Whether the item agrees; None where neither side has more than half of all samples."""
    agree = sum(row.correct for row in rows)
    reject = sum(row.verdict in ("A", "B") and not row.correct for row in rows)
    if 2 * agree > len(rows):
        return True
    return False if 2 * reject > len(rows) else None


def lmms_eval_scores(judge: str, verdicts: Sequence[VerdictRow], items: Items) -> list[ScoreRow]:
    """One sample per item, all items count; an unparsed reply is a coin. The harness prints the macro mean alone."""
    counted = {
        row.item_id: float(row.correct if row.verdict != "invalid" else seed_for("coin", row.item_id) % 2)
        for row in verdicts
    }
    return [row for row in _rows(judge, LMMS_EVAL, counted, verdicts, items) if row.dimension != "all"]


def vlmevalkit_scores(judge: str, verdicts: Sequence[VerdictRow], items: Items) -> list[ScoreRow]:
    """One sample per item, all items count; an unparsed reply is wrong."""
    return _rows(judge, VLMEVALKIT, {row.item_id: float(row.correct) for row in verdicts}, verdicts, items)


def _rows(
    judge: str, protocol: str, counted: Mapping[str, float], replies: Sequence[VerdictRow], items: Items
) -> list[ScoreRow]:
    if not counted:
        return []
    rows = sliced_rows(judge=judge, benchmark=NAME, protocol=protocol, counted=counted, replies=replies, items=items)
    return [*rows, *macro_row(rows, GROUPS)]


BENCHMARK = Benchmark(
    name=NAME,
    load=load_vl_rewardbench,
    items=1247,
    defects=("1,250 rows until May 2025, 1,247 since: older numbers are on three more.",),
    protocols=(
        Protocol(
            name=OFFICIAL,
            prompts="vlrb-official",
            temperature=0.2,
            top_p=0.2,
            max_tokens=2048,
            orders=drawn_orders,
            read=read_official,
            scores=official_scores,
            rule="Five samples per item, each in an order drawn by chance. More than half of all five must agree or "
            "reject; items with neither leave the denominator.",
        ),
        Protocol(
            name=LMMS_EVAL,
            prompts="vlrb-official",
            temperature=1.0,
            max_tokens=1024,
            orders=parity_order,
            read=read_of_two,
            scores=lmms_eval_scores,
            headline="macro",
            rule="One sample at temperature 1, in an order fixed by the responses' lengths. A reply without the phrase "
            "is a coin flip (there, a second model reads it first). The number is the mean of three groups.",
        ),
        Protocol(
            name=VLMEVALKIT,
            prompts="vlrb-official",
            temperature=0.0,
            max_tokens=1024,
            orders=parity_order,
            read=read_of_two,
            scores=vlmevalkit_scores,
            rule="One greedy sample, in an order fixed by the responses' lengths. A reply without the phrase is wrong "
            "(there, a second model reads every reply).",
        ),
    ),
)
