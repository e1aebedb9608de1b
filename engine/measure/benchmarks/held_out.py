"""The benchmark every run can have: its own pairs on images that were set apart before anything was synthesized.

judge-v0 wrote them, so their labels are right as often as its constructions are; they never reach training.
"""

from collections.abc import Mapping, Sequence

from engine.records import BenchmarkItem, Pair

NAME = "held-out"
AGREEMENT = "agreement with self-made labels"
"""What a number on these items is: the key is the construction, which judge-v0 wrote, and no person's."""


def number_on(benchmark: str) -> str:
    """What a share of right verdicts on a benchmark is called."""
    return AGREEMENT if benchmark == NAME else "accuracy"


def deciding_note(benchmark: str) -> str:
    """On what the choice of the best version rests, where that is labels the run did not make itself; else ""."""
    if benchmark == NAME:
        return ""
    return (
        f"{benchmark} has a key that the run did not make, and it decides which version is best: labels steer this "
        "run, though none is trained on."
    )


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
