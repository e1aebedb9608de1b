"""VL-RewardBench (arXiv 2411.17451, hub id MMInstruction/VL-RewardBench): its items, and how its authors score.

Its authors' script takes 10 samples per item (temperature 0.2, top_p 0.2), each in an order drawn by chance, and
scores five of them. `official_scores` is that scoring; the number is the authors' only with their prompt and sampling.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.errors import SourceError
from engine.judging.asking import names_preferred
from engine.measure.benchmarks.official import official_row
from engine.measure.benchmarks.rows import image_file, open_rows, texts, usable
from engine.records import BenchmarkItem, ScoreRow, Verdict, VerdictRow, content_id
from engine.sources.pictures.upright import ImageRefused

NAME = "vl-rewardbench"
HUB_ID = "MMInstruction/VL-RewardBench"
OFFICIAL = "vl-rewardbench-official"
"""Name of the authors' protocol."""
SAMPLES, COUNTED = 10, 5
"""Samples the authors draw per item, and K, how many of them they score."""
GROUPS = ("general", "hallucination", "reasoning")
MACRO = "macro"
"""Dimension of the row with the mean of the three groups."""

_BY_PREFIX = {
    "hallucination": "hallucination",
    "rlaif": "hallucination",
    "rlhf": "hallucination",
    "mathverse": "reasoning",
    "mmmu": "reasoning",
}
"""First part of an id → group; all others are general. 749, 318 and 183 items."""
_JUDGMENT = re.compile(r"answer\s*(\d+)\s*is\s*(?:the\s*)?(?:slightly\s*)?better", re.IGNORECASE)
_CONCLUSION = re.compile(r"overall judgment|therefore", re.IGNORECASE)


def load_vl_rewardbench(
    place: str | None, *, folder: Path, leave_out: Callable[[str], None] = lambda _: None
) -> list[BenchmarkItem]:
    """All items in an order that mixes the groups; embedded pictures are written to `folder`.

    `place` is its parquet file, a folder with it, or the repository's data.jsonl beside its images; None asks the hub.
    Rows whose picture is missing are left out; `leave_out` is told of each. Raises `SourceError` if nothing usable is
    there.
    """
    opened = open_rows(place, hub_id=HUB_ID, files=("data/data.jsonl", "data.jsonl"))
    items: dict[str, BenchmarkItem] = {}
    for row in opened.rows:
        item = _item(usable(row, opened.where), opened.where, opened.root, folder, leave_out)
        if item is not None:
            items[item.item_id] = item
    if not items:
        raise SourceError(f"{opened.where}: holds no usable item of {NAME}. Download it again with its images.")
    return [items[item_id] for item_id in sorted(items)]


def group_of(row_id: str) -> str:
    """The group the authors count an item in, by its id's part before the first "_" or "-"."""
    return _BY_PREFIX.get(re.split(r"[_-]", row_id, maxsplit=1)[0].lower(), "general")


def read_official_verdict(text: str) -> Verdict:
    """What a reply says by the authors' rule: the last "Answer N is better" after "Overall Judgment" or "Therefore".

    Line breaks and asterisks do not count. Answer 1 is A. Their script takes any number but the rejected one as
    right; a number other than 1 and 2 is invalid here.
    """
    plain = text.replace("\n", "").replace("*", "")
    start = _CONCLUSION.search(plain)
    said = _JUDGMENT.findall(plain, start.end()) if start else []
    return {"1": "A", "2": "B"}.get(said[-1], "invalid") if said else "invalid"  # type: ignore[return-value]


def official_scores(judge: str, verdicts: Sequence[VerdictRow]) -> list[ScoreRow]:
    """Scores by the authors' rules from replies in orders drawn by chance, several per item.

    The first five replies of an item count. An item with an unparsed one among them, or without a majority, leaves
    the denominator; `invalid` is its share of the replies. Overall is the mean over items, `macro` over groups.
    """
    by_item: dict[str, list[VerdictRow]] = defaultdict(list)
    for row in verdicts:
        if len(by_item[row.item_id]) < COUNTED:
            by_item[row.item_id].append(row)
    decided = {item_id: right for item_id, rows in by_item.items() if (right := _majority(rows)) is not None}
    scores = []
    for dimension in ("all", *GROUPS):
        ids = [one for one in decided if dimension in ("all", by_item[one][0].dimension)]
        replies = [row for rows in by_item.values() for row in rows if dimension in ("all", row.dimension)]
        if ids:
            score = official_row(
                judge=judge,
                benchmark=NAME,
                protocol=OFFICIAL,
                dimension=dimension,
                right=[decided[one] for one in ids],
                image_ids=[by_item[one][0].image_id for one in ids],
                replies=replies,
            )
            scores.append(score)
    groups = [score for score in scores if score.dimension in GROUPS]
    return [*scores, _macro(scores[0], groups)] if len(groups) == len(GROUPS) else scores


def _item(row: Any, where: str, root: Path, folder: Path, leave_out: Callable[[str], None]) -> BenchmarkItem | None:
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
    )


def _majority(rows: Sequence[VerdictRow]) -> bool | None:
    if any(row.verdict not in ("A", "B") for row in rows):
        return None
    right = sum(names_preferred(row.verdict, row.order) for row in rows)
    return None if 2 * right == len(rows) else 2 * right > len(rows)


def _macro(overall: ScoreRow, groups: Sequence[ScoreRow]) -> ScoreRow:
    """The mean of the groups; its interval from theirs, which rest on different items."""
    mean = sum(group.accuracy for group in groups) / len(groups)
    half = sum(((group.high - group.low) / 2) ** 2 for group in groups) ** 0.5 / len(groups)
    return replace(overall, dimension=MACRO, accuracy=mean, low=max(0.0, mean - half), high=min(1.0, mean + half))
