"""Multimodal RewardBench 2 (arXiv 2512.16899, CC BY-NC 4.0): its items, and how its authors score them.

Most of its items hold several pictures, in the question and inside the responses; a judge is shown each at its place.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.errors import SourceError
from engine.measure.benchmarks.protocol import Benchmark, Items, LeaveOut, Loaded, Protocol, both_orders, sliced_rows
from engine.measure.benchmarks.rows import each_once, image_file, open_rows, usable
from engine.records import BenchmarkItem, Order, ScoreRow, Verdict, VerdictRow, content_id, names_preferred
from engine.sources.pictures.upright import ImageRefused

NAME = "mmrb2"
HUB_ID = "rl-research/multimodal-rewardbench-2"
OFFICIAL = "mmrb2-official"
TASKS = {"t2i": "image", "edit": "edit", "interleaved": "interleaved", "reasoning": "reasoning"}
"""File or configuration → the task's name, which is the item's dimension."""

_MARKER = re.compile(r"<image_(\d+)>")
_BETTER = re.compile(r"""["']better_response["']\s*:\s*["']\s*([^"']*?)\s*["']""")


@dataclass(frozen=True, slots=True)
class _Content:
    """A question or a response: text with <image 1>, … where its pictures stand."""

    text: str
    images: tuple[Any, ...]


# --- items ---------------------------------------------------------------------------------------------------------


def load_mmrb2(place: str | None, *, folder: Path, leave_out: LeaveOut = lambda _: None) -> Loaded:
    """All pairs of all tasks that are there, t2i first; pictures in rows are written to `folder`.

    `place` is a folder with t2i.json, edit.json, … as the authors' build writes them, one of these files, or a folder
    of the hub's parquet files. Rows without any picture, or with a missing one, are told to `leave_out`.
    Raises `SourceError` if nothing usable is there.
    """
    loaded = each_once(
        _item(row, number, task, where, root, folder, leave_out)
        for number, (task, where, root, row) in enumerate(_pairs(place))
    )
    if not loaded.items:
        raise SourceError(
            f"{place or HUB_ID}: holds no pair of {NAME} whose pictures are there. Build it with the authors' "
            "benchmark/build_from_hf.py and name its folder."
        )
    return loaded


def _pairs(place: str | None) -> Iterator[tuple[str, str, Path, Mapping[str, Any]]]:
    """Task, words for errors, folder and row of every pair."""
    if place is None:
        raise SourceError(
            f"benchmark {NAME}: the hub holds it in four configurations. Build it with the authors' "
            f"benchmark/build_from_hf.py and name its folder: {NAME}=FOLDER."
        )
    path = Path(place).expanduser()
    files = [path] if path.suffix == ".json" else [path / f"{name}.json" for name in TASKS]
    found = [file for file in files if file.is_file()]
    for file in found:
        for row in _of_file(file):
            yield TASKS.get(file.stem, file.stem), str(file), file.parent, row
    if not found:
        for name in TASKS:
            if any((path / name).glob("*.parquet")):
                opened = open_rows(str(path / name), hub_id=HUB_ID)
                for row in opened.rows:
                    yield TASKS[name], opened.where, opened.root, usable(row, opened.where)


def _of_file(file: Path) -> Iterable[Mapping[str, Any]]:
    try:
        pairs = json.loads(file.read_text(encoding="utf-8")).get("pairs")
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise SourceError(f"{file}: cannot be read: {error}. Build it again.") from error
    if not isinstance(pairs, list):
        raise SourceError(f"{file}: has no list 'pairs'. Is it {NAME}? Build it again.")
    return [usable(row, str(file)) for row in pairs]


def _item(
    row: Mapping[str, Any], number: int, task: str, where: str, root: Path, folder: Path, leave_out: LeaveOut
) -> BenchmarkItem | None:
    pair_id, chosen = str(row.get("id") or row.get("pair_id") or ""), str(row.get("chosen") or "").strip().upper()
    if not pair_id or chosen not in ("A", "B"):
        raise SourceError(f"{where}: pair '{pair_id}' chooses '{chosen}', not A or B. Is it {NAME}? Build it again.")
    try:
        question, first, second = (
            _with_files(_content(row, name, where), root, folder) for name in ("prompt", "response_a", "response_b")
        )
    except ImageRefused as refusal:
        leave_out(f"row '{pair_id}': {refusal}")
        return None
    preferred, degraded = (first, second) if chosen == "A" else (second, first)
    pictures = (*question.images, *preferred.images, *degraded.images)
    if not pictures:
        leave_out(f"row '{pair_id}': has no picture")
        return None
    image = question.images[0] if question.images else ""
    return BenchmarkItem(
        item_id=content_id(NAME, task, pair_id),
        benchmark=NAME,
        image_id=content_id(image or pictures[0]),
        image=image,
        question=question.text,
        preferred=preferred.text,
        degraded=degraded.text,
        kind="open",
        dimension=task,
        stored="AB" if chosen == "A" else "BA",
        place=number,
        more_images=question.images[1:],
        preferred_images=preferred.images,
        degraded_images=degraded.images,
    )


def _content(row: Mapping[str, Any], name: str, where: str) -> _Content:
    """From either form: a list of ["text" | "image", value], or a text with <image_N> beside a list of pictures."""
    parts = row.get(f"{name}_content") if name == "prompt" else (row.get(name) or {}).get("response_content")
    if isinstance(parts, list):
        return _of_parts(parts, where)
    text, images = row.get(f"{name}_text"), row.get(f"{name}_images") or []
    if not isinstance(text, str | None) or not isinstance(images, list):
        raise SourceError(f"{where}: a pair has no '{name}'. Is it {NAME}? Build it again.")
    return _of_text(text or "", images)


def _of_parts(parts: Sequence[Any], where: str) -> _Content:
    words: list[str] = []
    images: list[Any] = []
    for part in parts:
        if not isinstance(part, list) or len(part) != 2 or part[0] not in ("text", "image"):
            raise SourceError(f"{where}: a part of a pair is neither text nor image. Build it again.")
        if part[0] == "image":
            images.append(part[1])
            words.append(f"<image {len(images)}>")
        else:
            words.append(str(part[1]))
    return _Content("\n".join(words), tuple(images))


def _of_text(text: str, images: Sequence[Any]) -> _Content:
    """Markers are numbered by their place, as the authors' build does; pictures without a marker stand at the end."""
    numbers = iter(range(1, len(images) + 1))
    placed = _MARKER.sub(lambda _: f"<image {next(numbers, len(images))}>", text)
    if not _MARKER.search(text):
        placed = "\n".join([*([text] if text.strip() else []), *(f"<image {number}>" for number in numbers)])
    return _Content(placed.strip(), tuple(images))


def _with_files(content: _Content, root: Path, folder: Path) -> _Content:
    return _Content(content.text, tuple(str(image_file(image, root, folder)) for image in content.images))


# --- reading and counting ------------------------------------------------------------------------------------------


def read_official(text: str, order: Order) -> tuple[Verdict, bool]:
    """The value of "better_response" in the reply's JSON; anything else that stands there is a verdict for neither."""
    found = _BETTER.search(text)
    if found is None:
        return "invalid", False
    verdict: Verdict = "A" if found[1] == "A" else "B" if found[1] == "B" else "tie"
    return verdict, names_preferred(verdict, order)


def official_scores(judge: str, verdicts: Sequence[VerdictRow], items: Items) -> list[ScoreRow]:
    """Every reply with a verdict counts by itself, in whichever order; those without leave the denominator."""
    by_item: dict[str, list[bool]] = {}
    for row in verdicts:
        if row.verdict != "invalid":
            by_item.setdefault(row.item_id, []).append(row.correct)
    counted = {item_id: sum(right) / len(right) for item_id, right in by_item.items()}
    if not counted:
        return []
    rows = sliced_rows(judge=judge, benchmark=NAME, protocol=OFFICIAL, counted=counted, replies=verdicts, items=items)
    return [_by_reply(row, verdicts) for row in rows]


def _by_reply(row: ScoreRow, verdicts: Sequence[VerdictRow]) -> ScoreRow:
    """The accuracy over replies, which differs from that over items where an item has one readable reply."""
    said = [one.correct for one in verdicts if one.verdict != "invalid" and row.dimension in ("all", one.dimension)]
    accuracy = sum(said) / len(said)
    shift = accuracy - row.accuracy
    return replace(row, accuracy=accuracy, low=max(0.0, row.low + shift), high=min(1.0, row.high + shift))


BENCHMARK = Benchmark(
    name=NAME,
    load=load_mmrb2,
    items=4000,
    protocols=(
        Protocol(
            name=OFFICIAL,
            prompts="mmrb2-official",
            temperature=0.0,
            max_tokens=2048,
            orders=both_orders,
            read=read_official,
            scores=official_scores,
            rule="Greedy, both orders, each reply counts by itself. The verdict is 'better_response' in the reply's "
            "JSON; replies without it leave the denominator.",
        ),
    ),
)
