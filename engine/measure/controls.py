"""Judges that should not work, and one that needs no training: rules without a model, and the names of the controls
that use one.

A judge that does not beat these has learned their rule. On VL-RewardBench "the shorter response wins" alone
scores .569, above many published judges, so they stand beside every accuracy.
"""

from collections.abc import Iterable, Sequence

from engine.judging.asking import verdict_row
from engine.records import BASE_JUDGE, ORDERS, BenchmarkItem, Order, Verdict, VerdictRow, content_id, naming, seed_for

SHORTER_WINS = "control:shorter-wins"
LONGER_WINS = "control:longer-wins"
ALWAYS_A = "control:always-A"
MODEL_FREE = (SHORTER_WINS, LONGER_WINS, ALWAYS_A)
_IMAGE_BLIND = "control:image-blind"
_WRONG_IMAGE = "control:wrong-image"
PROMPTED = "control:prompted"
"""judge-v0 whose replies are begun for it (`evaluate.prompted`): what that is worth without any training."""


def image_blind(judge: str) -> str:
    """The name under which `judge` is measured without the image."""
    return _IMAGE_BLIND if judge == BASE_JUDGE else f"{_IMAGE_BLIND}:{judge}"


def wrong_image(judge: str) -> str:
    """The name under which `judge` is measured with another item's picture."""
    return _WRONG_IMAGE if judge == BASE_JUDGE else f"{_WRONG_IMAGE}:{judge}"


def is_wrong_image(name: str) -> bool:
    return name == _WRONG_IMAGE or name.startswith(f"{_WRONG_IMAGE}:")


def judge_behind(name: str) -> str:
    """The judge version that writes the replies of `name`: itself, or the one behind a control that asks it."""
    if name in (_IMAGE_BLIND, _WRONG_IMAGE, PROMPTED):
        return BASE_JUDGE
    return name.removeprefix(f"{_IMAGE_BLIND}:").removeprefix(f"{_WRONG_IMAGE}:")


def other_pictures(image_ids: Iterable[str]) -> dict[str, str]:
    """Image → another image, each used once: the next one in the order of their hashed ids, the first after the last.

    The prompt stays one that the model knows, a question about a picture, while `image-blind` asks what none was
    trained on. Empty for fewer than two images: there is no other picture.
    """
    ordered = sorted(set(image_ids), key=lambda image_id: content_id("wrong-image", image_id))
    if len(ordered) < 2:
        return {}
    return dict(zip(ordered, [*ordered[1:], ordered[0]], strict=True))


def control_sample(items: Sequence[BenchmarkItem], most: int | None) -> list[BenchmarkItem]:
    """The items on which controls that ask the model are measured: all, or `most` by the hash of their ids."""
    if most is None or most >= len(items):
        return list(items)
    return sorted(items, key=lambda item: content_id("control sample", item.item_id))[:most]


def is_control(name: str) -> bool:
    return name.startswith("control:")


def length(text: str) -> int:
    """The length every length rule and lean goes by: characters, outer white space not counted."""
    return len(text.strip())


def control_verdicts(control: str, items: Iterable[BenchmarkItem]) -> list[VerdictRow]:
    """What a model-free control says of every item in both orders."""
    return [verdict_row(control, item, order, _verdict(control, item, order)) for item in items for order in ORDERS]


def _verdict(control: str, item: BenchmarkItem, order: Order) -> Verdict:
    if control == ALWAYS_A:
        return "A"
    assert control in (SHORTER_WINS, LONGER_WINS), control
    difference = length(item.preferred) - length(item.degraded)
    if difference == 0:
        # Both rules are silent. One coin per item, the same in both orders, costs the rule nothing: calling it
        # a tie, always wrong, would make the control look weaker than it is.
        prefers_preferred = seed_for("equal length", item.item_id) % 2 == 0
    else:
        prefers_preferred = (difference < 0) == (control == SHORTER_WINS)
    return naming(prefers_preferred, order)
