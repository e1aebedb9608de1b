"""The control `wrong-image`: a judge rules on comparisons that are shown with another comparison's picture, greedily.

What it still gets right no picture was needed for. `engine.stages.evaluate` asks the same of a run's own versions as a
part of its stage.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from engine.backends.base import Backend, Sampling
from engine.judging.asking import replied_row, ruling_request
from engine.measure.controls import control_sample, other_pictures
from engine.prompts import PromptPack
from engine.records import ORDERS, BenchmarkItem, VerdictRow


def wrong_image_verdicts(
    backend: Backend,
    items: Sequence[BenchmarkItem],
    images: Mapping[str, Path],
    *,
    judge: str,
    name: str,
    pack: PromptPack,
    max_tokens: int,
    most: int | None,
    on_reply: Callable[[], None] = lambda: None,
) -> list[VerdictRow]:
    """Both orders of at most `most` items with one picture, as rows of `name`; none where there is no other picture.

    `images`: image id → picture. `judge` is the version as the backend knows it.
    """
    items = [item for item in items if item.has_one_picture]
    others = other_pictures(item.image_id for item in items)
    asked = {f"{item.item_id}/{order}": (item, order) for item in control_sample(items, most) for order in ORDERS}
    if not others:
        return []
    requests = [
        ruling_request(
            pack,
            item.comparison(images[others[item.image_id]]),
            order,
            key=key,
            judge=judge,
            sampling=Sampling(max_tokens=max_tokens),
        )
        for key, (item, order) in asked.items()
    ]
    replies = {}
    for reply in backend.generate(requests):
        on_reply()
        replies[reply.key] = reply
    return [replied_row(name, item, order, replies[key]) for key, (item, order) in asked.items()]
