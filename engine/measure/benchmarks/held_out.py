"""The benchmark every run can have: its own pairs on images that were set apart before anything was synthesized.

judge-v0 wrote them, so their labels are right as often as its constructions are; they never reach training.
"""

from collections.abc import Mapping, Sequence

from engine.records import BenchmarkItem, Pair

NAME = "held-out"


def held_out_items(pairs: Sequence[Pair], paths: Mapping[str, str] | None = None) -> list[BenchmarkItem]:
    """The usable ones of `pairs` as items, in order. `paths`: image id → path, for readers without the images table."""
    return pair_items(pairs, paths, benchmark=NAME)


def pair_items(pairs: Sequence[Pair], paths: Mapping[str, str] | None = None, *, benchmark: str) -> list[BenchmarkItem]:
    """Like `held_out_items`, for any pairs, as items of `benchmark`."""
    return [
        BenchmarkItem(
            item_id=pair.pair_id,
            benchmark=benchmark,
            image_id=pair.image_id,
            image=(paths or {}).get(pair.image_id, ""),
            question=pair.question,
            preferred=pair.preferred,
            degraded=pair.degraded,
            kind=pair.kind,
            dimension=pair.dimension,
        )
        for pair in pairs
        if pair.dropped is None
    ]
