"""Labels by hand: which benchmark item a person is asked about next, their answer, and what all answers say of a judge.

The order is drawn once per run and benchmark, `runs/<run>/labels-<benchmark>.json`, and leans towards items on which
verdicts disagree; because every beginning of it is a sample with known chances, the estimate is fair wherever a person
stops. The person sees the item blind: no key, no verdict, the responses in an order of their own.
"""

import re
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from engine.errors import UsageError
from engine.measure.agreement import (
    Estimate,
    Kappa,
    cohens_kappa,
    drawn_order,
    inclusion_chances,
    share_by_labels,
)
from engine.measure.controls import MODEL_FREE, control_verdicts
from engine.records import BenchmarkItem, HandLabel, Order, Said, VerdictRow, in_order, seed_for
from engine.workspace.files import read_json, write_json
from engine.workspace.folders import RunFolder
from engine.workspace.hand_labels import add_label, read_labels, take_label_back

Answer = Literal["A", "B", "tie", "cannot tell"]
"""What a person says of the two responses by place."""
_LIGHTEST = 1 / 3
"""Weight of an item on which all verdicts agree, against 1 where they are split: lighter would leave the estimate to a
few labels that stand for many items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The order in which items of one benchmark are put before a person, drawn once."""

    benchmark: str
    item_ids: tuple[str, ...]
    weights: tuple[float, ...]
    """How strongly each was drawn to the front."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToLabel:
    """One item to be shown, blind."""

    item: BenchmarkItem
    order: Order
    """AB: the key's preferred response is shown as A. The page must not tell."""
    place: int
    """In the sheet, from 0."""
    done: int
    """Items this person has answered."""
    total: int

    @property
    def first(self) -> str:
        """The response to be shown as A."""
        return self.item.preferred if self.order == "AB" else self.item.degraded

    @property
    def second(self) -> str:
        return self.item.degraded if self.order == "AB" else self.item.preferred

    @property
    def pictures(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Paths of the pictures inside the one shown as A and the one shown as B, relative to the workspace."""
        return in_order(self.order, self.item.preferred_images, self.item.degraded_images)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandEstimate:
    """What one person's labels say of one judge."""

    judge: str
    benchmark: str
    rater: str
    labels: int
    ties: int
    cannot_tell: int
    kappa: Kappa | None
    """Judge and person, on items where both name a response; None where there is no such item."""
    right: Estimate
    """Share of *these* items on which the person would call the judge right, from labels and all verdicts."""
    labels_alone: Estimate
    """The same without the verdicts on items that nobody labelled."""
    key: Estimate
    """Share of these items on which the person sides with the key: how good the self-made labels are."""


# --- asking --------------------------------------------------------------------------------------------------------


def next_to_label(run: RunFolder, *, rater: str = "me", benchmark: str | None = None) -> ToLabel | None:
    """The next item this person has not answered; None when all are. `benchmark`: the deciding one if left out.

    Raises `UsageError` where nothing was measured yet.
    """
    items = _items(run, benchmark)
    sheet = sheet_of(run, next(iter(items.values())).benchmark)
    answered = {one.item_id for one in read_labels(run) if (one.benchmark, one.rater) == (sheet.benchmark, rater)}
    for place, item_id in enumerate(sheet.item_ids):
        if item_id not in answered and item_id in items:
            item = items[item_id]
            order: Order = "AB" if seed_for("hand label", run.name, rater, item_id) % 2 else "BA"
            return ToLabel(item=item, order=order, place=place, done=len(answered), total=len(sheet.item_ids))
    return None


def record_answer(
    run: RunFolder, shown: ToLabel, answer: Answer, *, rater: str = "me", seconds: float | None = None
) -> HandLabel:
    """Keep an answer about an item as it was shown. Raises `UsageError` for an answer of another kind."""
    if answer not in get_args(Answer):
        raise UsageError(f"label: '{answer}' is no answer. Use one of {', '.join(get_args(Answer))}.")
    if answer in ("A", "B"):
        said: Said = "preferred" if (answer == "A") == (shown.order == "AB") else "degraded"
    else:
        said = "tie" if answer == "tie" else "cannot tell"
    label = HandLabel(
        benchmark=shown.item.benchmark,
        item_id=shown.item.item_id,
        image_id=shown.item.image_id,
        dimension=shown.item.dimension,
        rater=rater,
        said=said,
        order=shown.order,
        place=shown.place,
        seconds=seconds,
        time=round(time.time(), 3),
    )
    add_label(run, label)
    return label


def undo_last(run: RunFolder, *, rater: str = "me", benchmark: str | None = None) -> HandLabel | None:
    """Take the person's last answer back, so that its item comes again; None if there is none."""
    given = [one for one in read_labels(run) if one.rater == rater and benchmark in (None, one.benchmark)]
    if not given:
        return None
    take_label_back(run, given[-1])
    return given[-1]


def picture_of(run: RunFolder, item: BenchmarkItem) -> Path | None:
    """The item's picture as a file; None if it is gone."""
    root = run.workspace.root
    if item.image and (root / item.image).is_file():
        return root / item.image
    return next((root / "images" / item.image_id[:2]).glob(f"{item.image_id}.*"), None)


def sheet_of(run: RunFolder, benchmark: str) -> Sheet:
    """The order of a benchmark's items, drawn at the first call with the verdicts there are by then."""
    path = run.folder / f"labels-{re.sub(r'[^a-z0-9]+', '-', benchmark.lower())}.json"
    known = read_json(path)
    if known is None:
        items = sorted(_items(run, benchmark))
        weights_N = np.array([_weight(doubt) for doubt in _doubts(run, benchmark, items)])
        order = drawn_order(weights_N, np.random.default_rng(seed_for("label sheet", benchmark, *items)))
        known = {
            "benchmark": benchmark,
            "item_ids": [items[place] for place in order],
            "weights": [round(float(weights_N[place]), 6) for place in order],
        }
        write_json(path, known)
    return Sheet(benchmark=benchmark, item_ids=tuple(known["item_ids"]), weights=tuple(known["weights"]))


def _weight(doubt: float) -> float:
    return _LIGHTEST + (1 - _LIGHTEST) * doubt


def _doubts(run: RunFolder, benchmark: str, items: Sequence[str]) -> list[float]:
    """How split the verdicts of all versions and orders are on each item: 0 all agree, 1 half and half or none says."""
    said: dict[str, list[bool]] = defaultdict(list)
    for row in _verdicts(run):
        if row.benchmark == benchmark and row.verdict in ("A", "B") and not row.judge.startswith("control:"):
            said[row.item_id].append(row.correct)
    shares = [sum(said[item]) / len(said[item]) if said[item] else 0.5 for item in items]
    return [4 * share * (1 - share) for share in shares]


# --- what the answers say ------------------------------------------------------------------------------------------


def judged_by_hand(
    run: RunFolder, judge: str, *, rater: str = "me", benchmark: str | None = None
) -> HandEstimate | None:
    """What this person's labels say of a judge version; None without labels.

    Raises `UsageError` if that version was not measured on all items of the benchmark.
    """
    sheet, labels = _answered(run, rater, benchmark)
    if not labels:
        return None
    place_of = {item_id: place for place, item_id in enumerate(sheet.item_ids)}
    sides = _sides(run, judge, sheet.benchmark)
    if missing := [item_id for item_id in sheet.item_ids if item_id not in sides]:
        raise UsageError(f"{run.name}/{judge}: has no verdicts on {len(missing)} labelled items. Measure it first.")
    verdicts_N = np.array([float(sides[item_id] == "preferred") for item_id in sheet.item_ids])
    weights_N = np.array(sheet.weights)
    labelled_L = np.array([place_of[one.item_id] for one in labels], dtype=np.int64)
    named_L = np.array([one.said in ("preferred", "degraded") for one in labels])
    right_L = np.array([float(one.said == sides[one.item_id]) for one in labels])
    with_key_L = np.array([float(one.said == "preferred") for one in labels])
    return HandEstimate(
        judge=judge,
        benchmark=sheet.benchmark,
        rater=rater,
        labels=len(labels),
        ties=sum(one.said == "tie" for one in labels),
        cannot_tell=sum(one.said == "cannot tell" for one in labels),
        kappa=_kappa(labels, sides, inclusion_chances(weights_N, len(labels))[labelled_L]),
        right=share_by_labels(verdicts_N, labelled_L, right_L, named_L, weights_N),
        labels_alone=share_by_labels(verdicts_N, labelled_L, right_L, named_L, weights_N, use=False),
        key=share_by_labels(np.ones(len(weights_N)), labelled_L, with_key_L, named_L, weights_N, use=False),
    )


def kappa_by_hand(run: RunFolder, judge: str, *, rater: str = "me", benchmark: str | None = None) -> Kappa | None:
    """κ of a judge with this person on the labelled items that it was asked about: for controls that see a part of the
    benchmark. None where there is no such item on which both name a response."""
    sheet, labels = _answered(run, rater, benchmark)
    sides = _sides(run, judge, sheet.benchmark)
    place_of = {item_id: place for place, item_id in enumerate(sheet.item_ids)}
    chances = inclusion_chances(np.array(sheet.weights), len(labels)) if labels else np.zeros(0)
    asked = [one for one in labels if one.item_id in sides]
    return _kappa(asked, sides, np.array([chances[place_of[one.item_id]] for one in asked])) if asked else None


def _answered(run: RunFolder, rater: str, benchmark: str | None) -> tuple[Sheet, list[HandLabel]]:
    """The benchmark's sheet, and this person's labels of items on it."""
    sheet = sheet_of(run, next(iter(_items(run, benchmark).values())).benchmark)
    known = set(sheet.item_ids)
    labels = [
        one
        for one in read_labels(run)
        if (one.benchmark, one.rater) == (sheet.benchmark, rater) and one.item_id in known
    ]
    return sheet, labels


def _kappa(labels: Sequence[HandLabel], sides: Mapping[str, Said | None], chances_L: np.ndarray) -> Kappa | None:
    both = [
        (sides[one.item_id] == "preferred", one.said == "preferred", 1 / chance)
        for one, chance in zip(labels, chances_L, strict=True)
        if one.said in ("preferred", "degraded") and sides[one.item_id] is not None
    ]
    if not both:
        return None
    judge, person, weight = zip(*both, strict=True)
    return cohens_kappa(np.array(judge, dtype=bool), np.array(person, dtype=bool), np.array(weight))


def _sides(run: RunFolder, judge: str, benchmark: str) -> dict[str, Said | None]:
    """Item → the response the judge names in both orders; None where the orders differ or one names none."""
    by_item: dict[str, list[VerdictRow]] = defaultdict(list)
    # Rules without a model are not stored: what they say follows from the items.
    rows = control_verdicts(judge, _items(run, benchmark).values()) if judge in MODEL_FREE else _verdicts(run)
    for row in rows:
        if (row.judge, row.benchmark) == (judge, benchmark):
            by_item[row.item_id].append(row)
    sides: dict[str, Said | None] = {}
    for item_id, rows in by_item.items():
        if all(row.correct for row in rows):
            sides[item_id] = "preferred"
        elif all(row.verdict in ("A", "B") and not row.correct for row in rows):
            sides[item_id] = "degraded"
        else:
            sides[item_id] = None
    return sides


def _items(run: RunFolder, benchmark: str | None) -> dict[str, BenchmarkItem]:
    rows = run.stage(0, "benchmark").read("items", BenchmarkItem)
    wanted = benchmark or (rows[0].benchmark if rows else None)
    found = {row.item_id: row for row in rows if row.benchmark == wanted}
    if not found:
        raise UsageError(f"run '{run.name}': there are no items of {wanted or 'a benchmark'} to label yet.")
    return found


def _verdicts(run: RunFolder) -> list[VerdictRow]:
    """Of every version, from the run's own evaluations."""
    rows: list[VerdictRow] = []
    number = 0
    while (folder := run.stage(number, "evaluate")).folder.exists():
        rows += folder.read("verdicts", VerdictRow)
        number += 1
    return rows
